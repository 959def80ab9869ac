//! Shared data and shared queues.

use super::{MODULE, number};
use crate::abi::Status;
use crate::memory::{Call, give, read, read_text, write};
use crate::state::HostState;
use wasmtime::Linker;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_get_shared_data",
        |mut c: Call<'_>, key: u32, length: u32, pointer: u32, size: u32, cas_at: u32| {
            number(get(&mut c, (key, length), (pointer, size), cas_at))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_set_shared_data",
        |mut c: Call<'_>, key: u32, length: u32, value: u32, size: u32, cas: u32| {
            number(set(&mut c, (key, length), (value, size), cas))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_register_shared_queue",
        |mut c: Call<'_>, name: u32, length: u32, to: u32| {
            number(register(&mut c, name, length, to))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_resolve_shared_queue",
        |mut c: Call<'_>, vm_id: u32, vm_id_length: u32, name: u32, length: u32, to: u32| {
            number(resolve(&mut c, (vm_id, vm_id_length), (name, length), to))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_dequeue_shared_queue",
        |mut c: Call<'_>, queue: u32, pointer: u32, size: u32| {
            number(dequeue(&mut c, queue, (pointer, size)))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_enqueue_shared_queue",
        |mut c: Call<'_>, queue: u32, at: u32, length: u32| {
            number(enqueue(&mut c, queue, at, length))
        },
    )?;
    Ok(())
}

fn get(
    c: &mut Call<'_>,
    (key, length): (u32, u32),
    place: (u32, u32),
    cas_at: u32,
) -> Result<(), Status> {
    const NAME: &str = "proxy_get_shared_data";
    let key = read(c, NAME, key, length)?;
    let host = c.data_mut();
    let found = host.process.read().data.get(&host.vm_id, &key).map(|(v, cas)| (v.to_vec(), cas));
    let (value, cas) = found.ok_or(Status::NotFound)?;
    give(c, NAME, &value, place)?;
    write(c, NAME, cas_at, &cas.to_le_bytes())
}

fn set(
    c: &mut Call<'_>,
    (key, length): (u32, u32),
    (value, size): (u32, u32),
    cas: u32,
) -> Result<(), Status> {
    const NAME: &str = "proxy_set_shared_data";
    let key = read(c, NAME, key, length)?;
    let value = read(c, NAME, value, size)?;
    let host = c.data_mut();
    host.process.state().data.set(&host.vm_id, &key, &value, cas)
}

fn register(c: &mut Call<'_>, name: u32, length: u32, to: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_register_shared_queue";
    let name = read(c, NAME, name, length)?;
    let host = c.data_mut();
    let (vm, root) = (host.vm, host.root());
    let queue = host.process.state().queues.register(&host.vm_id, &name, vm, root);
    write(c, NAME, to, &queue.to_le_bytes())
}

fn resolve(
    c: &mut Call<'_>,
    (vm_id, vm_id_length): (u32, u32),
    (name, length): (u32, u32),
    to: u32,
) -> Result<(), Status> {
    const NAME: &str = "proxy_resolve_shared_queue";
    let vm_id = read_text(c, NAME, vm_id, vm_id_length)?;
    let name = read(c, NAME, name, length)?;
    let host = c.data_mut();
    let vm_id = if vm_id.is_empty() { host.vm_id.as_str() } else { &vm_id };
    let queue = host.process.read().queues.resolve(vm_id, &name).ok_or(Status::NotFound)?;
    write(c, NAME, to, &queue.to_le_bytes())
}

fn dequeue(c: &mut Call<'_>, queue: u32, place: (u32, u32)) -> Result<(), Status> {
    const NAME: &str = "proxy_dequeue_shared_queue";
    let item = c.data_mut().process.state().queues.dequeue(queue);
    give(c, NAME, &item?, place)
}

fn enqueue(c: &mut Call<'_>, queue: u32, at: u32, length: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_enqueue_shared_queue";
    let item = read(c, NAME, at, length)?;
    let host = c.data_mut();
    let done = host.process.state().queues.enqueue(queue, &item);
    done.inspect_err(|_| host.record_violation(NAME, format!("unknown queue: {queue}")))
}
