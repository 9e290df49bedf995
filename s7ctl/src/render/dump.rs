//! Dumps that components have written of themselves.

use crate::error::{CtlError, Kind};
use crate::render::quantity::micros;
use crate::render::table::visible;
use s7proto::reply::{DumpOutcome, DumpReport};

/// What they have written, byte for byte; of several each behind a line with its name, as `logs` has it.
#[must_use]
pub fn text(reports: &[DumpReport]) -> Vec<u8> {
    let mut out = Vec::new();
    for report in reports {
        let DumpOutcome::Written {
            file,
            from,
            to,
            bytes,
            ..
        } = &report.outcome
        else {
            continue;
        };
        if reports.len() > 1 {
            if !out.is_empty() {
                out.push(b'\n');
            }
            out.extend_from_slice(format!("==> {} <==\n", report.component).as_bytes());
        }
        out.extend_from_slice(bytes);
        if bytes.last().is_some_and(|last| *last != b'\n') {
            out.push(b'\n');
        }
        let shown = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if to.saturating_sub(*from) > shown {
            let rest = format!("[s7ctl: the rest is in {}, up to byte {to}]\n", visible(file));
            out.extend_from_slice(rest.as_bytes());
        }
    }
    out
}

/// Why there is none, unless there is one. `all`: what can't be asked, and what doesn't run, is no failure.
#[must_use]
pub fn failure(report: &DumpReport, all: bool) -> Option<CtlError> {
    let name = &report.component;
    let error = match &report.outcome {
        DumpOutcome::Written { .. } => return None,
        DumpOutcome::NotConfigured | DumpOutcome::WouldEnd { .. } | DumpOutcome::NotRunning if all => return None,
        DumpOutcome::Silent(waited) => {
            let waited = micros(*waited);
            CtlError::new(Kind::Failed, format!("{name}: has written no dump within {waited}"))
                .hint(format!("a JVM that collects garbage may need longer; see: s7ctl logs {name}"))
        }
        DumpOutcome::NotConfigured => CtlError::new(
            Kind::Failed,
            format!("{name}: the registry does not say that it writes a dump when it is asked; it was not asked"),
        )
        .hint("SIGQUIT ends most programs; for one that answers it by a dump write <dump on=\"\" via=\"signal\"/>"),
        DumpOutcome::WouldEnd { option: Some(option) } => CtlError::new(
            Kind::Failed,
            format!("{name}: SIGQUIT would end it, because of its option {}; it was not asked", visible(option)),
        )
        .hint("a JVM with that option leaves signals alone; without it one writes a dump when it is asked"),
        DumpOutcome::WouldEnd { option: None } => CtlError::new(
            Kind::Failed,
            format!("{name}: SIGQUIT would end it, because its process does not hear it now; it was not asked"),
        )
        .hint("a JVM hears it once it has begun, unless -Xrs is among its options, wherever they come from"),
        DumpOutcome::NotRunning => CtlError::new(
            Kind::NotRunning,
            format!("{name}: does not run, so there is nothing to dump"),
        )
        .hint(format!("why: s7ctl why {name}")),
        DumpOutcome::Failed(why) => CtlError::new(Kind::Failed, format!("{name}: no dump: {why}"))
            .hint("the supervisor's own log has more"),
    };
    Some(error.about(name))
}
