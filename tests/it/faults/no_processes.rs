//! The machine has no process to spare.

use s7tests::eventually::{SOON, eventually};
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A cgroup of its own that limits processes and threads; removed at the end.
struct Crowd(PathBuf);

impl Crowd {
    fn new(name: &str) -> Result<Self, String> {
        let folder = Path::new("/sys/fs/cgroup/pids").join(name);
        fs::create_dir(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    fn set(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::write(&path, text)
            .unwrap_or_else(|error| panic!("cannot write {text} to {}: {error}", path.display()));
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file))
            .expect("the cgroup is ours")
            .trim()
            .into()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for pid in fs::read_to_string(self.0.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            // Whoever is still there is a fixture of this test on its way out.
            let _ = fs::write("/sys/fs/cgroup/pids/cgroup.procs", pid);
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_machine_without_processes_to_spare_delays_a_start_and_blames_nobody_needs_root() {
    let test = "a_machine_without_processes_to_spare_delays_a_start_and_blames_nobody_needs_root";
    let sandbox = Sandbox::with(&[
        Server::new("here", "wait"),
        Server::new("late", "record starts wait").with("<autoStart>false</autoStart>"),
    ]);
    let crowd = match Crowd::new(&format!("s7t-{}", std::process::id())) {
        Ok(crowd) => crowd,
        Err(why) => return s7tests::not_run(test, &why),
    };
    let daemon = sandbox.start();
    let before = daemon.wait_for("here", "RUNNING");
    crowd.set("cgroup.procs", &daemon.pid().to_string());
    crowd.set("pids.max", &crowd.read("pids.current"));
    let said = sandbox.ctl(&["--timeout", "2", "start", "late"]);
    assert_ne!(said.code, Some(0), "there is no process for it: {said}");
    let seen = daemon.wait_until("the host is blamed", "late", SOON, |seen| {
        seen["state"] == "BACKOFF" && seen["reason_code"] == "host_fault"
    });
    assert_eq!(
        seen["restarts"], 0,
        "a start that the machine refused is no crash: {seen}"
    );
    assert!(sandbox.starts("starts").is_empty());
    let asked = Instant::now();
    let _ = daemon.status();
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "it answers all the same"
    );
    assert_eq!(daemon.component("here")["pid"], before["pid"]);
    crowd.set("pids.max", "max");
    let seen = daemon.wait_for_within("late", "RUNNING", Duration::from_secs(40));
    assert_eq!(sandbox.starts("starts").len(), 1, "{seen}");
    eventually("the daemon leaves the cgroup", SOON, || {
        let processes = crowd.read("cgroup.procs");
        for pid in processes.lines() {
            fs::write("/sys/fs/cgroup/pids/cgroup.procs", pid).map_err(|error| error.to_string())?;
        }
        Ok(())
    });
}
