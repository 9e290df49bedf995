//! Where the documented components listen, as the files beside the registry have it (`conf/ImageServerRegistry.xml` and
//! `conf/server.xml` of the install folder); the documented ports where those can't be read or don't say.
//!
//! These files are other programs' own. Nothing in them is ever an error here, and they are read as far as possible: a wrong
//! port would have a healthy server given up again and again. Where the documented port is taken in spite of a file, a
//! warning says so.

use super::diagnostic::{Finding, Findings, Span, shown};
use super::source::{self, Source};
use super::tree::{self, Element};
use core::net::IpAddr;
use s7proto::reply::Severity;
use std::io;
use std::path::{Path, PathBuf};

const IMAGE_SERVER: &str = "ImageServerRegistry.xml";
const PLATFORM_SERVER: &str = "server.xml";
const HINT: &str = "correct it, or say in the registry where the component is checked (`<health>`)";

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

/// One of the files, as it was found.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    /// `None` where there is none, which means nothing: not every part of a stack is installed everywhere.
    bytes: Option<io::Result<Vec<u8>>>,
}

/// The files, before anything in them is understood.
#[derive(Debug, Default)]
pub(super) struct Files {
    image_server: Option<Found>,
    platform_server: Option<Found>,
}

impl Files {
    /// Looks into the files of this install folder.
    pub fn read(install_folder: &Path) -> Self {
        let conf = install_folder.join("conf");
        let found = |name: &str| {
            let path = conf.join(name);
            let bytes = match source::read(&path) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    None
                }
                read => Some(read),
            };
            Some(Found { path, bytes })
        };
        Self {
            image_server: found(IMAGE_SERVER),
            platform_server: found(PLATFORM_SERVER),
        }
    }
}

impl Neighbours {
    /// What is in the files. What can't be understood is reported as warnings, and its place shown in `sources`.
    pub fn of(files: &Files, sources: &mut Vec<Source>, findings: &mut Findings) -> Self {
        let default = Self::default();
        let mut reader = Reader { sources, findings };
        let (image, svg) = (default.image_server_port, default.svg_port);
        let both = format!("port {image} is assumed for the image server, {svg} for the SVG renderer");
        let image_server = reader.tree(files.image_server.as_ref(), &both);
        let mut port = |name: &str, whose: &str, default: u16| {
            let root = image_server.as_ref()?;
            let element = root.children.iter().find(|child| child.name == name)?;
            let found = port(&element.text);
            if found.is_none() {
                let what = format!("`<{name}>` is `{}`, which is no port", shown(&element.text));
                let instead = format!("port {default} is assumed for {whose}");
                reader.warn(Some(element.text_at), &what, &instead);
            }
            found
        };
        let image_server_port = port("TcpPort", "the image server", image).unwrap_or(image);
        let svg_port = port("SVGTcpPort", "the SVG renderer", svg).unwrap_or(svg);
        let instead = format!("{} is assumed for the platform server", default.platform_server);
        let root = reader.tree(files.platform_server.as_ref(), &instead);
        let platform_server = root.as_ref().and_then(connector);
        if let (Some(root), None) = (&root, &platform_server) {
            let what = "it has no `<Connector>` that speaks plain HTTP at a port that is a number";
            reader.warn(Some(root.tag), what, &instead);
        }
        Self {
            image_server_port,
            svg_port,
            platform_server: platform_server.unwrap_or(default.platform_server),
        }
    }
}

