//! A message's headers as Envoy writes them, in one piece of memory: their number, the sizes of all
//! names and values, and then these, each with a 0 behind it.

/// How wide a size is: 32 bits, as wide as memory is.
const SIZE: usize = 4;

/// A message's headers.
#[derive(Debug, Default)]
pub(crate) struct Headers(Vec<u8>);

impl Headers {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The first value of a header; `name` is in lower case, as all names are within Envoy.
    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// All values of a header, joined by commas.
    pub(crate) fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let mut values = self.values(name);
        let mut joined = values.next()?.to_vec();
        for value in values {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// None where the sizes do not fit what is there.
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let (sizes, mut texts) = self.parts().unwrap_or_default();
        let pairs = sizes.chunks_exact(2 * SIZE).map_while(move |sizes| {
            let (name, value) = sizes.split_at(SIZE);
            Some((taken(&mut texts, name)?, taken(&mut texts, value)?))
        });
        pairs.filter_map(move |(found, value)| (found == name.as_bytes()).then_some(value))
    }

    /// The sizes, and the names and values.
    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let (count, rest) = self.0.split_at_checked(SIZE)?;
        rest.split_at_checked(size(count)?.checked_mul(2 * SIZE)?)
    }
}

/// The text of this size in front, which is then not there any more.
fn taken<'a>(texts: &mut &'a [u8], bytes: &[u8]) -> Option<&'a [u8]> {
    let (text, rest) = texts.split_at_checked(size(bytes)?)?;
    (_, *texts) = rest.split_first()?;
    Some(text)
}

fn size(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}
