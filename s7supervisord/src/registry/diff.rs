//! What a reload has to do: how two plans differ, component by component.

use super::plan::{ComponentPlan, NotifyPlan, Plan};
use s7proto::name::ComponentName;
use std::collections::HashMap;

/// One component that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which component.
    pub component: ComponentName,
    /// What kind of difference it is.
    pub kind: ChangeKind,
    /// What differs, by the registry's own names; empty for an added or removed component.
    pub fields: Vec<&'static str>,
}

/// What a difference asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the new plan has it.
    Added,
    /// Only the old plan has it.
    Removed,
    /// The process itself would be another one, so it needs a new run.
    NeedsRun,
    /// Everything that differs can be applied while it runs.
    Live,
}

/// The components that differ: those of the new plan in its order, then the removed ones in the order of the old.
#[must_use]
pub fn diff(old: &Plan, new: &Plan) -> Vec<Change> {
    let by_id = |plan: &'_ Plan| -> HashMap<ComponentName, usize> {
        let ids = plan.components.iter().enumerate();
        ids.map(|(index, component)| (component.id.clone(), index))
            .collect()
    };
    let (old_ids, new_ids) = (by_id(old), by_id(new));
    let mut changes = Vec::new();
    for component in &new.components {
        let before = old_ids
            .get(&component.id)
            .and_then(|index| old.components.get(*index));
        match before {
            Some(before) => changes.extend(compare(before, component)),
            None => changes.push(whole(component, ChangeKind::Added)),
        }
    }
    let removed = old
        .components
        .iter()
        .filter(|component| !new_ids.contains_key(&component.id));
    changes.extend(removed.map(|component| whole(component, ChangeKind::Removed)));
    changes
}

/// What differs in `<config>`, by the registry's own names.
#[must_use]
pub fn diff_config(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let (old, new) = (&old.supervisor, &new.supervisor);
    names([
        ("tcpport", old.tcp_port != new.tcp_port),
        ("log", old.log != new.log),
        ("temp", old.temp != new.temp),
        ("tracelevel", old.trace_level != new.trace_level),
        ("tracestatsinterval", old.stats_interval != new.stats_interval),
    ])
}

fn whole(component: &ComponentPlan, kind: ChangeKind) -> Change {
    Change {
        component: component.id.clone(),
        kind,
        fields: Vec::new(),
    }
}

fn compare(old: &ComponentPlan, new: &ComponentPlan) -> Option<Change> {
    // Both are taken apart, so that a new field can't be forgotten here.
    let ComponentPlan {
        id,
        instance_of,
        description,
        run,
        auto_start,
        tier,
        start_delay,
        stop_timeout,
        restart,
        stop,
        health,
        readiness,
        notify,
        port,
        memory,
        on_failure,
        triggers,
        depends_on,
        log,
        dump,
        java,
    } = new;
    let super::plan::RunPlan {
        program,
        arguments,
        inherit_environment,
        environment,
        working_directory,
        user,
        group,
        umask,
        limits,
    } = run;
    let environment_differs =
        *inherit_environment != old.run.inherit_environment || *environment != old.run.environment;
    let told = |plan: &Option<NotifyPlan>| plan.map(|notify| (notify.by, notify.watchdog));
    let notify_differs = told(notify) != told(&old.notify);
    let mut fields = names([
        // The number of an instance is in its environment (S7_INSTANCE).
        ("instances", *instance_of != old.instance_of),
        ("executable", *program != old.run.program),
        ("arguments", *arguments != old.run.arguments || *java != old.java),
        ("environment", environment_differs),
        (
            "workingDirectory",
            *working_directory != old.run.working_directory,
        ),
        ("user", *user != old.run.user),
        ("group", *group != old.run.group),
        ("umask", *umask != old.run.umask),
        ("limits", *limits != old.run.limits),
        // Where and how often it tells of itself is in its environment.
        ("notify", notify_differs),
    ]);
    let kind = match fields.is_empty() {
        true => ChangeKind::Live,
        false => ChangeKind::NeedsRun,
    };
    fields.extend(names([
        ("description", *description != old.description),
        ("autoStart", *auto_start != old.auto_start),
        ("startPriority", *tier != old.tier),
        ("startDelay", *start_delay != old.start_delay),
        ("stopTimeout", *stop_timeout != old.stop_timeout),
        ("restart", *restart != old.restart),
        ("stop", *stop != old.stop),
        ("health", *health != old.health),
        ("readiness", *readiness != old.readiness),
        ("notify", !notify_differs && *notify != old.notify),
        ("port", *port != old.port),
        ("memory", *memory != old.memory),
        ("onFailure", *on_failure != old.on_failure),
        ("match", *triggers != old.triggers),
        ("dependsOn", *depends_on != old.depends_on),
        ("log", *log != old.log),
        ("dump", *dump != old.dump),
    ]));
    (!fields.is_empty()).then(|| Change {
        component: id.clone(),
        kind,
        fields,
    })
}

