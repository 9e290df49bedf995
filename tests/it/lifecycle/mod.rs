//! What a component goes through when nothing is wrong with the machine.

mod adoption;
mod backoff;
mod environment;
mod exit_policy;
mod grace_period;
mod history;
mod left_over;
mod notify;
mod on_loss;
mod output;
mod reload;
mod start_order;
mod told;
mod upgrade;
mod upgrade_candidate;
mod upgrade_orphans;
mod upgrade_own_file;
mod upgrade_refused;
mod upgrade_unwell;
mod wishes;
