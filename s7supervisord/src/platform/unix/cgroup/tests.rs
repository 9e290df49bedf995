use super::*;
use std::process::{Child, Command, Stdio};

/// A folder with the files that the kernel would have in a cgroup.
pub(super) fn made_up(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let tree = Tree {
        folder: folder.path().to_owned(),
    };
    (folder, tree)
}

pub(super) fn home_in(folder: &Path) -> Home {
    Home::take(folder).unwrap()
}

#[test]
fn the_members_are_those_of_all_cgroups_below_and_no_strangers() {
    let (_folder, tree) = made_up(&[
        ("cgroup.procs", "17\n0\n18\n"),
        ("inner/cgroup.procs", "19\n"),
        ("inner/most/cgroup.procs", "20\n"),
    ]);
    assert_eq!(tree.members(), [17, 18, 19, 20]);
    let (gone, tree) = made_up(&[]);
    drop(gone);
    assert_eq!(tree.members(), [0; 0]);
}

#[test]
fn who_comes_after_those_that_were_frozen_to_be_killed_can_run() {
    let (_folder, tree) = made_up(&[("beside/cgroup.freeze", "1")]);
    let beside = tree.below("beside").unwrap();
    assert_eq!(
        fs::read_to_string(beside.folder.join("cgroup.freeze")).unwrap(),
        "0"
    );
    assert!(tree.below("new").unwrap().folder.is_dir());
}

#[test]
fn a_cgroup_is_empty_when_the_kernel_says_so_or_it_is_gone() {
    let (_folder, tree) = made_up(&[("cgroup.events", "populated 1\nfrozen 0\n")]);
    assert!(!tree.is_empty());
    let (_folder, tree) = made_up(&[("cgroup.events", "populated 0\nfrozen 1\n")]);
    assert!(tree.is_empty());
    // What can't be understood proves nothing.
    let (_folder, tree) = made_up(&[("cgroup.events", "")]);
    assert!(!tree.is_empty());
    let (gone, tree) = made_up(&[]);
    drop(gone);
    assert!(tree.is_empty());
}

#[test]
fn the_cgroups_of_runs_are_tidied_up_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["web.3", "a.b.7/inner", "daemon", ".control", "web.x", "lives.1"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    // Stands for somebody who lives there: such a folder can't be removed either.
    fs::write(folder.path().join("lives.1/cgroup.procs"), "17\n").unwrap();
    home_in(folder.path()).tidy();
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".control", "daemon", "lives.1", "web.x"]);
}

#[test]
fn a_home_is_one_daemons_alone_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let home = home_in(folder.path());
    let error = Home::take(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another supervisor"), "{error}");
    drop(home);
    home_in(folder.path());
}

#[test]
fn a_run_is_known_by_who_has_made_its_cgroup() {
    let folder = tempfile::tempdir().unwrap();
    let home = home_in(folder.path());
    let name = ComponentName::parse("web").unwrap();
    let tree = home.make(&name, 3, "/run/one").unwrap();
    assert_eq!(
        tree.to_string(),
        folder.path().join("web.3").display().to_string()
    );
    assert!(tree.is_made_by("/run/one"));
    // Where the file system has such attributes.
    if rustix::fs::setxattr(&tree.folder, "user.s7test", b"1", XattrFlags::empty()).is_ok() {
        assert!(!tree.is_made_by("/run/other"));
        assert!(!tree.is_made_by("/run/on"));
    }
    // Of a run with the same number, whose counters aren't those of the next.
    fs::create_dir(tree.folder.join("inner")).unwrap();
    home.make(&name, 3, "/run/one").unwrap();
    assert!(!tree.folder.join("inner").exists());
    fs::write(tree.folder.join("cgroup.procs"), "17\n").unwrap();
    assert!(home.make(&name, 3, "/run/one").is_err());
}

/// A cgroup of the machine's with two processes in it that ignore SIGTERM.
struct Populated {
    tree: Tree,
    children: Vec<Child>,
}

impl Populated {
    fn new(name: &str) -> io::Result<Self> {
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
            .into_iter()
            .find(|root| Path::new(root).join("cgroup.controllers").exists())
            .ok_or_else(|| io::Error::other("there are no cgroups v2 here"))?;
        let folder = Path::new(root).join(format!("s7u-{name}-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let script = "trap '' TERM; echo 0 >\"$0/cgroup.procs\" && echo in && read never";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(&folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let tree = Tree { folder };
        let mut populated = Self {
            tree,
            children: Vec::new(),
        };
        for _ in 0..2 {
            let mut child = shell.spawn()?;
            let said = child.stdout.take().unwrap();
            populated.children.push(child);
            io::Read::read_exact(&mut { said }, &mut [0; 3])?;
        }
        Ok(populated)
    }

    fn assert_gone(mut self) {
        for child in &mut self.children {
            assert!(!child.wait().unwrap().success());
        }
        // Its remove() waits for the kernel, which may take them out later.
        self.tree.remove().unwrap();
        assert!(!self.tree.folder.exists());
        assert!(self.tree.kill().is_ok(), "nobody is there to be killed");
    }
}

impl Drop for Populated {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = self.tree.remove();
    }
}

fn populated(test: &str, check: impl FnOnce(Populated)) {
    match Populated::new(test) {
        Ok(populated) => check(populated),
        Err(error) => eprintln!("NOT RUN: {test}: {error}"),
    }
}

#[test]
fn a_cgroup_is_killed_as_a_whole_needs_root() {
    populated("a_cgroup_is_killed_as_a_whole_needs_root", |populated| {
        assert_eq!(populated.tree.members().len(), 2);
        assert!(!populated.tree.is_empty());
        assert!(populated.tree.remove().is_err(), "somebody lives in it");
        populated.tree.kill().unwrap();
        populated.assert_gone();
    });
}

#[test]
fn a_kernel_that_cannot_kill_a_cgroup_freezes_it_and_kills_each_needs_root() {
    let test = "a_kernel_that_cannot_kill_a_cgroup_freezes_it_and_kills_each_needs_root";
    populated(test, |populated| {
        populated.tree.kill_each().unwrap();
        populated.assert_gone();
    });
}

#[test]
fn only_who_is_wanted_is_signalled_in_a_cgroup_needs_root() {
    populated(
        "only_who_is_wanted_is_signalled_in_a_cgroup_needs_root",
        |populated| {
            let [first, second] = populated.tree.members()[..] else {
                panic!("two of them");
            };
            populated.tree.signal(&[Signal::STOP], |pid| pid == first);
            let state = |pid: u32| super::super::census::stat(pid).unwrap().state;
            let began = Instant::now();
            while state(first) != 'T' {
                assert!(began.elapsed() < Duration::from_secs(20), "{}", state(first));
                std::thread::sleep(FIRST_WAIT);
            }
            assert_ne!(state(second), 'T');
        },
    );
}
