//! What changed between two contracts, and whom it breaks.
//!
//! Publishers break where the hub refuses what it took before; subscribers where they receive what
//! they have not reckoned with. The comparison looks through shared value sets: a property that
//! gets an enum with the values it had before has not changed.

use super::contract::{Contract, EventTerms, PropertyTerms, Routing, SetTerms, TypeTerms, ValueTerms};
use super::emit::prose;
use super::model::{Kind, Place, Scalar};
use super::{names, type_expr};
use std::collections::BTreeMap;

/// Whom a change breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breaks {
    /// Nobody who reads names they do not know with patience.
    Nobody,
    /// Those who publish.
    Publishers,
    /// Those who subscribe.
    Subscribers,
    /// Those who publish and those who subscribe.
    Both,
}

impl Breaks {
    /// The word for machines: `nobody`, `publishers`, `subscribers`, `both`.
    pub fn name(self) -> &'static str {
        match self {
            Breaks::Nobody => "nobody",
            Breaks::Publishers => "publishers",
            Breaks::Subscribers => "subscribers",
            Breaks::Both => "both",
        }
    }

    /// The words for people.
    pub fn prose(self) -> &'static str {
        match self {
            Breaks::Both => "publishers and subscribers",
            Breaks::Nobody | Breaks::Publishers | Breaks::Subscribers => self.name(),
        }
    }

    /// Whom two changes break together.
    pub fn and(self, other: Breaks) -> Breaks {
        match (self, other) {
            (Breaks::Nobody, breaks) | (breaks, Breaks::Nobody) => breaks,
            (one, another) if one == another => one,
            (_, _) => Breaks::Both,
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $name:literal, $breaks:ident;)+) => {
        /// What a change falls under.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ChangeRule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl ChangeRule {
            /// All rules.
            pub const ALL: &'static [ChangeRule] = &[$(ChangeRule::$rule,)+];

            /// The name, as reports have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(ChangeRule::$rule => $name,)+
                }
            }

            /// Whom such a change breaks.
            pub fn breaks(self) -> Breaks {
                match self {
                    $(ChangeRule::$rule => Breaks::$breaks,)+
                }
            }
        }
    };
}

