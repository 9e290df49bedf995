#![no_main]
#[global_allocator]
static COUNTING: s7tests::fuzz::allocations::Counting = s7tests::fuzz::allocations::Counting;
libfuzzer_sys::fuzz_target!(|data: &[u8]| s7tests::fuzz::frame::run(data));
