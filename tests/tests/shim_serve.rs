//! `tollgate serve` as a process, with a real Redis and with its in-memory ledger.

mod shim_serve {
    mod access;
    mod balances;
    mod basics;
    mod blocks;
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
