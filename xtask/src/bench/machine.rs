//! What the figures were taken on.

use anyhow::{Context, Result};

/// A machine, and how busy it is.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// How many cores we may use.
    pub cores: usize,
    /// The processor's name.
    pub model: String,
    /// The kernel's version.
    pub kernel: String,
    /// The load averages of 1, 5 and 15 minutes.
    pub load: String,
}

impl Machine {
    /// This one, now.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub(crate) fn read() -> Result<Self> {
        let read =
            |path| std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        Ok(Self {
            cores: std::thread::available_parallelism().context("the number of cores")?.get(),
            model: model(&read("/proc/cpuinfo")?).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load(&read("/proc/loadavg")?),
        })
    }
}

/// Of several cores, the first: they are of one kind.
fn model(cpuinfo: &str) -> &str {
    let names = cpuinfo.lines().filter_map(|line| line.strip_prefix("model name"));
    let mut names = names.filter_map(|rest| rest.split_once(": "));
    names.next().map_or("unknown processor", |(_, name)| name.trim())
}

fn load(loadavg: &str) -> String {
    loadavg.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_read_out_of_what_the_kernel_says() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: x\n";
        assert_eq!(model(cpuinfo), "AMD EPYC");
        assert_eq!(model("processor : 0"), "unknown processor");
        assert_eq!(load("0.5 1.25 2.00 3/400 12345\n"), "0.5 1.25 2.00");
    }
}
