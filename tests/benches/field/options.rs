//! What is asked of this run.

use crate::tools::Tools;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than this a component is up before it is killed (as the field was measured).
pub const STEADY: Duration = Duration::from_millis(2400);

/// See the module.
#[derive(Debug)]
pub struct Options {
    /// Names of measures; empty for all.
    pub only: Vec<String>,
    /// Fewer samples.
    pub quick: bool,
    /// Where the rows go as JSON.
    pub json: Option<PathBuf>,
    /// Numbers of components.
    pub sizes: Vec<usize>,
    /// Compiler's work, programs, folders.
    pub tools: Tools,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// It can't be understood, or the tools can't be made.
    pub fn from_command_line(measures: &[&str]) -> io::Result<Self> {
        let usage = |what: String| {
            let names = measures.join(", ");
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{what}; measures are: {names}"),
            )
        };
        let (mut only, mut sizes, mut quick) = (Vec::new(), vec![1, 100, 1000], false);
        let (mut json, mut runtime) = (None, None);
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| usage(format!("{word} needs a value")));
            match word.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--quick" => quick = true,
                "--realtime" => run_before_others()?,
                "--json" => json = Some(value()?.into()),
                "--runtime-in" => runtime = Some(value()?.into()),
                "--only" => only.extend(value()?.split(',').map(str::to_owned)),
                "--sizes" => {
                    let numbers = value()?;
                    let numbers = numbers.split(',').map(str::parse::<usize>);
                    sizes = numbers
                        .collect::<Result<_, _>>()
                        .map_err(|error| usage(error.to_string()))?;
                }
                _ => return Err(usage(format!("{word:?} isn't known"))),
            }
        }
        if let Some(unknown) = only.iter().find(|name| !measures.contains(&name.as_str())) {
            return Err(usage(format!("{unknown:?} isn't known")));
        }
        let tools = Tools::make(runtime)?;
        Ok(Self {
            only,
            quick,
            json,
            sizes,
            tools,
        })
    }

    /// How many samples are taken where `usual` are enough.
    pub fn rounds(&self, usual: usize) -> usize {
        if self.quick { (usual / 3).max(3) } else { usual }
    }
}

/// Gives this process, and with it all that it starts, the lowest real-time priority.
fn run_before_others() -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is valid and only read.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const priority) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(io::Error::new(
        error.kind(),
        format!(
            "running before the other work of the machine, which --realtime asks for and root may do: {error}"
        ),
    ))
}

/// Lets the kernel finish with what has ended.
pub fn quiet() {
    std::thread::sleep(Duration::from_millis(500));
}
