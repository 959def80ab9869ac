use super::*;
use BadPath::{AboveRoot, BadEscape, Control, EscapedSlash, NotUtf8};

const KEPT: Reading = Reading { slash: Slash::Kept, undecodable: Undecodable::Kept };
const DECODED: Reading = Reading { slash: Slash::Decoded, ..KEPT };
const DROPPED: Reading = Reading { undecodable: Undecodable::Dropped, ..KEPT };

fn check(raw: &[u8], slash: bool, undecodable: bool, read: [Result<&str, BadPath>; 3]) {
    let shown = raw.escape_ascii();
    assert_eq!(Oddities::of(raw), Ok(Oddities { slash, undecodable }), "{shown}");
    for (reading, expected) in [KEPT, DECODED, DROPPED].into_iter().zip(read) {
        let found = NormalPath::read(raw, reading);
        let text = found.as_ref().map(ToString::to_string).map_err(|error| *error);
        assert_eq!(text, expected.map(str::to_owned), "{shown} {reading:?}");
        if let Ok(found) = found {
            let respelled = found.respelled(b"/x?y=%2f#z");
            assert_eq!(NormalPath::parse(&respelled), Ok(found), "{shown}");
            assert!(respelled.ends_with(b"?y=%2f#z"));
        }
    }
}

#[test]
fn each_reading_is_what_some_server_makes_of_the_path() {
    check(b"/a/b", false, false, [Ok("/a/b"); 3]);
    check(b"/@a%2fb", true, false, [Ok("/@a%2Fb"), Ok("/@a/b"), Ok("/@a%2Fb")]);
    check(b"/a%5Cb/%2f/c", true, false, [Ok("/a%5Cb/%2F/c"), Ok("/a/b/c"), Ok("/a%5Cb/%2F/c")]);
    check(b"/a%252fb;x/c%3bd", false, false, [Ok("/a%2fb/c;d"); 3]);
    check(b"/caf\xe9", false, true, [Ok("/caf%E9"), Ok("/caf%E9"), Ok("/caf")]);
    check(b"/caf%e9", false, true, [Ok("/caf%E9"), Ok("/caf%E9"), Ok("/caf")]);
    check(b"/50%-off/%", false, true, [Ok("/50%-off/%"), Ok("/50%-off/%"), Ok("/50-off")]);
    check(b"/%ff%2f%c3%a9", true, true, [Ok("/%FF%2F\u{e9}"), Ok("/%FF/\u{e9}"), Ok("/%2F\u{e9}")]);
    check(b"/a%2fb/../..", true, false, [Err(AboveRoot), Ok("/"), Err(AboveRoot)]);
    check(b"/%3f%23%25", false, false, [Ok("/?#%"); 3]);
}

#[test]
fn misleading_spellings_have_no_reading() {
    for (raw, expected) in [
        (b"/a;x=%2fb".as_slice(), EscapedSlash),
        (b"/a%2f..", EscapedSlash),
        (b"/a%5c.%5cb", EscapedSlash),
        (b"/..%2fa", EscapedSlash),
        (b"/a%2f%2e%2e", EscapedSlash),
        (b"/a%2f..%3bx", EscapedSlash),
        (b"/.%ff.", NotUtf8),
        (b"/%c0%af", NotUtf8),
        (b"/\xe0\x80\xaf", NotUtf8),
        (b"/%f0%80%80%af", NotUtf8),
        (b"/%u002f", BadEscape),
        (b"/%%32%66", BadEscape),
        (b"/%2\xfff", BadEscape),
        (b"/%\xff2f", BadEscape),
        (b"/%2%66", BadEscape),
        (b"/a%2fb%00", Control),
        (b"/\xff\xc2\x9c", Control),
    ] {
        assert_eq!(Oddities::of(raw), Err(expected), "{}", raw.escape_ascii());
    }
}
