//! TOML → syntax tree: which file declares what, and what its keys say. No name is looked up here.

use super::finding::{Findings, Level, Rule};
use super::model::{Audience, Kind, Phase, Scalar, WireCase};
use super::names;
use super::parse::parse;
use super::source::{At, Located, Source};
use super::syntax::{
    CallDecl, CatalogueHead, Declarations, DeriveDecl, EntityDecl, EventDecl, ExampleDecl, FamilyDecl, PartDecl,
    PropertyDecl, SetDecl, StateDecl, TypeDecl, ValueDecl,
};
use super::table::{Table, Written};
use super::type_expr::BUILT_IN;
use toml::de::{DeTable, DeValue};

/// The version of the file format.
const FORMAT: i64 = 1;

/// The kinds of personal data that `pii` may name.
const PII: [&str; 4] = ["phone", "name", "email", "text"];

/// Reads all files.
pub fn read(findings: &mut Findings<'_>) -> Declarations {
    let mut declarations = Declarations::default();
    let sources = findings.sources();
    let mut catalogue: Option<&Source<'_>> = None;
    for (file, source) in sources.0.iter().enumerate() {
        let Some(document) = parse(file, source.text, findings) else {
            declarations.unreadable.push(source.stem().to_owned());
            catalogue = catalogue.or_else(|| is_catalogue(source).then_some(source));
            continue;
        };
        let at = At { file, offset: 0 };
        if is_catalogue(source) {
            let first = *catalogue.get_or_insert(source);
            read_catalogue(&document, at, first, source, &mut declarations, findings);
        } else {
            read_declaration(&document, at, source, &mut declarations, findings);
        }
    }
    if catalogue.is_none() {
        let place = super::model::Place { file: "catalogue.toml".to_owned(), line: 1, column: 1 };
        findings.report_at(
            place,
            Rule::MissingKey,
            "there is no catalogue.toml; add one with format, title, version, id_base",
        );
    }
    declarations
}

fn is_catalogue(source: &Source<'_>) -> bool {
    source.file_name() == "catalogue.toml"
}

/// Reads one `catalogue.toml`. The first one has the head; those of further folders add families,
/// and may have a version.
fn read_catalogue(
    document: &DeTable<'_>,
    at: At,
    first: &Source<'_>,
    source: &Source<'_>,
    declarations: &mut Declarations,
    findings: &mut Findings<'_>,
) {
    let mut table = Table::new(document, at, "the catalogue".to_owned(), findings);
    if let Some(node) = table.required("format")
        && let Some(format) = table.integer("format", node)
        && format != FORMAT
    {
        let at = table.at(node);
        table.report(at, Rule::BadValue, format!("format {format} is unknown; this program reads format {FORMAT}"));
    }
    if std::ptr::eq(first, source) {
        declarations.head = read_head(&mut table);
    } else {
        let version = table.optional_text("version").filter(|version| is_version(&mut table, version, 3));
        let folder = source.folder().to_owned();
        declarations.parts.extend(version.map(|version| PartDecl { folder, version }));
        for key in ["title", "id_base", "wire_case"] {
            if let Some(node) = table.optional(key) {
                let at = table.at(node);
                let message = format!(
                    "\"{key}\" is said by {}; a further catalogue has format, version and families",
                    first.path
                );
                table.report(at, Rule::BadValue, message);
            }
        }
    }
    if let Some(node) = table.optional("families") {
        let mut families = read_families(&mut table, node);
        if !std::ptr::eq(first, source) {
            families.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        }
        declarations.families.append(&mut families);
    }
    table.finish();
}

fn read_head(table: &mut Table<'_, '_, '_>) -> Option<CatalogueHead> {
    let title = table.required_text("title");
    let version = table.required_text("version").filter(|version| is_version(table, version, 3));
    let id_base = table.required_text("id_base").filter(|base| {
        let ends = base.value.strip_suffix('/').and_then(|base| base.rsplit_once("/schemas/v"));
        let good = ends.is_some_and(|(_, major)| !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()));
        if !good || !base.value.contains("://") {
            let message = "\"id_base\" is what each schema's $id starts with; write a URL that ends in /schemas/v1/";
            table.report(base.at, Rule::BadValue, message);
        }
        good
    });
    let wire_case = match table.optional_text("wire_case") {
        Some(word) => table.word("wire_case", &word, &WireCase::NAMED)?,
        None => WireCase::default(),
    };
    Some(CatalogueHead { title: title?.value, version: version?, id_base: id_base?.value, wire_case })
}

