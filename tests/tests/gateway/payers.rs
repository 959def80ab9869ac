//! The payer is the verified user at any address, or else the client's address. Clients cannot
//! forge it.

use hyper::body::Bytes;
use tests::client::{Client, Reply};
use tests::gateway::{Gateway, Options};

fn left(reply: &Reply) -> &str {
    reply.header("x-ratelimit-remaining")
}

#[test]
fn two_users_at_one_address_have_separate_counters() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let (ada, bob) = (gateway.token_of("ada@example.com"), gateway.token_of("bob@example.com"));
    let client = gateway.client();
    assert_eq!(left(&client.get("/api/me", Some(&ada))), "59");
    assert_eq!(left(&client.get("/api/me", Some(&ada))), "58");
    assert_eq!(left(&client.get("/api/me", Some(&bob))), "59");
}

#[test]
fn one_user_at_two_addresses_has_one_counter() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let token = gateway.token_of("ada@example.com");
    assert_eq!(left(&gateway.client().at(2).get("/api/me", Some(&token))), "59");
    assert_eq!(left(&gateway.client().at(3).get("/api/me", Some(&token))), "58");
}

#[test]
fn two_addresses_have_separate_counters() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    assert_eq!(left(&gateway.client().at(2).get("/", None)), "29");
    assert_eq!(left(&gateway.client().at(3).get("/", None)), "29");
    assert_eq!(left(&gateway.client().at(2).get("/", None)), "28");
}

fn get_with(client: &Client, path: &str, name: &str, value: &str) -> Reply {
    let request = hyper::Request::get(path).header(name, value);
    client.send(request.body(Bytes::new().into()).unwrap())
}

#[test]
fn forged_identity_headers_change_nothing() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    let claims = [
        ("x-forwarded-for", "203.0.113.1"),
        ("x-forwarded-for", "203.0.113.2, 203.0.113.3"),
        ("x-real-ip", "203.0.113.4"),
        ("forwarded", "for=203.0.113.5"),
        ("x-envoy-external-address", "203.0.113.6"),
        ("x-user-id", "someone-else"),
        ("x-jwt-payload", "eyJzdWIiOiJzb21lb25lIn0"),
        ("authorization", "Bearer garbled"),
    ];
    for (charged, (name, value)) in claims.iter().enumerate() {
        let expected = (29 - charged).to_string();
        assert_eq!(left(&get_with(&client, "/", name, value)), expected, "{name}: {value}");
    }
}

#[test]
fn a_request_with_an_invalid_token_is_charged_to_the_client() {
    let gateway = Gateway::start(&Options::default()).unwrap();
    let client = gateway.client();
    let token = gateway.token_of("ada@example.com");
    // Changes the first letter of the signature, because all of its bits matter.
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    let reply = client.get("/api/me", Some(&forged));
    assert_eq!(reply.status, 401, "the backend rejects the token");
    assert_eq!(reply.header("ratelimit-policy"), "\"public\";q=30;w=60");
    // alg: none
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIiwiaXNzIjoidG9sbGdhdGUiLCJhdWQiOiJ0b2xsZ2F0ZSIsImV4cCI6OTk5OTk5OTk5OX0.";
    let reply = client.get("/api/me", Some(unsigned));
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("ratelimit-policy"), "\"public\";q=30;w=60");
}