fn names<const N: usize>(all: [(&'static str, bool); N]) -> Vec<&'static str> {
    all.into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{LoadOptions, Os, load_text};
    use super::*;

    fn plan(servers: &str) -> Plan {
        let options = LoadOptions {
            file: "r.xml".into(),
            install_folder: "/s7".into(),
            settings: Vec::new(),
            strict: true,
            os: Os::Linux,
        };
        let text = format!("<supervisor><servers>{servers}</servers></supervisor>");
        load_text(text.as_bytes(), &options, &[]).unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn server(inner: &str) -> Plan {
        plan(&format!(
            "<server id='a'><executable>bin/a</executable>{inner}</server>"
        ))
    }

    #[test]
    fn the_same_registry_read_twice_has_no_difference() {
        let inner = "<arguments><argument>x</argument></arguments><health type='tcp' port='1'/>";
        assert_eq!(diff(&server(inner), &server(inner)), []);
    }

    #[test]
    fn what_makes_another_process_needs_a_run_and_everything_else_applies_live() {
        for (inner, kind, fields) in [
            (
                "<arguments><argument>x</argument></arguments>",
                ChangeKind::NeedsRun,
                vec!["arguments"],
            ),
            (
                "<environment><variable name='A' value='1'/></environment>",
                ChangeKind::NeedsRun,
                vec!["environment"],
            ),
            (
                "<environment inherit='true'/>",
                ChangeKind::NeedsRun,
                vec!["environment"],
            ),
            (
                "<workingDirectory>x</workingDirectory>",
                ChangeKind::NeedsRun,
                vec!["workingDirectory"],
            ),
            (
                "<user>u</user><group>g</group>",
                ChangeKind::NeedsRun,
                vec!["user", "group"],
            ),
            ("<umask>077</umask>", ChangeKind::NeedsRun, vec!["umask"]),
            (
                "<limits><limit name='core' soft='0'/></limits>",
                ChangeKind::NeedsRun,
                vec!["limits"],
            ),
            (
                "<description>x</description>",
                ChangeKind::Live,
                vec!["description"],
            ),
            (
                "<autoStart>false</autoStart>",
                ChangeKind::Live,
                vec!["autoStart"],
            ),
            (
                "<startPriority>2</startPriority>",
                ChangeKind::Live,
                vec!["startPriority"],
            ),
            (
                "<startDelay>2</startDelay><stopTimeout>2</stopTimeout>",
                ChangeKind::Live,
                vec!["startDelay", "stopTimeout"],
            ),
            ("<restart policy='never'/>", ChangeKind::Live, vec!["restart"]),
            ("<stop signal='INT'/>", ChangeKind::Live, vec!["stop"]),
            ("<health type='tcp' port='1'/>", ChangeKind::Live, vec!["health"]),
            (
                "<readiness type='tcp' port='1'/>",
                ChangeKind::Live,
                vec!["readiness"],
            ),
            ("<memory soft='1GB'/>", ChangeKind::Live, vec!["memory"]),
            (
                "<onFailure><executable>x</executable></onFailure>",
                ChangeKind::Live,
                vec!["onFailure"],
            ),
            (
                "<match text='x' action='event'/>",
                ChangeKind::Live,
                vec!["match"],
            ),
            ("<log maxFiles='1'/>", ChangeKind::Live, vec!["log"]),
            ("<dump on='stop-timeout'/>", ChangeKind::Live, vec!["dump"]),
            (
                "<stopTimeout>2</stopTimeout><umask>0</umask>",
                ChangeKind::NeedsRun,
                vec!["umask", "stopTimeout"],
            ),
        ] {
            let changes = diff(&server(""), &server(inner));
            assert_eq!(changes.len(), 1, "{inner}");
            assert_eq!((changes[0].kind, &changes[0].fields), (kind, &fields), "{inner}");
        }
    }

    #[test]
    fn what_is_left_out_for_a_version_of_java_needs_a_run() {
        let java = |drop: &str| {
            plan(&format!(
                "<server id='a'><profile ref='Java64'/><profile ref='SVG'/>{drop}</server>"
            ))
        };
        let changes = diff(&java(""), &java("<dropArguments match='-Xfoo' javaFrom='17'/>"));
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].kind, &changes[0].fields),
            (ChangeKind::NeedsRun, &vec!["arguments"])
        );
    }

    #[test]
    fn added_removed_and_renumbered_components_are_told() {
        let one =
            |id: &str, inner: &str| format!("<server id='{id}'><executable>x</executable>{inner}</server>");
        let old = plan(
            &[
                one("gone", ""),
                one("kept", ""),
                one("t", "<instances>2</instances>"),
            ]
            .concat(),
        );
        let new = plan(
            &[
                one("new", ""),
                one("kept", "<dependsOn ref='new'/>"),
                one("t-1", ""),
            ]
            .concat(),
        );
        let changes = diff(&old, &new);
        let told: Vec<_> = changes
            .iter()
            .map(|one| (one.component.as_str(), one.kind, one.fields.as_slice()))
            .collect();
        assert_eq!(
            told,
            [
                ("new", ChangeKind::Added, &[][..]),
                ("kept", ChangeKind::Live, &["dependsOn"]),
                ("t-1", ChangeKind::NeedsRun, &["instances"]),
                ("gone", ChangeKind::Removed, &[]),
                ("t-2", ChangeKind::Removed, &[]),
            ]
        );
    }

    #[test]
    fn differences_in_config_are_told_by_name() {
        let config = |inner: &str| {
            let mut plan = plan("<server id='a'><executable>x</executable></server>");
            let text = format!("<supervisor><config>{inner}</config></supervisor>");
            let options = LoadOptions {
                file: "r.xml".into(),
                install_folder: "/s7".into(),
                settings: Vec::new(),
                strict: false,
                os: Os::Linux,
            };
            plan.supervisor = load_text(text.as_bytes(), &options, &[]).unwrap().supervisor;
            plan
        };
        let new = config(
            "<tcpport>1</tcpport><log>x.log</log><temp>t</temp><tracelevel>4</tracelevel>\
             <tracestatsinterval>5</tracestatsinterval>",
        );
        assert_eq!(
            diff_config(&config(""), &new),
            ["tcpport", "log", "temp", "tracelevel", "tracestatsinterval"]
        );
        assert!(diff_config(&new, &new).is_empty());
    }
}
