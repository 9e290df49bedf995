//! `s7ctl`: the client.