fn read_families<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Vec<FamilyDecl> {
    let mut families = Vec::new();
    for (name, node) in table.entries("families", node) {
        let Some(mut family) = table.nested(&name.value, node, format!("family \"{}\"", name.value)) else { continue };
        let entity = family.required_text("entity");
        let doc = family.required_text("doc");
        family.finish();
        if is_good_name(&name, table) {
            let text = |text: Option<Located<String>>| text.map(|text| text.value).unwrap_or_default();
            families.push(FamilyDecl { name, entity: text(entity), doc: text(doc) });
        }
    }
    families
}

/// Reads a file that declares an event, a type or an enum.
fn read_declaration(
    document: &DeTable<'_>,
    at: At,
    source: &Source<'_>,
    declarations: &mut Declarations,
    findings: &mut Findings<'_>,
) {
    const KINDS: [&str; 3] = ["event", "type", "enum"];
    let declared: Vec<_> = KINDS.into_iter().filter(|kind| document.contains_key(*kind)).collect();
    let [kind] = declared.as_slice() else {
        declarations.unreadable.push(source.stem().to_owned());
        let (rule, message) = if declared.is_empty() {
            let message = "the file declares nothing; start it with event = \"…\", type = \"…\" or enum = \"…\"";
            (Rule::MissingKey, message.to_owned())
        } else {
            let kinds = declared.join(" and ");
            (Rule::UnknownKey, format!("a file declares one thing, and this one says {kinds}; keep one"))
        };
        findings.report(at, rule, message);
        return;
    };
    let mut table = Table::new(document, at, format!("{kind} \"{}\"", source.stem()), findings);
    let name = table.required_text(kind).filter(|name| is_good_declared_name(kind, name, source, &mut table));
    let Some(name) = name else {
        declarations.unreadable.push(source.stem().to_owned());
        return;
    };
    match *kind {
        "event" => declarations.events.push(read_event(&mut table, name)),
        "type" => declarations.types.push(read_type(&mut table, name)),
        _ => declarations.sets.push(read_set(&mut table, name)),
    }
    table.finish();
}

fn is_good_declared_name(
    kind: &str,
    name: &Located<String>,
    source: &Source<'_>,
    table: &mut Table<'_, '_, '_>,
) -> bool {
    if !is_good_name(name, table) {
        return false;
    }
    if name.value != source.stem() {
        let message = format!("{kind} \"{}\" is in the file {}; rename one to match", name.value, source.file_name());
        table.report(name.at, Rule::NameMismatch, message);
    }
    true
}

fn is_good_name(name: &Located<String>, table: &mut Table<'_, '_, '_>) -> bool {
    let text = &name.value;
    if !names::is_name(text) {
        let message = format!("\"{text}\" is no name; start with a capital and go on with ASCII letters and digits");
        table.report(name.at, Rule::BadName, message);
        return false;
    }
    // `index` and `bundle` are the documents that are served beside the events' schemas.
    let taken = BUILT_IN.iter().chain(&["index", "bundle"]).find(|taken| taken.eq_ignore_ascii_case(text));
    if let Some(taken) = taken {
        table.report(
            name.at,
            Rule::BadName,
            format!("\"{text}\" is taken by the built-in \"{taken}\"; choose another name"),
        );
    }
    taken.is_none()
}

fn read_event<'d>(table: &mut Table<'d, '_, '_>, name: Located<String>) -> EventDecl {
    let family = table.required_text("family");
    let summary = table.required_text("summary").map(|text| text.value);
    let kinds = [("state", Kind::State), ("occurrence", Kind::Occurrence)];
    let kind = table.required_text("kind").and_then(|kind| table.word("kind", &kind, &kinds));
    let entity = table.required("entity").and_then(|node| read_entity(table, node));
    let since = read_since(table, true);
    let properties = match table.required("properties") {
        Some(node) => read_properties(table, node, &name.value),
        None => Vec::new(),
    };
    EventDecl {
        family,
        summary,
        kind,
        entity,
        since,
        description: table.optional_text("description").map(|text| text.value),
        note: table.optional_text("note").map(|text| text.value),
        audience: read_audience(table),
        deprecated: table.optional_text("deprecated").map(|text| text.value),
        correlation: table.optional_texts("correlation"),
        state: table.optional("state").and_then(|node| read_state(table, node)),
        call: table.optional("call").and_then(|node| read_call(table, node)),
        derive: table.optional("derive").and_then(|node| read_derive(table, node)),
        properties,
        examples: table.optional("examples").map(|node| read_examples(table, node)).unwrap_or_default(),
        allow: read_allow(table),
        name,
    }
}

