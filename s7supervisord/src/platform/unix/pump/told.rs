//! What the pumps tell of the components and are told about them, without waiting for a disk.

use super::super::stream::lock;
use super::Pumps;
use crate::output::last_words::Ends;
use crate::output::mark::Mark;
use crate::output::unwritten::Unwritten;
use s7proto::name::ComponentName;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Pumps {
    /// Has a line written before what a component writes next.
    pub(in super::super) fn mark(&self, component: &ComponentName, mark: Mark) -> Option<Arc<Mark>> {
        let mark = Arc::new(mark);
        let stream = lock(&self.components).get(component).cloned()?;
        lock(&stream.queue).mark = Some(Arc::clone(&mark));
        Some(mark)
    }

    /// Bytes of a component that were dropped.
    pub(in super::super) fn dropped_bytes(&self, component: &ComponentName) -> u64 {
        let stream = lock(&self.components).get(component).cloned();
        match stream {
            Some(stream) => stream.dropped.load(Ordering::Relaxed),
            None => lock(&self.left).get(component).map_or(0, |lost| lost.dropped),
        }
    }

    /// Why a component's output can't be written, where it can't.
    pub(in super::super) fn unwritten(&self, component: &ComponentName) -> Option<Unwritten> {
        let stream = lock(&self.components).get(component).cloned()?;
        lock(&stream.unwritten).clone()
    }

    /// Where the last runs of a component have written, as far as their output is complete.
    pub(in super::super) fn ends(&self, component: &ComponentName) -> Ends {
        let stream = lock(&self.components).get(component).cloned();
        stream
            .map(|stream| lock(&stream.ends).clone())
            .unwrap_or_default()
    }

    /// How many bytes the pipe of a component's latest run holds.
    pub(in super::super) fn pipe_bytes(&self, component: &ComponentName) -> Option<u64> {
        let stream = lock(&self.components).get(component).cloned()?;
        let queue = lock(&stream.queue);
        let latest = queue.waiting.back().or(queue.head.as_ref())?;
        Some(latest.capacity as u64)
    }
}
