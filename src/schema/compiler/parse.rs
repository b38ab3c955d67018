//! Text → TOML: all syntax errors of a file at once, and the dialect.

use super::finding::{Findings, Rule};
use super::source::At;
use super::table::Written;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Parses the file with that index. `None` if it is no TOML 1.0, which has been reported.
pub fn parse<'d>(file: usize, text: &'d str, findings: &mut Findings<'_>) -> Option<DeTable<'d>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        findings.report(At { file, offset }, Rule::Toml, error.message());
    }
    let mut newer = Vec::new();
    for value in document.get_ref().values() {
        inline_tables_of_1_1(value, text, &mut newer);
    }
    for offset in &newer {
        findings.report(
            At { file, offset: *offset },
            Rule::Toml,
            "an inline table over several lines or with a comma at its end is TOML 1.1, which other tools refuse; \
             write it on one line, or as a [table]",
        );
    }
    (errors.is_empty() && newer.is_empty()).then(|| document.into_inner())
}

/// Collects the offsets of inline tables that TOML 1.0 doesn't have: the parser reads 1.1, editors
/// and Python don't.
fn inline_tables_of_1_1(node: &Written<'_>, text: &str, found: &mut Vec<usize>) {
    match node.get_ref() {
        DeValue::Array(list) => list.iter().for_each(|element| inline_tables_of_1_1(element, text, found)),
        DeValue::Table(table) => {
            table.values().for_each(|value| inline_tables_of_1_1(value, text, found));
            if is_inline_table_of_1_1(node, table, text) {
                found.push(node.span().start);
            }
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

fn is_inline_table_of_1_1(node: &Written<'_>, table: &DeTable<'_>, text: &str) -> bool {
    let span = node.span();
    let Some(inner) = text.get(span.clone()).and_then(|t| t.strip_prefix('{')).and_then(|t| t.strip_suffix('}')) else {
        return false;
    };
    // Values may hold line breaks of their own (a list, a multi-line string); what stands between
    // them may not.
    let mut values: Vec<_> = table.values().map(Spanned::span).collect();
    values.sort_by_key(|value| value.start);
    let mut from = span.start;
    let between_values_is_one_line = values.iter().all(|value| {
        let between = text.get(from..value.start).unwrap_or_default();
        from = value.end;
        !between.contains('\n')
    });
    let behind = text.get(from..span.end).unwrap_or_default();
    !between_values_is_one_line || behind.contains('\n') || inner.trim_end().ends_with(',')
}

#[cfg(test)]
mod tests {
    use super::super::source::Sources;
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let files = [("a.toml", text)];
        let sources = Sources::new(&files);
        let mut findings = Findings::new(&sources);
        let parsed = parse(0, text, &mut findings);
        let findings: Vec<_> = findings.into_sorted().iter().map(ToString::to_string).collect();
        assert_eq!(parsed.is_some(), findings.is_empty());
        findings
    }

    #[test]
    fn several_syntax_errors_of_one_file_are_told_at_once() {
        let told = findings("a = \nb = 1\nc == 2\nd = \"open\n");
        for line in ["a.toml:1:5: error[toml]: ", "a.toml:3:4: error[toml]: ", "a.toml:4:10: error[toml]: "] {
            assert!(told.iter().any(|told| told.starts_with(line)), "{line} in {told:#?}");
        }
    }

    #[test]
    fn one_dot_zero_is_taken() {
        let texts = [
            "a = { b = 1, c = [\n 1,\n 2,\n] }\n",
            "[a]\nb = 1\n\n[a.c]\nd = {}\n",
            "a = { b = '''\nx''', c = { d = 1 } }\n",
            "a.b.c = 1\na.b.d = { e.f = 1 }\n",
        ];
        for text in texts {
            assert_eq!(findings(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn inline_tables_of_one_dot_one_are_refused() {
        for text in ["a = {\n b = 1 }\n", "a = { b = 1\n }\n", "a = { b = 1, }\n", "a = [ { b = 1,\n c = 2 } ]\n"] {
            let told = findings(text);
            assert!(told.len() == 1 && told[0].contains("TOML 1.1"), "{text}: {told:#?}");
        }
    }
}
