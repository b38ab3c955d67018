//! A table of the manual: in Markdown for its pages, as lines of text for a terminal.

/// Columns of a terminal that lines of text are wrapped at.
const COLUMNS: usize = 100;

/// The rows of a table under their head. The first cell has one or more names, the last one
/// explains.
pub struct Table<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Returns a table of these rows.
    pub(crate) fn new(head: [&'static str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table<N> {
        Table { head, rows: rows.into_iter().collect() }
    }

    /// Returns the table in Markdown, with the names as code.
    pub fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|{}\n", self.head.join(" | "), "---|".repeat(N));
        for cells in &self.rows {
            for (column, cell) in cells.iter().enumerate() {
                let cell = cell.replace('|', "\\|");
                let cell = if column == 0 { format!("`{}`", cell.replace(", ", "`, `")) } else { cell };
                text.push_str(&format!("| {cell} "));
            }
            text.push_str("|\n");
        }
        text
    }

    /// Returns the table for a terminal: each name with what is short beside it, and the
    /// explanation below.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for cells in &self.rows {
            for (column, cell) in cells.iter().enumerate() {
                match column {
                    0 => text.push_str(cell),
                    _ if column + 1 == N => wrap(cell, &mut text),
                    _ if cell.is_empty() => {}
                    _ => text.push_str(&format!("  ({} {})", self.head[column], without_marks(cell))),
                }
            }
            text.push('\n');
        }
        text
    }
}

/// The cell without the marks of code, where it is one name as a whole; in prose they say what is
/// one.
fn without_marks(cell: &str) -> &str {
    let name = cell.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    name.filter(|name| !name.contains('`')).unwrap_or(cell)
}

/// Appends `prose` on lines of their own, four columns to the right.
fn wrap(prose: &str, text: &mut String) {
    let mut column = COLUMNS;
    for word in prose.split_whitespace() {
        let length = word.chars().count();
        if column + 1 + length > COLUMNS {
            text.push_str("\n    ");
            column = 4;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line_in_markdown_and_a_name_with_lines_below_it_in_a_terminal() {
        let row = ["listen".to_owned(), "8080".to_owned(), format!("Here|{} there.", " or".repeat(40))];
        let table = Table::new(["key", "default", "meaning"], [row]);
        let markdown = table.markdown();
        assert!(markdown.starts_with("| key | default | meaning |\n|---|---|---|\n| `listen` | 8080 | Here\\| or"));
        assert_eq!(markdown.lines().count(), 3);
        let text = table.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "listen  (default 8080)");
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1..].iter().all(|line| line.starts_with("    ") && line.len() <= COLUMNS), "{text}");
    }

    #[test]
    fn a_terminal_loses_the_marks_of_a_name_and_none_of_those_in_prose() {
        for (cell, shown) in [("`8080`", "8080"), ("with `a`", "with `a`"), ("`a` or `b`", "`a` or `b`"), ("`", "`")] {
            let text = Table::new(["key", "default", "meaning"], [["listen", cell, ""].map(str::to_owned)]).text();
            assert_eq!(text.trim_end(), format!("listen  (default {shown})"));
        }
    }
}
