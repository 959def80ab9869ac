//! Headers and trailers.
//!
//! A map is available during its callback, while the plugin pauses the stream there, and in the
//! access-log callback. At any other time Envoy returns `BadArgument`, and the Rust SDK panics.

use super::{MODULE, number};
use crate::abi::{MapKind, Side, Status, decode_pairs, encode_pairs};
use crate::headers::{Headers, header_error};
use crate::memory::{Call, give, read, write};
use crate::state::HostState;
use wasmtime::Linker;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_get_header_map_pairs",
        |mut c: Call<'_>, kind: u32, pointer: u32, size: u32| {
            number(get_all(&mut c, kind, (pointer, size)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_header_map_pairs",
        |mut c: Call<'_>, kind: u32, at: u32, length: u32| {
            number(set_all(&mut c, kind, at, length))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_header_map_size",
        |mut c: Call<'_>, kind: u32, to: u32| number(size(&mut c, kind, to)),
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_header_map_value",
        |mut c: Call<'_>, kind: u32, name: u32, name_length: u32, pointer: u32, size: u32| {
            number(get(&mut c, kind, (name, name_length), (pointer, size)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_add_header_map_value",
        |mut c: Call<'_>, kind: u32, name: u32, name_length: u32, value: u32, value_length: u32| {
            let (name, value) = ((name, name_length), (value, value_length));
            number(change(&mut c, "proxy_add_header_map_value", kind, name, value, Headers::add))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_replace_header_map_value",
        |mut c: Call<'_>, kind: u32, name: u32, name_length: u32, value: u32, value_length: u32| {
            let (name, value) = ((name, name_length), (value, value_length));
            number(change(
                &mut c,
                "proxy_replace_header_map_value",
                kind,
                name,
                value,
                Headers::set,
            ))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_remove_header_map_value",
        |mut c: Call<'_>, kind: u32, name: u32, name_length: u32| {
            number(remove(&mut c, kind, name, name_length))
        },
    )?;
    Ok(())
}

fn get_all(c: &mut Call<'_>, kind: u32, place: (u32, u32)) -> Result<(), Status> {
    const NAME: &str = "proxy_get_header_map_pairs";
    let kind = known(c, NAME, kind)?;
    let pairs = readable(c.data_mut(), NAME, kind)?;
    let bytes = if pairs.is_empty() { Vec::new() } else { encode_pairs(&pairs) };
    give(c, NAME, &bytes, place)
}

fn set_all(c: &mut Call<'_>, kind: u32, at: u32, length: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_set_header_map_pairs";
    let kind = known(c, NAME, kind)?;
    let bytes = read(c, NAME, at, length)?;
    let Some(pairs) = decode_pairs(&bytes) else {
        return Err(c.data_mut().reject(NAME, "malformed header map", Status::ParseFailure));
    };
    check_all(c.data_mut(), NAME, &pairs);
    *writable(c.data_mut(), NAME, kind)? = pairs;
    Ok(())
}

fn size(c: &mut Call<'_>, kind: u32, to: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_get_header_map_size";
    let kind = known(c, NAME, kind)?;
    let bytes = encode_pairs(&readable(c.data_mut(), NAME, kind)?).len();
    write(c, NAME, to, &u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes())
}

fn get(
    c: &mut Call<'_>,
    kind: u32,
    (name, name_length): (u32, u32),
    place: (u32, u32),
) -> Result<(), Status> {
    const NAME: &str = "proxy_get_header_map_value";
    let kind = known(c, NAME, kind)?;
    let name = read(c, NAME, name, name_length)?;
    let value = readable(c.data_mut(), NAME, kind)?.get(&name).map(<[u8]>::to_vec);
    give(c, NAME, &value.ok_or(Status::NotFound)?, place)
}

fn change(
    c: &mut Call<'_>,
    function: &'static str,
    kind: u32,
    (name, name_length): (u32, u32),
    (value, value_length): (u32, u32),
    how: fn(&mut Headers, &[u8], &[u8]),
) -> Result<(), Status> {
    let kind = known(c, function, kind)?;
    let name = read(c, function, name, name_length)?;
    let value = read(c, function, value, value_length)?;
    if let Some(what) = header_error(&name, &value) {
        c.data_mut().record_violation(function, what);
    }
    how(writable(c.data_mut(), function, kind)?, &name, &value);
    Ok(())
}

fn remove(c: &mut Call<'_>, kind: u32, name: u32, name_length: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_remove_header_map_value";
    let kind = known(c, NAME, kind)?;
    let name = read(c, NAME, name, name_length)?;
    writable(c.data_mut(), NAME, kind)?.remove(&name);
    Ok(())
}

/// Records a violation for each invalid header.
pub(super) fn check_all(host: &mut HostState, function: &'static str, headers: &Headers) {
    let errors: Vec<_> =
        headers.iter().filter_map(|(name, value)| header_error(name, value)).collect();
    errors.into_iter().for_each(|what| host.record_violation(function, what));
}

fn known(c: &mut Call<'_>, function: &'static str, kind: u32) -> Result<MapKind, Status> {
    MapKind::of(kind).ok_or_else(|| {
        c.data_mut().reject(function, format!("unknown header map: {kind}"), Status::BadArgument)
    })
}

fn readable(
    host: &mut HostState,
    function: &'static str,
    kind: MapKind,
) -> Result<Headers, Status> {
    let found = match kind {
        MapKind::RequestHeaders => of_stream(host, Side::Request),
        MapKind::ResponseHeaders => of_stream(host, Side::Response),
        MapKind::RequestTrailers => host.stream().and_then(|s| s.request.trailers().cloned()),
        MapKind::ResponseTrailers => host.stream().and_then(|s| s.response.trailers().cloned()),
        MapKind::CalloutHeaders => host.reply().map(|reply| reply.headers.clone()),
        MapKind::CalloutTrailers => host.reply().map(|reply| reply.trailers.clone()),
        MapKind::Grpc => None,
    };
    found.ok_or_else(|| absent(host, function, kind))
}

fn of_stream(host: &mut HostState, side: Side) -> Option<Headers> {
    let stream = host.stream()?;
    let is_logging = stream.is_logging;
    let half = stream.half(side);
    let logged = is_logging.then(|| half.logged.clone());
    half.headers().cloned().or(logged)
}

fn writable<'a>(
    host: &'a mut HostState,
    function: &'static str,
    kind: MapKind,
) -> Result<&'a mut Headers, Status> {
    let is_available = host.stream().is_some_and(|stream| match kind {
        MapKind::RequestHeaders => stream.request.headers().is_some(),
        MapKind::ResponseHeaders => stream.response.headers().is_some(),
        MapKind::RequestTrailers => stream.request.trailers().is_some(),
        MapKind::ResponseTrailers => stream.response.trailers().is_some(),
        // A reply is read-only.
        MapKind::CalloutHeaders | MapKind::CalloutTrailers | MapKind::Grpc => false,
    });
    if !is_available {
        return Err(absent(host, function, kind));
    }
    let stream = host.stream().ok_or(Status::BadArgument)?;
    match kind {
        MapKind::RequestHeaders => stream.request.headers_mut(),
        MapKind::ResponseHeaders => stream.response.headers_mut(),
        MapKind::RequestTrailers => stream.request.trailers_mut(),
        MapKind::ResponseTrailers => stream.response.trailers_mut(),
        MapKind::CalloutHeaders | MapKind::CalloutTrailers | MapKind::Grpc => None,
    }
    .ok_or(Status::BadArgument)
}

fn absent(host: &mut HostState, function: &'static str, kind: MapKind) -> Status {
    host.reject(function, format!("{kind:?} are not available now"), Status::BadArgument)
}
