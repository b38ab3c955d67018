//! What the references and the doc comments say about a model, in words.

use super::super::model::{
    Audience, EntityRule, Event, Kind, Model, Phase, Property, Scalar, Type, Value, Values, WireCase,
};

/// A type in the vendor's notation: `List<CallbackAttempt>`, `int?`.
pub fn type_token(model: &Model, ty: &Type, nullable: bool) -> String {
    let named = |name: Option<&String>| name.cloned().unwrap_or_default();
    let mut token = match ty {
        Type::Guid => "Guid".to_owned(),
        Type::String => "string".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Short => "short".to_owned(),
        Type::Int => "int".to_owned(),
        Type::Long => "long".to_owned(),
        Type::DateTime => "DateTime".to_owned(),
        Type::List(element) => format!("List<{}>", type_token(model, element, false)),
        Type::Object(index) => named(model.types.get(*index).map(|ty| &ty.name)),
        Type::Set(index) => named(model.sets.get(*index).map(|set| &set.name)),
    };
    if nullable {
        token.push('?');
    }
    token
}

/// What the declared type of a property is, behind lists: the name of a helper type or a value set
/// to link to.
pub fn declared<'m>(model: &'m Model, ty: &Type) -> Option<&'m str> {
    match ty {
        Type::List(element) => declared(model, element),
        Type::Object(index) => model.types.get(*index).map(|ty| ty.name.as_str()),
        Type::Set(index) => model.sets.get(*index).map(|set| set.name.as_str()),
        Type::Guid | Type::String | Type::Bool | Type::Short | Type::Int | Type::Long | Type::DateTime => None,
    }
}

/// Whose event it is: the name on the wire of the property that says so, and whether the publisher
/// may say it instead.
pub fn entity(event: &Event) -> (Option<&str>, bool) {
    let wire = |index: usize| event.properties.get(index).map(|property| property.wire.as_str());
    match event.entity {
        EntityRule::Property(index) => (wire(index), false),
        EntityRule::PropertyOrPublisher(index) => (wire(index), true),
        EntityRule::Publisher => (None, true),
    }
}

/// `state` or `occurrence`, as the catalogue's files have it.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::State => "state",
        Kind::Occurrence => "occurrence",
    }
}

/// `begin`, `progress`, `end` or `end-call`, as the catalogue's files have it.
pub fn phase(phase: Phase) -> &'static str {
    Phase::NAMED.into_iter().find(|(_, named)| *named == phase).map_or("", |(word, _)| word)
}

/// What the events of a family make of a call, as a picture; nothing where none of them has a call.
pub fn calls(model: &Model, family: usize) -> Option<String> {
    let of = |phases: &[Phase]| {
        let is_it =
            |event: &&Event| event.family == family && event.call.is_some_and(|call| phases.contains(&call.phase));
        model.events.iter().filter(is_it).map(|event| event.name.as_str()).collect::<Vec<_>>()
    };
    if of(&Phase::NAMED.map(|(_, phase)| phase)).is_empty() {
        return None;
    }
    let mut picture = "\
             begin, progress            end, end-call
  unknown ───────────────────▶ open ─────────────────▶ over
     ▲      (a leg of a call)   │ ▲                      │
     │                          └─┘ progress, begin      │ stays so for linger_ms,
     ├──────────── open_call_ms ┘                        │ whatever comes late
     └───────────────────────────────────────────────────┘
"
    .to_owned();
    for (what, phases) in [
        ("begin   ", Phase::Begin),
        ("progress", Phase::Progress),
        ("end     ", Phase::End),
        ("end-call", Phase::EndCall),
    ] {
        let mut lead = what;
        for names in of(&[phases]).chunks(2) {
            picture.push_str(&format!("\n{lead}  {}", names.join(", ")));
            lead = "        ";
        }
    }
    Some(picture)
}

/// How to read that picture.
pub const CALLS: &str = "What an event does to its leg of a call, as the entity of the event sees it. A progress without a begin \
    opens; an end needs no begin; end-call ends every leg of the call. A snapshot tells of each leg that is open the newest of \
    each event, and of one that is over its end.";

/// The audiences, as the catalogue's files have them.
pub fn audience(audience: Audience) -> Vec<&'static str> {
    [("client", audience.client), ("backend", audience.backend)]
        .into_iter()
        .filter_map(|(name, is_meant)| is_meant.then_some(name))
        .collect()
}

/// `camel` or `documented`, as `catalogue.toml` has it.
pub fn wire_case(wire_case: WireCase) -> &'static str {
    WireCase::NAMED.into_iter().find(|(_, named)| *named == wire_case).map_or("", |(word, _)| word)
}

/// A scalar without quotes.
pub fn scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Integer(integer) => integer.to_string(),
        Scalar::Text(text) => text.clone(),
    }
}

/// What a value means: its name, its text, both or nothing.
pub fn meaning(value: &Value) -> Option<String> {
    let meaning: Vec<_> = [value.name.as_deref(), value.doc.as_deref()].into_iter().flatten().collect();
    (!meaning.is_empty()).then(|| meaning.join(": "))
}

/// How a set of values is introduced.
pub fn introduction(values: &Values) -> &'static str {
    if values.open { "Known values; others may come:" } else { "Values:" }
}

