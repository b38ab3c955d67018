//! The catalogue: which events there are, by name and by number.

use super::artefacts::{Artefact, Published};
use super::compiler::emit::json_schema::{self, Additional};
use super::compiler::finding::Finding;
use super::compiler::model::{Event, EventId, Family, Model, WireCase};
use super::compiler::validate::expiry;
use super::compiler::{Compiled, Options, compile, names};
use super::events::SOURCES;
use super::instants::Instants;
use crate::broken::broken;
use crate::clock::UnixMs;
use std::sync::Arc;

/// All events of a running hub: the built-in ones and those of further files, found by one path.
///
/// 1. Make one with [`Catalogue::built_in`] or [`Catalogue::load`].
/// 2. Turn what clients and publishers write into an [`EventId`] with [`Catalogue::find`].
/// 3. Ask everything else by the id. Ids belong to the catalogue that gave them.
///
/// ```
/// use rte::schema::Catalogue;
///
/// // Further events come from files like those under `schema/`.
/// let lunch = r#"
/// event   = "AcmeLunchStarted"
/// family  = "User"
/// summary = "Somebody went to lunch."
/// kind    = "occurrence"
/// entity  = "UserId"
/// since   = "1.0"
///
/// [properties]
/// UserId = { type = "Guid", doc = "Id of target user." }
///
/// [[examples]]
/// title = "Lunch"
/// json  = '{ "userId": "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3" }'
/// "#;
/// let files = [("schema.d/AcmeLunchStarted.toml".to_owned(), lunch.to_owned())];
/// let catalogue = Catalogue::load(&files, None).unwrap();
///
/// let id = catalogue.find("acmelunchstarted").expect("names have no case");
/// assert_eq!(catalogue.event(id).name, "AcmeLunchStarted");
/// assert_eq!(catalogue.family_of(id), "User");
/// assert_eq!(catalogue.nearest("AcmeLunchStart"), Some("AcmeLunchStarted"));
///
/// // A slip is told with file, line and column.
/// let slip = [("schema.d/Lunch.toml".to_owned(), lunch.replace("Guid", "GUID"))];
/// let findings = Catalogue::load(&slip, None).unwrap_err();
/// assert!(findings.iter().any(|finding| finding.to_string().starts_with("schema.d/Lunch.toml:10:19: error")));
/// ```
#[derive(Clone, Debug)]
pub struct Catalogue {
    model: Model,
    warnings: Vec<Finding>,
    /// Names in lower case, sorted.
    by_name: Vec<(Box<str>, EventId)>,
    /// By source event: the events derived from it.
    derived: Vec<Vec<EventId>>,
    /// In the order of families, by name within: not that of the numbers where a reload has
    /// appended some.
    listed: Vec<EventId>,
    /// By event: where its date-times are.
    instants: Vec<Option<Arc<Instants>>>,
    published: Published,
}

/// The files of the built-in catalogue, pairs (path, text).
pub(crate) fn built_in_files() -> impl Iterator<Item = (String, String)> {
    SOURCES.iter().map(|(path, text)| ((*path).to_owned(), text.text()))
}

/// Those, and further ones.
pub(super) fn on_top(extra: &[(String, String)]) -> Vec<(String, String)> {
    built_in_files().chain(extra.iter().cloned()).collect()
}

impl Catalogue {
    /// The catalogue that the program was built with. `wire_case` overrides its own spelling on the
    /// wire.
    pub fn built_in(wire_case: Option<WireCase>) -> Catalogue {
        let built_in = Catalogue::load(&[], wire_case);
        built_in.unwrap_or_else(|_| broken("the build has compiled these very texts with this very compiler"))
    }

    /// The built-in catalogue with further files, pairs (path, text), on top. They may add
    /// families, events, types and enums, and redefine nothing. The files are checked as those of
    /// the build are, examples included; a few milliseconds.
    ///
    /// # Errors
    ///
    /// All findings, warnings included, sorted by place; at least one is an error. The operator
    /// wrote the files.
    pub fn load(extra: &[(String, String)], wire_case: Option<WireCase>) -> Result<Catalogue, Vec<Finding>> {
        compile(&on_top(extra), Options { wire_case, base_files: SOURCES.len() }).map(Catalogue::of)
    }

