//! The model of a catalogue: what the TOML files say, checked and resolved. Everything that is
//! generated comes from here.

use serde::{Deserialize, Serialize};

/// Number of an event in [`Model::events`]. Stable while the program runs: a reload only appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(pub u16);

/// How property names are spelled on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(program, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WireCase {
    /// As .NET's JSON camel case: `EntityId` is `entityId`, `SMSTo` is `smsTo`.
    #[default]
    Camel,
    /// As documented: `EntityId`.
    Documented,
}

impl WireCase {
    /// The words for them in catalogues, on the command line and in documents; serde has the same
    /// by the rule above.
    pub const NAMED: [(&str, WireCase); 2] = [("camel", WireCase::Camel), ("documented", WireCase::Documented)];
}

/// A place in a catalogue file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's path as it was given.
    pub file: String,
    /// 1-based line.
    pub line: usize,
    /// 1-based column, counted in characters.
    pub column: usize,
}

/// A whole catalogue. As compiled, events stand in the order of AvailableSubscriptions: families
/// User, Queue, CallList, then further ones by name; within a family by name without case. A reload
/// appends to that. Types and sets are sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// `title` of `catalogue.toml`.
    pub title: String,
    /// `version` of `catalogue.toml`, as semantic versioning has it.
    pub version: String,
    /// `id_base`: what every schema's `$id` starts with; ends in `/schemas/v1/`.
    pub id_base: String,
    /// The spelling on the wire.
    pub wire_case: WireCase,
    /// The families, in catalogue order.
    pub families: Vec<Family>,
    /// Helper objects.
    pub types: Vec<ObjectType>,
    /// Shared value sets.
    pub sets: Vec<ValueSet>,
    /// The events.
    pub events: Vec<Event>,
    /// Where its version stands.
    pub place: Place,
    /// Further folders that have a version of their own.
    pub parts: Vec<Part>,
}

/// A further folder with a version of its own: its author may break what it declares, and nothing
/// else, by raising that.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The folder, as the paths of its files begin; with the slash at its end.
    pub folder: String,
    /// The paths of its files.
    pub files: Vec<String>,
    /// `version` of its `catalogue.toml`.
    pub version: String,
    /// Where that stands.
    pub place: Place,
}

impl Part {
    /// Whether what is declared there is the folder's own.
    pub fn has(&self, place: &Place) -> bool {
        self.files.contains(&place.file)
    }
}

/// A family of events: those about users, about queues, …
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// As documented, `CallList`.
    pub name: String,
    /// What an entity of it is called in prose, `call list`.
    pub entity: String,
    /// What it is.
    pub doc: String,
    /// Where it is defined.
    pub place: Place,
}

/// Whether the last value matters or every one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only the newest value of a topic matters.
    State,
    /// Each one matters.
    Occurrence,
}

/// What an event of a call does to it, as the entity of the event sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The entity has to do with the leg from now on.
    Begin,
    /// The leg goes on.
    Progress,
    /// The leg is over for the entity.
    End,
    /// The whole call is, with all of its legs.
    EndCall,
}

impl Phase {
    /// The words for them in catalogues and documents; serde has the same by the rule above.
    pub const NAMED: [(&str, Phase); 4] =
        [("begin", Phase::Begin), ("progress", Phase::Progress), ("end", Phase::End), ("end-call", Phase::EndCall)];
}

/// Who may hold an event by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Ordinary clients.
    pub client: bool,
    /// Back-end services.
    pub backend: bool,
}

/// What names the entity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityRule {
    /// This property (index into [`Event::properties`]).
    Property(usize),
    /// This property, or the publisher's `entityId` where it is null.
    PropertyOrPublisher(usize),
    /// Always the publisher's `entityId`.
    Publisher,
}

/// `[call]`: what an event says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRule {
    /// The property that names the call (index into [`Event::properties`]).
    pub id: usize,
    /// The property that names the leg of it.
    pub leg: usize,
    /// What the event does to them.
    pub phase: Phase,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// As documented.
    pub name: String,
    /// The name in ASCII lower case, as results and envelopes carry it.
    pub lower: String,
    /// Index into [`Model::families`].
    pub family: usize,
    /// The vendor's sentence, verbatim.
    pub summary: String,
    /// Our longer text.
    pub description: Option<String>,
    /// Our reading where the vendor's text is wrong or silent.
    pub note: Option<String>,
    /// State or occurrence.
    pub kind: Kind,
    /// What names its entity.
    pub entity: EntityRule,
    /// Who may hold it by default.
    pub audience: Audience,
    /// The catalogue version that brought it.
    pub since: String,
    /// Says what to use instead.
    pub deprecated: Option<String>,
    /// Names of properties that tie events together (`CallId`, `LegId`), for the docs.
    pub correlation: Vec<usize>,
    /// `[state] expires`: the DateTime property after which the value is stale.
    pub expires: Option<usize>,
    /// `[state] interval_s`: how often the publisher evaluates it.
    pub interval_s: Option<u32>,
    /// `[state] on_change`: a value that equals the one before is not delivered again. Equal is the
    /// text as delivered, byte for byte.
    pub on_change: bool,
    /// `[state] key`: the property that tells the states of one entity apart; the newest value of
    /// each of its values counts.
    pub key: Option<usize>,
    /// `[call]`.
    pub call: Option<CallRule>,
    /// The rule that makes it from another event.
    pub derive: Option<Derive>,
    /// Index of `OrganizationId`, where the event has one.
    pub organization: Option<usize>,
    /// The properties, sorted by documented name without case.
    pub properties: Vec<Property>,
    /// The examples; at least one.
    pub examples: Vec<Example>,
    /// Where it is defined.
    pub place: Place,
}

