//! Ids for items that have none, so that one which is sent again is delivered once.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The ids of one run: no other run has the same.
pub(crate) struct Ids {
    run: u64,
    /// Items so far.
    count: u64,
}

impl Ids {
    /// Those of the run of that number, which is drawn by chance.
    pub(crate) fn new(run: u64) -> Ids {
        Ids { run, count: 0 }
    }

    /// Returns the next item with an id, unless it has one or is no object.
    pub(crate) fn name<'i>(&mut self, item: &'i [u8]) -> Cow<'i, [u8]> {
        self.count += 1;
        let Ok(Members { are_there, is_named: false }) = serde_json::from_slice(item) else { return item.into() };
        let Some(at) = memchr::memchr(b'{', item) else { return item.into() };
        let (before, behind) = item.split_at(at + 1);
        let comma = if are_there { "," } else { "" };
        let id = format!("\"id\":\"{:016x}-{}\"{comma}", self.run, self.count);
        [before, id.as_bytes(), behind].concat().into()
    }
}

/// What an object holds.
struct Members {
    are_there: bool,
    /// One of them is an id, in any case.
    is_named: bool,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(Search)
    }
}

/// Looks for an id.
struct Search;

impl<'de> Visitor<'de> for Search {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut found = Members { are_there: false, is_named: false };
        while let Some((name, _)) = map.next_entry::<Cow<'de, str>, IgnoredAny>()? {
            found.are_there = true;
            found.is_named |= name.eq_ignore_ascii_case("id");
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_without_an_id_gets_one_and_every_other_text_stays() {
        let mut ids = Ids::new(10);
        let mut named = |text: &'static str| String::from_utf8(ids.name(text.as_bytes()).into_owned()).unwrap();
        assert_eq!(named(" {\"a\":{\"id\":1}}"), " {\"id\":\"000000000000000a-1\",\"a\":{\"id\":1}}");
        assert_eq!(named("{ }"), "{\"id\":\"000000000000000a-2\" }");
        for text in ["{\"ID\":\"x\"}", "{\"a\":1,\"\\u0069d\":null}", "[{}]", "1", "{\"a\"", "{} {}", ""] {
            assert_eq!(named(text), text);
        }
    }
}
