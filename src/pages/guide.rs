//! The texts of the manual, which the pages show and `rte help` prints.

use crate::packed::{Packed, packed};

/// Constants of the texts, and the table of them by name.
macro_rules! texts {
    ($($constant:ident $name:literal),* $(,)?) => {
        $(pub(crate) const $constant: Packed = packed!("guide/", $name, ".md");)*
        /// Name and text of each page, in the order in which they are listed.
        pub(super) const TEXTS: [(&str, Packed); 14] = [$(($name, $constant)),*];
    };
}

texts![
    CLIENTS "clients",
    LIBRARY "library",
    PAGES_TO_LOOK_AT "pages",
    PUBLISHERS "publishers",
    OPERATORS "operators",
    JOURNAL "journal",
    NODES "nodes",
    COMPATIBILITY "compatibility",
    TOKENS "tokens",
    SECURITY "security",
    SCHEMAS "schemas",
    FUZZING "fuzzing",
    CHANGES "changes",
    REFERENCE "reference",
];

/// The module that tells the page of the guide what there is: name, title and first sentence of
/// each text.
pub(super) fn module() -> String {
    let about = |(name, text): (&str, Packed)| {
        let text = text.text();
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let title = lines.next().unwrap_or_default().trim_start_matches("# ").to_owned();
        serde_json::json!([name, title, lines.next().unwrap_or_default().replace('`', "")])
    };
    let all = serde_json::Value::from_iter(TEXTS.map(about));
    format!("export const MANUAL = {all};\n")
}
