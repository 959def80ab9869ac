//! Resuming, answering and resetting streams. Each takes effect once the current callback has
//! returned, in the order of the calls.

use super::maps::check_all;
use super::{MODULE, number};
use crate::abi::{Side, Status, decode_pairs};
use crate::memory::{Call, read};
use crate::state::{Deferred, HostState, LocalReply};
use wasmtime::Linker;

/// The statuses that Envoy allows in a local response.
const STATUSES: std::ops::RangeInclusive<u32> = 200..=599;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "proxy_continue_stream", |mut c: Call<'_>, kind: u32| {
        number(resume(c.data_mut(), kind))
    })?;
    linker.func_wrap(MODULE, "proxy_close_stream", |mut c: Call<'_>, kind: u32| {
        number(close(c.data_mut(), kind))
    })?;
    linker.func_wrap(
        MODULE,
        "proxy_send_local_response",
        |mut c: Call<'_>,
         status: u32,
         details: u32,
         details_length: u32,
         body: u32,
         body_length: u32,
         headers: u32,
         headers_length: u32,
         _grpc_status: i32| {
            let details = (details, details_length);
            number(answer(&mut c, status, details, (body, body_length), (headers, headers_length)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_call_foreign_function",
        |mut c: Call<'_>,
         name: u32,
         length: u32,
         _arguments: u32,
         _arguments_length: u32,
         _pointer: u32,
         _size: u32| number(foreign(&mut c, name, length)),
    )?;
    Ok(())
}

fn resume(host: &mut HostState, kind: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_continue_stream";
    let side = side(host, NAME, kind)?;
    let stream_number = host.context();
    let Some(stream) = host.stream() else {
        return Err(host.reject(NAME, "the context has no stream", Status::BadArgument));
    };
    if !stream.half(side).is_paused {
        host.record_violation(NAME, format!("the {side:?} side is not paused"));
    }
    host.deferred.push_back(Deferred::Continue(stream_number, side));
    Ok(())
}

fn close(host: &mut HostState, kind: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_close_stream";
    side(host, NAME, kind)?;
    let context = host.context();
    if host.stream().is_none() {
        return Err(host.reject(NAME, "the context has no stream", Status::BadArgument));
    }
    host.deferred.push_back(Deferred::Reset(context));
    Ok(())
}

fn answer(
    c: &mut Call<'_>,
    status: u32,
    (details, details_length): (u32, u32),
    (body, body_length): (u32, u32),
    (headers, headers_length): (u32, u32),
) -> Result<(), Status> {
    const NAME: &str = "proxy_send_local_response";
    read(c, NAME, details, details_length)?;
    let body = read(c, NAME, body, body_length)?;
    let headers = decode_pairs(&read(c, NAME, headers, headers_length)?);
    let host = c.data_mut();
    let Some(headers) = headers else {
        return Err(host.reject(NAME, "malformed header map", Status::ParseFailure));
    };
    check_all(host, NAME, &headers);
    if !STATUSES.contains(&status) {
        host.record_violation(NAME, format!("status must be between 200 and 599, got {status}"));
    }
    if headers.iter().any(|(name, _)| name.starts_with(b":")) {
        host.record_violation(NAME, "pseudo-headers are not allowed in a local response");
    }
    let context = host.context();
    let Some(stream) = host.stream() else {
        return Err(host.reject(NAME, "the context has no stream", Status::BadArgument));
    };
    if stream.is_answered_locally || stream.response.has_begun {
        return Err(host.reject(NAME, "the stream already has a response", Status::BadArgument));
    }
    stream.is_answered_locally = true;
    host.has_answered |= context == host.current;
    host.deferred.push_back(Deferred::Answer(context, LocalReply { status, headers, body }));
    Ok(())
}

/// Accepts `clear_route_cache` and `declare_property`, which change nothing that this model has.
/// Foreign functions are specific to each host, and a plugin must work without them.
fn foreign(c: &mut Call<'_>, name: u32, length: u32) -> Result<(), Status> {
    let name = read(c, "proxy_call_foreign_function", name, length)?;
    let is_known =
        [b"clear_route_cache".as_slice(), b"declare_property"].contains(&name.as_slice());
    if is_known { Ok(()) } else { Err(Status::NotFound) }
}

fn side(host: &mut HostState, function: &'static str, kind: u32) -> Result<Side, Status> {
    match kind {
        0 => Ok(Side::Request),
        1 => Ok(Side::Response),
        _ => Err(host.reject(
            function,
            format!("unknown HTTP stream type: {kind}"),
            Status::BadArgument,
        )),
    }
}
