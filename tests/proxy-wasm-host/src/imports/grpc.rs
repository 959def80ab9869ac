//! gRPC calls. This host has no gRPC services, so every call fails, and there is never a stream to
//! send on, close or cancel.

use super::{MODULE, number};
use crate::abi::Status;
use crate::memory::{Call, give, write};
use crate::state::HostState;
use wasmtime::Linker;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_grpc_call",
        |_: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32| { Status::ParseFailure as u32 },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_grpc_stream",
        |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| {
            Status::ParseFailure as u32
        },
    )?;
    linker.func_wrap(MODULE, "proxy_grpc_send", |_: u32, _: u32, _: u32, _: u32| {
        Status::NotFound as u32
    })?;
    linker.func_wrap(MODULE, "proxy_grpc_cancel", |_: u32| Status::NotFound as u32)?;
    linker.func_wrap(MODULE, "proxy_grpc_close", |_: u32| Status::NotFound as u32)?;
    linker.func_wrap(
        MODULE,
        "proxy_get_status",
        |mut c: Call<'_>, code_at: u32, pointer: u32, size: u32| {
            const NAME: &str = "proxy_get_status";
            let written = write(&mut c, NAME, code_at, &0_u32.to_le_bytes());
            number(written.and_then(|()| give(&mut c, NAME, b"", (pointer, size))))
        },
    )?;
    Ok(())
}
