//! The reference as one static HTML page: nothing is loaded from elsewhere, everything is readable
//! without scripts, and a field at its top narrows it to the events and properties of a name.

use super::super::model::{Event, Model, Property, Value, Values};
use super::chapter::Chapter;
use super::json::Json;
use super::json_schema;
use super::prose::{self, as_markup};
use std::fmt::Write;

/// The page, with these chapters behind the events.
pub fn reference(model: &Model, chapters: &[Chapter]) -> String {
    let title = as_markup(&model.title);
    let main = main_part(model) + &hub_part(chapters);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{css}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the events</a>\n\
         <header>\n<h1>{title}</h1>\n<p><a href=\"./\">Overview</a></p>\n<p>Version {version}. {spelling}</p>\n\
         <form role=\"search\" hidden>\n<label for=\"search\">Find an event or a property</label>\n\
         <input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"QueueStatus, callId, …\">\n\
         <output id=\"found\" for=\"search\" role=\"status\"></output>\n</form>\n</header>\n\
         <nav aria-label=\"Contents\">\n{nav}</nav>\n<main id=\"content\">\n{main}</main>\n\
         <script>\n{js}</script>\n</body>\n</html>\n",
        css = include_str!("page.css"),
        js = include_str!("page.js"),
        nav = navigation(model, chapters),
        version = as_markup(&model.version),
        spelling = prose::spelling(model.wire_case),
    )
}

/// The events by family, then the helper types and value sets: titles, each with what stands under
/// it.
fn groups(model: &Model) -> Vec<(String, Vec<&str>)> {
    let mut groups = Vec::new();
    for (number, family) in model.families.iter().enumerate() {
        let events = model.events.iter().filter(|event| event.family == number);
        groups.push((format!("{} events", family.name), events.map(|event| event.name.as_str()).collect()));
    }
    groups.push(("Helper types".to_owned(), model.types.iter().map(|ty| ty.name.as_str()).collect()));
    groups.push(("Value sets".to_owned(), model.sets.iter().map(|set| set.name.as_str()).collect()));
    groups.retain(|(_, names): &(_, Vec<_>)| !names.is_empty());
    groups
}

fn navigation(model: &Model, chapters: &[Chapter]) -> String {
    let mut out = String::new();
    for (title, names) in groups(model) {
        links(&mut out, &title, names.into_iter().map(|name| (name, name)));
    }
    links(&mut out, HUB, chapters.iter().map(|chapter| (chapter.id, chapter.title)));
    out
}

fn links<'n>(out: &mut String, title: &str, names: impl Iterator<Item = (&'n str, &'n str)>) {
    put(out, format_args!("<h2>{title}</h2>\n<ul>\n"));
    for (id, name) in names {
        put(out, format_args!("<li><a href=\"#{id}\">{name}</a></li>\n"));
    }
    out.push_str("</ul>\n");
}

/// The title of the part about the hub itself.
const HUB: &str = "The hub";

fn hub_part(chapters: &[Chapter]) -> String {
    let mut out = format!("<section class=\"group\">\n<h2>{HUB}</h2>\n");
    for Chapter { id, title, about, picture, heads, rows } in chapters {
        put(
            &mut out,
            format_args!(
                "<article id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h3 id=\"{id}-title\"><a href=\"#{id}\">{title}</a></h3>\n"
            ),
        );
        paragraphs(&mut out, [*about].into_iter());
        if !picture.is_empty() {
            put(&mut out, format_args!("<pre tabindex=\"0\">{}</pre>\n", as_markup(picture)));
        }
        if !heads.is_empty() {
            rows_of(&mut out, id, title, heads, rows);
        }
        out.push_str("</article>\n");
    }
    out.push_str("</section>\n");
    out
}

