//! Java: what its options say, and what becomes of them once the version of the Java that runs them is known.

use s7proto::name::ComponentName;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use wildmatch::WildMatch;

/// What is still open in a Java component's arguments, because it depends on the version of the Java that runs it.
///
/// As long as that version is not known, [`super::plan::RunPlan::arguments`] holds every argument as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JavaPlan {
    /// How many of [`super::plan::RunPlan::arguments`], from the first, are options of the JVM.
    pub options: usize,
    /// Options (by index) that only suit Java from this major version on.
    pub only_from: Vec<(usize, u32)>,
    /// Options that are to be left out.
    pub drop: Vec<DropPlan>,
    /// A debugger can be attached to it.
    pub debugger: bool,
    /// Where it leaves the contents of its heap when it is out of memory; `None` for wherever it runs.
    pub heap_dumps: Option<HeapDumps>,
    /// The option that keeps it from hearing the signal that asks for a dump of its threads, which then ends it; with the
    /// variable that it comes from in brackets.
    pub deaf_by: Option<String>,
    /// What it writes when it crashes, where `%p` stands for its process id; `None` for a file of its own choice.
    pub error_file: Option<String>,
}

/// `-XX:HeapDumpPath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeapDumps {
    /// A folder, or a file.
    pub path: PathBuf,
    /// It is a folder for this component alone, which the supervisor makes and keeps from filling up.
    pub is_own: bool,
}

/// One `<dropArguments>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropPlan {
    /// The option, where `*` stands for any text.
    pub pattern: String,
    /// The first major version of Java that it is left out for.
    pub from: u32,
}

/// A version of Java, as far as options depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 8 for `1.8.0_392`, 17 for `17.0.15`.
    pub major: u32,
    /// 392 for `1.8.0_392`; 0 from Java 9 on, where nothing here depends on it.
    pub update: u32,
}

/// The first Java that binds JMX to an address (JDK-6425769): an older one ignores `jmxremote.host`.
const JMX_HOST: Version = Version {
    major: 8,
    update: 102,
};

/// The first Java that knows `ExitOnOutOfMemoryError` (its release notes); an older one refuses to start.
const EXIT_ON_OUT_OF_MEMORY: Version = Version { major: 8, update: 92 };

const JMX: &str = "-Dcom.sun.management.jmxremote";
const ERROR_FILE: &str = "-XX:ErrorFile=";
const EXITS: &str = "-XX:+ExitOnOutOfMemoryError";

impl Version {
    /// Reads a version as Java writes it: `17.0.15`, `1.8.0_392`, `21-ea`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse::<u32>().ok();
        match next()? {
            1 => {
                let major = next()?;
                // The third number was always 0.
                let _ = next();
                let update = next().unwrap_or(0);
                Some(Self { major, update })
            }
            major => Some(Self { major, update: 0 }),
        }
    }

    /// The version in the text of the file `release`, which lies in the home of a Java.
    #[must_use]
    pub fn in_release(text: &str) -> Option<Self> {
        let value = |line: &str| {
            Some(
                line.trim()
                    .strip_prefix("JAVA_VERSION=")?
                    .trim_matches('"')
                    .to_owned(),
            )
        };
        Self::parse(&text.lines().find_map(value)?)
    }

    /// The version in what `java -version` says: `openjdk version "17.0.15" 2025-04-15`.
    #[must_use]
    pub fn in_answer(text: &str) -> Option<Self> {
        let quoted = |line: &str| Some(line.split_once(" version \"")?.1.split_once('"')?.0.to_owned());
        Self::parse(&text.lines().find_map(quoted)?)
    }
}

/// A command line for one Java.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapted {
    /// The arguments that are left.
    pub arguments: Vec<String>,
    /// Options that are left out, and why.
    pub left_out: Vec<(String, &'static str)>,
}

