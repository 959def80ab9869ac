//! What both servers of the companion API, `tollgate-backend` and `claude-sim`, need of a process: a
//! health check for their containers, and the signal to stop.

pub mod health;
mod stop;

pub use stop::stop_signal;
