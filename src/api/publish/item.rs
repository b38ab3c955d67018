//! Items as they are read: which member holds what, as slices of the untouched body.

use super::rule;
use crate::broken::broken;
use crate::schema::names;
use crate::schema::validate::Violation;
use crate::schema::validate::message::cut;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The members that mean something, over both forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    EventName,
    EntityId,
    OrganizationId,
    Last,
    Data,
    SpecVersion,
    Id,
    Source,
    DataContentType,
    DataBase64,
}

/// How many members there are.
const MEMBERS: usize = Field::DataBase64 as usize + 1;

/// How items are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{"id":…,"eventName":…,"entityId":…,"organizationId":…,"last":…,"data":{…}}`; names without
    /// case, others refused.
    Own,
    /// CloudEvents 1.0, JSON format; names as they stand, further attributes passed over as
    /// extensions are.
    CloudEvents,
}

impl Dialect {
    const OWN: [(&'static str, Field); 6] = [
        ("id", Field::Id),
        ("eventName", Field::EventName),
        ("entityId", Field::EntityId),
        ("organizationId", Field::OrganizationId),
        ("last", Field::Last),
        ("data", Field::Data),
    ];
    const CLOUD_EVENTS: [(&'static str, Field); 10] = [
        ("type", Field::EventName),
        ("subject", Field::EntityId),
        ("organizationid", Field::OrganizationId),
        ("last", Field::Last),
        ("data", Field::Data),
        ("specversion", Field::SpecVersion),
        ("id", Field::Id),
        ("source", Field::Source),
        ("datacontenttype", Field::DataContentType),
        ("data_base64", Field::DataBase64),
    ];

    fn names(self) -> &'static [(&'static str, Field)] {
        match self {
            Dialect::Own => &Dialect::OWN,
            Dialect::CloudEvents => &Dialect::CLOUD_EVENTS,
        }
    }

    /// The member of that name.
    pub(super) fn member(self, name: &str) -> Option<Field> {
        let is_it = |known: &str| match self {
            Dialect::Own => known.eq_ignore_ascii_case(name),
            Dialect::CloudEvents => known == name,
        };
        self.names().iter().find(|(known, _)| is_it(known)).map(|(_, member)| *member)
    }

    /// A member's name in this dialect.
    pub(super) fn name(self, member: Field) -> &'static str {
        self.names().iter().find(|(_, known)| *known == member).map_or("", |(name, _)| name)
    }

    /// The pointer to a member of an item.
    pub(super) fn pointer(self, member: Field) -> String {
        format!("/{}", self.name(member))
    }
}

/// One item, as read.
#[derive(Debug, Default)]
pub(super) struct Item<'b> {
    /// The members' values as written; null counts as absent, but for the data.
    values: [Option<&'b str>; MEMBERS],
    /// What is wrong with the item's form.
    pub(super) violations: Vec<Violation>,
}

fn no_place() -> ! {
    broken("there is a place for every member")
}

impl<'b> Item<'b> {
    /// An item that is no item.
    pub(super) fn refused(rule: &'static str, message: String) -> Item<'b> {
        Item { violations: vec![Violation { pointer: String::new(), rule, message }], ..Item::default() }
    }

    /// The member's value as written.
    pub(super) fn value(&self, member: Field) -> Option<&'b str> {
        *self.values.get(member as usize).unwrap_or_else(|| no_place())
    }

