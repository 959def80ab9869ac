//! Makes a gate's calls to the ledger, on the module's thread.

use crate::abi::{LogLevel, log};
use crate::connection::Connection;
use crate::front::{Call, Content, Front, Reply};
use crate::runtime::{Opened, Place};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use limits::gate::{SettleResult, TICK_MS};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Makes the calls of `front` until it is closed. Starts again if it panics: calls under way then
/// count as lost.
pub(crate) fn spawn(front: Arc<Front>, place: Place, opened: Opened) {
    let place = Arc::new(place);
    tokio::spawn(async move {
        let run = || drive(Arc::clone(&front), Arc::clone(&place), opened.clone());
        while tokio::spawn(run()).await.is_err() {
            log(LogLevel::Error, "tollgate: a fault of Tollgate on its own thread: a panic");
        }
    });
}

async fn drive(front: Arc<Front>, place: Arc<Place>, mut opened: Opened) {
    let mut under_way = FuturesUnordered::new();
    let mut ticks = interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some((id, reply)) = under_way.next() => front.reply(id, reply),
            () = front.calls.notified() => {}
            _ = ticks.tick() => {
                if front.tick() {
                    return;
                }
                if !opened.is_whole() && let Ok(another) = place.open() {
                    opened = another;
                }
            }
        }
        under_way.extend(front.calls().into_iter().map(|call| made(opened.connection(), call)));
    }
}

/// Makes a call.
async fn made(connection: Connection, Call { id, content, timeout_ms }: Call) -> (u32, Reply) {
    let limit = Duration::from_millis(timeout_ms);
    let reply = match content {
        Content::Requests(requests, headers) => {
            let decided = timeout(limit, connection.decide(requests, headers)).await;
            Reply::Decisions(decided.ok().flatten())
        }
        Content::Settles(settles) => {
            let settled = timeout(limit, connection.settle(settles)).await;
            Reply::Settled(settled.unwrap_or(SettleResult::Lost))
        }
        Content::Probe => Reply::Probed(timeout(limit, connection.is_up()).await.unwrap_or(false)),
    };
    (id, reply)
}