rules! {
    /// The wire case changed.
    WireCaseSame = "WIRE_CASE_SAME", Both;
    /// A family is gone.
    FamilyNoDelete = "FAMILY_NO_DELETE", Both;
    /// An event is gone.
    EventNoDelete = "EVENT_NO_DELETE", Both;
    /// An event moved to another family.
    EventSameFamily = "EVENT_SAME_FAMILY", Both;
    /// Another property names the entity, or nobody's or the publisher's word counts that did not.
    EventSameEntity = "EVENT_SAME_ENTITY", Both;
    /// A property is gone.
    PropertyNoDelete = "PROPERTY_NO_DELETE", Both;
    /// A property has another type, or became a list, or is none any more.
    PropertySameType = "PROPERTY_SAME_TYPE", Both;
    /// A state became an occurrence, or the reverse.
    EventSameKind = "EVENT_SAME_KIND", Subscribers;
    /// Another property tells the states of an entity apart, or none does, or one that did not.
    EventSameKey = "EVENT_SAME_KEY", Subscribers;
    /// An event says something else of its call, or nothing any more.
    CallSame = "CALL_SAME", Subscribers;
    /// An event's name is spelled in another case.
    EventSameSpelling = "EVENT_SAME_SPELLING", Subscribers;
    /// An event is no longer for everybody it was for.
    AudienceNoNarrow = "AUDIENCE_NO_NARROW", Subscribers;
    /// An event is not derived as it was.
    DeriveSame = "DERIVE_SAME", Subscribers;
    /// A property's name is spelled in another case.
    PropertySameSpelling = "PROPERTY_SAME_SPELLING", Subscribers;
    /// An integer takes larger values.
    IntegerNoWiden = "INTEGER_NO_WIDEN", Subscribers;
    /// A property may be null.
    NullableNoAdd = "NULLABLE_NO_ADD", Subscribers;
    /// A property may be absent.
    OptionalNoAdd = "OPTIONAL_NO_ADD", Subscribers;
    /// A closed set has a further value.
    ClosedValueNoAdd = "CLOSED_VALUE_NO_ADD", Subscribers;
    /// A closed set is open, or none any more.
    ValuesNoOpen = "VALUES_NO_OPEN", Subscribers;
    /// An integer takes smaller values only.
    IntegerNoNarrow = "INTEGER_NO_NARROW", Publishers;
    /// A property may no longer be null.
    NullableNoRemove = "NULLABLE_NO_REMOVE", Publishers;
    /// A property may no longer be absent.
    OptionalNoRemove = "OPTIONAL_NO_REMOVE", Publishers;
    /// A value of a closed set is gone.
    ValueNoDelete = "VALUE_NO_DELETE", Publishers;
    /// Only the listed values are taken.
    ValuesNoClose = "VALUES_NO_CLOSE", Publishers;
    /// A further property has to be given.
    RequiredNoAdd = "REQUIRED_NO_ADD", Publishers;
    /// A family was added.
    FamilyAdded = "FAMILY_ADDED", Nobody;
    /// An event was added.
    EventAdded = "EVENT_ADDED", Nobody;
    /// A property that may be null or absent was added.
    PropertyAdded = "PROPERTY_ADDED", Nobody;
    /// Where an event's entity may be null, the publisher may name it.
    EntityOrPublisherAdded = "ENTITY_OR_PUBLISHER_ADDED", Nobody;
    /// An event is for more than it was.
    AudienceAdded = "AUDIENCE_ADDED", Nobody;
    /// Each occurrence still arrives, and the newest of each key is kept.
    EventKeyAdded = "EVENT_KEY_ADDED", Nobody;
    /// An event says what it does to a call.
    CallAdded = "CALL_ADDED", Nobody;
    /// The hub derives an event that it did not.
    DeriveAdded = "DERIVE_ADDED", Nobody;
    /// The known values among others are not the ones they were.
    KnownValuesChanged = "KNOWN_VALUES_CHANGED", Nobody;
    /// The deprecation of an event changed.
    EventDeprecated = "EVENT_DEPRECATED", Nobody;
    /// The deprecation of a property changed.
    PropertyDeprecated = "PROPERTY_DEPRECATED", Nobody;
    /// Texts, examples or names of values changed.
    TextsChanged = "TEXTS_CHANGED", Nobody;
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it falls under, which says whom it breaks.
    pub rule: ChangeRule,
    /// What changed: `catalogue`, `User`, `QueueStatus`, `QueueStatus.OpenStatus`,
    /// `CallbackTypeId`.
    pub subject: String,
    /// Where that stands: in the newer catalogue; in the older one where it is gone; nowhere where
    /// no place is known.
    pub place: Option<Place>,
    /// What changed, as a sentence without its full stop.
    pub sentence: String,
}

impl Change {
    /// Whom it breaks.
    pub fn breaks(&self) -> Breaks {
        self.rule.breaks()
    }
}

/// Whom all changes together break.
pub fn verdict(changes: &[Change]) -> Breaks {
    changes.iter().fold(Breaks::Nobody, |breaks, change| breaks.and(change.breaks()))
}

/// All changes from `old` to `new`: of the catalogue, then of events, types and value sets by name.
pub fn diff(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut walk = Walk { old, new, changes: Vec::new() };
    walk.catalogue();
    for (name, pair) in pairs(&old.events, &new.events) {
        match pair {
            Pair::Gone(event) => walk.event_gone(name, event),
            Pair::Came(event) => {
                walk.note(ChangeRule::EventAdded, name, &event.place, format!("event {name} was added"))
            }
            Pair::Kept(former_name, old, new) => walk.event(former_name, old, name, new),
        }
    }
    // A type that no property has is nobody's concern, so one that came or went shows in the
    // properties that have it.
    for (name, pair) in pairs(&old.types, &new.types) {
        if let Pair::Kept(former_name, old, new) = pair
            && former_name == name
        {
            walk.object_type(name, old, new);
        }
    }
    for (name, pair) in pairs(&old.enums, &new.enums) {
        if let Pair::Kept(former_name, old, new) = pair
            && former_name == name
        {
            walk.value_set(name, old, new);
        }
    }
    walk.changes
}