    /// The member's value, which is to be a string; `None` where it is absent, or is none, which is
    /// noted.
    pub(super) fn text(&mut self, dialect: Dialect, member: Field) -> Option<Cow<'b, str>> {
        let raw = self.value(member)?;
        match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            Some(_) => match serde_json::from_str(raw) {
                Ok(decoded) => Some(Cow::Owned(decoded)),
                Err(_) => {
                    self.refuse(dialect.pointer(member), rule::TEXT, "the text is no Unicode".into());
                    None
                }
            },
            None => {
                let found = match raw.bytes().next() {
                    Some(b'{') => Cow::Borrowed("an object"),
                    Some(b'[') => Cow::Borrowed("a list"),
                    _ => cut(raw),
                };
                self.refuse(dialect.pointer(member), rule::TYPE, format!("found {found}, expected a string"));
                None
            }
        }
    }

    /// Gives it a value that did not stand among its members. One that is there already is noted.
    pub(super) fn put(&mut self, dialect: Dialect, member: Field, value: &'b str) {
        let slot = self.values.get_mut(member as usize).unwrap_or_else(|| no_place());
        if slot.is_none() {
            *slot = Some(value);
        } else {
            let message = format!("\"{}\" is there already", dialect.name(member));
            self.refuse(dialect.pointer(member), rule::DUPLICATE_MEMBER, message);
        }
    }

    /// Whether something is wrong with what that pointer leads to.
    pub(super) fn is_refused_at(&self, pointer: &str) -> bool {
        self.violations.iter().any(|violation| violation.pointer == pointer)
    }

    /// Notes something wrong.
    pub(super) fn refuse(&mut self, pointer: String, rule: &'static str, message: String) {
        self.violations.push(Violation { pointer, rule, message });
    }

    fn add(&mut self, seed: Reading, name: &str, value: &'b RawValue) {
        let pointer = || format!("/{}", cut(name).replace('~', "~0").replace('/', "~1"));
        let Some(member) = seed.dialect.member(name) else {
            if seed.dialect == Dialect::Own && self.violations.len() < seed.errors_max {
                let mut message = format!("items have no member \"{}\"", cut(name));
                if self.violations.len() < seed.suggestions_max
                    && let Some(nearest) = names::nearest(name, seed.dialect.names().iter().map(|(known, _)| *known))
                {
                    message.push_str(&format!("; did you mean \"{nearest}\"?"));
                }
                self.refuse(pointer(), rule::UNKNOWN_MEMBER, message);
            }
            return;
        };
        let slot = self.values.get_mut(member as usize).unwrap_or_else(|| no_place());
        if slot.is_some() {
            if self.violations.len() < seed.errors_max {
                self.refuse(pointer(), rule::DUPLICATE_MEMBER, format!("\"{}\" is there already", cut(name)));
            }
        } else if member == Field::Data || value.get() != "null" {
            *slot = Some(value.get());
        }
    }
}

/// Reads one item; anything that is JSON is read, and what is wrong with it noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) dialect: Dialect,
    /// At most so many violations of form are noted.
    pub(super) errors_max: usize,
    /// So many of the first are told with the nearest member.
    pub(super) suggestions_max: usize,
}

impl Reading {
    /// Reads the one item that `text` holds.
    pub(super) fn one(self, text: &str) -> serde_json::Result<Item<'_>> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let item = self.deserialize(&mut reader)?;
        reader.end()?;
        Ok(item)
    }

    /// Reads the item that `text` begins with; how many bytes it takes.
    pub(super) fn first(self, text: &str) -> serde_json::Result<(Item<'_>, usize)> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let item = self.deserialize(&mut reader)?;
        Ok((item, reader.into_iter::<IgnoredAny>().byte_offset()))
    }

    /// Reads the array of items that `text` holds; `None` where there are more than `items_max`. So
    /// many errors of the item of an index are told with the nearest member.
    pub(super) fn all(
        self,
        text: &str,
        items_max: usize,
        suggestions_max: impl Fn(usize) -> usize,
    ) -> serde_json::Result<Option<Vec<Item<'_>>>> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let items = reader.deserialize_seq(Array { item: self, items_max, suggestions_max })?;
        reader.end()?;
        Ok(items)
    }

    fn no_object<'b>(found: &str) -> Item<'b> {
        Item::refused(rule::TYPE, format!("found {found}, expected an object"))
    }
}

impl<'b> DeserializeSeed<'b> for Reading {
    type Value = Item<'b>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Item<'b>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Reading {
    type Value = Item<'b>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Item<'b>, A::Error> {
        let mut item = Item::default();
        while let Some(Name(name)) = map.next_key()? {
            let value: &'b RawValue = map.next_value()?;
            item.add(self, &name, value);
        }
        Ok(item)
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut seq: A) -> Result<Item<'b>, A::Error> {
        // What is ignored is passed over without recursion, however deep it nests.
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Reading::no_object("a list"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Item<'b>, E> {
        Ok(Reading::no_object("a string"))
    }

    fn visit_unit<E>(self) -> Result<Item<'b>, E> {
        Ok(Reading::no_object("null"))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Item<'b>, E> {
        Ok(Reading::no_object(if value { "true" } else { "false" }))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Item<'b>, E> {
        Ok(Reading::no_object("a number"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Item<'b>, E> {
        Ok(Reading::no_object("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Item<'b>, E> {
        Ok(Reading::no_object("a number"))
    }
}

/// Reads an array of items.
struct Array<F> {
    item: Reading,
    items_max: usize,
    suggestions_max: F,
}

impl<'b, F: Fn(usize) -> usize> Visitor<'b> for Array<F> {
    type Value = Option<Vec<Item<'b>>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of items")
    }

    fn visit_seq<A: SeqAccess<'b>>(mut self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.items_max {
            let Some(item) = seq.next_element_seed(self.item)? else { return Ok(Some(items)) };
            items.push(item);
            self.item.suggestions_max = (self.suggestions_max)(items.len());
        }
        let mut is_over = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            is_over = true;
        }
        Ok((!is_over).then_some(items))
    }
}

