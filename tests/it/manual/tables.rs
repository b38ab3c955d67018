//! The generated tables, and the pages of `rte help`.

use super::{Stale, hold_or_bless, pages, printed};
use rte::guide::{PAGES, tables};
use rte::schema::Catalogue;
use rte::schema::compiler::model::{EntityRule, Event, Kind};

/// The tables by name, as they ought to be.
fn made() -> Vec<(&'static str, String)> {
    vec![
        ("alerts", tables::alerts().markdown()),
        ("commands", commands()),
        ("events", events()),
        ("keys", tables::keys().markdown()),
        ("limits", tables::limits().markdown()),
        ("metrics", tables::metrics().markdown()),
        ("reasons", reasons()),
        ("routes", tables::routes("/rte").markdown()),
        ("targets", tables::targets().markdown()),
        ("warnings", tables::warnings().markdown()),
        ("rules", tables::rules().markdown()),
    ]
}

fn reasons() -> String {
    let refusals: Vec<String> = tables::refusals().map(|label| format!("`{label}`")).collect();
    format!(
        "Of `rte_connections_closed_total`:\n\n{}\nOf `rte_refusals_total`: {}.\n",
        tables::reasons().markdown(),
        refusals.join(", ")
    )
}

fn commands() -> String {
    let help = printed(&["--help"]);
    let section = |name: &str| {
        let start = help.find(&format!("{name}:\n")).unwrap();
        let section = &help[start..];
        section.split_once("\n\n").map_or(section, |(section, _)| section).to_owned()
    };
    format!("```text\n{}\n\n{}\n```\n", section("Commands"), section("Exit codes"))
}

/// The events, those of the same nature in a row.
fn events() -> String {
    let catalogue = Catalogue::built_in(None);
    let mut rows: Vec<[String; 5]> = Vec::new();
    for (id, event) in catalogue.events() {
        let nature = nature(event);
        let family = catalogue.family_of(id).to_owned();
        match rows.iter_mut().find(|row| row[0] == family && row[2..] == nature) {
            Some(row) => row[1] = format!("{}, {}", row[1], event.name),
            None => {
                let [kind, entity, audience] = nature;
                rows.push([family, event.name.clone(), kind, entity, audience]);
            }
        }
    }
    let rows: String = rows.iter().map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
    format!("| family | events | kind | entity | audience |\n|---|---|---|---|---|\n{rows}")
}

fn nature(event: &Event) -> [String; 3] {
    let property = |index: usize| event.properties[index].name.clone();
    let entity = match event.entity {
        EntityRule::Property(index) => property(index),
        EntityRule::PropertyOrPublisher(index) => format!("{} or `entityId`", property(index)),
        EntityRule::Publisher => "`entityId`".to_owned(),
    };
    let kind = match event.kind {
        Kind::State => "state",
        Kind::Occurrence => "occurrence",
    };
    let audience = match (event.audience.client, event.audience.backend) {
        (true, true) => "client, backend",
        (true, false) => "client",
        (false, _) => "backend",
    };
    [kind.to_owned(), entity, audience.to_owned()]
}

#[test]
fn the_tables_are_those_of_the_program() {
    let pages = pages();
    let mut stale = Vec::new();
    for (name, wanted) in made() {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
        let mut count = 0;
        for page in &pages {
            for shown in page.text.split(&begin).skip(1) {
                let (shown, _) = shown.split_once(&end).unwrap_or_else(|| panic!("{} has no {end}", page.name));
                count += 1;
                if shown != wanted {
                    let (shown, real) = (format!("{begin}{shown}{end}"), format!("{begin}{wanted}{end}"));
                    stale.push(Stale { page: page.name, shown, real });
                }
            }
        }
        assert!(count > 0, "no page has {begin}");
    }
    hold_or_bless(&stale);
    let names: Vec<&str> = made().into_iter().map(|(name, _)| name).collect();
    let begins = pages.iter().flat_map(|page| page.text.split("<!-- begin ").skip(1));
    let unknown: Vec<&str> =
        begins.filter_map(|rest| rest.split(' ').next()).filter(|name| !names.contains(name)).collect();
    assert!(unknown.is_empty(), "no table is called {unknown:?}");
}

#[test]
fn every_page_can_be_asked_for() {
    for page in &PAGES {
        assert_eq!(printed(&["help", page.name]).trim_end(), (page.text)().trim_end());
    }
    let clients = pages().into_iter().find(|page| page.name == "src/guide/clients.md").unwrap();
    let first = clients.text.lines().next().unwrap();
    assert!(printed(&["help", "clients"]).starts_with(first));
    assert_eq!(printed(&["help", "schema", "diff"]), printed(&["schema", "diff", "--help"]));
}
