//! Many checked components on a busy machine.

use crate::platform::servers::free_ports;
use rustix::process::Signal;
use s7tests::eventually::{SOON, eventually, remains, when};
use s7tests::processes::{self, send};
use s7tests::programs;
use s7tests::registry::Server;
use s7tests::sandbox::Sandbox;
use std::process::Stdio;
use std::time::Duration;

/// Components; as many ports are free at the same time.
const COMPONENTS: usize = 200;

#[test]
fn nobody_is_restarted_because_the_machine_is_busy() {
    let ports: [u16; COMPONENTS] = free_ports();
    let servers: Vec<Server> = ports
        .iter()
        .enumerate()
        .map(|(number, port)| {
            let health = format!("<health type=\"tcp\" port=\"{port}\" interval=\"500ms\" failures=\"2\"/>");
            Server::new(&format!("c{number}"), &format!("serve {port}")).with(&health)
        })
        .collect();
    let sandbox = Sandbox::with(&servers);
    let daemon = sandbox.start();
    let up = || {
        let status = daemon.status();
        let all = status["components"].as_array().cloned().unwrap_or_default();
        let wrong = all
            .iter()
            .find(|one| one["state"] != "RUNNING" || one["restarts"] != 0 || one["health"] != "healthy");
        when(all.len() == COMPONENTS && wrong.is_none(), || {
            format!("{wrong:?}")
        })
    };
    eventually("all are ready", SOON * 3, up);
    let mut busy: Vec<_> = (0..4)
        .map(|_| {
            let mut spinner = sandbox.program(programs::FIXTURE);
            spinner.arg("spin").stdin(Stdio::null());
            processes::spawn(&mut spinner)
        })
        .collect();
    remains("all are well", Duration::from_secs(10), up);
    for spinner in &mut busy {
        send(spinner.id(), Signal::KILL);
        spinner.wait().expect("it is our child");
        processes::forget(spinner);
    }
}
