//! The message printed once the stack is healthy: its URLs, and commands to try.

use super::Up;
use super::policy;
use super::running::Running;
use std::path::Path;

/// Prints the message to stdout, for a stack with the folder `dir`.
pub fn print(up: &Up, running: &Running, dir: &Path) {
    let ports = &up.ports;
    println!();
    println!("The stack is healthy.");
    println!();
    println!("  gateway      {}", running.envoy().url("/"));
    println!("  Envoy admin  http://127.0.0.1:{}/", ports.admin_port);
    println!("  shim         http://127.0.0.1:{}/metrics", ports.shim_port);
    println!("  backend      http://127.0.0.1:{}/", ports.backend_port);
    match running.claude() {
        Some(sim) => println!("  claude-sim   {}", sim.url("/")),
        None => println!("  Claude       the Claude API, since ANTHROPIC_API_KEY is set"),
    }
    println!();
    println!("  policy       {}", dir.join(policy::KEPT).display());
    if let Some(note) = speed_note(up.release) {
        println!();
        println!("{note}");
    }
    println!();
    println!("Try:");
    println!();
    for line in curl_lines(ports.gateway_port) {
        println!("  {line}");
    }
    println!();
    let end =
        if up.supervise { "`cargo xtask down` stops it." } else { "Ctrl-C stops it. Decisions:" };
    println!("{end}");
    if !up.supervise {
        println!();
    }
}

/// Returns a warning about speed unless the stack is a release build.
const fn speed_note(release: bool) -> Option<&'static str> {
    if release {
        return None;
    }
    Some("A debug build: don't judge its speed by this. `cargo xtask up --release` is optimized.")
}

/// Returns four shell commands to try.
///
/// The first shows what is left of the public limit. The second sends a wrong password; its sixth
/// attempt within a minute is denied. The third signs up a user and gets their profile. The fourth,
/// in the same shell, gets an AI answer, which costs nothing the second time.
#[must_use]
pub fn curl_lines(gateway_port: u16) -> [String; 4] {
    let gateway = format!("http://127.0.0.1:{gateway_port}");
    let json = "-H 'content-type: application/json'";
    let wrong = r#"-d '{"email":"nobody@example.com","password":"wrong password"}'"#;
    let ada = r#"-d '{"email":"ada@example.com","password":"correct horse battery staple"}'"#;
    let resume = r#"-d '{"resume":{"basics":{"name":"Ada Example","label":"Engineer"}}}'"#;
    let token = r#"sed 's/.*"access_token":"\([^"]*\)".*/\1/'"#;
    [
        format!("curl -i {gateway}/"),
        format!("curl -i {gateway}/api/auth/login {json} {wrong}"),
        format!(
            "curl -s -o /dev/null {gateway}/api/auth/signup {json} {ada}; \
             TOKEN=$(curl -s {gateway}/api/auth/login {json} {ada} | {token}); \
             curl -i {gateway}/api/me -H \"authorization: Bearer $TOKEN\""
        ),
        format!(
            "curl -i {gateway}/api/ai/analyze-ats-score {json} \
             -H \"authorization: Bearer $TOKEN\" {resume}"
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Chore, Cli};

    #[test]
    fn only_a_debug_build_has_a_warning_about_speed() {
        let note = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let Chore::Up(up) = Cli::of(&words).unwrap().chore else { panic!("up") };
            speed_note(up.release)
        };
        assert!(note(&["up"]).is_some_and(|note| note.contains("cargo xtask up --release")));
        assert_eq!(note(&["up", "--release"]), None);
    }
}
