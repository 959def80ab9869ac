//! The machine that runs a benchmark.

use anyhow::{Context, Result};

/// A machine and its load.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// The number of available cores.
    pub cores: usize,
    /// The processor's name.
    pub model: String,
    /// The kernel's version.
    pub kernel: String,
    /// The load averages of 1, 5 and 15 minutes.
    pub load: String,
}

impl Machine {
    /// Reads the data of this machine.
    ///
    /// # Errors
    /// Fails if `/proc` cannot be read.
    pub(crate) fn read() -> Result<Self> {
        let read =
            |path| std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
        Ok(Self {
            cores: std::thread::available_parallelism()
                .context("cannot get the number of cores")?
                .get(),
            model: model(&read("/proc/cpuinfo")?).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load(&read("/proc/loadavg")?),
        })
    }
}

/// Returns the model of the first core. All cores are assumed to be the same.
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
    fn the_model_and_the_load_are_parsed() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: x\n";
        assert_eq!(model(cpuinfo), "AMD EPYC");
        assert_eq!(model("processor : 0"), "unknown processor");
        assert_eq!(load("0.5 1.25 2.00 3/400 12345\n"), "0.5 1.25 2.00");
    }
}