/// What has one name, compared without case, on both sides.
enum Pair<'c, T> {
    /// Only the older side has it.
    Gone(&'c T),
    /// Only the newer side has it.
    Came(&'c T),
    /// Both have it; with its name on the older side.
    Kept(&'c str, &'c T, &'c T),
}

/// All that there is on either side, by name; names are the newer side's.
fn pairs<'c, T>(old: &'c BTreeMap<String, T>, new: &'c BTreeMap<String, T>) -> Vec<(&'c str, Pair<'c, T>)> {
    let twin = |name: &str, side: &'c BTreeMap<String, T>| {
        side.get_key_value(name).or_else(|| side.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)))
    };
    let gone = old.iter().filter(|(name, _)| twin(name, new).is_none());
    let gone = gone.map(|(name, terms)| (name.as_str(), Pair::Gone(terms)));
    let there = new.iter().map(|(name, terms)| match twin(name, old) {
        Some((former_name, former)) => (name.as_str(), Pair::Kept(former_name, former, terms)),
        None => (name.as_str(), Pair::Came(terms)),
    });
    let mut all: Vec<_> = gone.chain(there).collect();
    all.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    all
}

/// A property's type with its value set looked through.
struct Resolved<'c> {
    lists: usize,
    /// The innermost type: a scalar or a helper object.
    name: &'c str,
    values: Option<&'c ValueTerms>,
    /// The shared set that the values are of.
    set: Option<&'c str>,
}

struct Walk<'c> {
    old: &'c Contract,
    new: &'c Contract,
    changes: Vec<Change>,
}

