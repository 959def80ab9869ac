//! The description of cached replies: `params(Use)` on a handler.

use crate::cache::Use;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Header, Object, RefOr, Required, Type};

/// The request header that controls the cache.
const CACHE_CONTROL: &str = "Cache-Control";

impl IntoParams for Use {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name(CACHE_CONTROL)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "`no-cache` requests a new answer; `no-store` also keeps it from being stored",
            ))
            .schema(Some(Object::with_type(Type::String)))
            .example(Some(json!("no-cache")));
        vec![parameter.build()]
    }
}

/// Adds the headers that [`crate::cache::Origin`] adds to cached replies.
pub(super) fn complete(operation: &mut Operation) {
    let mut parameters = operation.parameters.iter().flatten();
    let is_cached = parameters
        .any(|it| matches!(it, RefOr::T(Parameter { name, .. }) if name == CACHE_CONTROL));
    if !is_cached {
        return;
    }
    for (status, response) in &mut operation.responses.responses {
        if let (RefOr::T(response), true) = (response, status.starts_with(['2', '3'])) {
            let headers = headers().map(|(name, header)| (name.to_owned(), header.into()));
            response.headers.extend(headers);
        }
    }
}

fn headers() -> [(&'static str, Header); 3] {
    let origin = Object::builder()
        .schema_type(Type::String)
        .enum_values(Some(["HIT", "MISS", "COALESCED", "BYPASS"]))
        .build();
    let seconds = Object::builder().schema_type(Type::Integer).minimum(Some(0)).build();
    [
        ("X-Cache", header(origin, "The reply's origin")),
        ("Age", header(seconds, "The age of a `HIT` in seconds")),
        (
            "Cache-Status",
            header(Object::with_type(Type::String), "The origin in the format of RFC 9211"),
        ),
    ]
}

fn header(schema: Object, description: &str) -> Header {
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
