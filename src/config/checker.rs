//! What checking needs at every step: the tree that knows all places, and the files that keys name.

use super::checked::KeySources;
use super::tree::{Place, Tree};
use crate::bom;
use std::io;
use std::path::{Path, PathBuf};

/// Complaints gather in the tree, which knows their places.
pub(super) struct Checker<'s> {
    pub(super) tree: Tree,
    /// The folder of the configuration file: paths in it are relative to it.
    pub(super) folder: Option<&'s Path>,
    /// Reads a file.
    pub(super) read: &'s dyn Fn(&Path) -> io::Result<String>,
    /// Where keys have been found.
    pub(super) key_sources: KeySources,
}

impl Checker<'_> {
    /// What the texts of a list mean; those that mean nothing are told.
    pub(super) fn list<T>(
        &mut self,
        path: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut parsed = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match parse(text) {
                Ok(value) => parsed.push(value),
                Err(message) => self.tree.complain(&format!("{path}.{index}"), message),
            }
        }
        parsed
    }

    /// What the key at `path` names: relative to the configuration file where that says it, else to
    /// the working directory.
    pub(super) fn located(&self, path: &str, file: &str) -> PathBuf {
        match self.folder {
            Some(folder) if self.is_in_file(path) => folder.join(file),
            Some(_) | None => PathBuf::from(file),
        }
    }

    /// Whether the configuration file says what the key at `path` is.
    pub(super) fn is_in_file(&self, path: &str) -> bool {
        matches!(self.tree.node(path), Some(node) if matches!(node.place, Place::File(..)))
    }

    /// Whether the key at `path` names a file at all.
    pub(super) fn names(&mut self, path: &str, file: &str) -> bool {
        if file.is_empty() {
            self.tree
                .complain(path, format!("`{path}` is empty, and is to name a file: leave it out where there is none"));
        }
        !file.is_empty()
    }

    /// Reads a secret from a file that a key names; what whoever has it does is said where others
    /// may read it.
    pub(super) fn secret(&mut self, path: &str, file: &str, does: &'static str) -> Option<String> {
        let located = self.located(path, file);
        self.key_sources.secrets.push((located.clone(), does));
        self.key_sources.files.push(located);
        Some(bom::secret(&self.file(path, file)?).to_owned())
    }

    /// Reads a file that a key names.
    pub(super) fn file(&mut self, path: &str, file: &str) -> Option<String> {
        if !self.names(path, file) {
            return None;
        }
        let full = self.located(path, file);
        match (self.read)(&full) {
            Ok(text) => Some(bom::behind(&text).to_owned()),
            Err(error) => {
                self.tree.complain(path, format!("{} can't be read: {error}", full.display()));
                None
            }
        }
    }
}
