//! The JSON Schema of the configuration as the one source of what may stand in it: kinds, keys,
//! defaults, reference.

use serde_json::{Map, Value};

/// What a schema asks for. Only the forms that `schemars` makes of the raw configuration, all
/// references inlined.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'s> {
    /// A table of these keys.
    Table(&'s Map<String, Value>),
    /// A table of any keys with values of one kind.
    Map(&'s Value),
    /// A list.
    List(&'s Value),
    /// One of these words.
    Choice(Vec<&'s str>),
    /// Text.
    Text,
    /// One text, or a list of them.
    Texts,
    /// A whole number in these bounds.
    Integer(i64, i64),
    /// true or false.
    Bool,
}

impl Kind<'_> {
    /// In prose.
    pub(super) fn prose(&self) -> String {
        match self {
            Kind::Table(_) | Kind::Map(_) => "a table".to_owned(),
            Kind::List(items) if matches!(kind(items), Kind::Table(_)) => "a list of tables".to_owned(),
            Kind::List(_) => "a list of strings".to_owned(),
            Kind::Choice(words) => format!("one of {}", quoted(words.iter().copied())),
            Kind::Text => "a string".to_owned(),
            Kind::Texts => "a string or a list of strings".to_owned(),
            Kind::Integer(..) => "a whole number".to_owned(),
            Kind::Bool => "true or false".to_owned(),
        }
    }
}

/// `"a", "b"`.
pub(super) fn quoted<'s>(words: impl Iterator<Item = &'s str>) -> String {
    words.map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

/// The kind of a schema. `null`, which TOML does not have, only says that the key may be left out.
pub(super) fn kind(schema: &Value) -> Kind<'_> {
    let is_null = |schema: &&Value| schema.get("type") == Some(&Value::from("null"));
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let mut kinds = choices.iter().filter(|choice| !is_null(choice)).map(kind);
        let first = kinds.next().unwrap_or(Kind::Text);
        let is_list = |other: Kind<'_>| matches!(other, Kind::List(items) if kind(items) == Kind::Text);
        return if first == Kind::Text && kinds.any(is_list) { Kind::Texts } else { first };
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        return Kind::Choice(choices.iter().filter_map(|choice| choice.get("const")?.as_str()).collect());
    }
    // Words without docs of their own.
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Kind::Choice(words.iter().filter_map(Value::as_str).collect());
    }
    let named = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        Some(name) => name.as_str(),
        None => None,
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    match named {
        Some("object") => match (schema.get("properties"), schema.get("additionalProperties")) {
            (Some(Value::Object(keys)), _) => Kind::Table(keys),
            (_, Some(values)) => Kind::Map(values),
            (_, None) => Kind::Map(&Value::Null),
        },
        Some("array") => Kind::List(schema.get("items").unwrap_or(&Value::Null)),
        Some("integer") => Kind::Integer(bound("minimum").unwrap_or(i64::MIN), bound("maximum").unwrap_or(i64::MAX)),
        Some("boolean") => Kind::Bool,
        Some(_) | None => Kind::Text,
    }
}

/// One key that holds a value.
#[derive(Clone, Debug)]
pub(super) struct Leaf<'s> {
    /// `server.listen`; keys of a list of tables have the list's name and `[]`.
    pub(super) path: String,
    /// Its schema.
    pub(super) schema: &'s Value,
}

impl Leaf<'_> {
    /// The environment variable that sets it; `None` where a plain text can't say it.
    pub(super) fn variable(&self) -> Option<String> {
        let plain = match kind(self.schema) {
            Kind::Table(_) | Kind::Map(_) => false,
            Kind::List(items) => matches!(kind(items), Kind::Text | Kind::Choice(_)),
            Kind::Choice(_) | Kind::Text | Kind::Texts | Kind::Integer(..) | Kind::Bool => true,
        };
        let variable = || format!("RTE_{}", self.path.replace('.', "_").to_ascii_uppercase());
        (plain && !self.path.contains("[]")).then(variable)
    }

    /// Its doc on one line.
    fn meaning(&self) -> String {
        let doc = self.schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let mut meaning = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Kind::Choice(words) = kind(self.schema) {
            let words: Vec<_> = words.iter().map(|word| format!("`{word:?}`")).collect();
            meaning = format!("{meaning} One of {}.", words.join(", "));
        }
        meaning
    }

    fn default(&self) -> String {
        match self.schema.get("default") {
            None | Some(Value::Null) => String::new(),
            Some(value) => format!("`{value}`"),
        }
    }
}

/// All keys that hold values, in alphabetical order.
pub(super) fn leaves(root: &Value) -> Vec<Leaf<'_>> {
    fn walk<'s>(path: &str, schema: &'s Value, leaves: &mut Vec<Leaf<'s>>) {
        let inside = match kind(schema) {
            Kind::Table(keys) => Some((keys, path.to_owned())),
            Kind::List(items) => {
                if let Kind::Table(keys) = kind(items) {
                    Some((keys, format!("{path}[]")))
                } else {
                    None
                }
            }
            Kind::Map(_) | Kind::Choice(_) | Kind::Text | Kind::Texts | Kind::Integer(..) | Kind::Bool => None,
        };
        match inside {
            Some((keys, path)) => {
                for (key, schema) in keys {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, schema, leaves);
                }
            }
            None => leaves.push(Leaf { path: path.to_owned(), schema }),
        }
    }
    let mut found = Vec::new();
    walk("", root, &mut found);
    found
}

/// Returns the key, the default and the meaning of all leaves.
pub(super) fn reference(root: &Value) -> Vec<[String; 3]> {
    leaves(root).into_iter().map(|leaf| [leaf.path.clone(), leaf.default(), leaf.meaning()]).collect()
}
