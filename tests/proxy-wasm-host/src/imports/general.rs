//! Logging, time, timers, properties, contexts.

use super::{MODULE, number};
use crate::abi::{LogLevel, Status};
use crate::memory::{Call, give, read, write};
use crate::properties::{Found, path};
use crate::state::{Deferred, HostState, Tick};
use wasmtime::Linker;

/// The log level that the host reports to the plugin.
const LOG_LEVEL: LogLevel = LogLevel::Info;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_log",
        |mut c: Call<'_>, level: u32, at: u32, length: u32| number(log(&mut c, level, at, length)),
    )?;
    linker.func_wrap(MODULE, "proxy_get_log_level", |mut c: Call<'_>, to: u32| {
        let level = (LOG_LEVEL as u32).to_le_bytes();
        number(write(&mut c, "proxy_get_log_level", to, &level))
    })?;
    linker.func_wrap(
        MODULE,
        "proxy_get_current_time_nanoseconds",
        |mut c: Call<'_>, to: u32| {
            let now_ns = c.data().process.read().now_ns.to_le_bytes();
            number(write(&mut c, "proxy_get_current_time_nanoseconds", to, &now_ns))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_tick_period_milliseconds",
        |mut c: Call<'_>, period_ms: u32| number(set_tick(&mut c, period_ms)),
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_property",
        |mut c: Call<'_>, at: u32, length: u32, pointer: u32, size: u32| {
            number(get_property(&mut c, (at, length), (pointer, size)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_property",
        |mut c: Call<'_>, at: u32, length: u32, value: u32, value_length: u32| {
            number(set_property(&mut c, (at, length), (value, value_length)))
        },
    )?;
    linker.func_wrap(MODULE, "proxy_set_effective_context", |mut c: Call<'_>, context: u32| {
        number(set_effective(&mut c, context))
    })?;
    linker.func_wrap(MODULE, "proxy_done", |mut c: Call<'_>| number(done(&mut c)))?;
    Ok(())
}

fn log(c: &mut Call<'_>, level: u32, at: u32, length: u32) -> Result<(), Status> {
    let Some(known) = LogLevel::of(level) else {
        return Err(c.data_mut().reject(
            "proxy_log",
            format!("unknown log level: {level}"),
            Status::BadArgument,
        ));
    };
    let message = read(c, "proxy_log", at, length)?;
    c.data_mut().log(known, String::from_utf8_lossy(&message).into_owned());
    Ok(())
}

fn set_tick(c: &mut Call<'_>, period_ms: u32) -> Result<(), Status> {
    let host = c.data_mut();
    let now_ns = host.process.read().now_ns;
    let root = host.root();
    let root = host.roots.get_mut(&root).ok_or(Status::BadArgument)?;
    root.tick = (period_ms > 0)
        .then(|| Tick { period_ms, next_ns: now_ns + u64::from(period_ms) * 1_000_000 });
    Ok(())
}

fn get_property(
    c: &mut Call<'_>,
    (at, length): (u32, u32),
    place: (u32, u32),
) -> Result<(), Status> {
    let wanted = read(c, "proxy_get_property", at, length)?;
    match property(c.data_mut(), &wanted) {
        None => Err(Status::NotFound),
        Some(Found::NoEncoding) => Err(Status::SerializationFailure),
        Some(Found::Value(value)) => give(c, "proxy_get_property", &value, place),
    }
}

/// Returns a property of the plugin or of the current stream.
fn property(host: &mut HostState, wanted: &[u8]) -> Option<Found> {
    let own = [("plugin_root_id", &host.root_id), ("plugin_vm_id", &host.vm_id)];
    if let Some((_, value)) = own.iter().find(|(name, _)| path(&[name]) == wanted) {
        return Some(Found::Value(value.as_bytes().to_vec()));
    }
    host.stream()?.property(wanted)
}

fn set_property(
    c: &mut Call<'_>,
    (at, length): (u32, u32),
    (value, value_length): (u32, u32),
) -> Result<(), Status> {
    const NAME: &str = "proxy_set_property";
    let key = read(c, NAME, at, length)?;
    let value = read(c, NAME, value, value_length)?;
    let host = c.data_mut();
    let Some(stream) = host.stream() else {
        return Err(host.reject(NAME, "the context has no stream", Status::NotFound));
    };
    stream.filter_state.insert(key, value);
    Ok(())
}

/// Sets the effective context. An ended context is not a violation, because a plugin has no other
/// way to find out.
fn set_effective(c: &mut Call<'_>, context: u32) -> Result<(), Status> {
    let host = c.data_mut();
    if !host.has_context(context) {
        return Err(Status::BadArgument);
    }
    host.effective = context;
    Ok(())
}

fn done(c: &mut Call<'_>) -> Result<(), Status> {
    let host = c.data_mut();
    let context = host.context();
    match host.roots.get_mut(&context) {
        Some(root) if root.is_pending => {
            root.is_pending = false;
            host.deferred.push_back(Deferred::Delete(context));
            Ok(())
        }
        _ => Err(host.reject("proxy_done", "the context is not being ended", Status::BadArgument)),
    }
}