struct Reader<'a> {
    sources: &'a mut Vec<Source>,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    /// The file's tree; what is wrong is told, and `instead` what is taken then.
    fn tree(&mut self, found: Option<&Found>, instead: &str) -> Option<Element> {
        let Found { path, bytes } = found?;
        let read = match bytes.as_ref()? {
            Ok(bytes) => source::decode_foreign(bytes).map_err(|bad| bad.message),
            Err(error) => Err(error.to_string()),
        };
        let text = match read {
            Ok(text) => text,
            Err(why) => {
                self.warn(None, &format!("cannot read {}: {why}", path.display()), instead);
                return None;
            }
        };
        let mut errors = Findings::new(false);
        let tree = tree::parse_foreign(self.sources.len(), &text, &mut errors);
        self.sources.push(Source {
            name: path.display().to_string(),
            text,
        });
        // Where there is a tree, the errors are about what isn't needed of it.
        if let (None, Some((at, what))) = (&tree, errors.last_error()) {
            self.warn(at, what, instead);
        }
        tree
    }

    fn warn(&mut self, at: Option<Span>, what: &str, instead: &str) {
        let finding = Finding::new(Severity::Warning, at, format!("{what}; {instead}"));
        self.findings.report(finding.hint(HINT));
    }
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

    fn of(image_server: &[u8], platform_server: &[u8]) -> (Neighbours, Vec<String>) {
        let found = |name: &str, bytes: &[u8]| {
            Some(Found {
                path: name.into(),
                bytes: Some(Ok(bytes.to_vec())),
            })
        };
        let files = Files {
            image_server: found(IMAGE_SERVER, image_server),
            platform_server: found(PLATFORM_SERVER, platform_server),
        };
        understood(&files)
    }

    /// What is understood, and what is told with its place.
    fn understood(files: &Files) -> (Neighbours, Vec<String>) {
        let (mut sources, mut findings) = (Vec::new(), Findings::new(false));
        let neighbours = Neighbours::of(files, &mut sources, &mut findings);
        let told = findings.finish(&sources, "registry.xml").into_iter();
        let told = told.map(|one| {
            assert_eq!(one.severity, Severity::Warning);
            format!("{}:{}: {}", one.file, one.line, one.message)
        });
        (neighbours, told.collect())
    }

    #[test]
    fn ports_are_taken_from_the_files_beside_the_registry() {
        let image_server = "<imageserverregistry><TcpPort> 28345 </TcpPort><Log> ./logs/ImageServer.log </Log>\
                            <SVGTcpPort> 28346 </SVGTcpPort></imageserverregistry>";
        let (found, told) = of(image_server.as_bytes(), SERVER.as_bytes());
        assert_eq!((found.image_server_port, found.svg_port), (28345, 28346));
        assert_eq!(found.platform_server, "127.0.0.1:8090", "the first of plain HTTP");
        assert_eq!(told, [""; 0]);
        for (address, wanted) in [
            ("10.0.0.7", "10.0.0.7:8090"),
            ("::1", "[::1]:8090"),
            ("0.0.0.0", "127.0.0.1:8090"),
            ("some.name", "127.0.0.1:8090"),
        ] {
            let server = SERVER.replace("port=\" 8090 \"", &format!("port=\"8090\" address=\"{address}\""));
            assert_eq!(of(b"", server.as_bytes()).0.platform_server, wanted);
        }
    }

    #[test]
    fn legacy_encodings_and_document_types_do_not_hide_a_port() {
        let server = |head: &[u8]| {
            let connector =
                b"<Server><!-- gr\xf6\xdfer --><Service><Connector port='8090'/></Service></Server>";
            [head, connector].concat()
        };
        let image_server = b"<?xml version='1.0' encoding='windows-1252'?>\n<x><n\xe4me>\x80\x9f</n\xe4me>\
                             <TcpPort>28345</TcpPort></x>";
        for head in [
            &b"<?xml version='1.0' encoding='ISO-8859-1'?>\n"[..],
            b"<?xml version='1.0' encoding='utf-8'?>\n",
            b"<!DOCTYPE Server SYSTEM 'http://127.0.0.1:1/server.dtd'>",
            b"<!DOCTYPE Server [<!ENTITY a 'b>]'><!ENTITY x SYSTEM 'file:///etc/passwd'>\n<!ATTLIST a b CDATA 'c'>]>",
        ] {
            let (found, told) = of(image_server, &server(head));
            assert_eq!((found.image_server_port, found.svg_port), (28345, 27346));
            assert_eq!(found.platform_server, "127.0.0.1:8090");
            assert_eq!(told, [""; 0]);
        }
        let utf16: Vec<u8> = "\u{feff}<x><SVGTcpPort>28346</SVGTcpPort></x>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(of(&utf16, b"").0.svg_port, 28346);
    }

    #[test]
    fn no_entity_is_expanded() {
        let bomb = "<!DOCTYPE x [<!ENTITY a \"28345\"><!ENTITY b \"&a;&a;&a;\">]>\
                    <x><TcpPort>&a;</TcpPort><SVGTcpPort>28346</SVGTcpPort><c d=\"&b;\">&b;</c></x>";
        let (found, told) = of(
            bomb.as_bytes(),
            b"<Server><Service><Connector port='8090'/></Service></Server>",
        );
        assert_eq!((found.image_server_port, found.svg_port), (27345, 28346));
        assert_eq!(
            told,
            [
                "ImageServerRegistry.xml:1: `<TcpPort>` is ``, which is no port; port 27345 is assumed for the image server"
            ]
        );
    }

    #[test]
    fn what_can_not_be_used_gives_the_documented_ports_and_is_told() {
        let both = "port 27345 is assumed for the image server, 27346 for the SVG renderer";
        let deep = format!("<Server>{}", "<a>".repeat(100));
        let large = format!("<Server>{}</Server>", " ".repeat(source::MAX_BYTES));
        for (bytes, image_server, platform_server) in [
            ("", "the file holds no element", "the file holds no element"),
            (
                "<Server><Service>",
                "`<Service>` is never closed",
                "`<Service>` is never closed",
            ),
            ("<!DOCTYPE x [<!ENTITY a \"b\"", "DOCTYPE", "DOCTYPE"),
            (
                "<!DOCTYPE x [<!ENTITY a \"b\">]><Server/>",
                "",
                "no `<Connector>`",
            ),
            (
                "<Server><Service><Connector port=\"${http.port}\"/></Service></Server>",
                "",
                "no `<Connector>`",
            ),
            (
                "\u{0}\u{1}",
                "text before the root element",
                "text before the root element",
            ),
            (&deep, "nested deeper", "nested deeper"),
            (&large, "more than 1048576 bytes", "more than 1048576 bytes"),
        ] {
            let (found, told) = of(bytes.as_bytes(), bytes.as_bytes());
            assert_eq!(found, Neighbours::default(), "{bytes:.100}");
            let mut wanted = vec![(
                platform_server,
                "; 127.0.0.1:8080 is assumed for the platform server",
            )];
            if !image_server.is_empty() {
                wanted.insert(0, (image_server, both));
            }
            assert_eq!(told.len(), wanted.len(), "{bytes:.100}: {told:?}");
            for (told, (why, instead)) in told.iter().zip(wanted) {
                assert!(
                    told.contains(why) && told.ends_with(instead),
                    "{bytes:.100}: {told}"
                );
            }
        }
        let ports = "<x>\n<TcpPort> many </TcpPort><SVGTcpPort>70000</SVGTcpPort></x>";
        let (found, told) = of(ports.as_bytes(), SERVER.as_bytes());
        assert_eq!((found.image_server_port, found.svg_port), (27345, 27346));
        assert_eq!(
            told,
            [
                "ImageServerRegistry.xml:2: `<TcpPort>` is `many`, which is no port; port 27345 is assumed for the image server",
                "ImageServerRegistry.xml:2: `<SVGTcpPort>` is `70000`, which is no port; port 27346 is assumed for the SVG renderer",
            ]
        );
    }

    #[test]
    fn a_missing_file_means_nothing_and_one_that_is_no_file_is_told() {
        let default = (Neighbours::default(), Vec::new());
        assert_eq!(understood(&Files::default()), default);
        assert_eq!(understood(&Files::read(Path::new("/nonexistent"))), default);
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("conf");
        for name in [IMAGE_SERVER, PLATFORM_SERVER] {
            std::fs::create_dir_all(conf.join(name)).unwrap();
        }
        let (found, told) = understood(&Files::read(folder.path()));
        assert_eq!(found, Neighbours::default());
        assert_eq!(told.len(), 2, "{told:?}");
        for told in told {
            assert!(told.starts_with("registry.xml:0: cannot read "), "{told}");
            assert!(told.contains("it isn't a regular file; "), "{told}");
        }
    }
}
