//! Servers that run the scripts, either as shipped or with a clock that the test controls.

use super::link::Link;
use crate::shim::cluster::Cluster;
use harness::setup::PinnedRedis;
use harness::stack::{Port, Server, redis as stack_redis};
use ledger::script::{Call, source};
use redis::Value;
use std::path::PathBuf;
use tempfile::TempDir;

/// The beginning of each script, which reads the server's clock.
const CLOCK: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../ledger/src/script/clock.lua"));

/// A replacement that reads the time from the last argument. Keys live a day longer, because the
/// server expires them by its own clock.
const GIVEN_CLOCK: &str = "
local now_ms = tonumber(ARGV[#ARGV])
local redis = { pcall = redis.pcall, call = function(command, ...)
  if command ~= 'SET' then
    return redis.call(command, ...)
  end
  local key, value, px, life_ms = ...
  if px == nil then
    return redis.call(command, key, value)
  end
  if px == 'KEEPTTL' then
    assert(redis.call('PTTL', key) > 0)
    return redis.call(command, key, value, px)
  end
  assert(px == 'PX' and life_ms >= 1 and life_ms % 1 == 0)
  return redis.call(command, key, value, px, string.format('%.0f', life_ms + 86400000))
end }
";

/// The additional lifetime of keys under a clock that the test controls.
pub const LONGER_MS: u64 = 86_400_000;

/// A script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// `decide.lua`
    Decide,
    /// `settle.lua`
    Settle,
    /// `peek.lua`
    Peek,
    /// `top_up.lua`
    TopUp,
}

impl Script {
    const ALL: [Self; 4] = [Self::Decide, Self::Settle, Self::Peek, Self::TopUp];

    /// Returns the script as shipped.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::Decide => source::DECIDE,
            Self::Settle => source::SETTLE,
            Self::Peek => source::PEEK,
            Self::TopUp => source::TOP_UP,
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
    /// The server's name and version for messages, such as `Valkey 9.1.2`, or `Cluster`.
    pub name: String,
    servers: Servers,
    shipped: [String; 4],
    given: [String; 4],
}

#[derive(Debug)]
enum Servers {
    Single { server: Server, _dir: TempDir },
    Cluster(Cluster),
}

impl LedgerServer {
    /// A function for each kind of server, which starts it. All must behave the same.
    pub const EACH: [fn() -> Self; 5] =
        [Self::redis7, Self::redis8, Self::valkey8, Self::valkey9, Self::cluster];

    /// Starts Debian's Redis. Debian 12 has the supported version 7.0; the Redis of a later Debian
    /// is accepted too.
    ///
    /// # Panics
    /// Panics if the server is not Redis, or is older.
    #[must_use]
    pub fn redis7() -> Self {
        let server = Self::pinned(PinnedRedis::Redis7, "Redis ");
        let version = server.name.strip_prefix("Redis ").expect("Redis, not Valkey");
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        assert!(major >= Some(7), "{version}");
        let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        if release.contains("VERSION_ID=\"12\"") {
            assert!(
                version.starts_with("7.0."),
                "expected Redis 7.0 on Debian 12, found {version}"
            );
        }
        server
    }

    /// Starts Redis 8.
    ///
    /// # Panics
    /// Panics if the version differs.
    #[must_use]
    pub fn redis8() -> Self {
        Self::pinned(PinnedRedis::Redis8, "Redis 8.")
    }

    /// Starts Valkey 8.
    ///
    /// # Panics
    /// Panics if the version differs.
    #[must_use]
    pub fn valkey8() -> Self {
        Self::pinned(PinnedRedis::Valkey8, "Valkey 8.")
    }

    /// Starts Valkey 9.
    ///
    /// # Panics
    /// Panics if the version differs.
    #[must_use]
    pub fn valkey9() -> Self {
        Self::pinned(PinnedRedis::Valkey9, "Valkey 9.")
    }

    /// Starts a Cluster of three default servers.
    #[must_use]
    pub fn cluster() -> Self {
        Self::with(Some("Cluster"), Servers::Cluster(Cluster::start()))
    }

    fn pinned(version: PinnedRedis, name: &str) -> Self {
        let server = Self::single(version.program().expect("a server"));
        assert!(server.name.starts_with(name), "{}", server.name);
        server
    }

    fn single(program: PathBuf) -> Self {
        let dir = TempDir::new().expect("a directory");
        let options = stack_redis::Options {
            program,
            port: Port::free().expect("a free port"),
            dir: dir.path(),
            args: Vec::new(),
        };
        let server = stack_redis::start(options).expect("a server that answers");
        Self::with(None, Servers::Single { server, _dir: dir })
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

    /// Returns the extra memory of a key in a Cluster, in bytes: Redis 7 links the keys of a slot.
    #[must_use]
    pub const fn cluster_overhead_bytes(&self) -> u64 {
        match self.servers {
            Servers::Single { .. } => 0,
            Servers::Cluster(_) => 16,
        }
    }

    /// Opens a connection to each server.
    #[must_use]
    pub fn connect(&self) -> Link {
        let servers = match &self.servers {
            Servers::Single { server, .. } => std::slice::from_ref(server),
            Servers::Cluster(cluster) => cluster.nodes.as_slice(),
        };
        let connect = |server| {
            let client = redis::Client::open(stack_redis::url(server)).expect("a URL");
            client.get_connection().expect("a connection")
        };
        Link::new(servers.iter().map(connect).collect())
    }

    /// Builds the command that runs `script` as shipped.
    #[must_use]
    pub fn command(&self, script: Script, call: &Call) -> redis::Cmd {
        Self::evalsha(&self.shipped[script as usize], call)
    }

    /// Builds the command that runs `script` at `now_ms` (Unix ms).
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

/// Returns the server's name and version.
fn name_of(connection: &mut redis::Connection) -> String {
    let info: String = redis::cmd("INFO").arg("server").query(connection).expect("text");
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    // Valkey also reports the Redis version that it is compatible with.
    match (field("valkey_version:"), field("redis_version:")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "a server without a version".to_owned(),
    }
}

/// Converts a script's reply to bytes.
#[must_use]
pub fn bytes(value: &Value) -> Vec<u8> {
    redis::from_redis_value_ref(value).expect("one string")
}
