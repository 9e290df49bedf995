//! The folders that the daemon should have and had to begin without.

use super::Driver;
use super::background::Found;
use crate::folders::prepare_folders;
use std::sync::Arc;

/// Whether they are there.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// Why one can't be made, for the status.
    fault: Option<String>,
    /// It is being tried. A disk that hangs is asked once.
    under_way: bool,
}

impl Folders {
    /// Why one is missing, in words for people.
    pub(super) fn fault(&self) -> Option<String> {
        self.fault.clone()
    }

    /// They are made.
    pub(super) fn are_there(&mut self) {
        self.fault = None;
    }

    fn lack(&mut self, why: &str) {
        let again = "mend that: it is tried again every 10 s, and at once by: s7ctl reload";
        self.fault = Some(format!("{why}; {again}"));
    }
}

impl Driver {
    /// The daemon has begun without a folder that it should have, which is why; it is tried again.
    pub fn lacks_a_folder(&mut self, why: &str) {
        self.folders.lack(why);
    }

    /// Tries again to make what is missing.
    pub(super) fn make_folders(&mut self) {
        if self.folders.fault.is_none() || std::mem::replace(&mut self.folders.under_way, true) {
            return;
        }
        let plan = Arc::clone(&self.background.plan);
        let broken_off = "the supervisor failed while it made its folders; its log has more".to_owned();
        self.background.run(
            move || Found::Folders(prepare_folders(&plan).map_err(|failure| failure.message)),
            Found::Folders(Err(broken_off)),
        );
    }

    /// What came of that.
    pub(super) fn folders_made(&mut self, made: Result<(), String>) {
        self.folders.under_way = false;
        // A reload may have made them meanwhile, perhaps others.
        if self.folders.fault.is_none() {
            return;
        }
        match made {
            Ok(()) => {
                log::info!("the folders of the supervisor are there again");
                self.folders.are_there();
            }
            Err(why) => self.folders.lack(&why),
        }
    }
}
