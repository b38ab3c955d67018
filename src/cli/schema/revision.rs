//! Catalogues as they were: read from git, by its own command.

use super::files::{FOLDER_DEFAULT, File};
use crate::schema::compiler::source::is_catalogue_file;
use std::path::PathBuf;
use std::process::Command;

/// The repository around a folder.
pub(crate) struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// That of the working directory.
    pub(crate) fn here() -> Repository {
        Repository::around(".")
    }

    /// That of a folder.
    pub(crate) fn around(folder: impl Into<PathBuf>) -> Repository {
        Repository { folder: folder.into() }
    }

    /// The catalogue files of `HEAD~1` (their folder is `schema`) or `v1.0:folder`, or the lock
    /// file `v1.0:schema/lock.json`. Their paths in messages start with the revision.
    ///
    /// # Errors
    /// A sentence: there is no such revision or folder in it, or no git.
    pub(crate) fn files(&self, side: &str) -> Result<Vec<File>, String> {
        let (revision, path) = side.split_once(':').unwrap_or((side, FOLDER_DEFAULT));
        let path = path.trim_end_matches('/');
        if revision.is_empty() || revision.starts_with('-') {
            return Err(format!("{side:?} is no folder, no lock file and no git revision"));
        }
        let no_side = |why: String| format!("{side} is no folder and no file here, and as a git revision: {why}");
        // Against a revision that does not exist, `--` would make git take the path for one.
        self.git(&["rev-parse", "--verify", "--quiet", &format!("{revision}^{{tree}}")])
            .map_err(|why| no_side(if why.is_empty() { format!("there is no {revision}") } else { why }))?;
        let mut list = vec!["ls-tree", "-r", "-z", "--name-only", "--full-tree", revision, "--"];
        list.extend((!path.is_empty()).then_some(path));
        let names = self.git(&list).map_err(no_side)?;
        let wanted = |name: &&str| {
            let below = name.strip_prefix(path).unwrap_or(name);
            let is_hidden = below.split('/').any(|part| part.starts_with('.'));
            *name == path || (is_catalogue_file(name) && !is_hidden)
        };
        let names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).filter(wanted).collect();
        if names.is_empty() {
            return Err(no_side(format!("{revision} has no catalogue at {path:?}")));
        }
        let file = |name: &&str| {
            let text = self.git(&["show", &format!("{revision}:{name}")]).map_err(no_side)?;
            Ok((format!("{revision}:{}{name}", if name.contains('/') { "" } else { "./" }), text))
        };
        names.iter().map(file).collect()
    }

    /// The output of git.
    fn git(&self, args: &[&str]) -> Result<String, String> {
        let output = Command::new("git").arg("-C").arg(&self.folder).arg("--literal-pathspecs").args(args).output();
        let output = output.map_err(|error| format!("cannot run git: {error}"))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(why.lines().next().unwrap_or_default().to_owned());
        }
        String::from_utf8(output.stdout).map_err(|_| "a file is not UTF-8".to_owned())
    }
}
