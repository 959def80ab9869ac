//! Connections, plain or TLS, each made within a timeout.
//!
//! Used by [`crate::http`]. The only file that knows of TLS. It names its crypto provider itself,
//! so a process-wide default does not matter.

use http::Uri;
use http::uri::InvalidUri;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tower::BoxError;
use tower::timeout::Timeout;
use tower::util::BoxCloneSyncService;
use url::Url;

/// The interval of TCP keep-alive probes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Makes connections within a timeout.
pub(crate) type Connector =
    BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// The error of [`crate::Client::new`].
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base URL is invalid.
    #[error("expected an http or https base URL without user, query or fragment, found {0}")]
    BaseUrl(String),
    /// The base URL cannot be used for HTTP requests.
    #[error("invalid base URL: {0}")]
    Uri(#[from] InvalidUri),
    /// The system has no trusted certificate authorities.
    #[error("found no certificate authorities; install the system's or set SSL_CERT_FILE: {0}")]
    Authorities(String),
    /// The crypto provider lacks something TLS needs.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Builds a connector that trusts `trusted`. `timeout` includes the TLS handshake.
pub(crate) fn connector(
    trusted: RootCertStore,
    timeout: Duration,
) -> Result<Connector, BuildError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(trusted)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(BoxCloneSyncService::new(Timeout::new(connector, timeout)))
}

/// Returns the system's certificate authorities if `is_used`, and none otherwise.
///
/// A development machine that uses plain HTTP may have none, which is not an error.
pub(crate) fn trusted(is_used: bool) -> Result<RootCertStore, BuildError> {
    let mut trusted = RootCertStore::empty();
    if !is_used {
        return Ok(trusted);
    }
    let found = rustls_native_certs::load_native_certs();
    let (added, _ignored) = trusted.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found
            .errors
            .first()
            .map_or_else(|| "the system has none".to_owned(), ToString::to_string);
        return Err(BuildError::Authorities(why));
    }
    Ok(trusted)
}

fn tls(trusted: RootCertStore) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(trusted).with_no_client_auth())
}

/// Returns the URI that messages are posted to.
pub(crate) fn messages_uri(base: &Url) -> Result<Uri, BuildError> {
    let is_plain = base.username().is_empty()
        && base.password().is_none()
        && base.query().is_none()
        && base.fragment().is_none();
    if !matches!(base.scheme(), "http" | "https") || !is_plain {
        let mut shown = base.clone();
        let _ = shown.set_password(None);
        return Err(BuildError::BaseUrl(shown.into()));
    }
    Ok(format!("{}/v1/messages", base.as_str().trim_end_matches('/')).parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::path::Path;
    use std::process::Command;
    use tempfile::TempDir;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tower::ServiceExt;

    /// Creates a certificate authority, and a server certificate for 127.0.0.1.
    fn certificates(dir: &Path) {
        std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        for args in [
            format!("req -x509 -days 2 -subj /CN=tests -keyout ca.key -out ca.pem {key}"),
            format!("req -subj /CN=service -keyout service.key -out service.csr {key}"),
            "x509 -req -days 2 -in service.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
             -extfile names -out service.pem"
                .to_owned(),
        ] {
            let output =
                Command::new("openssl").args(args.split_whitespace()).current_dir(dir).output();
            let output = output.expect("openssl should be installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Starts a TLS server with this certificate and returns its port.
    async fn service(dir: &Path) -> u16 {
        let certificate = CertificateDer::from_pem_file(dir.join("service.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(dir.join("service.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let _refused = acceptor.accept(connection).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn a_service_is_trusted_by_its_authority_and_name() {
        let dir = TempDir::new().unwrap();
        certificates(dir.path());
        let port = service(dir.path()).await;
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(dir.path().join("ca.pem")).unwrap()).unwrap();
        let check = |trusted: &RootCertStore, host: &str| {
            let connector = connector(trusted.clone(), Duration::from_secs(60)).unwrap();
            connector.oneshot(format!("https://{host}:{port}/").parse().unwrap())
        };
        check(&trusted, "127.0.0.1").await.unwrap();
        let error = check(&trusted, "localhost").await.unwrap_err().to_string();
        assert!(error.contains("certificate not valid for name"), "{error}");
        let error = check(&RootCertStore::empty(), "127.0.0.1").await.unwrap_err().to_string();
        assert!(error.contains("UnknownIssuer"), "{error}");
    }

    #[test]
    fn the_systems_authorities_are_loaded_only_for_tls() {
        assert!(!trusted(true).unwrap().is_empty());
        assert!(trusted(false).unwrap().is_empty());
    }
}
