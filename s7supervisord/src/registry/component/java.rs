//! What is particular about a component that runs Java, or doesn't and has parts that are for Java.

use super::Builder;
use crate::registry::diagnostic::{Finding, Span, shown};
use crate::registry::elements::Argument;
use crate::registry::java;
use crate::registry::plan::JavaPlan;
use crate::registry::reading::Reading;

impl Builder<'_> {
    /// What the supervisor has to know of a Java's options.
    pub(super) fn java(
        &self,
        java: JavaPlan,
        (arguments, environment): (&[String], &[(String, String)]),
        reading: &mut Reading<'_>,
    ) -> JavaPlan {
        let options = &arguments[..java.options.min(arguments.len())];
        let java = java.with_options(options, environment, self.id);
        if self.instance == 1 {
            self.look_at_variables(options, environment, reading);
        }
        if let Some(option) = java.deaf_by.as_ref().filter(|_| self.layer.dump.is_some())
            && self.instance == 1
        {
            let message = format!(
                "`{}` is never asked for a dump of its threads: with {} the signal for that would end it",
                self.server,
                shown(option)
            );
            let hint = "remove the option where dumps are wanted";
            reading
                .findings
                .report(Finding::warning(self.element, message).hint(hint));
        }
        java
    }

    /// Reports what its variables hold and the options of its command line don't show.
    fn look_at_variables(
        &self,
        options: &[String],
        environment: &[(String, String)],
        reading: &mut Reading<'_>,
    ) {
        let all = java::all_options(options, environment);
        let by = |what: &dyn Fn(&str) -> bool| {
            let given = all.iter().filter(|(option, _)| what(option));
            let from = given.clone().filter_map(|(_, variable)| *variable).next();
            (given.count(), from)
        };
        if let (_, Some(variable)) = by(&java::is_debugger) {
            let message = format!(
                "a debugger can hold `{}` up, so it is not restarted when its health checks fail",
                self.server
            );
            let hint = format!("remove the option from {variable} when nobody debugs it any more");
            reading
                .findings
                .report(Finding::warning(self.element, message).hint(hint));
        }
        if let (2.., Some(variable)) = by(&java::sets_heap_size) {
            let message = format!(
                "the size of the heap (`-Xmx`) of `{}` is given twice, once of them in {variable}",
                self.server
            );
            let hint = "Java silently takes one of them; give it once";
            reading
                .findings
                .report(Finding::warning(self.element, message).hint(hint));
        }
    }

    /// Reports what can't be meant, and what has a consequence that isn't seen in it. `texts` are what `options` come to.
    pub(super) fn look_at_options(&self, options: &[&Argument], texts: &[String], reading: &mut Reading<'_>) {
        let mut heap_size: Option<Span> = None;
        for (option, text) in options.iter().zip(texts) {
            let at = option.text.at;
            if java::sets_heap_size(text) && option.java_from.is_none() {
                match heap_size {
                    Some(first) => reading.twice(at, first, "the size of the heap (`-Xmx`)"),
                    None => heap_size = Some(at),
                }
            }
            if java::is_debugger(text) && self.instance == 1 {
                let message = format!(
                    "a debugger can hold `{}` up, so it is not restarted when its health checks fail",
                    self.server
                );
                let hint = "remove the option when nobody debugs it any more";
                reading.findings.report(Finding::warning(at, message).hint(hint));
            }
        }
    }

    pub(super) fn refuse_java_parts(&self, reading: &mut Reading<'_>) {
        let layer = self.layer;
        let vm_argument = layer.vm_arguments.first().map(|argument| &argument.text);
        let parts = [
            ("mainClass", layer.main_class.as_ref()),
            ("classpath", layer.class_path.first()),
            ("vmArguments", vm_argument),
        ];
        // The first is enough: they come together, and one profile of Java makes sense of them all.
        let Some((name, text)) = parts.into_iter().find_map(|(name, text)| Some((name, text?))) else {
            return;
        };
        let message = format!("`<{name}>` is for Java, and `{}` doesn't run Java", self.server);
        let at = match text.at.source == self.element.source {
            true => text.at,
            false => self.element,
        };
        reading
            .findings
            .report(Finding::error(at, message).hint("add a profile of kind java, such as `Java64`"));
    }
}
