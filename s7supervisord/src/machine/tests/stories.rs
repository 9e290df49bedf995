//! Stories: one file each, a line for a moment, what happens, and everything that follows from it.
//!
//! ```text
//! component web tier=2 ready=event stop=5s restart=onFailure retries=3 success=0,3 after=db manual
//!
//! 0s         | start web   | spawn web/1; web STARTING
//! +10ms      | web spawned |
//! ~+1s       |             | web RUNNING
//! ```
//! What is checked is written as interval/timeout/failures, what follows a loss beside what is lost:
//! ```text
//! component app health=10s/2s/3 readiness=5s/1s/1 startup=60s successes=2 first=1s minds=db:restart dump=kill,hung
//! component web notify startup=60s watchdog=5s
//!
//! +0  | app fails 4       | app is unhealthy
//! +0  | web signs         |
//! ```
//! Times are absolute or, with `+`, counted from the line before. `~` means "at the next deadline, which is to be then"
//! (also `~+0.8s..+1.2s`); no story can jump over a deadline. A line without a time goes on with the one above.
//! Commands carry tickets, numbered from `#1`; each has to be answered once, or to be named by `open #2` at the end.
//! An event is of the present run; `web/1 exits 0` names another.
//!
//! A daemon that comes after another one is told first what that has left, and then of what people have wished:
//! ```text
//! 100s | inherit web/3 lives since=40s asked=95s crashes=2 restarts=7 | web STOPPING
//! +0   | inherit db/2 unseen since=10s                                | kill db/2; db BACKOFF
//! +0   | boot web=down db=up@9 all=down@7                             | ...
//! ```
//! `since` is the start of that run, and `@` the (wall) time of a wish, 5 if there is none.

use super::desk::Desk;
use super::words::{event, legacy, moment, policy_of, reload};
use crate::machine::input::{Command, Remembered, RunId, Slot};
use s7proto::status::{Actor, Wish};

macro_rules! stories {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            tell(include_str!(concat!("stories/", stringify!($name), ".txt")));
        })*

        #[test]
        fn every_story_in_the_folder_is_told() {
            let told = [$(stringify!($name)),*];
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/machine/tests/stories");
            for entry in std::fs::read_dir(folder).unwrap() {
                let file = entry.unwrap().file_name().into_string().unwrap();
                let name = file.strip_suffix(".txt").unwrap();
                assert!(told.contains(&name), "{file} is in no list");
            }
        }
    };
}

