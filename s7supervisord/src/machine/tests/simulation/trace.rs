//! What happened, to be printed when a seed fails.

use crate::machine::moment::Moment;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Lines that are kept.
const KEPT: usize = 60;

/// The last lines of a simulation, where somebody wants them.
pub struct Trace {
    wanted: bool,
    lines: Mutex<VecDeque<String>>,
    /// A sum over all lines, by which two simulations are seen to be the same.
    sum: Mutex<u64>,
}

impl Trace {
    pub fn new(wanted: bool) -> Self {
        Self {
            wanted,
            lines: Mutex::default(),
            sum: Mutex::default(),
        }
    }

    pub fn line(&self, now: Moment, line: impl FnOnce() -> String) {
        if !self.wanted {
            return;
        }
        let line = format!("{now} {}", line());
        let mut sum = self.sum.lock().unwrap();
        // FNV-1a, which is enough to tell a difference.
        for byte in line.bytes() {
            *sum = (*sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut lines = self.lines.lock().unwrap();
        lines.push_back(line);
        if lines.len() > KEPT {
            lines.pop_front();
        }
    }

    pub fn sum(&self) -> u64 {
        *self.sum.lock().unwrap()
    }

    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|line| format!("    {line}\n")).collect()
    }
}
