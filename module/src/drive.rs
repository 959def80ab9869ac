//! Makes a gate's calls to the ledger, on the module's thread.

use crate::abi::{LogLevel, log};
use crate::front::{Call, Content, Front, Reply};
use crate::runtime::{Opened, Place};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ledger::checked;
use ledger::store::Health;
use ledger::{AcceptError, Ledger};
use limits::gate::{SettleResult, TICK_MS};
use limits::wire::{Settle, SettleBody};
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
        under_way.extend(front.calls().into_iter().map(|call| made(opened.ledger().clone(), call)));
    }
}

/// Makes a call.
async fn made(ledger: Ledger, Call { id, content, timeout_ms }: Call) -> (u32, Reply) {
    let limit = Duration::from_millis(timeout_ms);
    let reply = match content {
        Content::Requests(requests) => {
            let decided = timeout(limit, ledger.decide(&requests)).await;
            Reply::Decisions(decided.ok().and_then(Result::ok).map(|reply| reply.decisions))
        }
        Content::Settles(settles) => {
            let settled = timeout(limit, settle(&ledger, settles)).await;
            Reply::Settled(settled.unwrap_or(SettleResult::Lost))
        }
        Content::Probe => {
            let health = timeout(limit, ledger.health()).await;
            let is_up = matches!(health, Ok(Health::Up | Health::Partial { .. }));
            Reply::Probed(is_up && ledger.is_reached())
        }
    };
    (id, reply)
}

async fn settle(ledger: &Ledger, settles: Vec<Settle>) -> SettleResult {
    let Ok(settles) = checked::settles(SettleBody { settles }) else {
        return SettleResult::Rejected;
    };
    match ledger.accept(settles) {
        Ok(accepted) => match ledger.settle(&accepted).await {
            Ok(_) => SettleResult::Accepted,
            Err(_) => SettleResult::Lost,
        },
        Err(AcceptError::Unsealed(_)) => SettleResult::Rejected,
        Err(AcceptError::Fault(_)) => SettleResult::Lost,
    }
}
