//! The upstream's own rate limit headers, and their merge with the gateway's.
//!
//! Upstreams write these headers in many forms. A value that cannot be read counts as absent.

use super::{Family, Left, Ours, UpstreamHeaders, digits};

/// The longest value that is read, in bytes.
const MAX_VALUE_BYTES: usize = 1_024;
/// A reset above this is a time in Unix seconds. As a wait, it would be 30 years.
const MIN_EPOCH_S: u64 = 1_000_000_000;
/// A reset above this is a time in Unix milliseconds.
const MIN_EPOCH_MS: u64 = 1_000_000_000_000;

const RESET: &str = "x-ratelimit-reset";

/// The upstream's response, as far as it concerns rate limits.
pub(crate) struct Theirs<'a, H, N> {
    pub status: u16,
    /// Returns a header's value; repeated headers are joined by commas.
    pub header: &'a H,
    /// Returns the gateway's clock, in Unix ms. Called only for a header that holds a time.
    pub now_ms: &'a N,
}

/// The remaining capacity that the upstream reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reported {
    remaining: u64,
    reset_s: Option<u64>,
}

/// Returns the gateway's headers to set on a response of the upstream; those of the upstream stay
/// otherwise.
pub(crate) fn merged<H: Fn(&str) -> Option<Vec<u8>>, N: Fn() -> u64>(
    ours: Ours,
    choice: UpstreamHeaders,
    theirs: &Theirs<'_, H, N>,
) -> Vec<(&'static str, String)> {
    let Ours { mut headers, left } = ours;
    if choice == UpstreamHeaders::Replace {
        return headers;
    }
    let wait_s = theirs.text("retry-after").and_then(|text| theirs.wait_s(&text));
    for (family, names) in [
        (Family::XRatelimit, ["x-ratelimit-limit", "x-ratelimit-remaining", RESET]),
        (Family::Ratelimit, ["ratelimit-policy", "ratelimit", "ratelimit"]),
    ] {
        let is_ours = |(name, _): &(&str, String)| names.contains(name);
        if headers.iter().any(is_ours) && theirs.prevails(family, names, choice, left, wait_s) {
            headers.retain(|header| !is_ours(header));
        }
    }
    let is_longer = wait_s.is_some_and(|wait_s| wait_s < left.empty_for_s);
    if choice == UpstreamHeaders::Stricter && is_longer {
        headers.push(("retry-after", digits(left.empty_for_s)));
    }
    headers
}

