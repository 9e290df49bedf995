//! The machine against a reference and a pretend host, on trials that nobody has thought of.

mod ends;
mod judge;
mod order;
mod reference;
mod standing;
mod trial;
mod verdict;
mod world;
