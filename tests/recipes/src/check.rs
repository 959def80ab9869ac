//! Compares a step's outcome with what it expects.

use crate::recipe::{Expect, Header};
use std::collections::BTreeMap;

/// The outcome of one request, as the client and the log see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status.
    pub status: u16,
    /// The headers, with lowercase names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The gateway's log line, if it is known.
    pub log: Option<String>,
    /// The rule, if it is known.
    pub rule: Option<String>,
    /// The cost by bucket, if all are known.
    pub charges: Option<BTreeMap<String, u64>>,
    /// The limits that are known, by bucket.
    pub limits: BTreeMap<String, u64>,
}

impl Outcome {
    /// Returns the values of a header, joined by commas; `None` if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let own = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let values: Vec<&str> = own.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    /// Returns the amount left in `bucket`, by the header `RateLimit`.
    #[must_use]
    pub fn left(&self, bucket: &str) -> Option<u64> {
        let header = self.header("ratelimit")?;
        let begin = format!("\"{bucket}\";");
        let item = header.split(',').find_map(|item| item.trim().strip_prefix(&begin))?;
        item.split(';').find_map(|part| part.trim().strip_prefix("r="))?.parse().ok()
    }
}

/// Returns all differences between an outcome and what is expected of it. `is_last`: false if the
/// same request is sent again, so that only what repetition does not change is compared.
#[must_use]
pub fn differences(expect: &Expect, outcome: &Outcome, is_last: bool) -> Vec<String> {
    let mut found = Differences(Vec::new());
    if let Some(status) = expect.status {
        found.compare("status", status, outcome.status);
    }
    if let (Some(expected), Some(rule)) = (&expect.rule, &outcome.rule) {
        found.compare("rule", expected, rule);
    }
    if let (Some(expected), Some(charges)) = (&expect.charges, &outcome.charges) {
        found.compare("charges", expected, charges);
    }
    for (bucket, limit) in &expect.limits {
        let own = outcome.limits.get(bucket);
        if own.is_some() || outcome.charges.is_some() {
            found.compare(&format!("limit of {bucket}"), Some(limit), own);
        }
    }
    if !is_last {
        return found.0;
    }
    for (bucket, left) in &expect.left {
        found.compare(&format!("left in {bucket}"), Some(*left), outcome.left(bucket));
    }
    for (name, header) in &expect.headers {
        found.header(name, header.as_ref(), outcome.header(name).as_deref());
    }
    if let Some(body) = &expect.body
        && !outcome.body.contains(body)
    {
        found.0.push(format!("expected a body with {body:?}, found {:?}", outcome.body));
    }
    if let (Some(expected), Some(log)) = (&expect.log, &outcome.log)
        && !log.contains(expected)
    {
        found.0.push(format!("expected a log line with {expected:?}, found {log:?}"));
    }
    found.0
}

struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: T, found: T) {
        if expected != found {
            self.0.push(format!("expected the {what} {expected:?}, found {found:?}"));
        }
    }

    fn header(&mut self, name: &str, expected: Option<&Header>, found: Option<&str>) {
        let fits = match expected {
            None => found.is_none(),
            Some(Header::Text(text)) => found == Some(text),
            Some(Header::Number(number)) => found == Some(&number.to_string()),
            Some(Header::Contains { contains }) => found.is_some_and(|it| it.contains(contains)),
            Some(Header::Between { between: [least, most] }) => {
                let number: Option<i64> = found.and_then(|found| found.parse().ok());
                number.is_some_and(|number| (*least..=*most).contains(&number))
            }
        };
        if !fits {
            let found = found.map_or("no such header".to_owned(), |found| format!("{found:?}"));
            self.0.push(format!("expected the header {name} {expected:?}, found {found}"));
        }
    }
}
