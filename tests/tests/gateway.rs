//! Rate limiting on the real stack: Envoy with the shipped filter, the shim, Redis and the backend.
//!
//! With `TOLLGATE_FRONT=module`, Envoy has the dynamic module in place of the filter. `wasm_only` and
//! `module_only` have the tests of what only one of the two has.

mod gateway {
    mod ai;
    mod configuration;
    mod connections;
    mod exact;
    mod forged;
    mod full_table;
    mod grpc;
    mod headers;
    mod hostile;
    mod language;
    mod leases;
    mod login;
    mod metrics;
    mod module_only;
    mod names;
    mod odd_paths;
    mod outage;
    mod paths;
    mod payers;
    mod planted;
    mod recipes;
    mod refusals;
    mod reload;
    mod routes;
    mod salt;
    mod sharing;
    mod spellings;
    mod tracing;
    mod unread;
    mod usage;
    mod variables;
    mod wasm_only;
}