/// `arguments` as a Java of this version takes them.
#[must_use]
pub fn adapted(arguments: &[String], java: &JavaPlan, version: Version) -> Adapted {
    let (options, _) = arguments.split_at(java.options.min(arguments.len()));
    let loopback = |option: &String| {
        let host = option
            .strip_prefix(JMX)
            .and_then(|rest| rest.strip_prefix(".host="));
        matches!(host, Some("127.0.0.1" | "localhost" | "::1"))
    };
    let jmx_is_local = options.iter().any(loopback);
    let mut adapted = Adapted {
        arguments: Vec::with_capacity(arguments.len()),
        left_out: Vec::new(),
    };
    for (index, argument) in arguments.iter().enumerate() {
        let is_option = index < java.options;
        let newer = |(at, from): &(usize, u32)| *at == index && *from > version.major;
        let matches = |pattern: &str| WildMatch::new(pattern).matches(argument);
        let why = if !is_option {
            None
        } else if java.only_from.iter().any(newer) || (argument == EXITS && version < EXIT_ON_OUT_OF_MEMORY) {
            Some("it is for a newer Java")
        } else if java
            .drop
            .iter()
            .any(|drop| drop.from <= version.major && matches(&drop.pattern))
        {
            Some("the profile leaves it out for this Java")
        } else if jmx_is_local
            && version < JMX_HOST
            && argument
                .strip_prefix(JMX)
                .is_some_and(|rest| rest.starts_with(".port="))
        {
            Some("this Java would open it to other machines")
        } else {
            None
        };
        match why {
            Some(why) => adapted.left_out.push((argument.clone(), why)),
            None => adapted.arguments.push(argument.clone()),
        }
    }
    adapted
}

impl JavaPlan {
    /// Whether a run's arguments depend on the version of its Java.
    #[must_use]
    pub fn depends_on_version(&self, arguments: &[String]) -> bool {
        let options = arguments.iter().take(self.options);
        let jmx = |option: &String| option.starts_with(JMX);
        !self.only_from.is_empty()
            || !self.drop.is_empty()
            || options.into_iter().any(|option| option == EXITS || jmx(option))
    }

    /// Takes from the options of `id`, and from its variables, what the supervisor has to know of them.
    #[must_use]
    pub fn with_options(
        mut self,
        options: &[String],
        variables: &[(String, String)],
        id: &ComponentName,
    ) -> Self {
        // The last one counts, as for Java itself.
        let value = |name: &str| options.iter().rev().find_map(|option| option.strip_prefix(name));
        let all = all_options(options, variables);
        self.debugger = all.iter().any(|(option, _)| is_debugger(option));
        self.deaf_by = deaf_by(&all);
        self.heap_dumps = value("-XX:HeapDumpPath=").map(|path| HeapDumps {
            path: PathBuf::from(path),
            is_own: Path::new(path).file_name() == Some(heap_folder(id).as_ref()),
        });
        self.error_file = value(ERROR_FILE).map(str::to_owned);
        self
    }
}

impl JavaPlan {
    /// Where a Java of another user leaves the report of its crash: that user can't write the logs, where the built-in profiles
    /// have it, and can write its own folder of heap dumps.
    pub fn move_error_file(&mut self, arguments: &mut [String], id: &ComponentName) {
        let name = format!("hs_err_{id}_%p.log");
        let (Some(dumps), Some(before)) = (&self.heap_dumps, &self.error_file) else {
            return;
        };
        if !dumps.is_own || Path::new(before).file_name() != Some(name.as_ref()) {
            return;
        }
        let after = dumps.path.join(name).display().to_string();
        let of = |argument: &&mut String| argument.strip_prefix(ERROR_FILE) == Some(before);
        if let Some(argument) = arguments.iter_mut().take(self.options).rev().find(of) {
            *argument = format!("{ERROR_FILE}{after}");
            self.error_file = Some(after);
        }
    }
}

/// The name of the folder that the built-in profiles have a component's heap dumps in. Java makes no folder, so that the
/// supervisor makes this one; and only of what lies in it does it know whose it is.
fn heap_folder(id: &ComponentName) -> String {
    format!("heap-{id}")
}

/// One option of a Java, and the variable that it comes from, if so.
pub type Given<'a> = (Cow<'a, str>, Option<&'static str>);

