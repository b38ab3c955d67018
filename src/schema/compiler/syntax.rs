//! What the files say, file by file, before any name is looked up: the syntax tree between `read`
//! and `resolve`.
//!
//! Every part that a later pass may complain about carries its place. `None` where a key is absent,
//! or where it was unusable and has been reported: later passes stay silent about it.

use super::finding::Rule;
use super::model::{Audience, Kind, Phase, Scalar, WireCase};
use super::source::{At, Located};

/// All declarations, in the order of the files.
#[derive(Debug, Default)]
pub struct Declarations {
    /// The head of the catalogue: the first `catalogue.toml`.
    pub head: Option<CatalogueHead>,
    /// The versions of further folders, each said by the `catalogue.toml` in it.
    pub parts: Vec<PartDecl>,
    /// The families: in the order written for the first `catalogue.toml`, further ones behind it.
    pub families: Vec<FamilyDecl>,
    /// The events.
    pub events: Vec<EventDecl>,
    /// The helper objects.
    pub types: Vec<TypeDecl>,
    /// The shared value sets.
    pub sets: Vec<SetDecl>,
    /// What the files would declare that could not be read; naming it is no further error.
    pub unreadable: Vec<String>,
}

/// The head of `catalogue.toml`.
#[derive(Debug)]
pub struct CatalogueHead {
    /// `title`.
    pub title: String,
    /// `version`.
    pub version: Located<String>,
    /// `id_base`.
    pub id_base: String,
    /// `wire_case`.
    pub wire_case: WireCase,
}

/// A further folder with a version of its own.
#[derive(Debug)]
pub struct PartDecl {
    /// The folder, as its files' paths begin.
    pub folder: String,
    /// `version`.
    pub version: Located<String>,
}

/// `[families.NAME]`.
#[derive(Debug)]
pub struct FamilyDecl {
    /// Its name.
    pub name: Located<String>,
    /// `entity`.
    pub entity: String,
    /// `doc`.
    pub doc: String,
}

/// A file with `event = "…"`.
#[derive(Debug)]
pub struct EventDecl {
    /// `event`.
    pub name: Located<String>,
    /// `family`.
    pub family: Option<Located<String>>,
    /// `summary`.
    pub summary: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `note`.
    pub note: Option<String>,
    /// `kind`.
    pub kind: Option<Kind>,
    /// `entity`.
    pub entity: Option<EntityDecl>,
    /// `audience`; ordinary clients where absent.
    pub audience: Audience,
    /// `since`.
    pub since: Option<String>,
    /// `deprecated`.
    pub deprecated: Option<String>,
    /// `correlation`.
    pub correlation: Vec<Located<String>>,
    /// `[state]`.
    pub state: Option<StateDecl>,
    /// `[call]`.
    pub call: Option<CallDecl>,
    /// `[derive]`.
    pub derive: Option<DeriveDecl>,
    /// `[properties]`.
    pub properties: Vec<PropertyDecl>,
    /// `[[examples]]`.
    pub examples: Vec<ExampleDecl>,
    /// `allow`.
    pub allow: Vec<Rule>,
}

/// `entity`.
#[derive(Debug)]
pub enum EntityDecl {
    /// `"X"` or `{ property = "X" }`.
    Property(Located<String>),
    /// `{ property = "X", or = "publisher" }`.
    PropertyOrPublisher(Located<String>),
    /// `{ from = "publisher" }`.
    Publisher,
}

/// `[state]`.
#[derive(Debug)]
pub struct StateDecl {
    /// Where the table starts.
    pub at: At,
    /// `expires`.
    pub expires: Option<Located<String>>,
    /// `interval_s`.
    pub interval_s: Option<u32>,
    /// `on_change`.
    pub on_change: bool,
    /// `key`.
    pub key: Option<Located<String>>,
}

/// `[call]`.
#[derive(Debug)]
pub struct CallDecl {
    /// Where the table starts.
    pub at: At,
    /// `id`.
    pub id: Located<String>,
    /// `leg`.
    pub leg: Located<String>,
    /// `phase`.
    pub phase: Phase,
}

/// `[derive]`.
#[derive(Debug)]
pub struct DeriveDecl {
    /// `from`.
    pub from: Located<String>,
    /// `when`.
    pub when: Located<String>,
    /// `set`: pairs (property of this event, property of the source).
    pub set: Vec<(Located<String>, Located<String>)>,
    /// `inherit`: the event has all properties of its source besides its own.
    pub inherit: bool,
}

/// One line of `[properties]`.
#[derive(Clone, Debug)]
pub struct PropertyDecl {
    /// Its name.
    pub name: Located<String>,
    /// `type`.
    pub ty: Option<Located<String>>,
    /// `doc`; empty where absent.
    pub doc: String,
    /// `note`.
    pub note: Option<String>,
    /// `values`.
    pub values: Option<Located<Vec<ValueDecl>>>,
    /// `open`.
    pub open: Option<Located<bool>>,
    /// `optional`.
    pub optional: bool,
    /// `since`.
    pub since: Option<String>,
    /// `deprecated`.
    pub deprecated: Option<String>,
    /// `pii`.
    pub pii: Option<String>,
    /// `allow`.
    pub allow: Vec<Rule>,
}

/// One of `values`.
#[derive(Clone, Debug)]
pub struct ValueDecl {
    /// The value.
    pub scalar: Located<Scalar>,
    /// `name`.
    pub name: Option<String>,
    /// `doc`.
    pub doc: Option<String>,
}

/// A file with `type = "…"`.
#[derive(Debug)]
pub struct TypeDecl {
    /// `type`.
    pub name: Located<String>,
    /// `summary`; may be empty.
    pub summary: String,
    /// `note`.
    pub note: Option<String>,
    /// `[properties]`.
    pub properties: Vec<PropertyDecl>,
    /// `allow`.
    pub allow: Vec<Rule>,
}

/// A file with `enum = "…"`.
#[derive(Debug)]
pub struct SetDecl {
    /// `enum`.
    pub name: Located<String>,
    /// `summary`; may be empty.
    pub summary: String,
    /// `base`.
    pub base: Option<Located<String>>,
    /// `values`.
    pub values: Option<Located<Vec<ValueDecl>>>,
    /// `open`.
    pub open: bool,
    /// `allow`.
    pub allow: Vec<Rule>,
}

/// One of `[[examples]]`.
#[derive(Debug)]
pub struct ExampleDecl {
    /// `title`.
    pub title: String,
    /// `json`: the text, without the quotes around it.
    pub json: Located<String>,
}
