//! Where the documented components listen, as the files beside the registry have it (`conf/ImageServerRegistry.xml` and
//! `conf/server.xml` of the install folder); the documented ports where those can't be read or don't say.
//!
//! These files are other programs' own. Nothing in them is ever an error here.

use super::diagnostic::Findings;
use super::source;
use super::tree::{self, Element};
use core::net::IpAddr;
use std::path::Path;

/// What a profile can refer to as `${image_server_port}`, `${svg_port}` and `${platform_server}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Neighbours {
    /// The image server's port.
    pub image_server_port: u16,
    /// The SVG renderer's port.
    pub svg_port: u16,
    /// Address and port of the platform server, as they stand in a URL.
    pub platform_server: String,
}

impl Default for Neighbours {
    /// The documented ports (research: windows-and-scene7, A).
    fn default() -> Self {
        Self {
            image_server_port: 27345,
            svg_port: 27346,
            platform_server: "127.0.0.1:8080".to_owned(),
        }
    }
}

impl Neighbours {
    /// Looks into the files of this install folder.
    pub fn read(install_folder: &Path) -> Self {
        let conf = install_folder.join("conf");
        let file = |name: &str| source::read(&conf.join(name)).unwrap_or_default();
        Self::of(&file("ImageServerRegistry.xml"), &file("server.xml"))
    }

    /// What is in these two files.
    pub fn of(image_server: &[u8], platform_server: &[u8]) -> Self {
        let default = Self::default();
        let image_server = parse(image_server);
        let port = |name: &str| {
            let root = image_server.as_ref()?;
            let element = root.children.iter().find(|child| child.name == name)?;
            port(&element.text)
        };
        Self {
            image_server_port: port("TcpPort").unwrap_or(default.image_server_port),
            svg_port: port("SVGTcpPort").unwrap_or(default.svg_port),
            platform_server: parse(platform_server)
                .as_ref()
                .and_then(connector)
                .unwrap_or(default.platform_server),
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Element> {
    let text = source::decode(bytes).ok()?;
    tree::parse(0, &text, &mut Findings::new(false))
}

fn port(text: &str) -> Option<u16> {
    // Values are padded with blanks there.
    text.trim().parse().ok().filter(|port| *port > 0)
}

/// The first connector of Tomcat that speaks plain HTTP.
fn connector(root: &Element) -> Option<String> {
    let services = root.children.iter().filter(|child| child.name == "Service");
    let mut connectors = services
        .flat_map(|service| &service.children)
        .filter(|child| child.name == "Connector");
    connectors.find_map(|connector| {
        let value = |name: &str| {
            let mut attributes = connector.attributes.iter();
            attributes
                .find(|attribute| attribute.name == name)
                .map(|attribute| attribute.value.trim())
        };
        let is_true = |name: &str| value(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let speaks_ajp =
            value("protocol").is_some_and(|protocol| protocol.to_ascii_lowercase().contains("ajp"));
        if speaks_ajp || is_true("SSLEnabled") {
            return None;
        }
        let port = port(value("port")?)?;
        // Without an address, or with that of any, it listens on loopback as well.
        let address = value("address").and_then(|address| address.parse::<IpAddr>().ok());
        Some(match address.filter(|address| !address.is_unspecified()) {
            Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            Some(IpAddr::V4(address)) => format!("{address}:{port}"),
            None => format!("127.0.0.1:{port}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = r#"<?xml version="1.0"?><!-- as Tomcat has it -->
<Server port="8005" shutdown="SHUTDOWN">
  <Service name="Catalina">
    <Connector protocol="AJP/1.3" port="8009"/>
    <Connector protocol="org.apache.coyote.http11.Http11NioProtocol" port="8443" SSLEnabled="true"/>
    <Connector port=" 8090 " protocol="HTTP/1.1"/>
    <Connector port="8083" protocol="HTTP/1.1"/>
    <Engine name="Catalina"><Host name="localhost"/></Engine>
  </Service>
</Server>"#;

    #[test]
    fn ports_are_taken_from_the_files_beside_the_registry() {
        let image_server = "<imageserverregistry><TcpPort> 28345 </TcpPort><Log> ./logs/ImageServer.log </Log>\
                            <SVGTcpPort> 28346 </SVGTcpPort></imageserverregistry>";
        let found = Neighbours::of(image_server.as_bytes(), SERVER.as_bytes());
        assert_eq!((found.image_server_port, found.svg_port), (28345, 28346));
        assert_eq!(found.platform_server, "127.0.0.1:8090", "the first of plain HTTP");
        for (address, wanted) in [
            ("10.0.0.7", "10.0.0.7:8090"),
            ("::1", "[::1]:8090"),
            ("0.0.0.0", "127.0.0.1:8090"),
            ("some.name", "127.0.0.1:8090"),
        ] {
            let server = SERVER.replace("port=\" 8090 \"", &format!("port=\"8090\" address=\"{address}\""));
            assert_eq!(Neighbours::of(b"", server.as_bytes()).platform_server, wanted);
        }
    }

    #[test]
    fn what_can_not_be_used_gives_the_documented_ports() {
        for bytes in [
            "",
            "<imageserverregistry><TcpPort> many </TcpPort><SVGTcpPort>70000</SVGTcpPort></imageserverregistry>",
            "<imageserverregistry><TcpPort> 0 </TcpPort>",
            "<Server><Service><Connector port=\"${http.port}\"/></Service></Server>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><Server/>",
            "\u{0}\u{1}",
        ] {
            let found = Neighbours::of(bytes.as_bytes(), bytes.as_bytes());
            assert_eq!(found, Neighbours::default(), "{bytes}");
        }
        assert_eq!(Neighbours::read(Path::new("/nonexistent")), Neighbours::default());
    }
}
