//! `tollgate serve` as a process, before a real Redis and before its own memory.

mod shim_serve {
    mod access;
    mod basics;
    mod bodies;
    mod concurrency;
    mod cut;
    mod guessing;
    mod hoarding;
    mod load;
    mod outage;
    mod overrides;
    mod process;
    mod refusing;
    mod settles;
    mod versions;
}
