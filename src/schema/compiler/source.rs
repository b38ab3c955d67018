//! The texts that are compiled, and where in them a thing stands.
//!
//! Declarations carry an [`At`], two numbers; lines and columns are counted only for what is told
//! to somebody.

use super::model::Place;

/// Whether a file of a catalogue folder is compiled: `.toml` files are, but for those of editors
/// and formatters.
pub fn is_catalogue_file(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.ends_with(".toml") && !name.starts_with('.')
}

/// The text behind the byte order mark that some editors put at the front: no column is its own.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

/// A byte in one of the [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Index of the file.
    pub file: usize,
    /// Byte offset in its text.
    pub offset: usize,
}

/// Something read from a file, with its place.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// Where it starts.
    pub at: At,
}

/// One catalogue file.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Its path, as messages show it.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The offsets at which its lines start; the first is 0.
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(path: &'a str, text: &'a str) -> Source<'a> {
        let text = without_mark(text);
        let after_breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Source { path, text, line_starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    /// The file's name without folders: `UserStatus.toml`.
    pub fn file_name(&self) -> &'a str {
        self.path.rsplit(['/', '\\']).next().unwrap_or(self.path)
    }

    /// The folder that it is in, with the slash at its end; empty where the path has none.
    pub fn folder(&self) -> &'a str {
        self.path.strip_suffix(self.file_name()).unwrap_or_default()
    }

    /// The file's name without folders and `.toml`: what its event, type or enum is called.
    pub fn stem(&self) -> &'a str {
        let name = self.file_name();
        name.strip_suffix(".toml").unwrap_or(name)
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place { file: self.path.to_owned(), line, column }
    }
}

/// All files of one compilation, in the order given.
#[derive(Clone, Debug)]
pub struct Sources<'a>(pub Vec<Source<'a>>);

impl<'a> Sources<'a> {
    /// Takes pairs (path, text).
    pub fn new<S: AsRef<str>>(files: &'a [(S, S)]) -> Sources<'a> {
        Sources(files.iter().map(|(path, text)| Source::new(path.as_ref(), text.as_ref())).collect())
    }

    /// The place as messages show it.
    pub fn place(&self, at: At) -> Place {
        self.0.get(at.file).map(|source| source.place(at.offset)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, offset: usize) -> (usize, usize) {
        let files = [("schema/a/B.toml", text)];
        let place = Sources::new(&files).place(At { file: 0, offset });
        (place.line, place.column)
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        assert_eq!(place("ab\ncd\n", 0), (1, 1));
        assert_eq!(place("ab\ncd\n", 4), (2, 2));
        assert_eq!(place("ab\ncd\n", 6), (3, 1));
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        assert_eq!(place("ä = 1", "ä = ".len()), (1, 5));
    }

    #[test]
    fn dot_files_and_other_endings_are_not_compiled() {
        let files = ["schema/a/B.toml", "catalogue.toml", "schema/.taplo.toml", "schema/lock.json", "schema/.toml"];
        assert_eq!(files.map(is_catalogue_file), [true, true, false, false, false]);
    }

    #[test]
    fn the_stem_is_the_name_without_folders_and_ending() {
        let files = [("schema/a/B.toml", ""), ("C.toml", "")];
        let sources = Sources::new(&files);
        assert_eq!(sources.0.iter().map(Source::stem).collect::<Vec<_>>(), ["B", "C"]);
    }
}
