//! What looks after a component while it runs: its probes with their numbers, and the command for its failures.

use super::super::diagnostic::Finding;
use super::super::elements::{HealthElement, ProbeElement};
use super::super::health::{http_url, statuses};
use super::super::plan::{HealthPlan, HookPlan, HttpProbe, ProbePlan, Statuses};
use super::super::reactions::HookElement;
use super::super::reading::{Reading, Text};
use super::{Builder, Programs};
use std::time::Duration;

// Kubernetes' defaults (reliability A2; the startup time is its thirty tries of 10 s).
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_FAILURES: u32 = 3;
const PROBE_SUCCESSES: u32 = 1;
pub(in crate::registry) const STARTUP_TIMEOUT: Duration = Duration::from_secs(300);
/// A command that tells somebody of a failure, or collects what is needed to find its cause.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

impl Builder<'_> {
    /// The probe with its numbers; nothing for `type="none"`.
    pub(super) fn health(
        &self,
        health: &HealthElement,
        port: Option<u16>,
        reading: &mut Reading<'_>,
        programs: &mut Programs,
    ) -> Option<HealthPlan> {
        let probe = match health.probe.as_ref()? {
            ProbeElement::Tcp { port: Some(own), .. } => ProbePlan::Tcp {
                port: self.port(own, "`port`", reading)?,
            },
            ProbeElement::Tcp { port: None, at } => {
                if self.port.is_none() {
                    let finding =
                        Finding::error(at.at, format!("no port is known to check `{}` at", self.server))
                            .hint("write `port` here or at the `<server>`");
                    reading.findings.report(finding);
                }
                ProbePlan::Tcp { port: port? }
            }
            ProbeElement::Http { url, status, expect } => {
                let expanded = |text: &Text, reading: &mut Reading<'_>| Text {
                    value: self.expanded(text, reading),
                    ..text.clone()
                };
                let url = expanded(url, reading);
                let url = reading.typed(&url, "`url`", http_url);
                let status = status.as_ref().map(|text| expanded(text, reading));
                let status = status.map(|text| reading.typed(&text, "`status`", statuses));
                ProbePlan::Http(HttpProbe {
                    url: url?,
                    status: status.map_or(Some(Statuses::default()), |status| status)?,
                    expect: expect.as_ref().map(|text| self.expanded(text, reading)),
                })
            }
            ProbeElement::Exec(command) => {
                let (program, arguments) = self.command(command, reading, programs)?;
                ProbePlan::Exec { program, arguments }
            }
        };
        Some(self.numbers(probe, health))
    }

    /// Only one of them is under way at a time, so a run that no longer answers is noticed in time only where both have room in an
    /// interval of `<health>`.
    pub(super) fn have_room(&self, health: &HealthPlan, readiness: &HealthPlan, reading: &mut Reading<'_>) {
        let written = self.layer.readiness.as_ref().and_then(|readiness| readiness.at);
        let both = readiness.timeout.saturating_add(health.timeout);
        let Some(at) = written.filter(|_| both > health.interval) else {
            return;
        };
        let message = format!(
            "`{}` is checked by one at a time, and the timeouts of `<readiness>` ({:?}) and `<health>` ({:?}) are longer than the \
             interval of `<health>` ({:?})",
            self.server, readiness.timeout, health.timeout, health.interval
        );
        let hint =
            "shorten a `timeout`, or lengthen the `interval` of `<health>`, so that both have room in it";
        reading.findings.report(Finding::error(at, message).hint(hint));
    }

    pub(super) fn numbers(&self, probe: ProbePlan, element: &HealthElement) -> HealthPlan {
        let startup = element.startup_timeout.or(self.layer.startup_timeout);
        HealthPlan {
            probe,
            interval: element.interval.unwrap_or(PROBE_INTERVAL),
            timeout: element.timeout.unwrap_or(PROBE_TIMEOUT),
            failures: element.failures.unwrap_or(PROBE_FAILURES),
            successes: element.successes.unwrap_or(PROBE_SUCCESSES),
            startup_timeout: startup.unwrap_or(STARTUP_TIMEOUT),
        }
    }

    /// What is run when a run has failed; nothing for `type="none"`.
    pub(super) fn hook(
        &self,
        hook: &HookElement,
        reading: &mut Reading<'_>,
        programs: &mut Programs,
    ) -> Option<HookPlan> {
        let (program, arguments) = self.command(hook.command.as_ref()?, reading, programs)?;
        Some(HookPlan {
            program,
            arguments,
            timeout: hook.timeout.unwrap_or(HOOK_TIMEOUT),
        })
    }
}
