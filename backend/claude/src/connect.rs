//! Connections: plain or with TLS, made in time.
//!
//! Used by [`crate::http`]. The only file that knows of TLS. Its cryptography is named here rather
//! than taken from what the process has installed.

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

/// How often a connection is asked whether it still is one, below HTTP.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Makes connections, in time.
pub(crate) type Connector =
    BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The service's URL is no such.
    #[error("expected a base URL with http or https, without user, query and fragment, found {0}")]
    BaseUrl(String),
    /// The URL cannot be used.
    #[error("the base URL: {0}")]
    Uri(#[from] InvalidUri),
    /// The system has no certificate authorities to trust.
    #[error("expected the system's certificate authorities, or SSL_CERT_FILE to name them: {0}")]
    Authorities(String),
    /// The cryptography lacks what TLS needs.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Makes connections that trust `trusted`, each within `timeout`, the TLS handshake included.
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

/// The system's certificate authorities, if TLS is used: a machine for development may have none.
pub(crate) fn trusted(is_used: bool) -> Result<RootCertStore, BuildError> {
    let mut trusted = RootCertStore::empty();
    if !is_used {
        return Ok(trusted);
    }
    let found = rustls_native_certs::load_native_certs();
    let (added, _ignored) = trusted.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none".to_owned(), ToString::to_string);
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

/// Where messages are sent to.
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

    /// A certificate authority of one, and a server's certificate for 127.0.0.1.
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
            let output = output.expect("openssl, which every Debian with curl's certificates has");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// The port of a service with this certificate.
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
    async fn a_service_is_trusted_by_its_authority_and_its_name() {
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
    fn the_systems_authorities_are_trusted_where_tls_is_used() {
        assert!(!trusted(true).unwrap().is_empty());
        assert!(trusted(false).unwrap().is_empty());
    }
}
