use super::*;
use std::fs;

/// A system that does not run, with systemd.
fn system() -> (tempfile::TempDir, Target) {
    let root = tempfile::tempdir().unwrap();
    let target = Target::new(Kind::Systemd(Some(252)), root.path());
    (root, target)
}

fn lie_there(target: &Target, text: &str) {
    let path = target.file();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The files that a plan writes, keeps and removes, in its words.
fn said(plan: &Plan) -> Vec<String> {
    let files = |step: &&Step| matches!(step, Step::Write { .. } | Step::Keep { .. } | Step::Remove(_));
    let words = |step: &Step| {
        let text = step.words("", "");
        text.split(' ').next().unwrap().to_owned()
    };
    plan.0.iter().filter(files).map(words).collect()
}

#[test]
fn an_installation_writes_what_is_missing_or_old_and_nothing_twice() {
    let (_root, target) = system();
    let (old, new) = (own::signed("[Unit]\nold\n"), own::signed("[Unit]\nnew\n"));
    assert_eq!(said(&install(&target, &new, false).unwrap()), ["write"]);
    lie_there(&target, &old);
    assert_eq!(said(&install(&target, &new, false).unwrap()), ["write"]);
    lie_there(&target, &new);
    assert_eq!(said(&install(&target, &new, false).unwrap()), [""; 0]);
}

#[test]
fn what_somebody_has_edited_is_replaced_and_removed_only_when_told_and_kept() {
    let (_root, target) = system();
    let new = own::signed("[Unit]\nnew\n");
    for text in ["[Unit]\nby hand\n".to_owned(), new.replace("new", "edited")] {
        lie_there(&target, &text);
        let refused = install(&target, &new, false).unwrap_err();
        assert_eq!(refused.code, exit::PERMISSION);
        assert!(refused.message.contains("--force"), "{}", refused.message);
        assert_eq!(uninstall(&target, false).unwrap_err().code, exit::PERMISSION);
        assert_eq!(said(&install(&target, &new, true).unwrap()), ["keep", "write"]);
        assert_eq!(said(&uninstall(&target, true).unwrap()), ["remove"]);
        assert_eq!(fs::read_to_string(target.file()).unwrap(), text, "only planned");
    }
}

#[test]
fn only_what_is_there_is_removed() {
    let (_root, target) = system();
    assert_eq!(said(&uninstall(&target, false).unwrap()), [""; 0]);
    lie_there(&target, &own::signed("[Unit]\n"));
    assert_eq!(said(&uninstall(&target, false).unwrap()), ["remove"]);
    fs::create_dir_all(target.root.join(unit::DROP_INS)).unwrap();
    let plan = uninstall(&target, false).unwrap();
    assert!(matches!(plan.0.last(), Some(Step::Say(text)) if text.contains("stay")));
}

#[test]
fn a_service_that_is_not_installed_is_not_controlled() {
    let (_root, target) = system();
    let refused = control(&target, "start").unwrap_err();
    assert!(refused.message.contains("service install"), "{}", refused.message);
    // As systemctl ends, and as the Linux Standard Base has it.
    let scripts = Target::new(Kind::InitScripts, &target.root);
    let unknown = status(&scripts, false).unwrap_err();
    assert_eq!(unknown.code, 4);
    assert!(unknown.message.contains("service install"), "{}", unknown.message);
}

#[test]
fn a_system_that_does_not_run_is_only_written_to() {
    let (_root, target) = system();
    lie_there(&target, &own::signed("[Unit]\n"));
    for plan in [
        install(&target, "[Unit]\n", false).unwrap(),
        uninstall(&target, false).unwrap(),
    ] {
        let runs: Vec<_> = plan
            .0
            .iter()
            .filter_map(|step| match step {
                Step::Run(words) | Step::Try(words) => Some(words[1].clone()),
                _ => None,
            })
            .collect();
        assert_eq!(runs, [format!("--root={}", target.root.display())]);
    }
}
