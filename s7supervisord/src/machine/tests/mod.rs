//! The machine without a system: time is handed in, effects are read, and nothing sleeps.

mod checks;
mod desk;
mod inherited;
mod model;
mod policies;
mod rounds;
mod scale;
mod simulation;
mod states;
mod stories;
mod table;
mod vigil;
mod words;
