//! A connection to a supported Redis server, with the scripts loaded.
//!
//! Opened by [`super::lane`], which handles its loss, and by [`super::cluster`] to fetch the slots.
//!
//! # No resending
//! **A command that may have reached the server is never sent again**, because it may have charged.
//! In redis-rs 1.8.1, `MultiplexedConnection` writes each command once, and a lost connection fails
//! all pending commands (`aio/multiplexed_connection.rs`: `send_recv`; it never retries).
//! `ConnectionManager` reconnects but does not resend either (`aio/connection_manager.rs`: its
//! `number_of_retries` counts connection attempts). `cluster_async` **does resend**: after a lost
//! connection, its `choose_response` queues the request again (`RetryMethod::Reconnect` →
//! `Retry::MoveToPending`), up to `retries` times, 16 by default. With 0 retries, it does not
//! follow `MOVED` either. So this module uses the plain connection, and [`super::cluster`] is our
//! own. The test `a_cut_connection_never_charges_twice` cuts the connection after the request was
//! sent.
//!
//! A command *is* sent again if the server reports that it did not execute it: after `NOSCRIPT`
//! (here), and after `MOVED`, `ASK` and `TRYAGAIN` (in [`super::cluster`]).

use super::question::{Kind, Question};
use super::software::{ConnectError, Software};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError,
    RedisResult, ServerErrorKind, Value, from_redis_value,
};
use std::time::Duration;

/// The size of the write queue. A batch can be one script for each of its slots.
const WRITE_QUEUE: usize = 512;

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The timeout for connecting, including the handshake.
    pub connect: Duration,
    /// The timeout for a reply.
    pub response: Duration,
}

/// A connected server.
#[derive(Clone)]
pub(crate) struct Server {
    address: String,
    connection: MultiplexedConnection,
    software: Software,
    /// The scripts' SHA-1 digests, in the order of [`Kind::ALL`].
    scripts: [String; 3],
}

impl Server {
    /// Connects and loads the scripts.
    pub(crate) async fn connect(
        info: &ConnectionInfo,
        timeouts: Timeouts,
    ) -> Result<Self, ConnectError> {
        let (mut connection, software) = connect(info, timeouts).await?;
        let mut scripts = <[String; 3]>::default();
        for (kind, sha) in Kind::ALL.into_iter().zip(&mut scripts) {
            *sha = load(&mut connection, kind).await?;
        }
        Ok(Self { address: info.addr().to_string(), connection, software, scripts })
    }

    /// Returns the server's name and version.
    pub(crate) const fn software(&self) -> &Software {
        &self.software
    }

    /// Completes the `host:port` of a redirection. A server that does not know its host omits it.
    pub(crate) fn absolute(&self, address: &str) -> String {
        match (address.strip_prefix(':'), self.address.rsplit_once(':')) {
            (Some(port), Some((host, _))) => format!("{host}:{port}"),
            _ => address.to_owned(),
        }
    }

    /// Runs one script, and reloads it first if the server has lost it.
    ///
    /// `asking`: the server was named by `ASK`, so it accepts the slot's keys only right after
    /// `ASKING`.
    pub(crate) async fn ask<Q: Question>(
        &mut self,
        questions: &[&Q],
        asking: bool,
    ) -> RedisResult<Value> {
        let sha = self.scripts.get(Q::KIND as usize).map_or("", String::as_str);
        let call = Q::call(questions);
        let mut command = redis::cmd("EVALSHA");
        command.arg(sha).arg(call.keys.len()).arg(call.keys).arg(call.records);
        match self.send(&command, asking).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                load(&mut self.connection, Q::KIND).await?;
                self.send(&command, asking).await
            }
            result => result,
        }
    }

    /// Sends an idempotent command. `asking`: as for [`Self::ask`].
    pub(crate) async fn command(&mut self, command: &Cmd, asking: bool) -> RedisResult<Value> {
        self.send(command, asking).await
    }

    async fn send(&mut self, command: &Cmd, asking: bool) -> RedisResult<Value> {
        if !asking {
            return self
                .connection
                .send_packed_command(command)
                .await
                .and_then(Value::extract_error);
        }
        let mut both = Pipeline::with_capacity(2);
        both.cmd("ASKING").ignore().add_command(command.clone());
        let replies = self.connection.send_packed_commands(&both, 0, 2).await?;
        let answer = replies.into_iter().nth(1).ok_or_else(no_answer)?;
        answer.extract_error()
    }
}

/// Connects to a supported server, without loading scripts.
///
/// Sets the cryptography provider of rustls, which panics if the combined crate features of a build
/// leave it a choice.
pub(crate) async fn connect(
    info: &ConnectionInfo,
    timeouts: Timeouts,
) -> Result<(MultiplexedConnection, Software), ConnectError> {
    // Fails if a provider is already set, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(timeouts.connect))
        .set_response_timeout(Some(timeouts.response))
        .set_pipeline_buffer_size(WRITE_QUEUE);
    let client = Client::open(info.clone())?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let software = Software::read(redis::cmd("HELLO").query_async(&mut connection).await)?;
    Ok((connection, software))
}

async fn load(connection: &mut MultiplexedConnection, kind: Kind) -> RedisResult<String> {
    let loaded =
        redis::cmd("SCRIPT").arg("LOAD").arg(kind.source()).query_async(connection).await?;
    Ok(from_redis_value(loaded)?)
}

fn no_answer() -> RedisError {
    (ErrorKind::Client, "the server did not answer").into()
}
