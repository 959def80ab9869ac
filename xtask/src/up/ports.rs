//! The stack's ports: one flag each.

use super::claude::Claude;
use super::running::Ledger;
use anyhow::{Result, bail};
use clap::Args;
use harness::stack::Port;

/// The default port of the gateway.
pub const GATEWAY: u16 = 10_000;
/// The default port of Envoy's admin interface.
pub const ADMIN: u16 = 9901;
/// The default port of the shim.
pub const SHIM: u16 = 8081;
/// The default port of the backend.
pub const BACKEND: u16 = 8000;
/// The default port of claude-sim.
pub const CLAUDE: u16 = 8090;
/// The default port of the stack's own Redis.
pub const REDIS: u16 = 6390;

/// The flags that set ports.
#[derive(Debug, Clone, Copy, Args)]
pub struct PortFlags {
    /// The gateway's port
    #[arg(long, value_name = "PORT", default_value_t = GATEWAY)]
    pub gateway_port: u16,
    /// Envoy's admin port
    #[arg(long, value_name = "PORT", default_value_t = ADMIN)]
    pub admin_port: u16,
    /// The shim's port
    #[arg(long, value_name = "PORT", default_value_t = SHIM)]
    pub shim_port: u16,
    /// The backend's port
    #[arg(long, value_name = "PORT", default_value_t = BACKEND)]
    pub backend_port: u16,
    /// claude-sim's port
    #[arg(long, value_name = "PORT", default_value_t = CLAUDE)]
    pub claude_port: u16,
    /// The port of the stack's own Redis
    #[arg(long, value_name = "PORT", default_value_t = REDIS)]
    pub redis_port: u16,
}

impl PortFlags {
    /// Checks that all required ports are different and free.
    ///
    /// # Errors
    /// Fails with the first port that is not, and its flag.
    pub fn check(&self, ledger: &Ledger, claude: Claude) -> Result<()> {
        let mut seen: Vec<(u16, &str)> = Vec::new();
        for (number, flag) in self.needed(ledger, claude) {
            if let Some((_, other)) = seen.iter().find(|(taken, _)| *taken == number) {
                bail!("{other} and {flag} are both {number}: choose different ports");
            }
            seen.push((number, flag));
        }
        // All are held at once, so that they are free at the same time, and then released.
        let free: Result<Vec<Port>> =
            seen.iter().map(|(number, flag)| Port::named(*number, flag)).collect();
        free.map(drop)
    }

    /// Returns the gateway's port.
    ///
    /// # Errors
    /// Same as [`Port::named`].
    pub fn gateway(&self) -> Result<Port> {
        Port::named(self.gateway_port, "--gateway-port")
    }

    /// Returns the port of Envoy's admin interface.
    ///
    /// # Errors
    /// Same as [`Port::named`].
    pub fn admin(&self) -> Result<Port> {
        Port::named(self.admin_port, "--admin-port")
    }

    /// Returns the shim's port.
    ///
    /// # Errors
    /// Same as [`Port::named`].
    pub fn shim(&self) -> Result<Port> {
        Port::named(self.shim_port, "--shim-port")
    }

    /// Returns the backend's port.
    ///
    /// # Errors
    /// Same as [`Port::named`].
    pub fn backend(&self) -> Result<Port> {
        Port::named(self.backend_port, "--backend-port")
    }

    /// Returns claude-sim's port.
    ///
    /// # Errors
    /// Same as [`Port::named`].
    pub fn claude(&self) -> Result<Port> {
        Port::named(self.claude_port, "--claude-port")
    }

    /// Returns the port of the stack's own Redis.
    ///
    /// # Errors
    /// Same as [`Port::named`].
    pub fn redis(&self) -> Result<Port> {
        Port::named(self.redis_port, "--redis-port")
    }

    fn needed(&self, ledger: &Ledger, claude: Claude) -> Vec<(u16, &'static str)> {
        let mut needed = vec![
            (self.gateway_port, "--gateway-port"),
            (self.admin_port, "--admin-port"),
            (self.shim_port, "--shim-port"),
            (self.backend_port, "--backend-port"),
        ];
        if claude == Claude::Sim {
            needed.push((self.claude_port, "--claude-port"));
        }
        if matches!(ledger, Ledger::OwnRedis) {
            needed.push((self.redis_port, "--redis-port"));
        }
        needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Returns flags with free ports. The second value keeps them reserved.
    fn flags() -> (PortFlags, Vec<Port>) {
        let ports: Vec<Port> = (0..6).map(|_| Port::free().unwrap()).collect();
        let number = |index: usize| ports[index].number();
        let flags = PortFlags {
            gateway_port: number(0),
            admin_port: number(1),
            shim_port: number(2),
            backend_port: number(3),
            redis_port: number(4),
            claude_port: number(5),
        };
        (flags, ports)
    }

    #[test]
    fn free_and_different_ports_pass() {
        let (flags, _ports) = flags();
        flags.check(&Ledger::OwnRedis, Claude::Sim).unwrap();
    }

    #[test]
    fn each_port_in_use_is_named_with_its_flag() {
        let (flags, ports) = flags();
        let names = [
            "--gateway-port",
            "--admin-port",
            "--shim-port",
            "--backend-port",
            "--redis-port",
            "--claude-port",
        ];
        for (port, flag) in ports.iter().zip(names) {
            let _listener = TcpListener::bind(port.addr()).unwrap();
            assert_eq!(
                flags.check(&Ledger::OwnRedis, Claude::Sim).unwrap_err().to_string(),
                format!("port {} is in use: choose another with {flag}", port.number())
            );
        }
    }

    #[test]
    fn the_redis_port_can_be_in_use_if_the_stack_starts_no_redis() {
        let (flags, ports) = flags();
        let _listener = TcpListener::bind(ports[4].addr()).unwrap();
        flags.check(&Ledger::Url("memory:".to_owned()), Claude::Sim).unwrap();
    }

    #[test]
    fn the_claude_port_can_be_in_use_if_claude_sim_does_not_run() {
        let (flags, ports) = flags();
        let _listener = TcpListener::bind(ports[5].addr()).unwrap();
        flags.check(&Ledger::OwnRedis, Claude::Service).unwrap();
    }

    #[test]
    fn the_same_port_for_two_servers_is_refused() {
        let (flags, _ports) = flags();
        let flags = PortFlags { shim_port: flags.gateway_port, ..flags };
        assert_eq!(
            flags.check(&Ledger::OwnRedis, Claude::Sim).unwrap_err().to_string(),
            format!(
                "--gateway-port and --shim-port are both {}: choose different ports",
                flags.gateway_port
            )
        );
    }

    #[test]
    fn port_zero_is_refused() {
        let (flags, _ports) = flags();
        let flags = PortFlags { admin_port: 0, ..flags };
        assert_eq!(
            flags.check(&Ledger::OwnRedis, Claude::Sim).unwrap_err().to_string(),
            "--admin-port 0: expected a port from 1 to 65535"
        );
    }
}
