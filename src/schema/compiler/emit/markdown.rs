//! The reference in Markdown, as GitHub and its kin show it.

use super::super::model::{Event, Model, Property, Values};
use super::chapter::Chapter;
use super::json::Json;
use super::json_schema;
use super::prose::{self, as_markdown};

/// The reference, with these chapters behind the events.
pub fn reference(model: &Model, chapters: &[Chapter]) -> String {
    let mut out = Text::default();
    out.paragraph(&format!("# {}", as_markdown(&model.title)));
    out.paragraph(&format!("Version {}. {}", as_markdown(&model.version), prose::spelling(model.wire_case)));
    contents(&mut out, model);
    for (number, family) in model.families.iter().enumerate() {
        let mut events = model.events.iter().filter(|event| event.family == number).peekable();
        if events.peek().is_none() {
            continue;
        }
        out.paragraph(&format!("## {} events", family.name));
        out.paragraph(&as_markdown(&family.doc));
        if let Some(picture) = prose::calls(model, number) {
            out.paragraph(&as_markdown(prose::CALLS));
            out.paragraph(&format!("```text\n{picture}\n```"));
        }
        events.for_each(|each| event(&mut out, model, each));
    }
    if !model.types.is_empty() {
        out.paragraph("## Helper types");
    }
    for ty in &model.types {
        out.paragraph(&format!("### {}", ty.name));
        for text in [Some(&ty.summary), ty.note.as_ref()].into_iter().flatten().filter(|text| !text.is_empty()) {
            out.paragraph(&as_markdown(text));
        }
        properties(&mut out, model, &ty.properties);
    }
    if !model.sets.is_empty() {
        out.paragraph("## Value sets");
    }
    for set in &model.sets {
        out.paragraph(&format!("### {}", set.name));
        out.paragraph(&as_markdown(&set.summary));
        let base = prose::type_token(model, &set.base, false);
        out.paragraph(&format!("{} {base}. {}", "Of type", prose::introduction(&set.values)));
        out.table(
            &["Value", "Meaning"],
            set.values
                .list
                .iter()
                .map(|value| vec![format!("`{}`", cell(&prose::scalar(&value.scalar))), cell(&meaning(value))]),
        );
    }
    hub_part(&mut out, chapters);
    out.text
}

fn hub_part(out: &mut Text, chapters: &[Chapter]) {
    for Chapter { title, about, picture, heads, rows, .. } in chapters {
        out.paragraph(&format!("## {title}"));
        out.paragraph(&as_markdown(about));
        if !picture.is_empty() {
            out.paragraph(&format!("```text\n{picture}\n```"));
        }
        if !heads.is_empty() {
            let texts = |row: &[String]| row.iter().skip(1).map(|text| cell(&as_markdown(text))).collect::<Vec<_>>();
            let name = |row: &[String]| row.iter().take(1).map(|name| format!("`{}`", cell(name))).collect::<Vec<_>>();
            out.table(heads, rows.iter().map(|row| [name(row), texts(row)].concat()));
        }
    }
}

/// The part of the reference that is about one event.
pub fn section(model: &Model, event: &Event) -> String {
    let mut out = Text::default();
    self::event(&mut out, model, event);
    out.text
}

fn contents(out: &mut Text, model: &Model) {
    out.table(
        &["Event", "Family", "Kind", "What it tells"],
        model.events.iter().map(|event| {
            vec![
                link(&event.name),
                model.families.get(event.family).map(|family| family.name.clone()).unwrap_or_default(),
                prose::kind(event.kind).to_owned(),
                cell(&as_markdown(&event.summary)),
            ]
        }),
    );
}

fn event(out: &mut Text, model: &Model, event: &Event) {
    out.paragraph(&format!("### {}", event.name));
    if let Some(instead) = &event.deprecated {
        out.paragraph(&format!("**Deprecated**: {}.", as_markdown(instead)));
    }
    for text in prose::about_event(event) {
        out.paragraph(&as_markdown(text));
    }
    let facts = prose::facts(model, event);
    let facts = facts.iter().map(|(what, text)| format!("* **{what}**: {}", as_markdown(text)));
    let path = json_schema::path(model, &event.name);
    let schema = format!("* **Schema**: [{path}]({path})");
    out.paragraph(&facts.chain([schema]).collect::<Vec<_>>().join("\n"));
    properties(out, model, &event.properties);
    for example in &event.examples {
        out.paragraph(&format!("Example: {}", as_markdown(&example.title)));
        out.paragraph(&format!("```json\n{}```", Json::Verbatim(example.delivered.clone()).to_text()));
    }
}

fn properties(out: &mut Text, model: &Model, properties: &[Property]) {
    out.table(
        &["Property", "Type", "Meaning"],
        properties.iter().map(|property| {
            let token = as_markdown(&prose::type_token(model, &property.ty, property.nullable));
            let ty = match prose::declared(model, &property.ty) {
                Some(name) => token.replacen(name, &link(name), 1),
                None => token,
            };
            let deprecated =
                property.deprecated.as_ref().map(|instead| format!("**Deprecated**: {}.", as_markdown(instead)));
            let texts = prose::about_property(property).into_iter().map(|text| as_markdown(&text));
            let texts: Vec<_> =
                deprecated.into_iter().chain(texts).chain(property.values.as_ref().map(values)).collect();
            vec![format!("`{}`", property.wire), ty, cell(&texts.join("<br>"))]
        }),
    );
}

/// The values of a property, in its table's cell.
fn values(values: &Values) -> String {
    let list = values.list.iter().map(|value| {
        let scalar = format!("`{}`", prose::scalar(&value.scalar));
        match prose::meaning(value) {
            Some(meaning) => format!("{scalar} {}", as_markdown(&meaning)),
            None => scalar,
        }
    });
    let list: Vec<_> = list.collect();
    // Sentences need lines of their own; single words do not.
    let apart = if values.list.iter().any(|value| value.doc.is_some()) { "<br>" } else { ", " };
    let lead = if apart == ", " { " " } else { "<br>" };
    format!("{}{lead}{}", prose::introduction(values), list.join(apart))
}

fn meaning(value: &super::super::model::Value) -> String {
    prose::meaning(value).map(|meaning| as_markdown(&meaning)).unwrap_or_default()
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_ascii_lowercase())
}

/// A text in a table's cell: it has one line.
fn cell(text: &str) -> String {
    text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Paragraphs, an empty line before each but the first.
#[derive(Default)]
struct Text {
    text: String,
}

impl Text {
    fn paragraph(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn table(&mut self, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let row = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
        let rule = format!("|{}", "---|".repeat(heads.len()));
        let lines = [row(&heads), rule].into_iter().chain(rows.map(|cells| row(&cells)));
        self.paragraph(&lines.collect::<Vec<_>>().join("\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, compile, rules};
    use super::*;

    /// Compares with a file under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_has_this_reference() {
        let text = reference(&compile(&rules::small(), Options::default()).unwrap().model, &[]);
        assert!(text == include_str!("snapshots/reference.md.txt"), "{text}");
    }

    #[test]
    fn a_table_keeps_its_shape_whatever_a_text_holds() {
        let mut files = rules::small();
        for (_, text) in &mut files {
            *text = text.replace("doc = \"Call.\"", "doc = \"a | b\\n<script>\"");
        }
        let text = reference(&compile(&files, Options::default()).unwrap().model, &[]);
        assert!(text.contains("| `callId` | Guid? | a \\| b \\<script\\> |\n"), "{text}");
    }
}
