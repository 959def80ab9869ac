//! Callouts. A callout belongs to the context that was effective when it was made.

use super::maps::check_all;
use super::{MODULE, number};
use crate::abi::{Status, decode_pairs};
use crate::callout::Callout;
use crate::event::Event;
use crate::headers::Headers;
use crate::memory::{Call, read, read_text, write};
use crate::process::Cluster;
use crate::state::HostState;
use wasmtime::Linker;

const NAME: &str = "proxy_http_call";
/// The headers without which Envoy rejects a request.
const REQUIRED: [&str; 3] = [":method", ":path", ":authority"];

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        NAME,
        |mut c: Call<'_>,
         cluster: u32,
         cluster_length: u32,
         headers: u32,
         headers_length: u32,
         body: u32,
         body_length: u32,
         trailers: u32,
         trailers_length: u32,
         timeout_ms: u32,
         token_at: u32| {
            let texts = [
                (cluster, cluster_length),
                (headers, headers_length),
                (body, body_length),
                (trailers, trailers_length),
            ];
            number(call(&mut c, texts, timeout_ms, token_at))
        },
    )?;
    Ok(())
}

fn call(
    c: &mut Call<'_>,
    [cluster, headers, body, trailers]: [(u32, u32); 4],
    timeout_ms: u32,
    token_at: u32,
) -> Result<(), Status> {
    let cluster = read_text(c, NAME, cluster.0, cluster.1)?;
    let headers = pairs(c, headers)?;
    let body = read(c, NAME, body.0, body.1)?;
    let trailers = pairs(c, trailers)?;
    let host = c.data_mut();
    if i32::try_from(timeout_ms).is_err() {
        return Err(host.reject(NAME, "the timeout is negative", Status::BadArgument));
    }
    let found = host.process.read().clusters.get(&cluster).copied().ok_or(Status::BadArgument)?;
    if let Some(missing) = REQUIRED.iter().find(|name| headers.text(name).is_empty()) {
        return Err(host.reject(
            NAME,
            format!("the header {missing} is missing"),
            Status::BadArgument,
        ));
    }
    if found == Cluster::Empty {
        return Err(Status::InternalFailure);
    }
    let (token, context) = (host.next_token(), host.context());
    host.callouts.insert(token, context);
    let timeout_ms = Some(timeout_ms).filter(|ms| *ms > 0);
    host.events.push(Event::Callout(Callout {
        token,
        context,
        cluster,
        headers,
        body,
        trailers,
        timeout_ms,
    }));
    write(c, NAME, token_at, &token.to_le_bytes())
}

fn pairs(c: &mut Call<'_>, (at, length): (u32, u32)) -> Result<Headers, Status> {
    let bytes = read(c, NAME, at, length)?;
    let Some(headers) = decode_pairs(&bytes) else {
        return Err(c.data_mut().reject(NAME, "malformed header map", Status::ParseFailure));
    };
    check_all(c.data_mut(), NAME, &headers);
    Ok(headers)
}
