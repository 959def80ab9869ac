//! Letting streams go on, answering them, cutting them. All of it happens once the call under way
//! has returned, in the order in which it was asked for.

use super::maps::check_all;
use super::{MODULE, number};
use crate::abi::{Side, Status, decode_pairs};
use crate::memory::{Call, read};
use crate::state::{Deferred, HostState, LocalReply};
use wasmtime::Linker;

/// The statuses that Envoy can answer with.
const STATUSES: std::ops::RangeInclusive<u32> = 200..=599;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "proxy_continue_stream", |mut c: Call<'_>, kind: u32| {
        number(go_on(c.data_mut(), kind))
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

fn go_on(host: &mut HostState, kind: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_continue_stream";
    let side = side(host, NAME, kind)?;
    let stream_number = host.context();
    let Some(stream) = host.stream() else {
        return Err(host.wrong(NAME, "the context has no stream", Status::BadArgument));
    };
    if !stream.half(side).is_paused {
        host.accuse(NAME, format!("the {side:?} is not paused"));
    }
    host.deferred.push_back(Deferred::Continue(stream_number, side));
    Ok(())
}

fn close(host: &mut HostState, kind: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_close_stream";
    side(host, NAME, kind)?;
    let context = host.context();
    if host.stream().is_none() {
        return Err(host.wrong(NAME, "the context has no stream", Status::BadArgument));
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
        return Err(host.wrong(NAME, "no encoded map", Status::ParseFailure));
    };
    check_all(host, NAME, &headers);
    if !STATUSES.contains(&status) {
        host.accuse(NAME, format!("no status to answer with: {status}"));
    }
    if headers.iter().any(|(name, _)| name.starts_with(b":")) {
        host.accuse(NAME, "a pseudo-header among the headers");
    }
    let context = host.context();
    let Some(stream) = host.stream() else {
        return Err(host.wrong(NAME, "the context has no stream", Status::BadArgument));
    };
    if stream.is_answered_locally || stream.response.has_begun {
        return Err(host.wrong(NAME, "the stream has its answer already", Status::BadArgument));
    }
    stream.is_answered_locally = true;
    host.has_answered |= context == host.current;
    host.deferred.push_back(Deferred::Answer(context, LocalReply { status, headers, body }));
    Ok(())
}

/// Envoy's foreign functions are its own matter; a plugin has to do without where they are not
/// there.
fn foreign(c: &mut Call<'_>, name: u32, length: u32) -> Result<(), Status> {
    let name = read(c, "proxy_call_foreign_function", name, length)?;
    if name == b"clear_route_cache" { Ok(()) } else { Err(Status::NotFound) }
}

fn side(host: &mut HostState, function: &'static str, kind: u32) -> Result<Side, Status> {
    match kind {
        0 => Ok(Side::Request),
        1 => Ok(Side::Response),
        _ => Err(host.wrong(function, format!("no HTTP stream: {kind}"), Status::BadArgument)),
    }
}