fn rows_of(out: &mut String, id: &str, title: &str, heads: &[&str], rows: &[Vec<String>]) {
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    put(
        out,
        format_args!("<table>\n<caption class=\"aside\">{title}</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"),
    );
    for row in rows {
        let (name, rest) = row.split_first().map_or(("", row.as_slice()), |(name, rest)| (name.as_str(), rest));
        let (name, anchor) = (as_markup(name), as_markup(&name.replace(' ', "-")));
        let rest: String = rest.iter().map(|cell| format!("<td>{}</td>", as_markup(cell))).collect();
        put(out, format_args!("<tr id=\"{id}.{anchor}\"><th scope=\"row\"><code>{name}</code></th>{rest}</tr>\n"));
    }
    out.push_str("</tbody>\n</table>\n");
}

fn main_part(model: &Model) -> String {
    let mut out = String::new();
    for (number, family) in model.families.iter().enumerate() {
        let events: Vec<_> = model.events.iter().filter(|event| event.family == number).collect();
        if events.is_empty() {
            continue;
        }
        put(&mut out, format_args!("<section class=\"group\">\n<h2>{} events</h2>\n", family.name));
        put(&mut out, format_args!("<p>{}</p>\n", as_markup(&family.doc)));
        if let Some(picture) = prose::calls(model, number) {
            put(
                &mut out,
                format_args!("<p>{}</p>\n<pre tabindex=\"0\">{}</pre>\n", as_markup(prose::CALLS), as_markup(&picture)),
            );
        }
        events.into_iter().for_each(|each| event(&mut out, model, each));
        out.push_str("</section>\n");
    }
    if !model.types.is_empty() {
        out.push_str("<section class=\"group\">\n<h2>Helper types</h2>\n");
        for ty in &model.types {
            open(&mut out, &ty.name, "", &[]);
            let texts = [Some(ty.summary.as_str()), ty.note.as_deref()];
            paragraphs(&mut out, texts.into_iter().flatten());
            properties(&mut out, model, &ty.name, &ty.properties);
            out.push_str("</article>\n");
        }
        out.push_str("</section>\n");
    }
    if !model.sets.is_empty() {
        out.push_str("<section class=\"group\">\n<h2>Value sets</h2>\n");
        for set in &model.sets {
            let base = prose::type_token(model, &set.base, false);
            open(&mut out, &set.name, "", &[&base]);
            paragraphs(&mut out, [set.summary.as_str()].into_iter());
            out.push_str(&values(&set.values));
            out.push_str("</article>\n");
        }
        out.push_str("</section>\n");
    }
    out
}

fn event(out: &mut String, model: &Model, event: &Event) {
    let deprecated = event.deprecated.as_ref().map(|_| "deprecated");
    let tags: Vec<&str> =
        [prose::kind(event.kind)].into_iter().chain(prose::audience(event.audience)).chain(deprecated).collect();
    open(out, &event.name, "event", &tags);
    if let Some(instead) = &event.deprecated {
        put(out, format_args!("<p class=\"deprecated\">Deprecated: {}.</p>\n", as_markup(instead)));
    }
    paragraphs(out, prose::about_event(event).into_iter());
    out.push_str("<dl>\n");
    for (what, text) in prose::facts(model, event) {
        put(out, format_args!("<div><dt>{what}</dt><dd>{}</dd></div>\n", as_markup(&text)));
    }
    // Beside this page, on a hub as in an export.
    let path = json_schema::path(model, &event.name);
    put(out, format_args!("<div><dt>Schema</dt><dd><a href=\"{path}\"><code>{path}</code></a></dd></div>\n</dl>\n"));
    properties(out, model, &event.name, &event.properties);
    for example in &event.examples {
        let text = Json::Verbatim(example.delivered.clone()).to_text();
        put(
            out,
            format_args!(
                "<details class=\"example\">\n<summary>Example: {}</summary>\n<pre tabindex=\"0\"><code>{}</code></pre>\n</details>\n",
                as_markup(&example.title),
                as_markup(text.trim_end())
            ),
        );
    }
    out.push_str("</article>\n");
}

