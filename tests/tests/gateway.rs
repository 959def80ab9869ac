//! Rate limiting on the real stack: Envoy with the shipped filter, the shim, Redis and the backend.

mod gateway {
    mod ai;
    mod configuration;
    mod connections;
    mod contact;
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
    mod names;
    mod odd_paths;
    mod outage;
    mod paths;
    mod payers;
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
}