/// "Made from another event": `from` delivered with the property `when` neither null nor the
/// all-zero GUID makes this event with all properties of the source and the ones set.
#[derive(Clone, Debug, PartialEq)]
pub struct Derive {
    /// The source event.
    pub from: EventId,
    /// Index into the source's properties.
    pub when: usize,
    /// Pairs (property of this event, property of the source that gives its value).
    pub set: Vec<(usize, usize)>,
    /// Properties of the source that this event does not have.
    pub dropped: Vec<usize>,
}

/// One property of an event or a helper object.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// As documented.
    pub name: String,
    /// As on the wire, by [`Model::wire_case`].
    pub wire: String,
    /// Its type, without nullability.
    pub ty: Type,
    /// `?`: may be null.
    pub nullable: bool,
    /// May be absent on the wire.
    pub optional: bool,
    /// The vendor's text, verbatim; may be empty.
    pub doc: String,
    /// Our reading.
    pub note: Option<String>,
    /// The values it may take, where the vendor lists them.
    pub values: Option<Values>,
    /// The catalogue version that brought it, where later than the event.
    pub since: Option<String>,
    /// Says what to use instead.
    pub deprecated: Option<String>,
    /// What kind of personal data it holds (`phone`, `name`, `email`, `text`); masked in logs.
    pub pii: Option<String>,
    /// Where it is defined.
    pub place: Place,
}

/// The vendor's types.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// A GUID in its 36-character form.
    Guid,
    /// Text.
    String,
    /// true or false.
    Bool,
    /// 16 bits.
    Short,
    /// 32 bits.
    Int,
    /// 64 bits; above 2^53 JavaScript rounds.
    Long,
    /// RFC 3339, or the same without offset.
    DateTime,
    /// A list of objects or scalars. Elements are never null.
    List(Box<Type>),
    /// A helper object: index into [`Model::types`].
    Object(usize),
    /// A shared value set: index into [`Model::sets`].
    Set(usize),
}

/// The values of a property or a shared set.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Whether others may come.
    pub open: bool,
    /// The known ones, in order.
    pub list: Vec<Value>,
}

/// One known value.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The scalar.
    pub scalar: Scalar,
    /// Its documented name, where it has one.
    pub name: Option<String>,
    /// What it means.
    pub doc: Option<String>,
}

/// A scalar of a value set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// An integer.
    Integer(i64),
    /// A text.
    Text(String),
}

/// A helper object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectType {
    /// As documented.
    pub name: String,
    /// The vendor's sentence; may be empty.
    pub summary: String,
    /// Our reading.
    pub note: Option<String>,
    /// The properties, sorted by documented name without case.
    pub properties: Vec<Property>,
    /// Where it is defined.
    pub place: Place,
}

/// A shared value set.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueSet {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// The type of its values: Short, Int, Long or String.
    pub base: Type,
    /// The values.
    pub values: Values,
    /// Where it is defined.
    pub place: Place,
}

/// An example of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// Its text as written in the file.
    pub json: String,
    /// Its text as the hub delivers it: in wire spelling, normalised.
    pub delivered: String,
    /// Where the text starts.
    pub place: Place,
}

impl Event {
    /// Whether only the newest value of an entity matters, whatever came before.
    pub fn has_one_value(&self) -> bool {
        self.kind == Kind::State && self.key.is_none()
    }
}

impl Model {
    /// The version that what is declared there belongs to: its folder's, else the catalogue's.
    pub fn version_of(&self, place: &Place) -> &str {
        let parts = self.parts.iter().filter(|part| part.has(place));
        parts.max_by_key(|part| part.folder.len()).map_or(&self.version, |part| &part.version)
    }

    /// The event with that number.
    pub fn event(&self, id: EventId) -> Option<&Event> {
        self.events.get(usize::from(id.0))
    }
}