impl Walk<'_> {
    fn note(&mut self, rule: ChangeRule, subject: &str, place: &Option<Place>, sentence: String) {
        self.changes.push(Change { rule, subject: subject.to_owned(), place: place.clone(), sentence });
    }

    fn catalogue(&mut self) {
        let (old, new) = (self.old, self.new);
        let place = &new.place;
        if old.wire_case != new.wire_case {
            let [was, is] = [old.wire_case, new.wire_case].map(prose::wire_case);
            let sentence = format!("the wire case was {was} and is {is}, so that every property has another name");
            self.note(ChangeRule::WireCaseSame, "catalogue", place, sentence);
        }
        for family in old.families.iter().filter(|family| !new.families.contains(family)) {
            let renamed = renamed(family, new.families.iter().filter(|name| !old.families.contains(name)));
            let sentence = format!("family {family} was removed{renamed}");
            self.note(ChangeRule::FamilyNoDelete, family, place, sentence);
        }
        for family in new.families.iter().filter(|family| !old.families.contains(family)) {
            self.note(ChangeRule::FamilyAdded, family, place, format!("family {family} was added"));
        }
        self.texts("the catalogue", "catalogue", place, &old.texts, &new.texts);
    }

    fn texts(&mut self, what: &str, subject: &str, place: &Option<Place>, old: &str, new: &str) {
        if old != new {
            let sentence = format!("texts, examples or names of values of {what} changed");
            self.note(ChangeRule::TextsChanged, subject, place, sentence);
        }
    }

    fn event_gone(&mut self, name: &str, event: &EventTerms) {
        let came = self.new.events.keys().filter(|name| !self.old.events.contains_key(*name));
        let sentence = format!("event {name} was removed{}{}", announced(&event.deprecated), renamed(name, came));
        self.note(ChangeRule::EventNoDelete, name, &event.place, sentence);
    }

    fn event(&mut self, former_name: &str, old: &EventTerms, name: &str, new: &EventTerms) {
        let place = &new.place;
        if former_name != name {
            let sentence = format!("event {former_name} is spelled {name}");
            self.note(ChangeRule::EventSameSpelling, name, place, sentence);
        }
        if old.family != new.family {
            let sentence = format!("event {name} moved from family {} to {}", old.family, new.family);
            self.note(ChangeRule::EventSameFamily, name, place, sentence);
        }
        if let (Kind::Occurrence, Kind::State, Some(key)) = (old.kind, new.kind, &new.key) {
            let sentence =
                format!("event {name} was an occurrence and is a state of each {key}; all of them still arrive");
            self.note(ChangeRule::EventKeyAdded, name, place, sentence);
        } else if old.kind != new.kind {
            let [was, is] = [old.kind, new.kind].map(|kind| match kind {
                Kind::State => "a state",
                Kind::Occurrence => "an occurrence",
            });
            self.note(ChangeRule::EventSameKind, name, place, format!("event {name} was {was} and is {is}"));
        }
        if old.kind == new.kind && old.key != new.key {
            let [was, is] = [&old.key, &new.key].map(|key| key.as_deref().unwrap_or("nothing"));
            let sentence = format!("the states of an entity in event {name} were told apart by {was} and are by {is}");
            self.note(ChangeRule::EventSameKey, name, place, sentence);
        }
        match (&old.call, &new.call) {
            (None, Some(_)) => {
                let sentence = format!("event {name} says what it does to a call");
                self.note(ChangeRule::CallAdded, name, place, sentence);
            }
            (Some(was), is) if Some(was) != is.as_ref() => {
                let sentence = format!("event {name} does not say of its call what it did");
                self.note(ChangeRule::CallSame, name, place, sentence);
            }
            (_, _) => {}
        }
        self.routing(name, old, new);
        for (had, has, audience) in [
            (old.audience.client, new.audience.client, "clients"),
            (old.audience.backend, new.audience.backend, "back ends"),
        ] {
            if had && !has {
                let sentence = format!("event {name} is no longer for {audience} by default");
                self.note(ChangeRule::AudienceNoNarrow, name, place, sentence);
            } else if !had && has {
                let sentence = format!("event {name} is for {audience} too by default");
                self.note(ChangeRule::AudienceAdded, name, place, sentence);
            }
        }
        match (&old.derive, &new.derive) {
            (None, Some(derive)) => {
                let sentence = format!("event {name} is derived from {}", derive.from);
                self.note(ChangeRule::DeriveAdded, name, place, sentence);
            }
            (Some(derive), other) if Some(derive) != other.as_ref() => {
                let sentence = format!("event {name} is not derived from {} as it was", derive.from);
                self.note(ChangeRule::DeriveSame, name, place, sentence);
            }
            (_, _) => {}
        }
        if let Some(sentence) = deprecation(&format!("event {name}"), &old.deprecated, &new.deprecated) {
            self.note(ChangeRule::EventDeprecated, name, place, sentence);
        }
        self.properties(name, place, &old.properties, &new.properties);
        self.texts(name, name, place, &old.texts, &new.texts);
    }

    fn routing(&mut self, name: &str, old: &EventTerms, new: &EventTerms) {
        use Routing::{Property, PropertyOrPublisher, Publisher};
        let rule = match (&old.entity, &new.entity) {
            (Publisher, Publisher) => return,
            (Property(was), Property(is)) | (PropertyOrPublisher(was), PropertyOrPublisher(is))
                if was.eq_ignore_ascii_case(is) =>
            {
                return;
            }
            (Property(was), PropertyOrPublisher(is)) if was.eq_ignore_ascii_case(is) => {
                ChangeRule::EntityOrPublisherAdded
            }
            (_, _) => ChangeRule::EventSameEntity,
        };
        let [was, is] = [&old.entity, &new.entity].map(|routing| match routing {
            Property(property) => property.clone(),
            PropertyOrPublisher(property) => format!("{property} or else the publisher"),
            Publisher => "the publisher".to_owned(),
        });
        let sentence = format!("the entity of event {name} was named by {was} and is named by {is}");
        self.note(rule, name, &new.place, sentence);
    }

    fn object_type(&mut self, name: &str, old: &TypeTerms, new: &TypeTerms) {
        self.properties(name, &new.place, &old.properties, &new.properties);
        self.texts(name, name, &new.place, &old.texts, &new.texts);
    }

    fn value_set(&mut self, name: &str, old: &SetTerms, new: &SetTerms) {
        let subject = format!("enum {name}");
        if self.scalar(&subject, name, &new.place, (0, &old.base), (0, &new.base)) {
            self.values(&subject, name, &new.place, Some(&old.values), Some(&new.values));
        }
        self.texts(name, name, &new.place, &old.texts, &new.texts);
    }

    fn properties(
        &mut self,
        owner: &str,
        place: &Option<Place>,
        old: &BTreeMap<String, PropertyTerms>,
        new: &BTreeMap<String, PropertyTerms>,
    ) {
        for (name, pair) in pairs(old, new) {
            let subject = format!("{owner}.{name}");
            match pair {
                Pair::Gone(property) => {
                    let came = new.keys().filter(|name| !old.contains_key(*name));
                    let (announced, renamed) = (announced(&property.deprecated), renamed(name, came));
                    let sentence = format!("property {subject} was removed{announced}{renamed}");
                    let place = place.clone().or_else(|| property.place.clone());
                    self.note(ChangeRule::PropertyNoDelete, &subject, &place, sentence);
                }
                Pair::Came(property) if property.nullable || property.optional => {
                    let may_be = if property.optional { "absent" } else { "null" };
                    let sentence = format!("property {subject} was added; it may be {may_be}");
                    self.note(ChangeRule::PropertyAdded, &subject, &property.place, sentence);
                }
                Pair::Came(property) => {
                    let sentence = format!("property {subject} was added, and it may be neither null nor absent");
                    self.note(ChangeRule::RequiredNoAdd, &subject, &property.place, sentence);
                }
                Pair::Kept(former_name, old, new) => {
                    if former_name != name {
                        let sentence = format!("property {former_name} of {owner} is spelled {name}");
                        self.note(ChangeRule::PropertySameSpelling, &subject, &new.place, sentence);
                    }
                    self.property(&subject, old, new);
                }
            }
        }
    }

    fn property(&mut self, subject: &str, old: &PropertyTerms, new: &PropertyTerms) {
        let (was, is) = (resolve(old, self.old), resolve(new, self.new));
        let (place, what) = (&new.place, format!("property {subject}"));
        // Where both have one shared set, its changes are told once, with the set.
        let share_a_set = was.set.is_some() && was.set == is.set && was.lists == is.lists;
        if !share_a_set && self.scalar(&what, subject, place, (was.lists, was.name), (is.lists, is.name)) {
            self.values(&what, subject, place, was.values, is.values);
        }
        for (may, now_may, added, removed, word) in [
            (old.nullable, new.nullable, ChangeRule::NullableNoAdd, ChangeRule::NullableNoRemove, "null"),
            (old.optional, new.optional, ChangeRule::OptionalNoAdd, ChangeRule::OptionalNoRemove, "absent"),
        ] {
            if !may && now_may {
                self.note(added, subject, place, format!("{what} may be {word}"));
            } else if may && !now_may {
                self.note(removed, subject, place, format!("{what} may no longer be {word}"));
            }
        }
        if let Some(sentence) = deprecation(&what, &old.deprecated, &new.deprecated) {
            self.note(ChangeRule::PropertyDeprecated, subject, place, sentence);
        }
    }

    /// Compares two types, each with the number of lists around it. Whether values can still be
    /// compared.
    fn scalar(
        &mut self,
        what: &str,
        subject: &str,
        place: &Option<Place>,
        (was_lists, was): (usize, &str),
        (is_lists, is): (usize, &str),
    ) -> bool {
        if (was_lists, was) == (is_lists, is) {
            return true;
        }
        let rule = match (integer_bits(was), integer_bits(is)) {
            (Some(was), Some(is)) if was_lists == is_lists && was < is => ChangeRule::IntegerNoWiden,
            (Some(_), Some(_)) if was_lists == is_lists => ChangeRule::IntegerNoNarrow,
            (_, _) => ChangeRule::PropertySameType,
        };
        let listed = |lists: usize, name: &str| format!("{}{name}{}", "List<".repeat(lists), ">".repeat(lists));
        let (was, is) = (listed(was_lists, was), listed(is_lists, is));
        self.note(rule, subject, place, format!("{what} was {was} and is {is}"));
        rule != ChangeRule::PropertySameType
    }

    fn values(
        &mut self,
        what: &str,
        subject: &str,
        place: &Option<Place>,
        old: Option<&ValueTerms>,
        new: Option<&ValueTerms>,
    ) {
        let closed = |values: Option<&'_ ValueTerms>| values.is_some_and(|values| !values.open);
        match (closed(old), closed(new)) {
            (true, false) => {
                let sentence = format!("{what} took listed values only and takes others too");
                self.note(ChangeRule::ValuesNoOpen, subject, place, sentence);
            }
            (false, true) => {
                let sentence = format!("{what} took any value and takes the listed ones only");
                self.note(ChangeRule::ValuesNoClose, subject, place, sentence);
            }
            (true, true) => {
                for scalar in missing(old, new) {
                    let sentence = format!("{what} no longer takes {}", shown(scalar));
                    self.note(ChangeRule::ValueNoDelete, subject, place, sentence);
                }
                for scalar in missing(new, old) {
                    let sentence = format!("{what} takes {} too", shown(scalar));
                    self.note(ChangeRule::ClosedValueNoAdd, subject, place, sentence);
                }
            }
            (false, false) => {
                if missing(old, new).chain(missing(new, old)).next().is_some() {
                    let sentence = format!("{what} has other known values; it takes any as before");
                    self.note(ChangeRule::KnownValuesChanged, subject, place, sentence);
                }
            }
        }
    }
}

