use super::super::tests::{home_in, made_up};
use super::*;

#[test]
fn only_a_kill_for_want_of_memory_counts_as_one() {
    let (folder, tree) = made_up(&[("memory.events", "low 0\nhigh 9\nmax 4\noom 2\noom_kill 1\n")]);
    assert_eq!(tree.oom_kills(), 1);
    // As where the controller isn't enabled.
    drop(folder);
    assert_eq!(tree.oom_kills(), 0);
    let (_folder, tree) = made_up(&[("memory.events", "oom 2\noom_kill 0\noom_group_kill 3\n")]);
    assert_eq!(tree.oom_kills(), 0);
}

#[test]
fn a_hard_limit_of_memory_is_set_changed_and_taken_away_again_but_not_that_of_somebody_else() {
    let (folder, tree) = made_up(&[("memory.max", "max\n"), ("memory.oom.group", "0\n")]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(tree.limit_memory(1_000_000_000));
    let page = rustix::param::page_size() as u64;
    assert_eq!(read("memory.max").parse(), Ok(1_000_000_000 / page * page));
    assert_eq!(read("memory.oom.group"), "1");
    assert!(tree.limit_memory(page * 9));
    assert_eq!(read("memory.max").parse(), Ok(page * 9));
    tree.unlimit_memory(true).unwrap();
    assert_eq!(
        (read("memory.max"), read("memory.oom.group")),
        ("max".into(), "0".into())
    );
    fs::write(folder.path().join("memory.max"), "4096\n").unwrap();
    tree.unlimit_memory(false).unwrap();
    assert_eq!(read("memory.max"), "4096\n", "somebody else's");
    // By whom it was set is known to a next daemon too, where the file system has such attributes.
    assert!(tree.limit_memory(page * 9));
    if rustix::fs::setxattr(&tree.folder, "user.s7test", b"1", XattrFlags::empty()).is_ok() {
        tree.unlimit_memory(false).unwrap();
        assert_eq!(read("memory.max"), "max");
    }
    drop(folder);
    assert!(!tree.limit_memory(page));
    assert!(tree.unlimit_memory(true).is_err());
    assert!(tree.unlimit_memory(false).is_ok(), "there is none");
}

/// What `cgroup.subtree_control` of a delegated cgroup with these files has after a daemon that was begun in its leaf wants memory
/// to be counted.
fn counted_in(files: &[(&str, &str)]) -> String {
    let (folder, _) = made_up(files);
    home_in(folder.path()).count_memory();
    fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap()
}

#[test]
fn memory_is_counted_for_each_run_where_it_can_be_and_nobody_lives_whose_memory_would_be_missing() {
    let all = ("cgroup.controllers", "cpu memory pids\n");
    let none = ("cgroup.subtree_control", "\n");
    assert_eq!(counted_in(&[all, none]), "+memory");
    assert_eq!(
        counted_in(&[all, none, ("other/x", "")]),
        "+memory",
        "that is no run"
    );
    // As it is where systemd keeps the memory controller for itself.
    assert_eq!(counted_in(&[("cgroup.controllers", "cpu pids\n"), none]), "\n");
    let already = ("cgroup.subtree_control", "cpu memory\n");
    assert_eq!(counted_in(&[all, already]), "cpu memory\n");
    // Begun by a daemon that didn't do this.
    assert_eq!(counted_in(&[all, none, ("web.3/cgroup.procs", "17\n")]), "\n");
}
