//! A configuration before it is typed: a tree whose every value knows where it stands, so that
//! every complaint can say it.

use super::error::ConfigError;
use super::schema::{Kind, kind, leaves, quoted};
use super::setting::Setting;
use crate::schema::names;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Line and column of the file, from 1; columns count characters.
    File(usize, usize),
    /// An environment variable or a flag, by its name.
    Outside(String),
    /// Nowhere: it is not given.
    Nowhere,
}

/// A value and its place.
#[derive(Debug)]
pub(super) struct Placed {
    /// Where the value's key stands; elements of a list have the place of the value.
    key: Place,
    /// Where the value stands.
    pub(super) place: Place,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Placed>),
    Table(BTreeMap<String, Placed>),
    /// A sort of TOML value that no key takes, or a number beyond 64 bits.
    Foreign(&'static str),
}

/// The tree, the file's name, and what is wrong so far.
#[derive(Debug)]
pub(super) struct Tree {
    file: String,
    root: Placed,
    errors: Vec<(Place, String)>,
}

impl Tree {
    /// Reads a file's text. What is no TOML is told, and the rest is read on.
    pub(super) fn parse(file: &str, text: &str) -> Tree {
        let (table, faults) = DeTable::parse_recoverable(text);
        let root =
            Placed { key: Place::Nowhere, place: Place::Nowhere, value: Value::Table(entries(text, table.get_ref())) };
        let mut tree = Tree { file: file.to_owned(), root, errors: Vec::new() };
        for fault in faults {
            let place = fault.span().map_or(Place::Nowhere, |span| position(text, span.start));
            // Not its `Display`, which quotes the line: that may hold a secret.
            tree.complain_at(&place, format!("this is not TOML: {}", fault.message()));
        }
        tree
    }

    /// Puts `text` at the setting's key, read as `schema` wants it there, over whatever was there.
    pub(super) fn set(&mut self, schema: &Json, setting: &Setting) {
        let place = Place::Outside(setting.origin.clone());
        let known = leaves(schema);
        let Some(leaf) = known.iter().find(|leaf| leaf.path == setting.key && leaf.variable().is_some()) else {
            if let Some(now) = renamed(&setting.key) {
                return self.complain_at(&place, format!("`{}` is called `{now}` now: rename it", setting.key));
            }
            let candidates = known.iter().filter(|leaf| leaf.variable().is_some()).map(|leaf| leaf.path.as_str());
            let near = names::hint(&setting.key, candidates, "`");
            return self.complain_at(&place, format!("unknown key `{}`{near}", setting.key));
        };
        let text = setting.text.trim();
        let value = match kind(leaf.schema) {
            Kind::Integer(..) => text.parse().ok().or_else(|| integer(text)).map(Value::Integer),
            Kind::Bool => text.parse().map(Value::Bool).ok(),
            Kind::List(_) | Kind::Texts if text.starts_with(['[', '"']) => {
                let message = format!("the texts of `{}` are separated by commas here, without brackets", setting.key);
                return self.complain_at(&place, message);
            }
            Kind::Texts if !text.contains(',') => Some(Value::Text(text.to_owned())),
            Kind::List(_) | Kind::Texts => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let node = |item: &str| Placed {
                    key: place.clone(),
                    place: place.clone(),
                    value: Value::Text(item.to_owned()),
                };
                Some(Value::List(items.map(node).collect()))
            }
            Kind::Choice(_) | Kind::Text | Kind::Table(_) | Kind::Map(_) => Some(Value::Text(text.to_owned())),
        };
        match value {
            Some(value) => {
                let keys: Vec<&str> = setting.key.split('.').collect();
                self.root.put(&keys, Placed { key: place.clone(), place, value });
            }
            None => {
                let prose = kind(leaf.schema).prose();
                self.complain_at(&place, format!("`{}` must be {prose}", setting.key));
            }
        }
    }

    /// Holds the whole tree to the schema; complains of every unknown key and every value of a
    /// wrong kind.
    pub(super) fn check(&mut self, schema: &Json) {
        let mut complaints = Vec::new();
        self.root.check("", schema, schema, &mut complaints);
        for (place, message) in complaints {
            self.complain_at(&place, message);
        }
    }

    /// The value at a path, `auth.keys.0.secret`.
    pub(super) fn node(&self, path: &str) -> Option<&Placed> {
        path.split('.').try_fold(&self.root, |node, key| match &node.value {
            Value::Table(keys) => keys.get(key),
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            Value::Text(_) | Value::Integer(_) | Value::Bool(_) | Value::Foreign(_) => None,
        })
    }

    /// Complains of the value at that path; where it is not given, of the nearest thing around it
    /// that is.
    pub(super) fn complain(&mut self, path: &str, message: impl Into<String>) {
        let mut around = Some(path);
        let place = loop {
            match around {
                Some(path) => match self.node(path) {
                    Some(node) => break node.place.clone(),
                    None => around = path.rsplit_once('.').map(|(around, _)| around),
                },
                None => break Place::Nowhere,
            }
        };
        self.complain_at(&place, message);
    }

    fn complain_at(&mut self, place: &Place, message: impl Into<String>) {
        self.errors.push((place.clone(), message.into()));
    }

    /// Whether nobody has complained.
    pub(super) fn is_good(&self) -> bool {
        self.errors.is_empty()
    }

    /// All complaints, in the order of the file; what stands elsewhere comes after it.
    pub(super) fn into_errors(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|(place, _)| match place {
            Place::File(line, column) => (*line, *column),
            Place::Outside(_) | Place::Nowhere => (usize::MAX, 0),
        });
        let told = |(place, message)| ConfigError {
            place: match place {
                Place::File(line, column) => format!("{}:{line}:{column}", self.file),
                Place::Outside(name) => name,
                Place::Nowhere => self.file.clone(),
            },
            message,
        };
        self.errors.into_iter().map(told).collect()
    }

    /// The tree without its places, for typing.
    pub(super) fn json(&self) -> Json {
        self.root.json()
    }
}

