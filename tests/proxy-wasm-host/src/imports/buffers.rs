//! Bodies and configurations.

use super::{MODULE, number};
use crate::abi::{BufferKind, Status};
use crate::memory::{Call, give, read, write};
use crate::state::HostState;
use wasmtime::Linker;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_get_buffer_bytes",
        |mut c: Call<'_>, kind: u32, start: u32, length: u32, pointer: u32, size: u32| {
            number(get(&mut c, kind, (start, length), (pointer, size)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_get_buffer_status",
        |mut c: Call<'_>, kind: u32, length_at: u32, flags_at: u32| {
            number(status(&mut c, kind, length_at, flags_at))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_buffer_bytes",
        |mut c: Call<'_>, kind: u32, start: u32, length: u32, at: u32, size: u32| {
            number(set(&mut c, kind, (start, length), (at, size)))
        },
    )?;
    Ok(())
}

fn get(
    c: &mut Call<'_>,
    kind: u32,
    (start, length): (u32, u32),
    place: (u32, u32),
) -> Result<(), Status> {
    const NAME: &str = "proxy_get_buffer_bytes";
    let kind = known(c, NAME, kind)?;
    let bytes = contents(c.data_mut(), kind).ok_or(Status::NotFound)?;
    if start.checked_add(length).is_none() {
        return Err(c.data_mut().reject(NAME, "start + length overflows", Status::BadArgument));
    }
    let (start, length) = (usize::try_from(start), usize::try_from(length));
    let (Ok(start), Ok(length)) = (start, length) else { return Err(Status::BadArgument) };
    let end = (start + length).min(bytes.len());
    match bytes.get(start..end) {
        Some(part) if !part.is_empty() => give(c, NAME, part, place),
        // Envoy writes nothing here, so the plugin keeps the zeros that it passed in.
        _ => Ok(()),
    }
}

fn status(c: &mut Call<'_>, kind: u32, length_at: u32, flags_at: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_get_buffer_status";
    let kind = known(c, NAME, kind)?;
    let bytes = contents(c.data_mut(), kind).ok_or(Status::NotFound)?;
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    write(c, NAME, length_at, &length.to_le_bytes())?;
    write(c, NAME, flags_at, &0_u32.to_le_bytes())
}

/// Changes a body. Envoy can prepend, append or replace everything, but not edit the middle.
fn set(
    c: &mut Call<'_>,
    kind: u32,
    (start, length): (u32, u32),
    (at, size): (u32, u32),
) -> Result<(), Status> {
    const NAME: &str = "proxy_set_buffer_bytes";
    let kind = known(c, NAME, kind)?;
    let new = read(c, NAME, at, size)?;
    let host = c.data_mut();
    let body = host.stream().and_then(|stream| match kind {
        BufferKind::RequestBody => stream.request.body_mut(),
        BufferKind::ResponseBody => stream.response.body_mut(),
        _ => None,
    });
    let Some(body) = body else {
        let what = format!("{kind:?} cannot be changed now");
        return Err(host.reject(NAME, what, Status::BadArgument));
    };
    let whole = u32::try_from(body.len()).unwrap_or(u32::MAX);
    match (start, length) {
        (0, 0) => {
            body.splice(..0, new);
        }
        (0, length) if length >= whole => *body = new,
        (start, _) if start >= whole => body.extend(new),
        _ => {
            return Err(host.reject(
                NAME,
                "a body can be changed only at its start or end, or as a whole",
                Status::BadArgument,
            ));
        }
    }
    Ok(())
}

fn known(c: &mut Call<'_>, function: &'static str, kind: u32) -> Result<BufferKind, Status> {
    BufferKind::of(kind).ok_or_else(|| {
        c.data_mut().reject(function, format!("unknown buffer: {kind}"), Status::BadArgument)
    })
}

fn contents(host: &mut HostState, kind: BufferKind) -> Option<Vec<u8>> {
    match kind {
        BufferKind::RequestBody => host.stream()?.request.body().cloned(),
        BufferKind::ResponseBody => host.stream()?.response.body().cloned(),
        BufferKind::CalloutBody => host.reply().map(|reply| reply.body.clone()),
        BufferKind::VmConfiguration => Some(host.vm_configuration.clone()),
        BufferKind::PluginConfiguration => {
            let root = host.root();
            host.roots.get(&root).map(|root| root.configuration.clone())
        }
        BufferKind::Other => None,
    }
}
