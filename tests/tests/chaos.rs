//! A minute of mixed load on two Envoys, two shims and a Redis that keeps what it has acknowledged,
//! while shims and Redis are killed, frozen and started again and clients leave early. What reached
//! the upstream shows whether a limit was ever exceeded; what the clients saw, whether anybody was
//! left without an answer.

mod chaos {
    mod faults;
    mod history;
    mod load;
    mod stack;
    mod storm;
    mod upstream;
}