impl Placed {
    fn put(&mut self, keys: &[&str], node: Placed) {
        let Value::Table(entries) = &mut self.value else { return };
        match keys {
            [] => {}
            [key] => {
                entries.insert((*key).to_owned(), node);
            }
            [key, rest @ ..] => {
                let empty = || Placed {
                    key: node.place.clone(),
                    place: node.place.clone(),
                    value: Value::Table(BTreeMap::new()),
                };
                entries.entry((*key).to_owned()).or_insert_with(empty).put(rest, node);
            }
        }
    }

    fn check(&self, path: &str, schema: &Json, root: &Json, complaints: &mut Vec<(Place, String)>) {
        let wanted = kind(schema);
        match (&wanted, &self.value) {
            (Kind::Table(known), Value::Table(entries)) => {
                for (key, node) in entries {
                    match known.get(key) {
                        Some(schema) => node.check(&join(path, key), schema, root, complaints),
                        None => complaints.push((node.key.clone(), unknown(path, key, known, root))),
                    }
                }
            }
            (Kind::Map(schema), Value::Table(entries)) => {
                for (key, node) in entries {
                    node.check(&join(path, key), schema, root, complaints);
                }
            }
            (Kind::List(items), Value::List(nodes)) => {
                for (index, node) in nodes.iter().enumerate() {
                    node.check(&format!("{path}[{index}]"), items, root, complaints);
                }
            }
            (Kind::Choice(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
                let near = names::hint(text, words.iter().copied(), "\"");
                complaints
                    .push((self.place.clone(), format!("`{path}` must be {}, not {text:?}{near}", wanted.prose())));
            }
            (Kind::Integer(least, most), Value::Integer(number)) if !(*least..=*most).contains(number) => {
                let bounds = if *most == i64::MAX { format!("at least {least}") } else { format!("{least} to {most}") };
                complaints.push((self.place.clone(), format!("`{path}` must be {bounds}, not {number}")));
            }
            (Kind::Texts, Value::List(nodes)) => {
                for (index, node) in nodes.iter().enumerate() {
                    if !matches!(node.value, Value::Text(_)) {
                        let message = format!("`{path}[{index}]` must be a string, not {}", node.value.sort());
                        complaints.push((node.place.clone(), message));
                    }
                }
            }
            (Kind::Choice(_) | Kind::Text | Kind::Texts, Value::Text(_))
            | (Kind::Integer(..), Value::Integer(_))
            | (Kind::Bool, Value::Bool(_)) => {}
            (_, value) => {
                // Only the sort of the value is told: it may be a secret in the wrong place.
                let message = format!("`{path}` must be {}, not {}", wanted.prose(), value.sort());
                complaints.push((self.place.clone(), message));
            }
        }
    }

    fn json(&self) -> Json {
        match &self.value {
            Value::Text(text) => Json::from(text.as_str()),
            Value::Integer(number) => Json::from(*number),
            Value::Bool(truth) => Json::from(*truth),
            Value::List(nodes) => nodes.iter().map(Placed::json).collect(),
            Value::Table(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.clone(), node.json())).collect())
            }
            Value::Foreign(_) => Json::Null,
        }
    }
}

