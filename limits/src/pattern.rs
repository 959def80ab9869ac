//! Path patterns of rules: exact, `*` within a segment, `**` for any number of segments.

use crate::path::{MAX_SEGMENTS, NormalPath};

/// A compiled path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`: any number of segments, including zero.
    Any,
    /// The texts around each `*` of a segment; an exact segment has one.
    Glob(Vec<String>),
}

/// A segment of a pattern, for an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// One segment with this text.
    Literal(&'a str),
    /// One segment that matches a text with `*`.
    Glob,
    /// Any number of segments.
    Any,
}

/// An invalid pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// The pattern does not begin with a slash.
    #[error("expected a path that begins with a slash")]
    NotAbsolute,
    /// The pattern has a query, fragment, escape, parameter, backslash or control character.
    #[error(
        "a pattern is matched on the unescaped path: it cannot contain %, ?, #, ;, a backslash or a control character"
    )]
    Unmatchable,
    /// The pattern has a `.` or `..` segment.
    #[error("a pattern is matched on the resolved path: it cannot contain the segments . or ..")]
    DotSegment,
    /// A segment mixes `**` with other text.
    #[error("** stands for whole segments: write it alone between slashes")]
    MixedAny,
    /// The pattern has more than one `**`.
    #[error("a pattern can have only one **")]
    SeveralAny,
    /// The pattern has more segments than any path.
    #[error("a pattern can have at most 256 segments")]
    TooDeep,
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// [`BadPattern`] if the pattern could never match as intended.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let rest = text.strip_prefix('/').ok_or(BadPattern::NotAbsolute)?;
        if text.chars().any(|c| matches!(c, '%' | '?' | '#' | ';' | '\\') || c.is_control()) {
            return Err(BadPattern::Unmatchable);
        }
        let segments = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(Segment::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(BadPattern::TooDeep);
        }
        if segments.iter().filter(|segment| **segment == Segment::Any).count() > 1 {
            return Err(BadPattern::SeveralAny);
        }
        Ok(Self { segments })
    }

    /// Returns the segments, starting at the root.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        self.segments.iter().map(|segment| match segment {
            Segment::Any => Step::Any,
            Segment::Glob(parts) => match parts.as_slice() {
                [text] => Step::Literal(text),
                _ => Step::Glob,
            },
        })
    }

    /// Returns true if `path` matches.
    #[must_use]
    pub fn matches(&self, path: &NormalPath) -> bool {
        let found = path.segments();
        let Some(any) = self.segments.iter().position(|segment| *segment == Segment::Any) else {
            return self.segments.len() == found.len() && pairwise(&self.segments, found);
        };
        let (head, tail) = self.segments.split_at(any);
        let tail = tail.get(1..).unwrap_or_default();
        let Some(after_head) = found.get(head.len()..) else {
            return false;
        };
        let Some(tail_at) = after_head.len().checked_sub(tail.len()) else {
            return false;
        };
        pairwise(head, found) && pairwise(tail, after_head.get(tail_at..).unwrap_or_default())
    }
}

/// Returns true if each pattern segment matches its counterpart. The caller compares the lengths.
fn pairwise(patterns: &[Segment], found: &[String]) -> bool {
    patterns.iter().zip(found).all(|(pattern, segment)| pattern.matches(segment))
}

impl Segment {
    fn parse(text: &str) -> Result<Self, BadPattern> {
        match text {
            "**" => Ok(Self::Any),
            "." | ".." => Err(BadPattern::DotSegment),
            _ if text.contains("**") => Err(BadPattern::MixedAny),
            _ => Ok(Self::Glob(text.split('*').map(str::to_owned).collect())),
        }
    }

    fn matches(&self, segment: &str) -> bool {
        let Self::Glob(parts) = self else { return false };
        let Some((first, rest)) = parts.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return first == segment };
        let Some(inner) = segment.strip_prefix(first.as_str()) else { return false };
        let Some(mut inner) = inner.strip_suffix(last.as_str()) else { return false };
        for part in middle {
            let Some((_, after)) = inner.split_once(part.as_str()) else { return false };
            inner = after;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = Pattern::parse(pattern).unwrap();
        let matches = |path: &&str| compiled.matches(&NormalPath::parse(path.as_bytes()).unwrap());
        assert_eq!(matching.iter().find(|path| !matches(path)), None, "{pattern}");
        assert_eq!(other.iter().find(|path| matches(path)), None, "{pattern}");
    }

    #[test]
    fn patterns_match_whole_paths() {
        check("/", &["/"], &["/a"]);
        check("/health", &["/health", "/health/"], &["/", "/healthz", "/health/x", "/Health"]);
        check("/api/auth/*", &["/api/auth/login"], &["/api/auth", "/api/auth/a/b", "/api/x/login"]);
        check("/api/v*/x", &["/api/v1/x", "/api/v/x"], &["/api/w1/x", "/api/v1/y"]);
        check("/a/*-*.json", &["/a/x-y.json", "/a/-.json"], &["/a/xy.json", "/a/x-y.jso"]);
        check("/ab*ba", &["/abba", "/abxba"], &["/aba"]);
        check("/**", &["/", "/a", "/a/b/c"], &[]);
        check("/a/**", &["/a", "/a/b", "/a/b/c"], &["/", "/b", "/ab"]);
        check("/a/**/z", &["/a/z", "/a/b/z", "/a/b/c/z"], &["/a", "/z", "/a/b"]);
        check("/**/z", &["/z", "/a/z"], &["/", "/z/a"]);
        check("/a/*/**", &["/a/b", "/a/b/c"], &["/a"]);
    }

    #[test]
    fn patterns_that_could_never_match_are_refused() {
        for (text, expected) in [
            ("", BadPattern::NotAbsolute),
            ("api", BadPattern::NotAbsolute),
            ("/a%20b", BadPattern::Unmatchable),
            ("/a?b", BadPattern::Unmatchable),
            ("/a;b", BadPattern::Unmatchable),
            ("/a\\b", BadPattern::Unmatchable),
            ("/a/../b", BadPattern::DotSegment),
            ("/a/./b", BadPattern::DotSegment),
            ("/a/b**", BadPattern::MixedAny),
            ("/**/a/**", BadPattern::SeveralAny),
        ] {
            assert_eq!(Pattern::parse(text), Err(expected), "{text}");
        }
    }
}
