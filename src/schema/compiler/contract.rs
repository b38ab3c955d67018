//! The contract of a catalogue: what publishers and subscribers rely on, by name and without order.
//!
//! It is what is left of a [`Model`] when everything is taken away that may change without anybody
//! noticing: texts, examples and names of values count only by a fingerprint. A lock file is a
//! contract as JSON, and a diff compares two of them.

use super::emit::prose::type_token;
use super::model::{
    Audience, EntityRule, Event, Example, Kind, Model, ObjectType, Part, Phase, Place, Property, Scalar, Values,
    WireCase,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The terms of a whole catalogue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// `version` of the catalogue.
    pub version: String,
    /// The spelling on the wire.
    pub wire_case: WireCase,
    /// The names of the families, sorted.
    pub families: Vec<String>,
    /// The shared value sets.
    pub enums: BTreeMap<String, SetTerms>,
    /// The events.
    pub events: BTreeMap<String, EventTerms>,
    /// The helper objects.
    pub types: BTreeMap<String, TypeTerms>,
    /// Fingerprint of what else is said about the catalogue and its families.
    pub texts: String,
    /// Whether these are the terms of a further folder alone, whose version is its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_part: bool,
    /// Where the catalogue starts.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// The terms of an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTerms {
    /// The name of its family.
    pub family: String,
    /// State or occurrence.
    pub kind: Kind,
    /// What names its entity.
    pub entity: Routing,
    /// Who may hold it by default.
    pub audience: Audience,
    /// Says what to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// What tells the states of an entity apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it says of a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallTerms>,
    /// What the hub makes it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derive: Option<DeriveTerms>,
    /// The properties.
    pub properties: BTreeMap<String, PropertyTerms>,
    /// Fingerprint of texts and examples.
    pub texts: String,
    /// Where it is defined.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// What names the entity of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Routing {
    /// This property.
    Property(String),
    /// This property, or the publisher's `entityId` where it is null.
    PropertyOrPublisher(String),
    /// Always the publisher's `entityId`.
    Publisher,
}

/// What an event says of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallTerms {
    /// The property that names the call.
    pub id: String,
    /// The property that names the leg.
    pub leg: String,
    /// What it does to them.
    pub phase: Phase,
}

/// What a derived event is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeriveTerms {
    /// The source event.
    pub from: String,
    /// The property of the source that decides.
    pub when: String,
    /// Properties of the event, by the properties of the source that give their values.
    pub set: BTreeMap<String, String>,
}

/// The terms of a property.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyTerms {
    /// Its type in the vendor's words, without nullability: `List<CallbackAttempt>`.
    #[serde(rename = "type")]
    pub ty: String,
    /// May be null.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nullable: bool,
    /// May be absent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// The values it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValueTerms>,
    /// Says what to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// Where it is defined.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// The terms of a value set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueTerms {
    /// Whether others may come.
    pub open: bool,
    /// The known ones, in order.
    pub list: Vec<Scalar>,
}

/// The terms of a helper object.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeTerms {
    /// The properties.
    pub properties: BTreeMap<String, PropertyTerms>,
    /// Fingerprint of its texts.
    pub texts: String,
    /// Where it is defined.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// The terms of a shared value set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTerms {
    /// The type of its values.
    pub base: String,
    /// The values.
    pub values: ValueTerms,
    /// Fingerprint of its texts.
    pub texts: String,
    /// Where it is defined.
    #[serde(skip)]
    pub place: Option<Place>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Contract {
    /// The contract of a model, each part with its place.
    pub fn of(model: &Model) -> Contract {
        let mut texts = Fingerprint::default();
        texts.add(&model.title).add(&model.id_base);
        for family in &model.families {
            texts.add(&family.entity).add(&family.doc);
        }
        let mut families: Vec<String> = model.families.iter().map(|family| family.name.clone()).collect();
        families.sort();
        let types = model.types.iter().map(|ty| (ty.name.clone(), type_terms(model, ty)));
        let enums = model.sets.iter().map(|set| {
            let mut texts = Fingerprint::default();
            texts.add(&set.summary).add_values(Some(&set.values));
            let base = type_token(model, &set.base, false);
            let place = Some(set.place.clone());
            (set.name.clone(), SetTerms { base, values: value_terms(&set.values), texts: texts.hex(), place })
        });
        Contract {
            version: model.version.clone(),
            wire_case: model.wire_case,
            families,
            enums: enums.collect(),
            events: model.events.iter().map(|event| (event.name.clone(), event_terms(model, event))).collect(),
            types: types.collect(),
            texts: texts.hex(),
            is_part: false,
            place: Some(model.place.clone()),
        }
    }

    /// The contract of one folder of a model: what is declared in it, under its own version.
    pub fn of_part(model: &Model, part: &Part) -> Contract {
        let is_own = |place: &Option<Place>| place.as_ref().is_some_and(|place| part.has(place));
        let own = model.families.iter().filter(|family| part.has(&family.place));
        let mut texts = Fingerprint::default();
        let mut families = Vec::new();
        for family in own {
            texts.add(&family.entity).add(&family.doc);
            families.push(family.name.clone());
        }
        families.sort();
        let mut contract = Contract::of(model);
        contract.events.retain(|_, terms| is_own(&terms.place));
        contract.types.retain(|_, terms| is_own(&terms.place));
        contract.enums.retain(|_, terms| is_own(&terms.place));
        Contract {
            version: part.version.clone(),
            families,
            texts: texts.hex(),
            is_part: true,
            place: Some(part.place.clone()),
            ..contract
        }
    }

    /// The contract that the lock file at that path holds a catalogue to: that of its folder, where
    /// it has a version of its own.
    pub fn at(model: &Model, lock_path: &str) -> Contract {
        let is_beside = |part: &&Part| lock_path.strip_prefix(&part.folder).is_some_and(|rest| !rest.contains('/'));
        match model.parts.iter().find(is_beside) {
            Some(part) => Contract::of_part(model, part),
            None => Contract::of(model),
        }
    }
}

