//! `simulator --wasm FILE --seeds N --from S`: runs seeds and prints how to replay those that fail.
//! Usually run through `cargo xtask simulate`.

use clap::Parser;
use proxy_wasm_host::plugin::Plugin;
use simulator::fault::Fault;
use simulator::seeds;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the filter in simulated Envoys, seed after seed, and checks the invariants
#[derive(Debug, Parser)]
struct Args {
    /// Path to the built filter
    #[arg(long, value_name = "FILE")]
    wasm: PathBuf,
    /// Number of seeds to run
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    seeds: u64,
    /// First seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    from: u64,
    /// Run only the first seed, and print all its events
    #[arg(long)]
    trace: bool,
    /// Plant a fault to see that it is found
    #[arg(long)]
    fault: Option<Fault>,
}

fn main() -> ExitCode {
    match simulate(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the seeds and prints the results. Returns true if all invariants hold.
fn simulate(args: &Args) -> Result<bool, String> {
    let name = args.wasm.display();
    let module =
        std::fs::read(&args.wasm).map_err(|error| format!("cannot read {name}: {error}"))?;
    let plugin = Plugin::compile(&module).map_err(|error| format!("{name}: {error}"))?;
    if args.trace {
        return Ok(replay(&plugin, args));
    }
    let summary = seeds::run(&plugin, args.from..args.from.saturating_add(args.seeds), args.fault);
    println!(
        "{} runs, {} requests: {} denied, {} decided without the ledger, {} waits; {} failed",
        summary.runs,
        summary.requests,
        summary.refused,
        summary.degraded,
        summary.waits,
        summary.broken.len()
    );
    let counts = summary.work.counts().map(|(what, count)| format!("{count} {what}"));
    println!("{}", counts.join(", "));
    for (seed, run) in &summary.broken {
        println!("seed {seed}:");
        run.breaches.iter().for_each(|breach| println!("  {breach}"));
        println!("  replay: {}", seeds::replay(*seed, args.fault));
    }
    Ok(summary.broken.is_empty())
}

/// Runs one seed and prints its trace. Returns true if all invariants hold.
fn replay(plugin: &Plugin, args: &Args) -> bool {
    let run = simulator::run(plugin, args.from, args.fault, true);
    run.trace.iter().for_each(|line| println!("{line}"));
    println!("seed {}, trace {:016x}", args.from, run.hash);
    run.breaches.iter().for_each(|breach| println!("{breach}"));
    run.breaches.is_empty()
}
