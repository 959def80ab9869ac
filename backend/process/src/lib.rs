//! Process-level helpers shared by the companion API's servers, `tollgate-backend` and
//! `claude-sim`: a container health check and a stop signal.

pub mod health;
mod stop;

pub use stop::stop_signal;
