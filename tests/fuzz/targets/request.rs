#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| s7tests::fuzz::request::run(data));