/// Returns the header of the upstream's that would contradict `headers`: those of a balance, which
/// never resets, have no reset.
pub(crate) fn left_over(headers: &[(&'static str, String)]) -> Option<&'static str> {
    let has = |wanted: &str| headers.iter().any(|(name, _)| *name == wanted);
    (has("x-ratelimit-limit") && !has(RESET)).then_some(RESET)
}

impl<H: Fn(&str) -> Option<Vec<u8>>, N: Fn() -> u64> Theirs<'_, H, N> {
    /// Returns true if the upstream's headers of `family` are sent, rather than the gateway's.
    fn prevails(
        &self,
        family: Family,
        names: [&str; 3],
        choice: UpstreamHeaders,
        left: Left,
        wait_s: Option<u64>,
    ) -> bool {
        let is_denied = self.status == 429;
        if choice == UpstreamHeaders::Keep {
            return is_denied || names.iter().any(|name| (self.header)(name).is_some());
        }
        let reported = match family {
            Family::XRatelimit => self.x_ratelimit(),
            Family::Ratelimit => self.ratelimit(),
        };
        let reported = match (is_denied, reported) {
            (true, reported) => {
                let reset_s = wait_s.max(reported.and_then(|reported| reported.reset_s));
                Some(Reported { remaining: 0, reset_s })
            }
            (false, reported) => reported,
        };
        reported.is_some_and(|theirs| {
            let is_longer = theirs.reset_s.is_none_or(|reset_s| reset_s >= left.reset_s);
            theirs.remaining < left.remaining || (theirs.remaining == left.remaining && is_longer)
        })
    }

    fn x_ratelimit(&self) -> Option<Reported> {
        let remaining = least_number(&self.text("x-ratelimit-remaining")?)?;
        let reset = self.text(RESET);
        let reset_s = reset.and_then(|text| self.seconds_until(least_number(&text)?));
        Some(Reported { remaining, reset_s })
    }

    /// Reads `"name";r=5;t=30` and the older `limit=10, remaining=5, reset=30`.
    fn ratelimit(&self) -> Option<Reported> {
        let text = self.text("ratelimit")?;
        let number = |part: &str, names: [&str; 2]| {
            let (name, value) = part.split_once('=')?;
            names.contains(&name.trim()).then(|| value.trim().parse().ok())?
        };
        let mut least: Option<Reported> = None;
        for part in text.split([',', ';']) {
            if let Some(remaining) = number(part, ["r", "remaining"])
                && least.is_none_or(|least| remaining < least.remaining)
            {
                least = Some(Reported { remaining, reset_s: None });
            } else if let Some(reset) = number(part, ["t", "reset"])
                && let Some(least) = least.as_mut().filter(|least| least.reset_s.is_none())
            {
                least.reset_s = self.seconds_until(reset);
            }
        }
        least
    }

    /// Returns the wait that a `Retry-After` asks for.
    fn wait_s(&self, text: &str) -> Option<u64> {
        match text.parse() {
            Ok(wait_s) => Some(wait_s),
            Err(_) => Some(http_date_s(text)?.saturating_sub((self.now_ms)() / 1_000)),
        }
    }

    /// Returns the seconds until `reset`, which can be a number of seconds or a time.
    fn seconds_until(&self, reset: u64) -> Option<u64> {
        let now_s = || (self.now_ms)() / 1_000;
        Some(match reset {
            0..MIN_EPOCH_S => reset,
            MIN_EPOCH_S..MIN_EPOCH_MS => reset.saturating_sub(now_s()),
            _ => reset.div_ceil(1_000).saturating_sub(now_s()),
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = (self.header)(name).filter(|value| value.len() <= MAX_VALUE_BYTES)?;
        String::from_utf8(value).ok().map(|text| text.trim().to_owned())
    }
}

/// Returns the least of the whole numbers in a list.
fn least_number(text: &str) -> Option<u64> {
    text.split(',').filter_map(|one| one.trim().parse().ok()).min()
}

/// Parses a date of HTTP, such as `Sun, 06 Nov 1994 08:49:37 GMT`, to Unix seconds.
///
/// # Source
/// IMF-fixdate, RFC 9110 §5.6.7. Servers have not sent the two obsolete forms for decades.
fn http_date_s(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let mut next = || parts.next();
    let (day, month, year, time, zone) = (next()?, next()?, next()?, next()?, next()?);
    let day: u64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = time.split(':').map(|part| part.parse::<u64>().ok().filter(|n| *n < 61));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    (zone == "GMT").then(|| days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // A year that begins in March has its leap day at its end.
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year / 4 - year / 100 + year / 400;
    (365 * year + leap_days + day_of_year).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_790_000_000_000;
    const NINE_LEFT: Left = Left { remaining: 9, reset_s: 60, empty_for_s: 0 };
    const EMPTY: Left = Left { remaining: 0, reset_s: 40, empty_for_s: 40 };

    fn check(
        choice: UpstreamHeaders,
        left: Left,
        status: u16,
        upstream: &[(&str, &str)],
        expected: &[&str],
    ) {
        let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"];
        let names = names.into_iter().chain(["ratelimit-policy", "ratelimit"]);
        let headers = names.map(|name| (name, "ours".to_owned())).collect();
        let header = |name: &str| {
            let found = upstream.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| value.as_bytes().to_vec())
        };
        let theirs = Theirs { status, header: &header, now_ms: &|| NOW_MS };
        let set = merged(Ours { headers, left }, choice, &theirs);
        let shown: Vec<String> = set
            .iter()
            .filter(|(name, _)| {
                !["x-ratelimit-limit", "x-ratelimit-reset", "ratelimit-policy"].contains(name)
            })
            .map(
                |(name, value)| {
                    if value == "ours" { (*name).to_owned() } else { format!("{name}: {value}") }
                },
            )
            .collect();
        assert_eq!(shown, expected, "{choice:?} {left:?} {status} {upstream:?}");
    }

    const BOTH: [&str; 2] = ["x-ratelimit-remaining", "ratelimit"];
    const X: [&str; 1] = ["x-ratelimit-remaining"];
    const STANDARD: [&str; 1] = ["ratelimit"];

    #[test]
    fn the_side_with_less_left_prevails() {
        let stricter = |left, status, upstream: &[(&str, &str)], expected: &[&str]| {
            check(UpstreamHeaders::Stricter, left, status, upstream, expected);
        };
        stricter(NINE_LEFT, 200, &[], &BOTH);
        stricter(NINE_LEFT, 200, &[("x-ratelimit-remaining", "8")], &STANDARD);
        stricter(NINE_LEFT, 200, &[("x-ratelimit-remaining", "10")], &BOTH);
        stricter(NINE_LEFT, 200, &[("x-ratelimit-remaining", "90, 8")], &STANDARD);
        stricter(NINE_LEFT, 200, &[("x-ratelimit-remaining", "many")], &BOTH);
        stricter(NINE_LEFT, 200, &[("x-ratelimit-limit", "5")], &BOTH);
        stricter(NINE_LEFT, 200, &[("ratelimit", "\"a\";r=50;t=5, \"b\";r=3;t=50")], &X);
        stricter(NINE_LEFT, 200, &[("ratelimit", "limit=10, remaining=3, reset=50")], &X);
        stricter(NINE_LEFT, 200, &[("ratelimit", "\"a\";r=50;t=5")], &BOTH);
        stricter(NINE_LEFT, 200, &[("ratelimit", &"r=1;".repeat(500))], &BOTH);
    }

    #[test]
    fn a_longer_reset_prevails_if_as_much_is_left() {
        let check = |reset: &str, expected: &[&str]| {
            let upstream = [("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", reset)];
            check(UpstreamHeaders::Stricter, NINE_LEFT, 200, &upstream, expected);
        };
        check("60", &STANDARD);
        check("59", &BOTH);
        check("1790000060", &STANDARD);
        check("1790000059", &BOTH);
        check("1790000060000", &STANDARD);
        check("1m0s", &STANDARD);
    }

    #[test]
    fn a_429_of_the_upstream_has_nothing_left() {
        for choice in [UpstreamHeaders::Stricter, UpstreamHeaders::Keep] {
            check(choice, NINE_LEFT, 429, &[], &[]);
            check(choice, NINE_LEFT, 429, &[("retry-after", "5")], &[]);
            check(choice, NINE_LEFT, 429, &[("x-ratelimit-remaining", "93")], &[]);
        }
        check(UpstreamHeaders::Replace, NINE_LEFT, 429, &[("retry-after", "5")], &BOTH);
    }

    #[test]
    fn the_longer_wait_prevails() {
        let both = |wait: &'static str| [BOTH.as_slice(), &[wait]].concat();
        let check = |left, status, wait: &str, expected: &[&str]| {
            check(UpstreamHeaders::Stricter, left, status, &[("retry-after", wait)], expected);
        };
        check(EMPTY, 429, "5", &both("retry-after: 40"));
        check(EMPTY, 503, "5", &both("retry-after: 40"));
        check(EMPTY, 429, "41", &[]);
        check(EMPTY, 503, "41", &BOTH);
        check(NINE_LEFT, 503, "5", &BOTH);
        // 39 and 41 seconds from now.
        check(EMPTY, 503, "Mon, 21 Sep 2026 14:13:59 GMT", &both("retry-after: 40"));
        check(EMPTY, 503, "Mon, 21 Sep 2026 14:14:01 GMT", &BOTH);
        check(EMPTY, 503, "soon", &BOTH);
    }

    #[test]
    fn any_header_of_the_upstream_can_be_kept() {
        let check = |upstream: &[(&str, &str)], expected: &[&str]| {
            check(UpstreamHeaders::Keep, EMPTY, 200, upstream, expected);
        };
        check(&[], &BOTH);
        check(&[("retry-after", "5")], &BOTH);
        check(&[("x-ratelimit-limit", "5")], &STANDARD);
        check(&[("ratelimit-policy", "x")], &X);
    }

    #[test]
    fn dates_of_http_are_parsed() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:60 GMT", Some(1_709_251_200)),
            ("Mon, 21 Sep 2026 14:13:20 GMT", Some(1_790_000_000)),
            ("Fri, 01 Mar 2024 00:00:00 GMT", Some(1_709_251_200)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:99:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(http_date_s(text), expected, "{text}");
        }
    }
}
