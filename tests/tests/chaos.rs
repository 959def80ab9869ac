//! A minute of mixed load on two Envoys, two shims and a Redis that persists every acknowledged
//! write, while shims and Redis are killed, frozen and restarted and clients disconnect early. The
//! upstream's record shows if a limit was exceeded, and the clients' record shows if a request was
//! never answered.
//!
//! With `TOLLGATE_FRONT=module`, the Envoys have the dynamic module, there are no shims, and policies
//! are replaced meanwhile.

mod chaos {
    mod faults;
    mod history;
    mod load;
    mod stack;
    mod storm;
    mod upstream;
}