stories! {
    a_broken_component_holds_up_the_boot_once
    a_checked_run_is_ready_at_its_first_success
    a_run_that_is_not_ready_in_time_is_a_crash
    a_run_that_no_longer_answers_is_given_up_once
    a_prober_that_can_not_check_blames_nobody
    a_lost_readiness_is_a_flag_and_closes_gates
    a_tier_waits_for_what_is_not_ready_any_more
    it_tells_by_itself_that_it_is_ready
    signs_of_life_are_awaited_as_often_as_it_was_told
    who_can_not_be_heard_owes_no_sign_of_life
    who_can_not_know_the_new_socket_owes_no_sign_of_life
    a_run_keeps_what_it_was_told_under_the_next_daemon
    a_stop_or_a_restart_ends_the_checks
    what_was_ready_is_checked_on_under_the_next_daemon
    a_reload_changes_how_a_living_run_is_checked
    what_is_restarted_by_name_is_not_stopped_for_it
    who_minds_a_loss_gets_one_new_run
    a_loss_while_it_is_being_created
    who_minds_a_loss_is_stopped
    a_loss_in_the_middle_of_a_stop_in_order
    what_has_ended_unseen_was_lost_to_who_minds
    who_is_stopped_for_a_loss_that_nobody_saw_stays_stopped
    a_diagnosis_comes_before_the_kill
    what_says_that_it_ends_has_its_time_and_is_judged_by_its_end
    a_line_that_comes_before_its_run_gives_that_up
    what_only_waits_has_lost_nothing
    what_takes_too_much_memory_is_replaced
    what_hangs_and_is_not_to_be_started_again_is_given_up
    a_command_ends_a_row
    a_crash_that_meets_a_stop
    a_dependency_comes_first
    a_dependency_that_a_reload_takes_away_is_not_waited_for
    a_dependency_that_runs_again_comes_first
    a_dependency_that_stays_up_is_ready_at_once
    a_failed_spawn_counts_as_a_crash
    a_first_crash_is_answered_at_once
    a_matched_run_is_stopped_and_counts_as_a_crash
    a_run_that_the_system_ends_for_its_memory_is_told_as_such
    a_kill_in_time_is_told
    a_minute_of_running_ends_a_row
    a_minute_of_running_is_counted_over_daemons
    a_reload_adds_what_others_come_to_depend_on
    a_reload_in_the_middle_of_a_boot
    a_reload_in_the_middle_of_a_stop_of_everything
    a_reload_retries_what_was_given_up
    a_reload_touches_what_has_changed
    a_reload_with_no_restart_leaves_runs_alone
    a_reload_waits_for_what_it_has_touched_alone
    a_restart_is_one_operation
    a_restart_of_everything
    a_restart_of_everything_meets_an_overdue_spawn
    a_restart_of_everything_overtaken_by_name
    a_restart_while_starting_ends_that_run
    a_row_of_crashes_is_carried_over_daemons
    a_second_reload_does_not_wait_for_the_first
    a_shutdown_does_not_wait_for_an_overdue_spawn
    a_shutdown_stops_everything_then_halts
    a_start_by_name_ignores_tiers
    a_start_during_the_clean_up_gets_its_run
    a_start_in_the_middle_of_a_stop_of_everything
    a_start_is_refused_naming_the_dependency_that_is_down
    a_start_of_everything_keeps_the_order_of_what_is_still_ending
    a_stop_does_not_wait_for_an_overdue_spawn
    a_stop_in_backoff_is_done_at_once
    a_stop_of_everything_goes_on_under_the_next_daemon
    a_stop_that_is_ignored_becomes_a_kill
    a_stop_while_spawning_waits_for_the_process
    a_tier_that_a_reload_changes_is_the_one_to_stop_with
    each_component_is_named_once_however_often_it_was_asked_for
    host_faults_have_their_own_schedule
    hurry_ends_a_shutdown_by_force
    hurry_kills_what_comes_into_being_late
    more_commands_do_not_make_a_tier_wait_longer
    nobody_waits_for_what_can_not_come
    nothing_begins_before_it_is_known_what_is_wished
    nothing_of_a_run_is_left_before_the_next
    retries_end_in_fatal_and_a_command_begins_anew
    starts_are_spaced_from_the_start_before
    stop_goes_through_tiers_in_reverse
    the_last_wish_wins
    tiers_open_one_after_the_other
    time_spent_running_counts_as_space
    what_a_reload_is_about_to_stop_lets_nobody_start
    what_a_reload_makes_ready_is_ready
    what_comes_late_or_twice_changes_nothing
    what_has_ended_unseen_is_started_again_in_its_tier
    what_has_ended_unseen_keeps_its_space
    what_was_asked_and_ended_unseen_is_followed_by_another
    what_is_removed_and_added_again_comes_back
    what_is_removed_never_comes_back
    what_is_removed_together_is_not_started_on_the_way
    what_lives_goes_on_under_the_next_daemon
    what_lives_opens_later_tiers
    what_was_asked_to_end_keeps_the_rest_of_its_time
    what_was_over_waits_for_its_turn
    what_was_stopped_is_ended_by_the_next_daemon
    what_was_wished_by_name_outlives_the_daemon
    who_waits_for_what_nobody_wants_holds_no_tier_up
}

/// One line of a story.
struct Line<'a> {
    number: usize,
    time: &'a str,
    input: &'a str,
    effects: Vec<&'a str>,
}

fn tell(story: &str) {
    let (mut components, mut lines, mut open) = (Vec::new(), Vec::<Line>::new(), Vec::new());
    for (number, line) in story.lines().enumerate() {
        if let Some(component) = line.strip_prefix("component ") {
            let (name, rest) = component.split_once(' ').unwrap_or((component, ""));
            components.push((name, rest));
        } else if let Some(tickets) = line.strip_prefix("open ") {
            open.extend(tickets.split_whitespace().map(str::to_owned));
        } else if line.contains('|') {
            let cells: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
            let [time, input, effects] = cells[..] else {
                panic!("line {}: three columns are needed", number + 1);
            };
            let effects = effects.split(';').map(str::trim).filter(|text| !text.is_empty());
            match lines.last_mut() {
                Some(above) if time.is_empty() => above.effects.extend(effects),
                _ => lines.push(Line {
                    number: number + 1,
                    time,
                    input,
                    effects: effects.collect(),
                }),
            }
        }
    }
    assert!(!lines.is_empty(), "a story tells something");
    let names: Vec<String> = components.iter().map(|(name, _)| (*name).to_owned()).collect();
    let policies = components
        .iter()
        .map(|(name, words)| (*name, policy_of(words, &names)))
        .collect();
    let mut desk = Desk::new(policies);
    for line in &lines {
        step(&mut desk, line);
    }
    let mut unanswered: Vec<String> = desk
        .fleet
        .open_tickets()
        .iter()
        .map(|ticket| format!("#{}", ticket.0))
        .collect();
    unanswered.sort();
    assert_eq!(
        unanswered, open,
        "tickets that aren't answered at the end of the story"
    );
}

