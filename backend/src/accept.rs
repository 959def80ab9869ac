//! The shape of an answer, negotiated by `Accept`: JSON or a stream of events (RFC 9110 §12.5.1).
//!
//! Used by [`crate::routes::ai`].

use axum::http::{HeaderMap, header};

/// The most media ranges read per request.
const MAX_RANGES: usize = 32;
/// A quality in thousandths, 0 to 1000.
type Quality = u16;

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `application/json`, once the answer is complete.
    Json,
    /// `text/event-stream`, as the answer is written.
    Events,
}

impl Shape {
    /// Parses the request's `Accept`. Returns events if they are accepted by name and JSON isn't
    /// preferred. A request that accepts neither gets JSON, as problems are always JSON.
    #[must_use]
    pub(crate) fn from_accept(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<_> =
            values.flat_map(|value| value.split(',')).take(MAX_RANGES).filter_map(range).collect();
        let of = |names: &[&str]| {
            names.iter().find_map(|name| {
                ranges.iter().find(|(range, _)| range == name).map(|(_, quality)| *quality)
            })
        };
        let events = of(&["text/event-stream"]).unwrap_or(0);
        let json = of(&["application/json", "application/*", "*/*"]).unwrap_or(0);
        if events > 0 && events >= json { Self::Events } else { Self::Json }
    }
}

/// Parses a media range: its lowercase name without parameters, and its quality.
fn range(text: &str) -> Option<(String, Quality)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
    });
    Some((name, weight.map_or(Some(1000), quality)?))
}

/// Parses a quality: `0` to `1` with at most three decimals (RFC 9110 §12.4.2).
fn quality(text: &str) -> Option<Quality> {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let is_number = digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
    let thousandths: Quality = format!("{digits:0<3}").parse().ok()?;
    match whole {
        "0" if is_number => Some(thousandths),
        "1" if is_number && thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn events_must_be_accepted_by_name() {
        let check = |accept: &[&'static str], expected: Shape| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(Shape::from_accept(&headers), expected, "{accept:?}");
        };
        check(&[], Shape::Json);
        check(&["*/*"], Shape::Json);
        check(&["text/*"], Shape::Json);
        check(&["text/html"], Shape::Json);
        check(&["text/event-stream"], Shape::Events);
        check(&["Text/Event-Stream ; charset=utf-8"], Shape::Events);
        check(&["text/event-stream, application/json"], Shape::Events);
        check(&["application/json", "text/event-stream"], Shape::Events);
        check(&["text/event-stream, */*;q=0.1"], Shape::Events);
        check(&["application/json;q=0.5, text/event-stream;q=0.501"], Shape::Events);
        check(&["application/json, text/event-stream;q=0.9"], Shape::Json);
        check(&["text/event-stream;q=0.5, application/*;q=0.6"], Shape::Json);
        check(&["text/event-stream; Q=0"], Shape::Json);
        check(&["text/event-stream;q=0.000"], Shape::Json);
        // A range with an invalid weight is ignored.
        check(&["text/event-stream;q=1.5"], Shape::Json);
        check(&["text/event-stream;q=high"], Shape::Json);
        check(&["text/event-stream;q=0.1234"], Shape::Json);
    }
}
