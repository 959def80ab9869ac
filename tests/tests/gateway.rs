//! The main job, on the real stack: Envoy with the shipped filter, the shim, Redis, the backend.

mod gateway {
    mod configuration;
    mod headers;
    mod hostile;
    mod login;
    mod outage;
    mod payers;
    mod sharing;
}