fn step(desk: &mut Desk, line: &Line<'_>) {
    let number = line.number;
    let due = desk.fleet.next_deadline();
    if let Some(window) = line.time.strip_prefix('~') {
        let (from, to) = window.split_once("..").unwrap_or((window, window));
        let (from, to) = (moment(from, desk.now), moment(to, desk.now));
        let due = due.unwrap_or_else(|| panic!("line {number}: nothing is awaited"));
        assert!(
            (from..=to).contains(&due),
            "line {number}: the next deadline is {due}"
        );
        desk.now = due;
        assert_eq!(line.input, "", "line {number}: a deadline is its own input");
    } else {
        let at = moment(line.time, desk.now);
        assert!(at >= desk.now, "line {number}: time runs forward");
        if let Some(due) = due {
            assert!(
                at <= due,
                "line {number}: the story jumps over the deadline at {due}"
            );
        }
        desk.now = at;
    }
    let effects = if line.input.is_empty() {
        desk.tick()
    } else {
        act(desk, line.input).unwrap_or_else(|| panic!("line {number}: what is {:?}?", line.input))
    };
    let words = desk.words(&effects);
    assert!(
        words == line.effects,
        "line {number}, at {}: {}\n happened: {}\n was told: {}\n",
        desk.now,
        line.input,
        words.join("; "),
        line.effects.join("; ")
    );
}

/// Carries out the middle column; `None` if it can't be read.
fn act(desk: &mut Desk, input: &str) -> Option<Vec<crate::machine::effect::Effect>> {
    let words: Vec<&str> = input.split_whitespace().collect();
    let slots = |names: &[&str]| -> Vec<Slot> { names.iter().map(|name| desk.slot(name)).collect() };
    let command = match words[..] {
        ["inherit", subject, fate, ref known @ ..] => {
            let (name, run) = subject.split_once('/')?;
            return Some(desk.inherit(desk.slot(name), legacy(run.parse().ok()?, fate, known)?));
        }
        ["boot", ref wishes @ ..] => {
            let (all, named): (Vec<&str>, Vec<&str>) =
                wishes.iter().partition(|wish| wish.starts_with("all="));
            let all_down = all.first().map(|all| (Actor::Uid(0), noted(all).2));
            let remembered = named.iter().map(|wish| {
                let one = remembered(desk, wish);
                let overruled = all_down.as_ref().is_some_and(|(_, since)| one.at_ms < *since);
                Remembered { overruled, ..one }
            });
            let remembered = remembered.collect();
            Command::Boot(remembered, all_down)
        }
        ["start", "all"] => Command::StartAll,
        ["stop", "all"] => Command::StopAll,
        ["restart", "all"] => Command::RestartAll,
        ["shutdown"] => Command::Shutdown,
        ["hurry"] => Command::Hurry,
        ["start", ref names @ ..] => Command::Start(slots(names)),
        ["stop", ref names @ ..] => Command::Stop(slots(names)),
        ["restart", ref names @ ..] => Command::Restart(slots(names)),
        [verb, ..] if verb.starts_with("reload") => reload(desk, input.strip_prefix("reload")?)?,
        [subject, ref what @ ..] => {
            let (name, run) = subject.split_once('/').unwrap_or((subject, ""));
            let (slot, event) = (desk.slot(name), event(what)?);
            return Some(match run.parse() {
                Ok(run) => desk.report_of(RunId { slot, run }, event),
                Err(_) => desk.report(slot, event),
            });
        }
        [] => return None,
    };
    Some(desk.order(command))
}

/// What an earlier daemon has noted, as `a=down` or, with the time, `a=down@7`.
fn remembered(desk: &Desk, wish: &str) -> Remembered {
    let (name, wish, at_ms) = noted(wish);
    Remembered {
        slot: desk.slot(name),
        wish,
        who: Actor::Uid(0),
        at_ms,
        overruled: false,
    }
}

fn noted(wish: &str) -> (&str, Wish, i64) {
    let (name, wish) = wish.split_once('=').unwrap();
    let (wish, at) = wish.split_once('@').unwrap_or((wish, "5"));
    let wish = if wish == "up" { Wish::Up } else { Wish::Down };
    (name, wish, at.parse().unwrap())
}