/// A member's name, borrowed where nothing is escaped.
#[derive(serde::Deserialize)]
struct Name<'b>(#[serde(borrow)] Cow<'b, str>);

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Reading = Reading { dialect: Dialect::Own, errors_max: 3, suggestions_max: 3 };

    fn wrong(item: &Item<'_>) -> Vec<(String, &'static str)> {
        item.violations.iter().map(|violation| (violation.pointer.clone(), violation.rule)).collect()
    }

    #[test]
    fn members_are_slices_of_the_text_and_names_have_no_case() {
        let text = r#"{"EventName":"a","\u0065ntityid": null,"data": [1.50, {"x":9007199254740993}]}"#;
        let item = OWN.one(text).unwrap();
        assert_eq!(item.value(Field::EventName), Some("\"a\""));
        assert_eq!(item.value(Field::EntityId), None);
        assert_eq!(item.value(Field::Data), Some("[1.50, {\"x\":9007199254740993}]"));
        assert!(item.violations.is_empty());
    }

    #[test]
    fn unknown_and_double_members_are_noted_up_to_the_bound() {
        let item = OWN.one(r#"{"eventname":1,"EventName":2,"event_name":3,"a/b":4,"c":5}"#).unwrap();
        let expected =
            [("/EventName", "duplicate-member"), ("/event_name", "unknown-member"), ("/a~1b", "unknown-member")];
        assert_eq!(wrong(&item), expected.map(|(pointer, rule)| (pointer.to_owned(), rule)));
        assert!(item.violations[1].message.ends_with("did you mean \"eventName\"?"));
        let cloud = Reading { dialect: Dialect::CloudEvents, ..OWN };
        assert!(cloud.one(r#"{"type":"a","traceparent":"b","Data":1}"#).unwrap().violations.is_empty());
    }

    #[test]
    fn anything_but_an_object_is_a_refused_item_and_no_error() {
        for text in ["[]", "[[{}],1]", "1", "-1", "1.5", "\"x\"", "null", "true"] {
            assert_eq!(wrong(&OWN.one(text).unwrap()), [(String::new(), "type")], "{text}");
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(wrong(&OWN.one(&deep).unwrap()), [(String::new(), "type")]);
        assert!(OWN.one("{\"a\":1").is_err() && OWN.one("{} {}").is_err() && OWN.one("").is_err());
    }

    #[test]
    fn an_array_is_read_whole_and_has_no_more_items_than_that() {
        assert_eq!(OWN.all("[{},1,{}]", 3, |_| 0).unwrap().unwrap().len(), 3);
        assert!(OWN.all("[{},1,{}]", 2, |_| 0).unwrap().is_none());
        assert!(OWN.all("[{},{},{}", 2, |_| 0).is_err() && OWN.all("[{}] x", 2, |_| 0).is_err());
    }

    #[test]
    fn a_text_that_is_none_is_noted() {
        for (value, rule) in [("1", "type"), ("{}", "type"), ("[]", "type"), (r#""\ud800""#, "text")] {
            let text = format!("{{\"entityId\":{value}}}");
            let mut item = OWN.one(&text).unwrap();
            assert_eq!(item.text(Dialect::Own, Field::EntityId), None);
            assert_eq!(wrong(&item), [("/entityId".to_owned(), rule)]);
        }
        let mut item = OWN.one(r#"{"entityId":"\u0041b"}"#).unwrap();
        assert_eq!(item.text(Dialect::Own, Field::EntityId).as_deref(), Some("Ab"));
    }
}
