//! A condition on a value as written: `text`, `[one, of, these]`, or `{ prefix: text }`.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A condition on a value: the exact value, a list of values, or a mapping.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum Condition {
    /// The exact value.
    Equals(Scalar),
    /// Values, one of which must be found.
    OneOf(Vec<Scalar>),
    /// A mapping.
    Fields(Box<ConditionFields>),
}

/// A condition on a value. One field must be set, or a lower and an upper bound; `ignore_case` can
/// be added to a condition on text.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct ConditionFields {
    /// The exact value.
    pub(in crate::policy) equals: Option<Scalar>,
    /// Values, one of which must be found.
    pub(in crate::policy) one_of: Option<Vec<Scalar>>,
    /// The beginning of the value.
    pub(in crate::policy) prefix: Option<String>,
    /// The end of the value.
    pub(in crate::policy) suffix: Option<String>,
    /// A part of the text. In `claims`, an element of a list or a word of a text, as in `scope`.
    pub(in crate::policy) contains: Option<Scalar>,
    /// A regular expression that a part of the value matches; `^…$` for the whole value.
    pub(in crate::policy) regex: Option<String>,
    /// `true` if the value must be present, even if empty; `false` if it must be absent.
    pub(in crate::policy) present: Option<bool>,
    /// The smallest number that matches.
    pub(in crate::policy) at_least: Option<ConditionNumber>,
    /// The largest number that matches.
    pub(in crate::policy) at_most: Option<ConditionNumber>,
    /// A number that the value must exceed.
    pub(in crate::policy) above: Option<ConditionNumber>,
    /// A number that the value must be less than.
    pub(in crate::policy) below: Option<ConditionNumber>,
    /// `true` if uppercase and lowercase ASCII letters are equal.
    #[serde(default)]
    pub(in crate::policy) ignore_case: bool,
}

/// A number.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transparent))]
pub(in crate::policy) struct ConditionNumber(pub(in crate::policy) f64);

/// A text, number or Boolean. Numbers and Booleans are compared in their text form.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::policy) enum Scalar {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A Boolean.
    Bool(bool),
}

impl Scalar {
    /// Returns the text form, which is that of a claim with this value.
    pub(in crate::policy) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Bool(is) => is.to_string(),
        }
    }
}

/// Reads each form by its own type. An untagged enum would lose the location of a mistake inside.
impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyForm)
    }
}

struct AnyForm;

impl<'de> Visitor<'de> for AnyForm {
    type Value = Condition;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of texts, or a condition such as { prefix: text }")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Condition, A::Error> {
        ConditionFields::deserialize(MapAccessDeserializer::new(map))
            .map(|fields| Condition::Fields(Box::new(fields)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Condition, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(Condition::OneOf)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Condition, E> {
        ScalarForm.visit_str(text).map(Condition::Equals)
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Condition, E> {
        ScalarForm.visit_bool(is).map(Condition::Equals)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Condition, E> {
        ScalarForm.visit_u64(number).map(Condition::Equals)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Condition, E> {
        ScalarForm.visit_i64(number).map(Condition::Equals)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Condition, E> {
        ScalarForm.visit_f64(number).map(Condition::Equals)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarForm)
    }
}

struct ScalarForm;

impl Visitor<'_> for ScalarForm {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(is))
    }

    #[expect(clippy::cast_precision_loss, reason = "claims are doubles too")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "claims are doubles too")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number as f64))
    }

    /// Reads a number with a fraction. A whole one that was written as `1.0` is a mistake, because it
    /// would not match the text `1.0`.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        if number.fract() == 0.0 {
            return Err(E::custom(format!(
                "{number:?} would be compared as {number}: put it in quotes"
            )));
        }
        Ok(Scalar::Number(number))
    }
}

/// Reads a number. serde's own message would be that it expected `f64`.
impl<'de> Deserialize<'de> for ConditionNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberForm)
    }
}

struct NumberForm;

impl Visitor<'_> for NumberForm {
    type Value = ConditionNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number such as 5 or 0.5")
    }

    #[expect(clippy::cast_precision_loss, reason = "claims are doubles too")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<ConditionNumber, E> {
        Ok(ConditionNumber(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "claims are doubles too")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<ConditionNumber, E> {
        Ok(ConditionNumber(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<ConditionNumber, E> {
        Ok(ConditionNumber(number))
    }
}