fn read_entity<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Option<EntityDecl> {
    if node.get_ref().is_str() {
        return table.text("entity", node).map(EntityDecl::Property);
    }
    let mut entity = table.nested("entity", node, "entity".to_owned())?;
    let publisher = [("publisher", ())];
    let from = entity.optional_text("from");
    let property = entity.optional_text("property");
    let or = entity.optional_text("or");
    for (key, word) in [("from", &from), ("or", &or)] {
        if let Some(word) = word {
            entity.word(key, word, &publisher)?;
        }
    }
    let at = entity.start();
    let read = match (from, property, or) {
        (Some(_), None, None) => Some(EntityDecl::Publisher),
        (None, Some(property), None) => Some(EntityDecl::Property(property)),
        (None, Some(property), Some(_)) => Some(EntityDecl::PropertyOrPublisher(property)),
        (_, _, _) => {
            let message = "entity names no one; write \"Property\", { from = \"publisher\" } or \
                           { property = \"Property\", or = \"publisher\" }";
            entity.report(at, Rule::BadValue, message);
            None
        }
    };
    entity.finish();
    read
}

fn read_audience(table: &mut Table<'_, '_, '_>) -> Audience {
    let Some(node) = table.optional("audience") else { return Audience { client: true, backend: false } };
    let words = table.texts("audience", node);
    if words.is_empty() {
        let at = table.at(node);
        table.report(at, Rule::BadValue, "an audience of nobody; name \"client\", \"backend\" or both");
    }
    let known = [("client", true), ("backend", false)];
    let is_client: Vec<bool> = words.iter().filter_map(|word| table.word("audience", word, &known)).collect();
    Audience { client: is_client.contains(&true), backend: is_client.contains(&false) }
}

fn read_since(table: &mut Table<'_, '_, '_>, required: bool) -> Option<String> {
    let since = if required { table.required_text("since") } else { table.optional_text("since") };
    since.filter(|since| is_version(table, since, 2)).map(|since| since.value)
}

/// Whether it is a version of so many numbers, or of three.
fn is_version(table: &mut Table<'_, '_, '_>, version: &Located<String>, numbers: usize) -> bool {
    let parts: Vec<_> = version.value.split('.').collect();
    let good = (parts.len() == numbers || parts.len() == 3) && parts.iter().all(|part| part.parse::<u32>().is_ok());
    if !good {
        let like = if numbers == 3 { "1.0.0" } else { "1.0" };
        table.report(version.at, Rule::BadValue, format!("\"{}\" is no version; write one like {like}", version.value));
    }
    good
}

fn read_state<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Option<StateDecl> {
    let mut state = table.nested("state", node, "[state]".to_owned())?;
    let expires = state.optional_text("expires");
    let interval_s = state.optional("interval_s").and_then(|node| {
        let seconds = u32::try_from(state.integer("interval_s", node)?).ok().filter(|seconds| *seconds > 0);
        if seconds.is_none() {
            let at = state.at(node);
            state.report(at, Rule::BadValue, "\"interval_s\" is a number of seconds; write 1 or more");
        }
        seconds
    });
    let on_change = state.optional_flag("on_change").is_some_and(|flag| flag.value);
    let key = state.optional_text("key");
    let at = state.start();
    state.finish();
    Some(StateDecl { at, expires, interval_s, on_change, key })
}

fn read_call<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Option<CallDecl> {
    let mut call = table.nested("call", node, "[call]".to_owned())?;
    let (id, leg) = (call.required_text("id"), call.required_text("leg"));
    let phase = call.required_text("phase").and_then(|phase| call.word("phase", &phase, &Phase::NAMED));
    let at = call.start();
    call.finish();
    Some(CallDecl { at, id: id?, leg: leg?, phase: phase? })
}

fn read_derive<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Option<DeriveDecl> {
    let mut derive = table.nested("derive", node, "[derive]".to_owned())?;
    let from = derive.required_text("from");
    let when = derive.required_text("when");
    let mut set = Vec::new();
    if let Some(node) = derive.required("set") {
        for (target, node) in derive.entries("set", node) {
            if let Some(source) = derive.text(&target.value, node) {
                set.push((target, source));
            }
        }
    }
    let inherit = derive.optional_flag("inherit").is_some_and(|flag| flag.value);
    derive.finish();
    Some(DeriveDecl { from: from?, when: when?, set, inherit })
}

fn read_properties<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>, owner: &str) -> Vec<PropertyDecl> {
    let mut properties = Vec::new();
    for (name, node) in table.entries("properties", node) {
        let subject = format!("property \"{}\" of {owner}", name.value);
        let Some(mut property) = table.nested(&name.value, node, subject) else { continue };
        let decl = read_property(&mut property, name);
        property.finish();
        properties.extend(decl);
    }
    properties
}