/// The paragraphs about an event: the vendor's sentence, then ours.
pub fn about_event(event: &Event) -> Vec<&str> {
    let texts = [Some(event.summary.as_str()), event.description.as_deref(), event.note.as_deref()];
    texts.into_iter().flatten().filter(|text| !text.is_empty()).collect()
}

/// The texts about a property: the vendor's, ours, and what its type does not say.
pub fn about_property(property: &Property) -> Vec<String> {
    let optional = property.optional.then_some("May be absent.");
    let long = (property.ty == Type::Long).then_some("64 bits: JavaScript rounds what is above 2^53.");
    let since = property.since.as_deref().map(|since| format!("Since {since}."));
    [Some(property.doc.as_str()), property.note.as_deref(), optional, long, since.as_deref()]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What holds for an event as a whole, for the references: pairs (what, text).
pub fn facts(model: &Model, event: &Event) -> Vec<(&'static str, String)> {
    let wire = |index: usize| event.properties.get(index).map_or("", |property| property.wire.as_str());
    let family = model.families.get(event.family);
    let entity_word = family.map_or("entity", |family| family.entity.as_str());
    let mut facts = Vec::new();
    let state = match (event.kind, event.expires, event.interval_s) {
        (Kind::Occurrence, _, _) => "Occurrence: each one matters.".to_owned(),
        (Kind::State, expires, interval_s) => {
            let stale = expires.map(|index| format!(" Stale after {}.", wire(index)));
            let interval = interval_s.map(|interval_s| format!(" Evaluated every {interval_s} s."));
            let each = event.key.map(|index| format!("State of each {}", wire(index)));
            let what = each.as_deref().unwrap_or("State");
            format!("{what}: the newest value counts.{}{}", stale.unwrap_or_default(), interval.unwrap_or_default())
        }
    };
    facts.push(("Kind", state));
    if let Some(call) = event.call {
        let (phase, leg, id) = (phase(call.phase), wire(call.leg), wire(call.id));
        facts.push(("Call", format!("Phase {phase}, of the leg in {leg} of the call in {id}.")));
    }
    facts.push((
        "Entity",
        match entity(event) {
            (Some(property), false) => format!("The {entity_word} in {property}."),
            (Some(property), true) => {
                format!("The {entity_word} in {property}; where that is null, the publisher names it.")
            }
            (None, _) => format!("A {entity_word} that the publisher names; the event itself does not."),
        },
    ));
    let organization = match event.organization {
        Some(index) => format!("In {}.", wire(index)),
        None => "The publisher's; the event does not name it.".to_owned(),
    };
    facts.push(("Organization", organization));
    facts.push((
        "For",
        match (event.audience.client, event.audience.backend) {
            (true, true) => "Clients and back ends.".to_owned(),
            (true, false) => "Clients.".to_owned(),
            (false, true) => "Back ends; a client needs a grant that names the event.".to_owned(),
            (false, false) => "Nobody by default; it needs a grant that names the event.".to_owned(),
        },
    ));
    if let Some(derive) = &event.derive
        && let Some(source) = model.event(derive.from)
    {
        let when = source.properties.get(derive.when).map_or("", |property| property.wire.as_str());
        let text = format!("Made by the hub from {} where {when} is neither null nor all zeros.", source.name);
        facts.push(("Derived", text));
    }
    if !event.correlation.is_empty() {
        let names: Vec<_> = event.correlation.iter().map(|index| wire(*index)).collect();
        facts.push(("Correlation", format!("{} ties it to other events.", names.join(", "))));
    }
    facts.push(("Since", event.since.clone()));
    facts
}

/// Where a generated text comes from, on one line.
pub fn origin(model: &Model) -> String {
    let title: Vec<_> = model.title.split_whitespace().collect();
    format!("{}, version {}. Generated; not to be edited.", title.join(" "), model.version)
}

/// How names are spelled on the wire, as a sentence.
pub fn spelling(case: WireCase) -> &'static str {
    match case {
        WireCase::Camel => "Names are shown as they are on the wire, in camel case.",
        WireCase::Documented => "Names are on the wire as the vendor documents them.",
    }
}

/// A text in Markdown, rustdoc's included: nothing in it is markup.
pub fn as_markdown(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&') {
            prose.push('\\');
        }
        prose.push(letter);
    }
    prose
}

/// A text in HTML and XML, attribute values in double quotes included: nothing in it is markup.
pub fn as_markup(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' => markup.push_str("&quot;"),
            _ => markup.push(letter),
        }
    }
    markup
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, compile, rules};
    use super::*;

    #[test]
    fn types_are_written_as_the_vendor_writes_them() {
        let model = compile(&rules::small(), Options::default()).unwrap().model;
        let status = model.events.iter().find(|event| event.name == "UserStatus").unwrap();
        let tokens = status.properties.iter().map(|property| type_token(&model, &property.ty, property.nullable));
        let expected = ["Guid?", "DateTime", "int", "short?", "string?", "Colour?", "List<Tag>", "Guid"];
        assert_eq!(tokens.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(as_markdown("a|b <c> [d](e) `f`"), "a\\|b \\<c\\> \\[d\\](e) \\`f\\`");
        assert_eq!(as_markup("<a href=\"x\" b='&'>"), "&lt;a href=&quot;x&quot; b='&amp;'&gt;");
    }
}
