//! Metrics.

use super::{MODULE, number};
use crate::abi::Status;
use crate::memory::{Call, read_text, write};
use crate::state::HostState;
use wasmtime::Linker;

pub(super) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "proxy_define_metric",
        |mut c: Call<'_>, kind: u32, name: u32, length: u32, to: u32| {
            number(define(&mut c, kind, (name, length), to))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_increment_metric",
        |mut c: Call<'_>, metric: u32, by: i64| {
            let done = c.data_mut().process.state().metrics.increment(metric, by);
            number(checked(&mut c, "proxy_increment_metric", metric, done))
        },
    )?;
    linker.func_wrap(
        MODULE,
        "proxy_record_metric",
        |mut c: Call<'_>, metric: u32, value: u64| {
            let done = c.data_mut().process.state().metrics.record(metric, value);
            number(checked(&mut c, "proxy_record_metric", metric, done))
        },
    )?;
    linker.func_wrap(MODULE, "proxy_get_metric", |mut c: Call<'_>, metric: u32, to: u32| {
        let value = c.data_mut().process.state().metrics.read(metric);
        let value = checked(&mut c, "proxy_get_metric", metric, value);
        let written = value.and_then(|v| write(&mut c, "proxy_get_metric", to, &v.to_le_bytes()));
        number(written)
    })?;
    Ok(())
}

fn define(c: &mut Call<'_>, kind: u32, (name, length): (u32, u32), to: u32) -> Result<(), Status> {
    const NAME: &str = "proxy_define_metric";
    let name = read_text(c, NAME, name, length)?;
    let defined = c.data_mut().process.state().metrics.define(kind, &name);
    let metric = checked(c, NAME, kind, defined)?;
    write(c, NAME, to, &metric.to_le_bytes())
}

fn checked<T>(
    c: &mut Call<'_>,
    function: &'static str,
    metric: u32,
    done: Result<T, Status>,
) -> Result<T, Status> {
    done.inspect_err(|status| {
        c.data_mut().record_violation(function, format!("metric {metric}: {status:?}"));
    })
}