fn read_property<'d>(table: &mut Table<'d, '_, '_>, name: Located<String>) -> Option<PropertyDecl> {
    let good = is_property_name(&name, table);
    let decl = PropertyDecl {
        name,
        ty: table.required_text("type"),
        doc: table.optional_text("doc").map(|text| text.value).unwrap_or_default(),
        note: table.optional_text("note").map(|text| text.value),
        values: table.optional("values").and_then(|node| read_values(table, node)),
        open: table.optional_flag("open"),
        optional: table.optional_flag("optional").is_some_and(|flag| flag.value),
        since: read_since(table, false),
        deprecated: table.optional_text("deprecated").map(|text| text.value),
        pii: table.optional_text("pii").and_then(|text| {
            let word = table.word("pii", &text, &PII.map(|word| (word, word)))?;
            Some(word.to_owned())
        }),
        allow: read_allow(table),
    };
    good.then_some(decl)
}

/// Property names are free of the types' names: `Guid` would be a fine property.
fn is_property_name(name: &Located<String>, table: &mut Table<'_, '_, '_>) -> bool {
    let good = names::is_name(&name.value);
    if !good {
        let message =
            format!("\"{}\" is no name; start with a capital and go on with ASCII letters and digits", name.value);
        table.report(name.at, Rule::BadName, message);
    }
    good
}

fn read_values<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Option<Located<Vec<ValueDecl>>> {
    let Some(list) = node.get_ref().as_array() else { return table.wrong_type("values", node, "a list of values") };
    let at = table.at(node);
    if list.is_empty() {
        table.report(at, Rule::BadValue, "a set of no values admits nothing; list the values");
        return None;
    }
    Some(Located { value: list.iter().filter_map(|node| read_value(table, node)).collect(), at })
}

fn read_value<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Option<ValueDecl> {
    if !node.get_ref().is_table() {
        return read_scalar(table, node).map(|scalar| ValueDecl { scalar, name: None, doc: None });
    }
    let mut value = table.nested("values", node, "the value".to_owned())?;
    let scalar = value.required("value").and_then(|node| read_scalar(&mut value, node));
    let name = value.optional_text("name").map(|text| text.value);
    let doc = value.optional_text("doc").map(|text| text.value);
    value.finish();
    Some(ValueDecl { scalar: scalar?, name, doc })
}

fn read_scalar(table: &mut Table<'_, '_, '_>, node: &Written<'_>) -> Option<Located<Scalar>> {
    let value = match node.get_ref() {
        DeValue::String(text) => Scalar::Text(text.clone().into_owned()),
        DeValue::Integer(_) => Scalar::Integer(table.integer("value", node)?),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            return table.wrong_type("value", node, "a string or an integer");
        }
    };
    Some(Located { value, at: table.at(node) })
}

fn read_examples<'d>(table: &mut Table<'d, '_, '_>, node: &'d Written<'d>) -> Vec<ExampleDecl> {
    let Some(list) = node.get_ref().as_array() else {
        return table.wrong_type("examples", node, "[[examples]] tables").unwrap_or_default();
    };
    let mut examples = Vec::new();
    for node in list {
        let Some(mut example) = table.nested("examples", node, "the example".to_owned()) else { continue };
        let title = example.required_text("title");
        let json = example.required_text("json");
        example.finish();
        if let (Some(title), Some(json)) = (title, json) {
            examples.push(ExampleDecl { title: title.value, json });
        }
    }
    examples
}

fn read_type(table: &mut Table<'_, '_, '_>, name: Located<String>) -> TypeDecl {
    let properties = match table.required("properties") {
        Some(node) => read_properties(table, node, &name.value),
        None => Vec::new(),
    };
    TypeDecl {
        name,
        summary: table.required_text("summary").map(|text| text.value).unwrap_or_default(),
        note: table.optional_text("note").map(|text| text.value),
        properties,
        allow: read_allow(table),
    }
}

fn read_set(table: &mut Table<'_, '_, '_>, name: Located<String>) -> SetDecl {
    SetDecl {
        name,
        summary: table.required_text("summary").map(|text| text.value).unwrap_or_default(),
        base: table.required_text("base"),
        values: table.required("values").and_then(|node| read_values(table, node)),
        open: table.optional_flag("open").is_some_and(|flag| flag.value),
        allow: read_allow(table),
    }
}

/// Reads `allow`: the warnings that are meant here. Errors cannot be allowed.
fn read_allow(table: &mut Table<'_, '_, '_>) -> Vec<Rule> {
    let warnings = Rule::ALL.iter().filter(|rule| rule.level() == Level::Warning);
    let words: Vec<_> = warnings.map(|rule| (rule.name(), *rule)).collect();
    let named = table.optional_texts("allow");
    named.iter().filter_map(|name| table.word("warning", name, &words)).collect()
}
