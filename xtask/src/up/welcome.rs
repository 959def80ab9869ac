//! What is told once the stack is healthy: where it is, and what to try.

use super::Up;
use super::running::Running;

/// Prints it on stdout.
pub fn print(up: &Up, running: &Running) {
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
        None => println!("  Claude       the service: ANTHROPIC_API_KEY is set"),
    }
    println!();
    println!("Try:");
    println!();
    for line in curl_lines(ports.gateway_port) {
        println!("  {line}");
    }
    println!();
    let end =
        if up.supervise { "`cargo xtask down` ends it." } else { "Ctrl-C ends it. Decisions:" };
    println!("{end}");
    if !up.supervise {
        println!();
    }
}

/// Four lines for a shell: what is left of the public limit; a wrong password, whose sixth
/// attempt within a minute is refused; a user's own page; and, with that user's token, an AI
/// answer, which costs nothing the second time.
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
