//! Headers in one piece of memory: their number, the sizes of all names and values, and then these,
//! each with a 0 behind it.

/// `headers` as the ABI takes them.
pub(super) fn written(headers: &[(&str, &str)]) -> Vec<u8> {
    let sizes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
    let mut bytes = Vec::with_capacity(4 + sizes);
    push(&mut bytes, headers.len());
    for (name, value) in headers {
        push(&mut bytes, name.len());
        push(&mut bytes, value.len());
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// A size: 32 bits, as wide as memory is.
fn push(bytes: &mut Vec<u8>, size: usize) {
    bytes.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
}
