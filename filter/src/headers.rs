//! A message's headers as Envoy writes them, in a single block: their number, the sizes of all
//! names and values, then the names and values, each followed by a NUL.

/// The width of a size in bytes: 32 bits, like a pointer.
const SIZE: usize = 4;

/// A message's headers.
#[derive(Debug, Default)]
pub(crate) struct Headers(Vec<u8>);

impl Headers {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Returns the first value of a header. `name` is lowercase, as all names in Envoy.
    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// Returns all values of a header, with `separator` between them.
    pub(crate) fn joined(&self, name: &str, separator: &[u8]) -> Option<Vec<u8>> {
        let mut values = self.values(name);
        let mut joined = values.next()?.to_vec();
        for value in values {
            joined.extend_from_slice(separator);
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// Iterates over the values of a header. Ends early if the sizes do not match the data.
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let (sizes, mut texts) = self.parts().unwrap_or_default();
        let pairs = sizes.chunks_exact(2 * SIZE).map_while(move |sizes| {
            let (name, value) = sizes.split_at(SIZE);
            Some((take_text(&mut texts, name)?, take_text(&mut texts, value)?))
        });
        pairs.filter_map(move |(found, value)| (found == name.as_bytes()).then_some(value))
    }

    /// Returns the names, if the block is a list in Envoy's encoding: its items are the names, and
    /// all values are empty.
    pub(crate) fn list(&self) -> Option<Vec<&[u8]>> {
        let (sizes, mut texts) = self.parts()?;
        let items = sizes.chunks_exact(2 * SIZE).map(|sizes| {
            let (name, value) = sizes.split_at(SIZE);
            let (item, empty) = (take_text(&mut texts, name)?, take_text(&mut texts, value)?);
            empty.is_empty().then_some(item)
        });
        let items = items.collect::<Option<Vec<_>>>()?;
        texts.is_empty().then_some(items)
    }

    /// Splits the block into the sizes, and the names and values.
    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let (count, rest) = self.0.split_at_checked(SIZE)?;
        rest.split_at_checked(size(count)?.checked_mul(2 * SIZE)?)
    }
}

/// Writes headers in the same form, for Envoy to read.
pub(crate) fn encode<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let (mut count, mut sizes, mut texts) = (0_u32, Vec::new(), Vec::new());
    for text in headers.inspect(|_| count += 1).flat_map(|(name, value)| [name, value]) {
        // No header of this plugin is near this size.
        sizes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        texts.extend_from_slice(text.as_bytes());
        texts.push(0);
    }
    [count.to_le_bytes().as_slice(), &sizes, &texts].concat()
}

/// Takes a text from the front of `texts`. `bytes`: its size.
fn take_text<'a>(texts: &mut &'a [u8], bytes: &[u8]) -> Option<&'a [u8]> {
    let (text, rest) = texts.split_at_checked(size(bytes)?)?;
    (_, *texts) = rest.split_first()?;
    Some(text)
}

fn size(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}