    /// The catalogue of files that have been compiled already.
    pub(crate) fn of(Compiled { model, warnings }: Compiled) -> Catalogue {
        let ids = || (0..=u16::MAX).map(EventId);
        let lower = model.events.iter().map(|event| event.lower.as_str().into());
        let mut by_name: Vec<(Box<str>, EventId)> = lower.zip(ids()).collect();
        by_name.sort();
        let mut derived = vec![Vec::new(); model.events.len()];
        for (event, id) in model.events.iter().zip(ids()) {
            let source = event.derive.as_ref().and_then(|derive| derived.get_mut(usize::from(derive.from.0)));
            source.into_iter().for_each(|derived: &mut Vec<EventId>| derived.push(id));
        }
        let mut listed: Vec<(&Event, EventId)> = model.events.iter().zip(ids()).collect();
        listed.sort_by_key(|(event, _)| (event.family, &event.lower));
        let listed = listed.iter().map(|(_, id)| *id).collect();
        let published = Published::default();
        let instants = |event: &Event| Instants::of(&model, &event.properties).map(Arc::new);
        let instants = model.events.iter().map(instants).collect();
        Catalogue { model, warnings, by_name, derived, listed, instants, published }
    }

    /// The model, for the validator and the emitters.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is allowed but rarely meant in the files, sorted by place.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// When a state value, given as delivered, is stale. The validator says the same of what it
    /// accepts; this is for data that has not been through it.
    pub fn expires(&self, id: EventId, text: &str) -> Option<UnixMs> {
        expiry::expires_unix_ms(&self.model, id, text).map(UnixMs::from_ms)
    }

    /// The event of that name, in any ASCII case. Allocates nothing, whatever the name.
    pub fn find(&self, name: &str) -> Option<EventId> {
        let wanted = || name.bytes().map(|byte| byte.to_ascii_lowercase());
        let found = self.by_name.binary_search_by(|(lower, _)| lower.bytes().cmp(wanted())).ok()?;
        self.by_name.get(found).map(|(_, id)| *id)
    }

    /// The event with that number.
    ///
    /// # Panics
    ///
    /// If the id is another catalogue's.
    pub fn event(&self, id: EventId) -> &Event {
        self.model.events.get(usize::from(id.0)).unwrap_or_else(|| foreign())
    }

    /// Where the date-times of an event are, if it has any.
    pub(crate) fn instants(&self, id: EventId) -> Option<&Arc<Instants>> {
        self.instants.get(usize::from(id.0)).and_then(Option::as_ref)
    }

    /// All events, in the order of [`Catalogue::available_subscriptions`].
    pub fn events(&self) -> impl ExactSizeIterator<Item = (EventId, &Event)> {
        self.listed.iter().map(|id| (*id, self.event(*id)))
    }

    /// The family of an event.
    ///
    /// # Panics
    ///
    /// If the id is another catalogue's.
    pub(crate) fn family(&self, id: EventId) -> &Family {
        let family = self.model.families.get(self.event(id).family);
        family.unwrap_or_else(|| broken("a model that compiles has the families of its events"))
    }

    /// The name of an event's family, as documented: `CallList`.
    ///
    /// # Panics
    ///
    /// If the id is another catalogue's.
    pub fn family_of(&self, id: EventId) -> &str {
        &self.family(id).name
    }

    /// All names in documented spelling: families in their order, by name without case within.
    pub fn available_subscriptions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.events().map(|(_, event)| event.name.as_str())
    }

    /// The documented name that is most like an unknown one, if one is like it at all.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        names::nearest(name, self.available_subscriptions())
    }

    /// The JSON Schema of an event's data; `closed` refuses properties that it does not name.
    ///
    /// # Panics
    ///
    /// If the id is another catalogue's.
    pub(crate) fn json_schema(&self, id: EventId, closed: bool) -> String {
        let additional = if closed { Additional::Closed } else { Additional::Open };
        json_schema::event(&self.model, self.event(id), additional).to_text()
    }

    /// The document of that path.
    pub(crate) fn artefact(&self, path: &str) -> Option<&Artefact> {
        self.published.open(&self.model).find(path, &self.model)
    }

    /// All documents, sorted by path.
    pub(crate) fn artefacts(&self) -> impl ExactSizeIterator<Item = &Artefact> + Clone {
        self.published.open(&self.model).all(&self.model)
    }

    /// The folder of the schemas among the documents: `schemas/v1/`.
    pub(crate) fn schema_folder(&self) -> &str {
        json_schema::folder(&self.model)
    }

    /// The schema at that path again, but refusing properties that it does not name.
    pub(crate) fn closed_schema(&self, path: &str) -> Option<&Artefact> {
        self.published.closed(&self.model).find(path, &self.model)
    }

    /// The schemas again, but refusing properties that they do not name.
    pub fn closed_schemas(&self) -> impl ExactSizeIterator<Item = &Artefact> {
        self.published.closed(&self.model).all(&self.model)
    }

    /// The events that are derived from an event, in catalogue order; each has its rule in
    /// [`Event::derive`].
    ///
    /// # Panics
    ///
    /// If the id is another catalogue's.
    pub(crate) fn derived_from(&self, id: EventId) -> &[EventId] {
        self.derived.get(usize::from(id.0)).unwrap_or_else(|| foreign())
    }
}

fn foreign() -> ! {
    broken("the ids of events belong to the catalogue that gave them")
}
