//! `tollgate serve` as a process, before a real Redis and before its own memory.

mod shim_serve {
    mod basics;
    mod bodies;
    mod concurrency;
    mod cut;
    mod outage;
    mod overrides;
    mod process;
    mod settles;
}
