//! Maps the places of a YAML document to lines and columns: `rules[3].match` is on line 41.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;
use std::fmt;

/// The line and column of each place, both counted from 1.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<String, (u64, u64)>);

impl Places {
    /// Finds the places of `text`. The result is empty if `text` is not valid YAML.
    pub(super) fn of(text: &str) -> Self {
        let mut places = Self::default();
        if let Ok(node) = serde_saphyr::from_str::<Node>(text) {
            places.add("", &node);
        }
        places
    }

    /// Returns the line and column of `place`, or of its nearest ancestor if it does not exist.
    pub(super) fn find(&self, place: &str) -> Option<(u64, u64)> {
        let mut place = place;
        loop {
            if let Some(found) = self.0.get(place) {
                return Some(*found);
            }
            place = place.get(..place.rfind(['.', '['])?)?;
        }
    }

    fn add(&mut self, place: &str, node: &Node) {
        match node {
            Node::Mapping(fields) => {
                let dot = if place.is_empty() { "" } else { "." };
                for (name, value) in fields {
                    self.insert(format!("{place}{dot}{}", name.value), name.referenced, value);
                }
            }
            Node::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.insert(format!("{place}[{index}]"), item.referenced, &item.value);
                }
            }
            Node::Leaf => {}
        }
    }

    fn insert(&mut self, place: String, at: Location, node: &Node) {
        self.add(&place, node);
        self.0.insert(place, (at.line(), at.column()));
    }
}

/// A document without its values.
enum Node {
    Mapping(Vec<(Spanned<String>, Node)>),
    List(Vec<Spanned<Node>>),
    Leaf,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Node::Mapping(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_maps_to_its_line_and_column() {
        let places =
            Places::of("a: 1\nb:\n  c: { d: [x, { e: 1.5 }] }\n  f:\n    - ~\n    - g: true\n");
        let check = |place: &str, expected: (u64, u64)| {
            assert_eq!(places.find(place), Some(expected), "{place}");
        };
        check("a", (1, 1));
        check("b", (2, 1));
        check("b.c", (3, 3));
        check("b.c.d", (3, 8));
        check("b.c.d[0]", (3, 12));
        check("b.c.d[1].e", (3, 17));
        check("b.f[1].g", (6, 7));
        check("b.c.missing.deep", (3, 3));
        check("b.f[7]", (4, 3));
        assert_eq!(places.find("z"), None);
        assert_eq!(places.find(""), None);
    }
}
