//! Any bytes as a path: an error, or segments that stay the same when normalized again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use limits::path::NormalPath;

fuzz_target!(|raw: &[u8]| {
    let Ok(path) = NormalPath::parse(raw) else { return };
    let segments = path.segments();
    if segments == ["*"] {
        return;
    }
    for segment in segments {
        assert!(!segment.is_empty() && segment != "." && segment != "..", "{segments:?}");
        assert!(
            !segment.contains(['/', '\\']) && !segment.contains(char::is_control),
            "{segments:?}"
        );
    }
    // Written out with all special bytes escaped, it must be the same path.
    let escaped = |byte: u8| match byte {
        b'%' | b'?' | b'#' | b';' => format!("%{byte:02x}").into_bytes(),
        _ => vec![byte],
    };
    let written = segments.iter().flat_map(|segment| {
        std::iter::once(b'/').chain(segment.bytes().flat_map(escaped)).collect::<Vec<u8>>()
    });
    let written = std::iter::once(b'/').chain(written).collect::<Vec<u8>>();
    assert_eq!(NormalPath::parse(&written).as_ref(), Ok(&path));
});