fn event_terms(model: &Model, event: &Event) -> EventTerms {
    let name_of = |properties: &[Property], index: usize| {
        properties.get(index).map(|property| property.name.clone()).unwrap_or_default()
    };
    let own = |index| name_of(&event.properties, index);
    let derive = event.derive.as_ref().and_then(|derive| {
        let source = model.event(derive.from)?;
        let given = |index| name_of(&source.properties, index);
        let set = derive.set.iter().map(|(target, value)| (own(*target), given(*value)));
        Some(DeriveTerms { from: source.name.clone(), when: given(derive.when), set: set.collect() })
    });
    let mut texts = Fingerprint::default();
    texts.add(&event.summary).add_optional([&event.description, &event.note]).add(&event.since);
    for index in event.correlation.iter().chain(&event.expires) {
        texts.add(&own(*index));
    }
    texts.add(&event.interval_s.map(|seconds| seconds.to_string()).unwrap_or_default());
    if event.on_change {
        texts.add("on_change");
    }
    texts.add_properties(&event.properties);
    for Example { title, json, .. } in &event.examples {
        texts.add(title).add(json);
    }
    EventTerms {
        family: model.families.get(event.family).map(|family| family.name.clone()).unwrap_or_default(),
        kind: event.kind,
        entity: match event.entity {
            EntityRule::Property(index) => Routing::Property(own(index)),
            EntityRule::PropertyOrPublisher(index) => Routing::PropertyOrPublisher(own(index)),
            EntityRule::Publisher => Routing::Publisher,
        },
        audience: event.audience,
        deprecated: event.deprecated.clone(),
        key: event.key.map(own),
        call: event.call.map(|call| CallTerms { id: own(call.id), leg: own(call.leg), phase: call.phase }),
        derive,
        properties: properties(model, &event.properties),
        texts: texts.hex(),
        place: Some(event.place.clone()),
    }
}

fn type_terms(model: &Model, ty: &ObjectType) -> TypeTerms {
    let mut texts = Fingerprint::default();
    texts.add(&ty.summary).add_optional([&ty.note]).add_properties(&ty.properties);
    TypeTerms { properties: properties(model, &ty.properties), texts: texts.hex(), place: Some(ty.place.clone()) }
}

fn properties(model: &Model, properties: &[Property]) -> BTreeMap<String, PropertyTerms> {
    let terms = properties.iter().map(|property| {
        let terms = PropertyTerms {
            ty: type_token(model, &property.ty, false),
            nullable: property.nullable,
            optional: property.optional,
            values: property.values.as_ref().map(value_terms),
            deprecated: property.deprecated.clone(),
            place: Some(property.place.clone()),
        };
        (property.name.clone(), terms)
    });
    terms.collect()
}

fn value_terms(values: &Values) -> ValueTerms {
    ValueTerms { open: values.open, list: values.list.iter().map(|value| value.scalar.clone()).collect() }
}

/// Says whether texts have changed without holding them: FNV-1a of 64 bits, which is the same on
/// every machine and in every version of the standard library.
struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Fingerprint {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    fn add(&mut self, text: &str) -> &mut Fingerprint {
        // A byte that no UTF-8 text has ends each, so that words cannot move from one to the next
        // unseen.
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self
    }

    fn add_optional<const N: usize>(&mut self, texts: [&Option<String>; N]) -> &mut Fingerprint {
        for text in texts {
            self.add(text.as_deref().unwrap_or_default());
        }
        self
    }

    fn add_properties(&mut self, properties: &[Property]) -> &mut Fingerprint {
        for property in properties {
            self.add(&property.doc).add_optional([&property.note, &property.since, &property.pii]);
            self.add_values(property.values.as_ref());
        }
        self
    }

    fn add_values(&mut self, values: Option<&Values>) -> &mut Fingerprint {
        for value in values.iter().flat_map(|values| &values.list) {
            self.add_optional([&value.name, &value.doc]);
        }
        self
    }

    fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}
