//! Servers that run the scripts: by their own clock as shipped, or by a time that is given.

use super::link::Link;
use crate::shim::cluster::Cluster;
use harness::setup::PinnedRedis;
use harness::stack::{Port, Server, redis as stack_redis};
use ledger::script::{Call, source};
use redis::Value;
use std::path::PathBuf;
use tempfile::TempDir;

/// The part of each script that takes the server's time; it comes first.
const CLOCK: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ledger/src/script/clock.lua"));

/// Takes the time from the last argument instead. Keys live a day longer: the server's own clock,
/// by which they go, has no part in it.
const GIVEN_CLOCK: &str = "
local now_ms = tonumber(ARGV[#ARGV])
local redis = { pcall = redis.pcall, call = function(command, ...)
  if command ~= 'SET' then
    return redis.call(command, ...)
  end
  local key, value, px, life_ms = ...
  if px == 'KEEPTTL' then
    assert(redis.call('PTTL', key) > 0)
    return redis.call(command, key, value, px)
  end
  assert(px == 'PX' and life_ms >= 1 and life_ms % 1 == 0)
  return redis.call(command, key, value, px, string.format('%.0f', life_ms + 86400000))
end }
";

/// How much longer keys live under the clock that a test gives.
pub const LONGER_MS: u64 = 86_400_000;

/// Which script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// `decide.lua`
    Decide,
    /// `settle.lua`
    Settle,
    /// `peek.lua`
    Peek,
}

impl Script {
    const ALL: [Self; 3] = [Self::Decide, Self::Settle, Self::Peek];

    /// As shipped.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::Decide => source::DECIDE,
            Self::Settle => source::SETTLE,
            Self::Peek => source::PEEK,
        }
    }

    fn given_time(self) -> String {
        let rest = self.source().strip_prefix(CLOCK).expect("the clock comes first");
        format!("{GIVEN_CLOCK}{rest}")
    }
}

/// A running ledger with the scripts loaded.
#[derive(Debug)]
pub struct LedgerServer {
    /// Names it in messages, as it says itself: `Redis 7.0.15`, `Valkey 9.1.2`; or `Cluster`.
    pub name: String,
    servers: Servers,
    shipped: [String; 3],
    given: [String; 3],
}

#[derive(Debug)]
enum Servers {
    Alone { server: Server, _dir: TempDir },
    Cluster(Cluster),
}

impl LedgerServer {
    /// Every kind, to be started: what holds of one has to hold of all.
    pub const EACH: [fn() -> Self; 5] =
        [Self::redis7, Self::redis8, Self::valkey8, Self::valkey9, Self::cluster];

    /// Debian's Redis: 7.0 in Debian 12, on which all of this is promised. A later Debian's is
    /// taken as well; its name says which it is.
    ///
    /// # Panics
    /// Where it is another server, or older.
    #[must_use]
    pub fn redis7() -> Self {
        let server = Self::pinned(PinnedRedis::Redis7, "Redis ");
        let version = server.name.strip_prefix("Redis ").expect("Redis, not Valkey");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        assert!(major >= Some(7), "{version}");
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        if release.contains("VERSION_ID=\"12\"") {
            assert!(version.starts_with("7.0."), "Debian 12 has Redis 7.0, not {version}");
        }
        server
    }

    /// Redis 8.
    ///
    /// # Panics
    /// Where it is another.
    #[must_use]
    pub fn redis8() -> Self {
        Self::pinned(PinnedRedis::Redis8, "Redis 8.")
    }

    /// Valkey 8.
    ///
    /// # Panics
    /// Where it is another.
    #[must_use]
    pub fn valkey8() -> Self {
        Self::pinned(PinnedRedis::Valkey8, "Valkey 8.")
    }

    /// Valkey 9.
    ///
    /// # Panics
    /// Where it is another.
    #[must_use]
    pub fn valkey9() -> Self {
        Self::pinned(PinnedRedis::Valkey9, "Valkey 9.")
    }

    /// Three of the usual server, as a Cluster.
    #[must_use]
    pub fn cluster() -> Self {
        Self::with(Some("Cluster"), Servers::Cluster(Cluster::start()))
    }

    fn pinned(version: PinnedRedis, name: &str) -> Self {
        let server = Self::alone(version.program().expect("a server"));
        assert!(server.name.starts_with(name), "{}", server.name);
        server
    }

    fn alone(program: PathBuf) -> Self {
        let dir = TempDir::new().expect("a folder");
        let options = stack_redis::Options {
            program,
            port: Port::free().expect("a free port"),
            dir: dir.path(),
            args: Vec::new(),
        };
        let server = stack_redis::start(options).expect("a server that answers");
        Self::with(None, Servers::Alone { server, _dir: dir })
    }

    fn with(name: Option<&str>, servers: Servers) -> Self {
        let mut this = Self {
            name: name.unwrap_or_default().to_owned(),
            servers,
            shipped: Default::default(),
            given: Default::default(),
        };
        for connection in this.connect().all() {
            if name.is_none() {
                this.name = name_of(connection);
            }
            let mut load = |source: &str| -> String {
                redis::cmd("SCRIPT").arg("LOAD").arg(source).query(connection).expect("a script")
            };
            this.shipped = Script::ALL.map(|script| load(script.source()));
            this.given = Script::ALL.map(|script| load(&script.given_time()));
        }
        this
    }

    /// How much more a key takes than on a server that is alone: Redis 7 links the keys of a
    /// Cluster's slot with each other.
    #[must_use]
    pub const fn cluster_overhead_bytes(&self) -> u64 {
        match self.servers {
            Servers::Alone { .. } => 0,
            Servers::Cluster(_) => 16,
        }
    }

    /// New connections.
    #[must_use]
    pub fn connect(&self) -> Link {
        let servers = match &self.servers {
            Servers::Alone { server, .. } => std::slice::from_ref(server),
            Servers::Cluster(cluster) => cluster.nodes.as_slice(),
        };
        let connect = |server| {
            let client = redis::Client::open(stack_redis::url(server)).expect("a URL");
            client.get_connection().expect("a connection")
        };
        Link::new(servers.iter().map(connect).collect())
    }

    /// The command that puts `call` to the script as shipped.
    #[must_use]
    pub fn command(&self, script: Script, call: &Call) -> redis::Cmd {
        Self::evalsha(&self.shipped[script as usize], call)
    }

    /// The command that puts `call` to the script at a given time.
    #[must_use]
    pub fn command_at(&self, script: Script, call: &Call, now_ms: u64) -> redis::Cmd {
        let mut command = Self::evalsha(&self.given[script as usize], call);
        command.arg(now_ms);
        command
    }

    fn evalsha(sha: &str, call: &Call) -> redis::Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(sha).arg(call.keys.len()).arg(&call.keys).arg(&call.records);
        command
    }
}

/// What a server says that it is.
fn name_of(connection: &mut redis::Connection) -> String {
    let info: String = redis::cmd("INFO").arg("server").query(connection).expect("text");
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    // Valkey says which Redis it stands for as well.
    match (field("valkey_version:"), field("redis_version:")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "a server without a version".to_owned(),
    }
}

/// A script's reply.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    redis::from_redis_value_ref(value).expect("one string")
}
