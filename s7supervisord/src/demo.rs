//! The demo: the main job on a registry of its own, with servers that are this same program.

use crate::platform::Inherited;
use crate::{Failure, cli, exit, run};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Three components in two tiers, in the documented form.
const REGISTRY: &str = include_str!("demo.xml");

/// How long a client of a demo server may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// `demo`: makes a folder, puts the registry there, and supervises.
///
/// # Errors
/// The folder can't be made, or the daemon can't begin.
pub fn demo(options: cli::Demo, inherited: Inherited) -> Result<u8, Failure> {
    let cannot =
        |what: &str, error: std::io::Error| Failure::new(exit::CANNOT_CREATE, format!("{what}: {error}"));
    let (folder, temporary) = match options.folder {
        Some(folder) => (
            std::path::absolute(&folder).map_err(|error| cannot("the demo's folder", error))?,
            false,
        ),
        None => (
            std::env::temp_dir().join(format!("s7demo-{}", std::process::id())),
            true,
        ),
    };
    // Nobody else may have put anything there beforehand.
    crate::platform::endpoint::prepare_folder(&folder)
        .map_err(|error| cannot(&format!("making {}", folder.display()), error))?;
    let conf = folder.join("conf");
    std::fs::create_dir_all(&conf).map_err(|error| cannot(&format!("making {}", conf.display()), error))?;
    let registry = conf.join("SupervisorRegistry.xml");
    std::fs::write(&registry, REGISTRY)
        .map_err(|error| cannot(&format!("writing {}", registry.display()), error))?;
    let binary = std::env::current_exe().map_err(|error| cannot("finding this program", error))?;
    let ports =
        ports(&conf.join("ports")).map_err(|error| cannot("finding free ports on loopback", error))?;
    let socket = folder.join("run").join("control.sock");
    introduce(&socket, ports);
    let [is, svg, ps] = ports.map(|port| port.to_string());
    let settings = [
        ("Binary", binary.display().to_string()),
        ("IsPort", is),
        ("SvgPort", svg),
        ("PsPort", ps),
    ]
    .map(|(name, value)| (format!("SV::{name}"), value));
    let result = run::run(
        cli::Run {
            registry: Some(registry),
            common: cli::Registry {
                install_folder: Some(folder.clone()),
                settings: settings.into(),
            },
            runtime_dir: Some(folder.join("run")),
            socket: Some(socket.into()),
            observe_group: None,
            control_group: None,
        },
        inherited,
    );
    if temporary {
        let _ = std::fs::remove_dir_all(&folder);
    }
    result
}

/// The ports that an earlier demo in this folder has chosen, so that one that was killed is carried on with; else free ones.
fn ports(file: &Path) -> std::io::Result<[u16; 3]> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let chosen: Vec<u16> = text
        .split_whitespace()
        .filter_map(|port| port.parse().ok())
        .collect();
    if let Ok(chosen) = chosen.try_into() {
        return Ok(chosen);
    }
    let ports = free_ports()?;
    std::fs::write(file, ports.map(|port| port.to_string()).join(" "))?;
    Ok(ports)
}

/// Ports that are free now. Somebody may take one before its server does; then that server says so and is tried again.
fn free_ports() -> std::io::Result<[u16; 3]> {
    let listeners = [listen(0)?, listen(0)?, listen(0)?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

fn introduce(socket: &Path, ports: [u16; 3]) {
    let beside = std::env::current_exe()
        .ok()
        .map(|binary| binary.with_file_name("s7ctl"))
        .filter(|ctl| ctl.exists());
    let ctl: PathBuf = beside.unwrap_or_else(|| "cargo run -q -p s7ctl --".into());
    let ctl = ctl.display();
    let [is, _, ps] = ports;
    println!(
        "The demo begins: `is` and `svg` in the first tier, `ps` in the second, all serving on loopback.\n\
         In another terminal:\n\
         \n\
         \x20   export S7_SOCKET={}\n\
         \x20   {ctl} status                    # what runs\n\
         \x20   curl http://127.0.0.1:{is}/          # `is` answers, with its process id\n\
         \x20   curl http://127.0.0.1:{ps}/          # `ps` too; kill -9 it and ask again\n\
         \x20   {ctl} restart svg\n\
         \x20   {ctl} logs ps\n\
         \x20   {ctl} shutdown                  # or Ctrl-C here\n",
        socket.display()
    );
    let _ = std::io::stdout().flush();
}

/// `demo-server`: answers every request on its port with its name and process id.
///
/// # Errors
/// The port is taken.
pub fn serve(options: &cli::DemoServer) -> Result<u8, Failure> {
    let cli::DemoServer { name, port } = options;
    let listener = listen(*port).map_err(|error| {
        Failure::new(
            exit::CANNOT_CREATE,
            format!("{name}: listening on 127.0.0.1:{port}: {error}"),
        )
    })?;
    println!("{name}: serving on 127.0.0.1:{port}, pid {}", std::process::id());
    for stream in listener.incoming() {
        match stream.and_then(|stream| answer(stream, name)) {
            Ok(()) => println!("{name}: answered a request"),
            Err(error) => println!("{name}: a client: {error}"),
        }
    }
    Ok(exit::OK)
}

fn answer(mut stream: TcpStream, name: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    let body = format!("imageServer demo: {name}, pid {}\n", std::process::id());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n",
        body.len()
    );
    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes())
}
