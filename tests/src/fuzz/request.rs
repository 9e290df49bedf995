//! Requests of clients, as bytes, into the decoder and on into the machine, mixed with what happens to processes.
//!
//! The bytes are a list of steps. A first byte below 128 is a request: the next byte is the length of its body. Any
//! other is a happening, and the next byte tells to whom or how long. What a request comes to is what the daemon makes
//! of it: names by its roster, answers by its operations.

mod desk;
mod happening;
mod host;
mod registries;

use desk::Desk;
use happening::Happening;

/// The most steps of one input; more of them find nothing that fewer don't.
const MOST_STEPS: usize = 400;

/// Plays the steps, then has everything go well, and at last everything stop.
pub fn run(data: &[u8]) {
    let mut desk = Desk::new();
    let mut bytes = data.iter().copied();
    for _ in 0..MOST_STEPS {
        let (Some(kind), Some(next)) = (bytes.next(), bytes.next()) else {
            break;
        };
        if kind < 128 {
            let body: Vec<u8> = bytes.by_ref().take(usize::from(next)).collect();
            desk.request(&body);
        } else {
            desk.happen(&Happening::read(kind & 0x7f, next));
        }
    }
    desk.settle();
    desk.end();
}
