//! `<notify>`: a component that tells by itself when it is ready.

use super::component::Builder;
use super::component::checks::STARTUP_TIMEOUT as DEFAULT_STARTUP;
use super::diagnostic::{Finding, Span};
use super::layer::{STARTUP_TIMEOUT, count};
use super::paths::Os;
use super::plan::{NotifyBy, NotifyPlan, Resource};
use super::reading::Reading;
use super::tree::Element;
use super::values::{duration, word};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Below the shortest of them a loaded machine would be taken for a component that hangs.
pub(crate) const WATCHDOG: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(86_400);
/// The first three are taken by input and output, and above the last one programs are not given descriptors.
const DESCRIPTOR: RangeInclusive<i64> = 3..=1023;

/// `<notify>` as written.
#[derive(Debug, Clone)]
pub(super) struct NotifyElement {
    /// `None` for `type="none"`, which takes away what a profile has.
    by: Option<NotifyBy>,
    watchdog: Option<Duration>,
    startup_timeout: Option<Duration>,
    at: Span,
}

/// `<notify>` of a layer.
pub(super) fn read_notify(element: &Element, reading: &mut Reading<'_>) -> Option<NotifyElement> {
    #[derive(Clone, Copy)]
    enum Type {
        None,
        Socket,
        Descriptor,
    }
    let notify = reading.one(element, "notify")?;
    let text = reading.required_attribute(notify, "type")?;
    let kind = reading.typed(&text, "`type`", |text| {
        word(
            text,
            &[
                ("systemd", Type::Socket),
                ("descriptor", Type::Descriptor),
                ("none", Type::None),
            ],
        )
    })?;
    let by = match kind {
        Type::None => {
            reading.flat(notify, &["type"]);
            None
        }
        Type::Socket => {
            reading.flat(notify, &["type", "startupTimeout", "watchdog"]);
            Some(NotifyBy::Socket)
        }
        Type::Descriptor => {
            reading.flat(notify, &["type", "startupTimeout", "descriptor"]);
            let number = reading.required_attribute(notify, "descriptor")?;
            let number = reading.typed(&number, "`descriptor`", count(DESCRIPTOR))?;
            Some(NotifyBy::Descriptor(number))
        }
    };
    let watchdog = match by {
        Some(NotifyBy::Socket) => {
            reading.typed_attribute(notify, "watchdog", |text| duration(text, &WATCHDOG))
        }
        _ => None,
    };
    Some(NotifyElement {
        by,
        watchdog,
        startup_timeout: reading
            .typed_attribute(notify, "startupTimeout", |text| duration(text, &STARTUP_TIMEOUT)),
        at: notify.tag,
    })
}

impl Builder<'_> {
    /// How it tells that it is ready, with its numbers.
    pub(super) fn notify(&self, reading: &mut Reading<'_>) -> Option<NotifyPlan> {
        let element = self.layer.notify.as_ref()?;
        let by = element.by?;
        if reading.os == Os::Windows {
            // The same registry is for both systems, and there is no such thing on Windows.
            let finding = Finding::warning(element.at, "`<notify>` is ignored on Windows")
                .hint("there it is ready when its `<health>` says so, or after `startDelay`");
            reading.findings.report(finding);
            return None;
        }
        if by == NotifyBy::Socket {
            for (name, _) in &self.layer.variables {
                if ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].contains(&name.value.as_str()) {
                    let message = format!("`{}` is set by `<notify>`", name.value);
                    reading
                        .findings
                        .report(Finding::error(name.at, message).hint("leave one of the two out"));
                }
            }
        }
        if let NotifyBy::Descriptor(number) = by {
            self.check_descriptor(number, element.at, reading);
        }
        let startup = element.startup_timeout.or(self.layer.startup_timeout);
        Some(NotifyPlan {
            by,
            startup_timeout: startup.unwrap_or(DEFAULT_STARTUP),
            watchdog: element.watchdog,
        })
    }

    /// Whether the component may have a descriptor of that number.
    fn check_descriptor(&self, number: u32, at: Span, reading: &mut Reading<'_>) {
        let mut limits = self.layer.limits.iter();
        let most = limits.rfind(|limit| limit.resource == Resource::Nofile);
        if let Some(most) = most
            .and_then(|limit| limit.soft)
            .filter(|most| u64::from(number) >= *most)
        {
            let message = format!(
                "the limit `nofile` of {most} leaves no room for the descriptor {number} of `<notify>`"
            );
            reading
                .findings
                .report(Finding::error(at, message).hint("raise the one or lower the other"));
        }
    }
}