impl Value {
    fn sort(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Bool(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Foreign(sort) => sort,
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What a key is called that had another name.
fn renamed(path: &str) -> Option<&'static str> {
    const RENAMED: [(&str, &str); 2] =
        [("limits.last_values_max", "limits.kept_rows_max"), ("limits.last_values_bytes_max", "limits.kept_bytes_max")];
    RENAMED.into_iter().find(|(former, _)| *former == path).map(|(_, now)| now)
}

/// The complaint about a key that nobody knows: the nearest one here, or the section that has it,
/// or all that there are.
fn unknown(path: &str, key: &str, known: &Map<String, Json>, root: &Json) -> String {
    if let Some(now) = renamed(&[path, key].join(".")) {
        return format!("`{path}.{key}` is called `{now}` now: rename it");
    }
    let place = if path.is_empty() { String::new() } else { format!(" in [{path}]") };
    let advice = if let Some(near) = names::nearest(key, known.keys().map(String::as_str)) {
        format!("did you mean `{near}`?")
    } else if let Some(table) = table_of(key, root) {
        format!("it belongs in {table}")
    } else {
        format!("known are {}", quoted(known.keys().map(String::as_str)).replace('"', "`"))
    };
    format!("unknown key `{key}`{place}: {advice}")
}

/// The table that has this key, as its head is written; of several the one with the shortest path,
/// as that is the usual place.
fn table_of(key: &str, root: &Json) -> Option<String> {
    let leaves = leaves(root);
    let tables = leaves.iter().filter_map(|leaf| leaf.path.rsplit_once('.').filter(|(_, last)| *last == key));
    let (table, _) = tables.min_by_key(|(table, _)| table.split('.').count())?;
    Some(table.strip_suffix("[]").map_or_else(|| format!("[{table}]"), |list| format!("[[{list}]]")))
}

fn entries(text: &str, table: &DeTable<'_>) -> BTreeMap<String, Placed> {
    let node = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let key_place = position(text, key.span().start);
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        (name.clone().into_owned(), read(text, key_place, value))
    };
    table.iter().map(node).collect()
}

fn read(text: &str, key: Place, value: &toml::Spanned<DeValue<'_>>) -> Placed {
    let place = position(text, value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Foreign("a number beyond 64 bits"), Value::Integer),
        DeValue::Boolean(truth) => Value::Bool(*truth),
        DeValue::Float(_) => Value::Foreign("a number with a fraction"),
        DeValue::Datetime(_) => Value::Foreign("a date or time"),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| read(text, position(text, item.span().start), item)).collect())
        }
        DeValue::Table(table) => Value::Table(entries(text, table)),
    };
    Placed { key, place, value }
}

/// A whole number as TOML has it besides the plain form: `10_000`.
fn integer(text: &str) -> Option<i64> {
    let tree = Tree::parse("", &format!("number = {text}"));
    match tree.node("number").map(|node| &node.value) {
        Some(Value::Integer(number)) if tree.is_good() => Some(*number),
        Some(_) | None => None,
    }
}

/// Line and column of a byte.
fn position(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    Place::File(line, before.get(line_start..).map_or(0, |line| line.chars().count()) + 1)
}