/// The values of the one that the other has not.
fn missing<'v>(of: Option<&'v ValueTerms>, from: Option<&'v ValueTerms>) -> impl Iterator<Item = &'v Scalar> {
    let list = of.map(|values| values.list.as_slice()).unwrap_or_default();
    list.iter().filter(move |scalar| !from.is_some_and(|values| values.list.contains(scalar)))
}

fn shown(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Integer(value) => value.to_string(),
        Scalar::Text(text) => format!("\"{text}\""),
    }
}

fn resolve<'c>(property: &'c PropertyTerms, contract: &'c Contract) -> Resolved<'c> {
    // A lock file may hold what is no type; then the words themselves are compared.
    let (name, lists) = type_expr::parse(&property.ty)
        .map_or((property.ty.as_str(), 0), |expression| (expression.name, expression.lists));
    match contract.enums.get(name) {
        Some(set) => Resolved { lists, name: &set.base, values: Some(&set.values), set: Some(name) },
        None => Resolved { lists, name, values: property.values.as_ref(), set: None },
    }
}

fn integer_bits(name: &str) -> Option<u8> {
    match name {
        "short" => Some(16),
        "int" => Some(32),
        "long" => Some(64),
        _ => None,
    }
}

fn announced(deprecated: &Option<String>) -> String {
    deprecated.as_ref().map_or(String::new(), |text| format!(", as announced (\"{text}\")"))
}

/// Names what came in the place of what is gone, where the names are alike.
fn renamed<'c>(name: &str, came: impl Iterator<Item = &'c String>) -> String {
    let near = names::nearest(name, came.map(String::as_str));
    near.map_or(String::new(), |near| format!(" ({near} was added; to rename is to remove)"))
}

fn deprecation(what: &str, old: &Option<String>, new: &Option<String>) -> Option<String> {
    match (old, new) {
        (old, Some(text)) if old.as_ref() != Some(text) => Some(format!("{what} is deprecated: {text}")),
        (Some(_), None) => Some(format!("{what} is no longer deprecated")),
        (_, _) => None,
    }
}
