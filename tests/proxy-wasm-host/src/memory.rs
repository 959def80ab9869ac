//! Access to the plugin's memory: an import reads bytes by pointer and length, and returns bytes in
//! memory that the plugin allocates.

use crate::abi::Status;
use crate::state::HostState;
use wasmtime::Caller;

/// The context of a host call.
pub(crate) type Call<'a> = Caller<'a, HostState>;

/// Returns a copy of the bytes at `at`.
pub(crate) fn read(
    call: &mut Call<'_>,
    function: &'static str,
    at: u32,
    length: u32,
) -> Result<Vec<u8>, Status> {
    let found = slice(call, at, length).map(|bytes| bytes.to_vec());
    found.ok_or_else(|| outside(call, function, at, length))
}

/// Returns the bytes at `at` as text. Names must be UTF-8; Envoy would accept garbage and then log,
/// count or look it up.
pub(crate) fn read_text(
    call: &mut Call<'_>,
    function: &'static str,
    at: u32,
    length: u32,
) -> Result<String, Status> {
    let bytes = read(call, function, at, length)?;
    String::from_utf8(bytes).map_err(|error| {
        let what = format!("not UTF-8: {:?}", String::from_utf8_lossy(error.as_bytes()));
        call.data_mut().reject(function, what, Status::BadArgument)
    })
}

/// Writes `bytes` at `at`.
pub(crate) fn write(
    call: &mut Call<'_>,
    function: &'static str,
    at: u32,
    bytes: &[u8],
) -> Result<(), Status> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    match slice(call, at, length) {
        Some(place) => {
            place.copy_from_slice(bytes);
            Ok(())
        }
        None => Err(outside(call, function, at, length)),
    }
}

/// Returns `bytes` to the plugin: copies them into memory that the plugin allocates, and writes
/// their pointer and length to the given addresses. Empty bytes become a null pointer.
pub(crate) fn give(
    call: &mut Call<'_>,
    function: &'static str,
    bytes: &[u8],
    (pointer_at, length_at): (u32, u32),
) -> Result<(), Status> {
    let length = u32::try_from(bytes.len()).map_err(|_| Status::InternalFailure)?;
    let mut pointer = 0;
    if length > 0 {
        let allocate = call.data().allocate.clone().ok_or(Status::InvalidMemoryAccess)?;
        pointer = allocate.call(&mut *call, length).map_err(|_| Status::InvalidMemoryAccess)?;
        write(call, function, pointer, bytes)?;
    }
    write(call, function, pointer_at, &pointer.to_le_bytes())?;
    write(call, function, length_at, &length.to_le_bytes())
}

fn slice<'a>(call: &'a mut Call<'_>, at: u32, length: u32) -> Option<&'a mut [u8]> {
    let memory = call.data().memory?;
    let start = usize::try_from(at).ok()?;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    memory.data_mut(call).get_mut(start..end)
}

fn outside(call: &mut Call<'_>, function: &'static str, at: u32, length: u32) -> Status {
    let what = format!("{length} bytes at {at} lie outside the plugin's memory");
    call.data_mut().reject(function, what, Status::InvalidMemoryAccess)
}
