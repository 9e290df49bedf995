//! What goes wrong, and what must come of it.
//!
//! The fault matrix, row by row: the fault, and the tests that answer for it (here, in the machine, in the registry,
//! beside the output or in the protocol), or why there is none yet. `it/tidy.rs` checks that every row is here and every
//! test exists.
//!
//! | row | fault | tests |
//! |---|---|---|
//! | 1 | exits at once, every time | `a_component_that_ends_at_once_is_started_ever_more_seldom` |
//! | 2 | exec fails | `a_start_that_fails_names_its_stage_and_cause`, `a_program_that_appears_later_is_started_by_itself` |
//! | 3 | never ready | `a_tier_that_never_gets_ready_holds_the_next_one_for_a_minute`, `a_component_that_never_becomes_ready_is_given_up_each_time_and_says_why` |
//! | 4 | hangs and answers nothing | `a_component_that_stops_answering_is_restarted_in_time_and_once`, `a_stopped_nginx_is_caught_by_its_check_needs_nginx`, `a_redis_that_sleeps_is_caught_by_a_command_needs_redis` |
//! | 5 | ignores SIGTERM | `a_component_that_ignores_the_polite_stop_is_killed_after_its_time` |
//! | 6 | stopped by SIGSTOP at stop time | `a_frozen_component_is_woken_to_hear_the_polite_stop` |
//! | 7 | grandchild that left the group | `nothing_of_a_tree_survives_a_stop`, `nothing_of_a_tree_survives_a_crash_into_the_next_run`, `a_tree_that_changes_its_processes_all_the_time_is_emptied_all_the_same`, `a_tree_that_never_rests_holds_up_no_other_component`, `nothing_of_a_tree_in_a_cgroup_survives_a_stop_needs_root`, `nothing_of_a_tree_in_a_cgroup_survives_a_crash_into_the_next_run_needs_root`, `what_forks_while_it_is_killed_does_not_get_away_from_its_cgroup_needs_root`, `who_has_nothing_but_his_cgroup_is_ended_with_his_own_run_needs_root`, `who_leaves_his_cgroup_by_himself_is_found_as_elsewhere_needs_root` |
//! | 8 | main exits, a descendant keeps the output open | `a_descendant_that_keeps_the_output_open_does_not_hide_an_exit`, `a_stranger_who_keeps_the_output_open_holds_up_neither_a_restart_nor_the_end` |
//! | 9 | unkillable | `an_unkillable_component_is_stuck_and_holds_nobody_else_up_needs_root`, `a_shutdown_waits_for_an_unkillable_component_only_so_long_needs_root` |
//! | 10 | thread leader ends, threads live | `a_process_whose_first_thread_ended_is_still_running`, `a_process_whose_first_thread_ended_is_not_overlooked_by_the_next_daemon` |
//! | 11 | output flood, no newline, binary | `floods_leave_commands_answered_others_captured_and_memory_as_it_was`, `a_flood_from_one_component_slows_nobody_else`, `floods_of_several_components_stall_nobody_else` |
//! | 12 | pid reused | `a_bystander_with_a_reused_pid_is_left_alone_needs_root` |
//! | 13 | 500 children die at once | `five_hundred_deaths_at_once_are_each_counted_once` |
//! | 14 | killed from outside, or by the kernel for its memory | `a_kill_from_outside_is_told_as_a_crash_by_a_signal_and_made_good`, `a_component_that_the_kernel_ends_for_its_memory_is_spaced_as_any_crash_needs_root`, `only_a_kill_for_want_of_memory_counts_as_one`, `whom_the_kernel_has_killed_for_want_of_memory_is_in_its_log` |
//! | 15 | dies between stop request and signal | `a_component_that_ends_while_it_is_stopped_stays_stopped` |
//! | 16 | exits 0 or with an expected code | `what_follows_an_exit_is_what_the_policy_says` |
//! | 17 | notifications from elsewhere, twice or late | `what_strangers_say_of_a_component_is_counted_and_changes_nothing`, `only_processes_of_its_own_tree_speak_for_a_component_and_only_of_these`, `who_has_entered_the_daemons_pid_namespace_is_no_part_of_a_run_needs_root`, `what_is_said_after_a_stop_or_to_an_old_run_changes_nothing`, `rubbish_from_anybody_harms_neither_the_daemon_nor_the_component`, `descriptors_that_come_with_a_notification_are_closed`, `a_component_that_never_stops_talking_holds_nobody_up` |
//! | 18 | health command hangs or forks | `a_command_that_hangs_is_gone_with_all_that_it_has_made_before_the_next_one`, `what_a_command_leaves_behind_is_gone_with_it`, `what_a_command_leaves_behind_in_another_session_is_gone_with_it`, `a_command_that_has_outlived_its_supervisor_is_ended_by_the_next_one_which_makes_its_own`, `a_command_is_never_taken_for_the_run_that_it_is_about` |
//! | 19 | SIGKILL of the daemon | `no_kill_at_any_moment_under_load_costs_a_pid_or_a_line_or_leaves_a_second_copy`, `a_daemon_that_dies_anywhere_in_a_start_is_made_good`, `a_daemon_that_dies_anywhere_in_recording_is_made_good`, `a_daemon_that_dies_anywhere_in_a_stop_is_made_good`, `a_daemon_that_dies_anywhere_in_a_reload_is_made_good`, `a_daemon_that_dies_anywhere_in_a_rotation_is_made_good`, `a_daemon_that_dies_anywhere_in_taking_over_is_made_good`, `a_daemon_that_dies_anywhere_in_a_delegated_cgroup_is_made_good_needs_root`, `no_line_is_lost_or_doubled_when_the_daemon_is_killed` |
//! | 20 | panic in one task | `what_a_panic_ends_depends_on_where_it_is` |
//! | 21 | deadlock of the daemon | `a_supervisor_that_hangs_is_replaced_by_the_watchdog_needs_systemd` |
//! | 22 | upgrade of the binary | `an_upgrade_is_no_event_for_systemd_and_its_watchdog_is_fed_by_the_next_image_needs_systemd`, `another_version_takes_over_in_the_same_process_and_no_run_is_touched`, `who_follows_output_or_events_goes_on_with_the_next_supervisor_and_misses_nothing`, `who_follows_events_and_reads_nothing_for_a_while_misses_none_by_an_upgrade`, `an_upgrade_costs_neither_events_nor_past_runs_and_leaves_no_number_out`, `clients_that_ask_all_the_time_wait_a_moment_and_never_get_an_error`, `operations_and_waits_that_are_under_way_are_carried_over`, `a_program_that_does_not_say_that_it_can_carry_on_is_refused_with_what_it_said`, `a_program_that_hangs_is_ended_and_meanwhile_everybody_is_answered`, `a_program_that_others_can_replace_is_refused_and_one_behind_a_link_is_not`, `a_file_that_is_no_program_is_refused_by_what_it_is`, `a_supervisor_that_cannot_execute_the_other_one_carries_on_needs_strace`, `a_supervisor_that_is_killed_right_after_it_gave_way_leaves_everything_to_the_next` |
//! | 23 | second daemon | `of_many_daemons_started_at_once_one_remains`, `a_second_daemon_with_another_folder_at_the_same_socket_leaves_with_69` |
//! | 24 | stale socket | `a_socket_that_a_dead_daemon_left_is_taken_over` |
//! | 25 | death between fork and record | `what_is_no_longer_in_the_registry_is_ended_by_the_next_daemon`, `a_start_waits_for_what_an_earlier_daemon_left`, `a_daemon_killed_at_any_moment_of_a_start_leaves_one_copy`, `a_daemon_killed_right_after_its_fork_leaves_one_copy_needs_strace`, `a_run_whose_record_is_lost_is_found_by_its_environment`, `what_a_stranger_says_of_himself_is_not_believed_needs_root`, `what_a_run_without_a_record_has_left_is_ended_and_is_no_run`, `the_output_of_a_run_without_a_record_goes_on` |
//! | 26 | SIGTERM twice, at start, during reload | `a_second_sigterm_shortens_every_grace`, `a_sigterm_while_the_supervisor_restarts_ends_it_for_good`, `a_daemon_told_to_end_at_any_moment_ends_in_order`, `what_is_created_too_slowly_to_be_waited_for_never_runs_after_the_end` |
//! | 27 | its standard descriptors closed, SIGPIPE, SIGHUP | `a_daemon_without_standard_descriptors_supervises_and_gives_its_components_their_own`, `a_daemon_whose_standard_error_is_closed_on_it_goes_on_and_logs_to_its_file`, `sighup_loads_the_registry_anew` |
//! | 28 | disk full while logging | `a_full_disk_costs_output_is_counted_and_marked_and_stops_nobody_needs_root`, `needs_root_a_full_disk_drops_counts_and_marks_when_space_returns`, `a_full_disk_makes_a_component_wait_that_asked_for_it` |
//! | 29 | log folder removed, read-only, replaced, rotated | `a_log_folder_that_is_removed_or_no_folder_costs_output_and_nothing_else`, `a_log_folder_that_is_read_only_costs_output_until_it_isnt_needs_root`, `a_log_that_is_renamed_or_deleted_is_opened_anew_by_its_name`, `links_and_folders_in_place_of_a_log_are_never_written_and_the_component_runs_on` |
//! | 30 | fork fails | `a_machine_without_processes_to_spare_delays_a_start_and_blames_nobody_needs_root` |
//! | 31 | no descriptors left | `a_hundred_clients_take_no_descriptor_that_supervision_needs`, `a_daemon_without_a_descriptor_to_spare_says_so_now_and_then_and_waits`, `the_daemon_raises_its_limit_of_descriptors_and_gives_components_the_one_it_found` |
//! | 32 | wall clock is set | `a_wall_clock_that_is_set_moves_no_timer_and_no_uptime_needs_cc` |
//! | 33 | SIGSTOP of the daemon | `a_daemon_that_was_stopped_for_a_while_makes_good_what_has_happened_once`, `checks_that_a_stopped_daemon_could_not_hear_count_for_nothing_and_are_not_made_up_for` |
//! | 34 | CPU starvation | `a_daemon_that_gets_little_of_the_processor_keeps_its_order_and_its_deadlines_needs_root`, `nobody_is_restarted_because_the_machine_is_busy` |
//! | 35 | runtime folder full, read-only or removed | `a_full_runtime_folder_stops_no_supervision_and_is_said_until_there_is_room_needs_root`, `a_runtime_folder_without_room_for_a_pipe_keeps_nobody_from_running_and_is_said_needs_root`, `a_runtime_folder_that_cannot_be_written_stops_no_supervision_and_costs_no_output_needs_root`, `a_disk_of_output_pipes_that_is_read_only_keeps_nobody_from_running_needs_root`, `a_daemon_that_begins_in_a_read_only_runtime_folder_carries_on_and_the_next_one_finds_all_needs_root`, `a_runtime_folder_that_is_removed_is_made_again_at_once_and_costs_no_restart`, `a_runtime_folder_that_cannot_be_made_again_is_told_and_made_once_it_can`, `a_record_that_is_removed_is_told_and_written_anew` |
//! | 36 | memory and descriptors over time | `hundreds_of_crashes_and_commands_leave_no_descriptor_no_thread_and_little_memory` |
//! | 37 | length prefix of 4 GiB | `a_frame_that_claims_too_much_is_refused_before_it_is_read` |
//! | 38 | garbage, truncated, old or new version | `garbage_ends_its_own_connection_alone`, `a_foreign_version_is_told_the_own_one` |
//! | 39 | client never reads | `a_client_that_never_reads_costs_nobody_anything_and_is_dropped` |
//! | 40 | idle and half-open connections, 1000 of them | `a_thousand_idle_connections_hold_nobody_up_for_long_and_are_closed`, `a_client_that_says_nothing_holds_nobody_up` |
//! | 41 | unauthorised user | `the_sockets_group_may_observe_and_others_may_nothing_needs_root`, `a_socket_that_is_given_to_no_group_is_for_its_owner_alone_needs_root`, `a_refusal_is_told_to_who_asked_and_to_who_reads_the_log_needs_root` |
//! | 42 | concurrent commands | `concurrent_commands_each_get_one_answer_and_the_last_wish_holds` |
//! | 43 | client killed while it waits | `a_client_that_is_killed_while_it_waits_changes_nothing` |
//! | 44 | event lost between status and subscription | `no_event_is_lost_between_the_snapshot_and_the_stream` |
//! | 45 | broken registry at reload | `a_broken_registry_harms_nothing_that_runs`, `a_registry_that_changes_all_the_time_is_loaded_whole_or_not_at_all` |
//! | 46 | entity bomb, huge file, not UTF-8 | `a_hostile_registry_is_refused_with_78` |
//! | 47 | duplicate names, bad numbers, ties | `all_errors_of_a_registry_come_at_once`, `ties_start_in_the_order_of_the_file` |
//! | 48 | component changed while it runs | `a_reload_does_to_each_component_what_its_change_needs`, `a_reload_without_restart_marks_what_has_changed` |
//! | 49 | registry missing at boot | `a_registry_that_is_missing_at_boot_is_told_with_its_path_and_78` |
//! | 50 | child spawns before it is in its job | not yet: nothing is supervised on Windows in this version |
//! | 51 | graceful stop without a console | not yet: nothing is supervised on Windows in this version |
//! | 52 | stop deadline of the service manager | not yet: nothing is supervised on Windows in this version |
//! | 53 | crash of the service | not yet: nothing is supervised on Windows in this version |
//! | 54 | handles inherited by siblings | not yet: nothing is supervised on Windows in this version |
//! | 55 | pipe taken by a stranger, weak DACL | not yet: nothing is supervised on Windows in this version |
//! | 56 | rotation or replacement while open | not yet: nothing is supervised on Windows in this version |

mod clock_jumps;
mod closed_descriptors;
mod daemon_signals;
mod fail_points;
mod few_descriptors;
mod flood;
mod full_state;
mod held_output;
mod hostile_bytes;
mod killed_daemon;
mod killed_from_outside;
mod killed_often;
mod late_daemon;
mod lost_output;
mod many_clients;
mod many_deaths;
mod no_processes;
mod notices;
mod overdue;
mod permissions;
mod pid_reuse;
mod port_taken;
mod readonly_state;
mod registry_broken;
mod removed_folder;
mod second_daemon;
mod slow_clients;
mod soak;
mod spawn_fails;
mod stop_races;
mod thread_leader;
mod tree_survives;
mod unkillable;
mod unrecorded;
mod unwritable_log;
