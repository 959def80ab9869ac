//! A parser for server-sent events: bytes in, the data of each event out.
//!
//! Pure; fed by [`crate::stream`]. Only the data is kept, since the service repeats the event's
//! name in it. Existing libraries buffer an endless line without a bound, so this is our own.
//!
//! # Source
//! HTML Living Standard, 9.2.6 "Interpreting an event stream".

/// The largest event, in bytes.
pub(crate) const MAX_EVENT_BYTES: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Parses events from bytes that can be split anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The current line so far.
    line: Vec<u8>,
    /// The event's data so far. Each of its lines ends with a line feed.
    data: Vec<u8>,
    /// True if the last byte was a carriage return. A line feed after it does not end another line.
    is_after_return: bool,
    has_begun: bool,
}

/// The error for an event larger than [`MAX_EVENT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Parser {
    /// Adds `bytes` and returns the data of each event they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            let was_after_return = std::mem::replace(&mut self.is_after_return, byte == b'\r');
            match byte {
                b'\n' if was_after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > MAX_EVENT_BYTES {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    /// Ends the current line. Returns the event's data if the line was empty, which ends the event.
    fn end_line(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.line);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if is_first => rest,
            _ => line.as_slice(),
        };
        if line.is_empty() {
            let mut data = std::mem::take(&mut self.data);
            return data.pop().map(|_line_feed| data);
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.data.push(b'\n');
        } else if line == b"data" {
            self.data.push(b'\n');
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses the stream whole, byte by byte, and split in two at every position.
    fn check(stream: &str, expected: &[&str]) {
        let bytes = stream.as_bytes();
        let read = |chunks: &[&[u8]]| {
            let mut parser = Parser::default();
            let events = chunks.iter().flat_map(|chunk| parser.push(chunk).unwrap());
            events.map(|data| String::from_utf8(data).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(read(&[bytes]), expected, "{stream:?}");
        assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>()), expected, "{stream:?}");
        for at in 0..bytes.len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(read(&[one, two]), expected, "{stream:?} split at {at}");
        }
    }

    #[test]
    fn events_are_parsed_however_they_are_written_and_split() {
        check("", &[]);
        check("data: a\n\n", &["a"]);
        check("event: ping\ndata: a\n\ndata: b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check("data: a\r\rdata: b\r\r", &["a", "b"]);
        check("data: a\ndata: b\n\n", &["a\nb"]);
        check("data: a\r\ndata: b\r\n\r\n", &["a\nb"]);
        check("data: a\rdata: b\r\r", &["a\nb"]);
        check("data:a\n\n", &["a"]);
        check("data:  a\n\n", &[" a"]);
        check("data\n\n", &[""]);
        check("data: naïve ☕\n\n", &["naïve ☕"]);
        check("\u{feff}data: a\n\n", &["a"]);
        check("data: a\n\n\u{feff}data: b\n\n", &["a"]);
    }

    #[test]
    fn comments_other_fields_and_unfinished_events_are_ignored() {
        check(": a comment\n\n\n\nid: 1\nretry: 5\n\n", &[]);
        check("datax: a\n\n", &[]);
        check("data: a\n", &[]);
        check("data: a", &[]);
    }

    #[test]
    fn an_endless_event_is_rejected() {
        let mebibyte = "x".repeat(MAX_EVENT_BYTES);
        let mut parser = Parser::default();
        assert_eq!(parser.push(mebibyte.as_bytes()), Ok(vec![]));
        assert_eq!(parser.push(b"x"), Err(TooLarge));

        let mut parser = Parser::default();
        let line = format!("data: {}\n", "x".repeat(1_000));
        let pushed: Vec<_> = (0..1_100).map(|_| parser.push(line.as_bytes())).collect();
        assert_eq!(pushed.last(), Some(&Err(TooLarge)));
    }
}