/// Opens the part about a name; the caller closes it.
fn open(out: &mut String, name: &str, class: &str, tags: &[&str]) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    put(out, format_args!("<article id=\"{name}\"{class} aria-labelledby=\"{name}-title\">\n"));
    put(out, format_args!("<h3 id=\"{name}-title\"><a href=\"#{name}\">{name}</a>"));
    for tag in tags {
        put(out, format_args!(" <span class=\"tag\">{tag}</span>"));
    }
    out.push_str("</h3>\n");
}

fn paragraphs<'t>(out: &mut String, texts: impl Iterator<Item = &'t str>) {
    for text in texts.filter(|text| !text.is_empty()) {
        put(out, format_args!("<p>{}</p>\n", as_markup(text)));
    }
}

fn properties(out: &mut String, model: &Model, of: &str, properties: &[Property]) {
    put(
        out,
        format_args!(
            "<table>\n<caption class=\"aside\">Properties of {of}</caption>\n<thead><tr><th scope=\"col\">Property</th>\
             <th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr></thead>\n<tbody>\n"
        ),
    );
    for property in properties {
        let token = as_markup(&prose::type_token(model, &property.ty, property.nullable));
        let ty = match prose::declared(model, &property.ty) {
            Some(name) => token.replacen(name, &format!("<a href=\"#{name}\">{name}</a>"), 1),
            None => token,
        };
        let deprecated = property
            .deprecated
            .as_ref()
            .map(|instead| format!("<p class=\"deprecated\">Deprecated: {}.</p>", as_markup(instead)));
        let texts = prose::about_property(property).into_iter().map(|text| format!("<p>{}</p>", as_markup(&text)));
        let texts: String = deprecated.into_iter().chain(texts).chain(property.values.as_ref().map(values)).collect();
        put(
            out,
            format_args!(
                "<tr id=\"{of}.{wire}\"><th scope=\"row\"><a href=\"#{of}.{wire}\"><code>{wire}</code></a></th>\
                 <td><code>{ty}</code></td><td>{texts}</td></tr>\n",
                wire = property.wire,
            ),
        );
    }
    out.push_str("</tbody>\n</table>\n");
}

fn values(values: &Values) -> String {
    let item = |value: &Value| {
        let meaning = prose::meaning(value).map(|meaning| format!(" {}", as_markup(&meaning))).unwrap_or_default();
        format!("<li><code>{}</code>{meaning}</li>", as_markup(&prose::scalar(&value.scalar)))
    };
    let items: String = values.list.iter().map(item).collect();
    format!("<p>{}</p><ul class=\"values\">{items}</ul>", prose::introduction(values))
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _: std::fmt::Result = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::super::super::{Options, compile, rules};
    use super::*;

    fn page(edit: impl Fn(&str) -> String) -> String {
        let files: Vec<_> = rules::small().into_iter().map(|(path, text)| (path, edit(&text))).collect();
        reference(&compile(&files, Options::default()).unwrap().model, &[])
    }

    /// Compares with a file under version control; on a difference, the text to put there is
    /// printed.
    #[test]
    fn the_small_catalogue_has_this_page() {
        let text = main_part(&compile(&rules::small(), Options::default()).unwrap().model);
        assert!(text == include_str!("../snapshots/reference.html.txt"), "{text}");
    }

    #[test]
    fn every_name_can_be_jumped_to_and_every_link_leads_somewhere() {
        let page = page(str::to_owned);
        let targets: Vec<&str> = page.split(" href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for target in &targets {
            assert_eq!(page.matches(&format!(" id=\"{target}\"")).count(), 1, "{target}");
        }
        for name in ["UserStatus", "Tag", "Colour", "UserStatus.callId"] {
            assert!(targets.contains(&name), "{name}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let page = page(str::to_owned);
        for mark in ["src=", "@import", "url(", "<link", "fetch("] {
            assert!(!page.contains(mark), "{mark}");
        }
    }

    #[test]
    fn no_text_of_the_catalogue_is_markup() {
        let hostile =
            page(|text| text.replace("Call.", "</td><script>alert(1)</script>").replace("\"Small\"", "\"<b>\""));
        assert!(!hostile.contains("<script>alert") && !hostile.contains("<b>"), "{hostile}");
    }
}
