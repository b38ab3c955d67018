//! Text in a language with braces, line by line.

/// What is written so far, and how many braces are open.
#[derive(Debug)]
pub struct Lines {
    text: String,
    indent: &'static str,
    depth: usize,
}

impl Lines {
    /// Nothing yet; `indent` stands before a line for each brace that is open.
    pub fn new(indent: &'static str) -> Lines {
        Lines { text: String::new(), indent, depth: 0 }
    }

    /// Writes a line; an empty one separates, so none stands right behind an opened brace.
    pub fn line(&mut self, line: &str) {
        if line.is_empty() && self.text.ends_with("{\n") {
            return;
        }
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n(self.indent, self.depth));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// Writes the lines of a text.
    pub fn lines(&mut self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// Writes a line that opens a brace.
    pub fn open(&mut self, line: &str) {
        self.line(line);
        self.depth += 1;
    }

    /// Closes the brace that was opened last; `after` follows it.
    pub fn close(&mut self, after: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(&format!("}}{after}"));
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_indents_and_empty_lines_separate() {
        let mut out = Lines::new("  ");
        out.open("a {");
        out.line("");
        out.lines("b\n\nc");
        out.close(";");
        assert_eq!(out.into_text(), "a {\n  b\n\n  c\n};\n");
    }
}
