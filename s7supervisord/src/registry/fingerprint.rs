//! What a run is made of, as one number: so that a daemon that finds a run of an earlier one knows whether the registry still
//! says the same.

use super::plan::{ComponentPlan, NotifyBy, NotifyPlan, RunPlan};

/// FNV-1a with 64 bits. The number is kept over daemons and versions, so neither it nor the order below may ever change.
struct Sum(u64);

impl Sum {
    fn add(&mut self, text: &str) {
        // The length keeps "ab" "c" from being "a" "bc".
        for byte in (text.len() as u64).to_le_bytes().iter().chain(text.as_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The fingerprint of everything in `plan` that needs a new run when it changes, as [`super::diff`] has it.
#[must_use]
pub fn of(plan: &ComponentPlan) -> u64 {
    // Taken apart, so that a new field can't be forgotten here.
    let RunPlan {
        program,
        arguments,
        inherit_environment,
        environment,
        working_directory,
        user,
        group,
        umask,
        limits,
    } = &plan.run;
    let mut sum = Sum(0xcbf2_9ce4_8422_2325);
    sum.add(&program.to_string_lossy());
    sum.add(&arguments.len().to_string());
    arguments.iter().for_each(|argument| sum.add(argument));
    sum.add(match inherit_environment {
        None => "-",
        Some(true) => "yes",
        Some(false) => "no",
    });
    for (name, value) in environment {
        sum.add(name);
        sum.add(value);
    }
    sum.add(&working_directory.to_string_lossy());
    sum.add(user.as_deref().unwrap_or_default());
    sum.add(group.as_deref().unwrap_or_default());
    sum.add(&umask.to_string());
    for limit in limits {
        let of = |value: Option<u64>| value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string());
        sum.add(&format!(
            "{:?} {} {}",
            limit.resource,
            of(limit.soft),
            of(limit.hard)
        ));
    }
    // The number of an instance is in its environment.
    if let Some((_, instance)) = &plan.instance_of {
        sum.add(&instance.to_string());
    }
    // So is where and how often it tells of itself.
    if let Some(NotifyPlan { by, watchdog, .. }) = &plan.notify {
        sum.add(&match by {
            NotifyBy::Socket => "notify".to_owned(),
            NotifyBy::Descriptor(number) => format!("notify {number}"),
        });
        let micros = watchdog.map_or(0, |span| span.as_micros());
        sum.add(&micros.to_string());
    }
    sum.0
}
