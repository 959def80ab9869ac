//! gRPC: refusals in a form that clients understand, and refunds by `grpc-status`.

use super::tracing::wait_for;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc;
use tests::client::Reply;
use tests::gateway::{Gateway, Options};
use tokio::runtime::Runtime;

/// A gRPC server whose answer has `grpc-status` in its trailers. Stops when dropped.
struct GrpcUpstream {
    addr: SocketAddr,
    _runtime: Runtime,
}

impl GrpcUpstream {
    fn start(grpc_status: &'static str, cache: &'static str) -> Self {
        let runtime = Runtime::new().unwrap();
        let (send, receive) = mpsc::channel();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = move |_: Request<hyper::body::Incoming>| async move {
                    Ok::<_, Infallible>(response(grpc_status, cache))
                };
                tokio::spawn(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer)),
                );
            }
        });
        Self { addr: receive.recv().unwrap(), _runtime: runtime }
    }
}

fn response(
    grpc_status: &'static str,
    cache: &'static str,
) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(grpc_status));
    let message = Full::new(Bytes::from_static(b"\0\0\0\0\0"));
    let body = message.with_trailers(std::future::ready(Some(Ok(trailers))));
    let head = Response::builder().header("content-type", "application/grpc");
    head.header("x-cache", cache).body(body).unwrap()
}

fn call(gateway: &Gateway) -> Reply {
    call_as(gateway, "application/grpc+proto")
}

fn call_as(gateway: &Gateway, content_type: &str) -> Reply {
    let request = Request::post("/echo.Echo/Say").header("content-type", content_type);
    gateway.client().send(request.body(Bytes::new().into()).unwrap())
}

/// Makes the route's upstream speak HTTP/2.
fn with_http2_upstream(config: &mut Value) {
    let clusters = config["static_resources"]["clusters"].as_array_mut().unwrap();
    let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "upstream").unwrap();
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        },
    });
}

#[test]
fn a_denied_grpc_request_is_resource_exhausted() {
    let mut options = Options::default();
    options.policy["buckets"]["public"]["limit"] = json!(1);
    let gateway = Gateway::start(&options).unwrap();
    assert_ne!(call(&gateway).header("grpc-status"), "8");
    // First by the ledger, then because the worker remembers the denial.
    for _ in 0..2 {
        let denied = call(&gateway);
        assert_eq!(denied.status, 200, "{}", denied.as_text());
        assert_eq!(denied.header("content-type"), "application/grpc");
        assert_eq!(denied.header("grpc-status"), "8");
        assert!(
            denied.header("grpc-message").contains("is used up. Retry in"),
            "{}",
            denied.as_text()
        );
        assert!(denied.header("retry-after").parse::<u64>().is_ok());
        assert_eq!(denied.header("x-ratelimit-limit"), "1");
        assert!(denied.body.is_empty());
    }
}

/// Envoy takes none of these for gRPC, so the refusal must be plain HTTP.
#[test]
fn a_request_that_only_looks_like_grpc_is_refused_with_429() {
    let mut options = Options::default();
    options.policy["buckets"]["public"]["limit"] = json!(1);
    let gateway = Gateway::start(&options).unwrap();
    call(&gateway);
    for content_type in ["application/grpc;x=1", "application/grpc-web", "application/grpcx"] {
        let denied = call_as(&gateway, content_type);
        assert_eq!(denied.status, 429, "{content_type}: {}", denied.as_text());
        assert_eq!(denied.header("content-type"), "application/problem+json");
        assert_eq!(denied.header("grpc-status"), "");
    }
}

#[test]
fn a_grpc_request_refused_in_an_outage_is_unavailable() {
    let mut options = Options::default();
    options.policy["buckets"]["public"]["on_failure"] = json!("deny");
    let mut gateway = Gateway::start(&options).unwrap();
    gateway.ledger_server().kill();
    let refused = call(&gateway);
    assert_eq!((refused.status, refused.header("grpc-status")), (200, "14"));
    assert_eq!(refused.header("tollgate-verdict"), "degraded");
}

#[test]
fn a_charge_is_refunded_by_the_grpc_status_in_the_trailers() {
    let check = |grpc_status: &'static str, cache: &'static str, is_refunded: bool| {
        let upstream = GrpcUpstream::start(grpc_status, cache);
        let mut options = Options {
            upstream: Some(upstream.addr),
            edit: with_http2_upstream,
            ..Options::default()
        };
        options.policy["buckets"]["public"]["limit"] = json!(100);
        options.policy["buckets"]["public"]["refund"] = json!(["server_error", "cache_hit"]);
        let gateway = Gateway::start(&options).unwrap();
        assert_eq!(call(&gateway).header("x-ratelimit-remaining"), "99");
        if is_refunded {
            wait_for("the charge is given back", || {
                call(&gateway).header("x-ratelimit-remaining") == "99"
            });
        } else {
            for expected in (89..=98).rev() {
                let remaining = call(&gateway).header("x-ratelimit-remaining").to_owned();
                assert_eq!(remaining, expected.to_string(), "{grpc_status} {cache}");
            }
        }
    };
    check("13", "MISS", true);
    check("0", "HIT", true);
    check("0", "MISS", false);
    check("5", "MISS", false);
}
