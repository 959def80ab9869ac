//! Redis Cluster's slots: the slot of a counter, and the server of a slot.
//!
//! Called by [`super::cluster`].
//!
//! # Source
//! Redis Cluster specification: "Key distribution model" (CRC16-XMODEM modulo 16384 of the text
//! between the first braces); `CLUSTER SLOTS` for the map.

use redis::Value;

/// The number of slots of a Cluster.
pub(crate) const SLOTS: u16 = 16_384;
/// The most tags tried to find one in a server's slots.
const MAX_TAGS: u32 = 4_096;

/// Returns the slot of keys whose braces contain `tag`.
pub(crate) fn of_tag(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

/// The map from slots to servers, as returned by one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SlotMap {
    /// First slot, last slot and server address; sorted, without overlaps.
    ranges: Vec<(u16, u16, String)>,
}

impl SlotMap {
    /// Parses the reply to `CLUSTER SLOTS`. A server that does not know its own address has the one
    /// that was `asked`.
    pub(crate) fn read(reply: &Value, asked: &str) -> Option<Self> {
        let Value::Array(entries) = reply else { return None };
        let mut ranges = entries
            .iter()
            .map(|entry| {
                let Value::Array(entry) = entry else { return None };
                let [first, last, primary, ..] = entry.as_slice() else { return None };
                Some((slot(first)?, slot(last)?, address(primary, asked)?))
            })
            .collect::<Option<Vec<_>>>()?;
        ranges.sort_unstable();
        let ordered = ranges.iter().zip(ranges.iter().skip(1)).all(|(one, next)| one.1 < next.0);
        let sound = ordered && ranges.iter().all(|(first, last, _)| first <= last);
        sound.then_some(Self { ranges })
    }

    /// Returns the address of the server that has `slot`, if any.
    pub(crate) fn server(&self, slot: u16) -> Option<&str> {
        let after = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, server) = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= *last).then_some(server)
    }

    /// Returns a tag whose slot belongs to the server at `address`. May find none if the server has
    /// very few slots.
    pub(crate) fn tag_at(&self, address: &str) -> Option<String> {
        let mut tags = (0..MAX_TAGS).map(|number| number.to_string());
        tags.find(|tag| self.server(of_tag(tag)) == Some(address))
    }

    /// Returns every server that has slots, each once.
    pub(crate) fn servers(&self) -> Vec<&str> {
        let mut servers: Vec<_> = self.ranges.iter().map(|(.., server)| server.as_str()).collect();
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// Returns true if every slot has a server.
    pub(crate) fn is_complete(&self) -> bool {
        self.ranges.iter().map(|(first, last, _)| u32::from(last - first) + 1).sum::<u32>()
            == u32::from(SLOTS)
    }
}

fn slot(value: &Value) -> Option<u16> {
    match value {
        Value::Int(slot) => u16::try_from(*slot).ok().filter(|slot| *slot < SLOTS),
        _ => None,
    }
}

/// Returns the `host:port` of an entry `[host, port, id, …]`.
fn address(value: &Value, asked: &str) -> Option<String> {
    let Value::Array(parts) = value else { return None };
    let [host, Value::Int(port), ..] = parts.as_slice() else { return None };
    let port = u16::try_from(*port).ok()?;
    let known = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host.as_str(),
        Value::Nil => "",
        _ => return None,
    };
    let host = match known {
        "" | "?" => asked.rsplit_once(':')?.0,
        host => host,
    };
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_match_those_of_redis() {
        // From `CLUSTER KEYSLOT`.
        assert_eq!(of_tag("123456789"), 12_739);
        assert_eq!(of_tag("foo"), 12_182);
        assert_eq!(of_tag(""), 0);
    }

    fn entry(first: i64, last: i64, host: &str, port: i64) -> Value {
        let host = Value::BulkString(host.as_bytes().to_vec());
        let server = Value::Array(vec![host, Value::Int(port), Value::SimpleString("id".into())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), server])
    }

    #[test]
    fn a_map_returns_the_server_of_a_slot() {
        let reply =
            Value::Array(vec![entry(8000, 16_383, "", 7001), entry(0, 7000, "10.0.0.1", 7000)]);
        let map = SlotMap::read(&reply, "seed.example:7009").unwrap();
        for (slot, expected) in [
            (0, Some("10.0.0.1:7000")),
            (7000, Some("10.0.0.1:7000")),
            (7001, None),
            (8000, Some("seed.example:7001")),
            (16_383, Some("seed.example:7001")),
        ] {
            assert_eq!(map.server(slot), expected, "{slot}");
        }
        assert_eq!(map.servers(), ["10.0.0.1:7000", "seed.example:7001"]);
        assert!(!map.is_complete());
        for server in map.servers() {
            let tag = map.tag_at(server).unwrap();
            assert_eq!(map.server(of_tag(&tag)), Some(server), "{tag}");
        }
        assert_eq!(map.tag_at("nobody:1"), None);
        let whole = Value::Array(vec![entry(0, 16_383, "a", 1)]);
        assert!(SlotMap::read(&whole, "a:1").unwrap().is_complete());
    }

    #[test]
    fn an_invalid_map_is_refused() {
        for reply in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![entry(5, 4, "a", 1)]),
            Value::Array(vec![entry(0, 16_384, "a", 1)]),
            Value::Array(vec![entry(0, 1, "a", 70_000)]),
            Value::Array(vec![entry(0, 9, "a", 1), entry(9, 20, "b", 1)]),
        ] {
            assert_eq!(SlotMap::read(&reply, "a:1"), None, "{reply:?}");
        }
    }
}
