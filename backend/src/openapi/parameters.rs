//! Parameters that several routes share: `params(WhichResume, IfNoneMatch)` on a handler.

use crate::payment::PAYMENT_TOKEN;
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{KnownFormat, Object, Required, SchemaFormat, Type};

/// The id in a résumé's path.
pub(crate) struct WhichResume;

/// The version that the client has.
pub(crate) struct IfNoneMatch;

/// The proof of payment for a plan.
pub(crate) struct PaymentProof;

impl IntoParams for WhichResume {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = Object::builder()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        let parameter = ParameterBuilder::new()
            .name("id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The résumé's id"))
            .schema(Some(id.build()));
        vec![parameter.build()]
    }
}

impl IntoParams for IfNoneMatch {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("If-None-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("The `ETag` of the client's copy"))
            .schema(Some(Object::with_type(Type::String)))
            .example(Some(json!("\"7\"")));
        vec![parameter.build()]
    }
}

impl IntoParams for PaymentProof {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name(PAYMENT_TOKEN)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("The operator's secret, which proves that the plan was paid for"))
            .schema(Some(Object::with_type(Type::String)));
        vec![parameter.build()]
    }
}