/// All options that a Java has, in the order in which HotSpot reads them, where the last one counts.
///
/// Options in a file (`@file`, `-XX:Flags=`, `-XX:VMOptionsFile=`) and in variables that come from the daemon aren't looked at:
/// the file belongs to whoever starts it and may be another one by then.
#[must_use]
pub fn all_options<'a>(options: &'a [String], variables: &'a [(String, String)]) -> Vec<Given<'a>> {
    let of = |variable: &'static str| {
        let value = variables.iter().find(|(name, _)| name == variable);
        let words = value.into_iter().flat_map(|(_, value)| value.split_whitespace());
        // Either quote can be anywhere in a word.
        words.map(move |word| (Cow::Owned(word.replace(['"', '\''], "")), Some(variable)))
    };
    let own = options
        .iter()
        .map(|option| (Cow::Borrowed(option.as_str()), None));
    // `JDK_JAVA_OPTIONS` comes with Java 9.
    of("JAVA_TOOL_OPTIONS")
        .chain(of("JDK_JAVA_OPTIONS"))
        .chain(own)
        .chain(of("_JAVA_OPTIONS"))
        .collect()
}

/// The option that has a Java leave signals alone, and the variable that has it; `None` where the last word is that it hears
/// them. Whoever sends a signal asks the system as well.
fn deaf_by(all: &[Given<'_>]) -> Option<String> {
    let mut deaf = None;
    for (option, variable) in all {
        hear(&mut deaf, option, || match variable {
            Some(variable) => format!("{option} ({variable})"),
            None => option.to_string(),
        });
    }
    deaf
}

/// What one more option makes of it.
fn hear(deaf: &mut Option<String>, option: &str, told: impl FnOnce() -> String) {
    match option {
        "-Xrs" | "-XX:+ReduceSignalUsage" => *deaf = Some(told()),
        "-XX:-ReduceSignalUsage" => *deaf = None,
        _ => {}
    }
}

/// Whether a debugger can be attached to a Java with this option, which may then stop for as long as somebody thinks.
#[must_use]
pub fn is_debugger(option: &str) -> bool {
    ["-agentlib:jdwp", "-Xrunjdwp", "-Xdebug"]
        .iter()
        .any(|start| option.starts_with(start))
}

/// Whether an option sets the size of the heap. Of two of them Java silently takes the last.
#[must_use]
pub fn sets_heap_size(option: &str) -> bool {
    // `-mx2g` is what it was called before Java 1.2.
    let old = option.strip_prefix("-mx");
    option.starts_with("-Xmx")
        || option.starts_with("-XX:MaxHeapSize=")
        || old.is_some_and(|size| size.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    fn left_out(options: &[&str], java: JavaPlan, text: &str) -> Vec<String> {
        let arguments: Vec<String> = options.iter().map(|&text| text.to_owned()).collect();
        let java = JavaPlan {
            options: arguments.len() - 1,
            ..java
        };
        let adapted = adapted(&arguments, &java, version(text));
        let both = adapted.arguments.len() + adapted.left_out.len();
        assert_eq!(both, arguments.len());
        adapted.left_out.into_iter().map(|(option, _)| option).collect()
    }

    #[test]
    fn versions_are_read_as_every_java_writes_them() {
        for (text, major, update) in [
            ("17.0.15", 17, 0),
            ("1.8.0_392", 8, 392),
            ("1.7.0", 7, 0),
            ("21-ea", 21, 0),
            ("9", 9, 0),
            ("11.0.2+9-LTS", 11, 0),
        ] {
            assert_eq!(version(text), Version { major, update }, "{text}");
        }
        assert!(
            ["", "x", "1", "one.two"]
                .iter()
                .all(|text| Version::parse(text).is_none())
        );
        let release = "IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.15\"\nJAVA_VERSION_DATE=\"2025-04-15\"\n";
        assert_eq!(Version::in_release(release), Some(version("17")));
        assert_eq!(Version::in_release("JAVA_VERSION_DATE=\"2025\"\n"), None);
        let answer = "Picked up JAVA_TOOL_OPTIONS: -Dx\nopenjdk version \"1.8.0_392\"\nOpenJDK Runtime\n";
        assert_eq!(Version::in_answer(answer), Some(version("1.8.0_392")));
        assert_eq!(Version::in_answer("Error: could not find libjava.so"), None);
    }

    #[test]
    fn options_are_left_out_by_the_version_and_nothing_behind_them_is_touched() {
        let java = || JavaPlan {
            only_from: vec![(0, 9)],
            drop: vec![DropPlan {
                pattern: "-XX:MaxPermSize=*".to_owned(),
                from: 8,
            }],
            ..JavaPlan::default()
        };
        let all = ["-Xlog:gc", "-XX:MaxPermSize=200m", "-Xmx1g", "-XX:MaxPermSize=1m"];
        // The last one is an argument of the program.
        assert_eq!(left_out(&all, java(), "1.7.0_80"), ["-Xlog:gc"]);
        assert_eq!(
            left_out(&all, java(), "1.8.0_392"),
            ["-Xlog:gc", "-XX:MaxPermSize=200m"]
        );
        assert_eq!(left_out(&all, java(), "17.0.15"), ["-XX:MaxPermSize=200m"]);
    }

    #[test]
    fn a_java_that_would_open_jmx_to_everybody_does_not_open_it() {
        let (host, port) = (format!("{JMX}.host=127.0.0.1"), format!("{JMX}.port=9999"));
        let all = [host.as_str(), port.as_str(), "Main"];
        let java = JavaPlan::default;
        assert_eq!(left_out(&all, java(), "1.8.0_101"), [port.as_str()]);
        assert!(left_out(&all, java(), "1.8.0_102").is_empty());
        assert!(left_out(&all, java(), "17").is_empty());
        // Whoever opens it without a host has their own way to keep it closed.
        assert!(left_out(&[port.as_str(), "Main"], java(), "1.7.0").is_empty());
        assert_eq!(left_out(&[EXITS, "Main"], java(), "1.8.0_91"), [EXITS]);
        assert!(left_out(&[EXITS, "Main"], java(), "1.8.0_92").is_empty());
    }

    #[test]
    fn the_last_of_two_places_counts_and_only_the_own_folder_is_made() {
        let id = ComponentName::parse("ps").unwrap();
        let options = |all: &[&str]| {
            let all: Vec<String> = all.iter().map(|&text| text.to_owned()).collect();
            JavaPlan::default().with_options(&all, &[], &id)
        };
        let plan = options(&["-XX:HeapDumpPath=/t/heap-ps", "-XX:ErrorFile=/l/hs_%p.log"]);
        assert!(plan.heap_dumps.as_ref().is_some_and(|dumps| dumps.is_own));
        assert_eq!(plan.error_file.as_deref(), Some("/l/hs_%p.log"));
        assert!(!plan.debugger);
        let plan = options(&["-XX:HeapDumpPath=/t/heap-ps", "-XX:HeapDumpPath=/dumps"]);
        assert!(plan.heap_dumps.is_some_and(|dumps| !dumps.is_own));
        for option in [
            "-agentlib:jdwp=transport=dt_socket,server=y",
            "-Xrunjdwp:x",
            "-Xdebug",
        ] {
            assert!(options(&[option]).debugger, "{option}");
        }
    }

    #[test]
    fn a_java_that_leaves_signals_alone_is_told_by_the_last_option_that_says_so() {
        let id = ComponentName::parse("ps").unwrap();
        let told = |options: &[&str], variables: &[(&str, &str)]| {
            let options: Vec<String> = options.iter().map(|&text| text.to_owned()).collect();
            let variables: Vec<(String, String)> = variables
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            JavaPlan::default()
                .with_options(&options, &variables, &id)
                .deaf_by
        };
        let (on, off) = ("-XX:+ReduceSignalUsage", "-XX:-ReduceSignalUsage");
        assert_eq!(told(&["-Xmx1g", "-Xrsx", "-Dx=-Xrs"], &[("OTHER", "-Xrs")]), None);
        assert_eq!(told(&["-Xrs"], &[]).as_deref(), Some("-Xrs"));
        assert_eq!(told(&[off, on], &[]).as_deref(), Some(on));
        assert_eq!(told(&["-Xrs", off], &[]), None);
        let variable = |name: &'static str| [(name, "-Da=b  '-Xrs'")];
        for name in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"] {
            let variable = variable(name);
            assert_eq!(told(&[], &variable), Some(format!("-Xrs ({name})")));
            assert_eq!(
                told(&[off], &variable),
                None,
                "the command line comes after {name}"
            );
        }
        let last = told(&[off], &variable("_JAVA_OPTIONS"));
        assert_eq!(last.as_deref(), Some("-Xrs (_JAVA_OPTIONS)"));
        let both = [("JDK_JAVA_OPTIONS", off), ("JAVA_TOOL_OPTIONS", "-Xrs")];
        assert_eq!(told(&[], &both), None, "whatever their order in the registry");
    }
}
