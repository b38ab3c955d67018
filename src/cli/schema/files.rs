//! The files of catalogues: found in folders, or built in.

use crate::config::file;
use crate::schema::catalogue::built_in_files;
use crate::schema::compiler::finding::Finding;
use crate::schema::compiler::source::is_catalogue_file;
use crate::schema::compiler::{self, Options, lock};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The folder that a repository has its catalogue in.
pub(crate) const FOLDER_DEFAULT: &str = "schema";

/// A path, as messages show it, and the text.
pub(crate) type File = (String, String);

/// The built-in files.
pub(crate) fn built_in() -> Vec<File> {
    built_in_files().collect()
}

/// The built-in files and those of folders behind them; or, `alone`, only those.
///
/// # Errors
/// What cannot be read, together with what is wrong with the rest, so that one run tells
/// everything.
pub fn read(folders: &[PathBuf], alone: bool) -> Result<Vec<File>, Vec<Finding>> {
    let mut files = if alone { Vec::new() } else { built_in() };
    let mut unreadable = Vec::new();
    for folder in folders {
        walk(folder, &mut files, &mut unreadable);
    }
    if unreadable.is_empty() { Ok(files) } else { Err(with_faults_of_the_rest(unreadable, files)) }
}

/// Stands for the text of a file that cannot be read. No TOML, so that the compiler takes the
/// file's name for one that is declared and does not miss it elsewhere.
const UNREADABLE: &str = "=";

/// The findings about files that cannot be read, and those about the others, sorted by place.
fn with_faults_of_the_rest(mut findings: Vec<Finding>, files: Vec<File>) -> Vec<Finding> {
    let compiled = compiler::compile(&completed(files), Options::default());
    let rest = compiler::findings(&compiled).iter();
    let rest = rest.filter(|finding| findings.iter().all(|unreadable| unreadable.place.file != finding.place.file));
    let rest: Vec<Finding> = rest.cloned().collect();
    findings.extend(rest);
    findings.sort();
    findings
}

/// The files of a folder that is either a whole catalogue or goes on top of the built-in one, in
/// which case that is added.
///
/// # Errors
/// What cannot be read.
pub(crate) fn read_either(folder: &Path) -> Result<Vec<File>, Vec<Finding>> {
    let files = read(&[folder.to_owned()], true)?;
    Ok(completed(files))
}

/// These files, on top of the built-in ones unless they have a head of their own.
pub(crate) fn completed(files: Vec<File>) -> Vec<File> {
    if is_whole(&files) { files } else { built_in().into_iter().chain(files).collect() }
}

/// Whether a `catalogue.toml` among them has what only the first of a catalogue has. One that is no
/// TOML is taken for such: the compiler says more about it.
fn is_whole(files: &[File]) -> bool {
    let heads =
        files.iter().filter(|(path, _)| Path::new(path).file_name().is_some_and(|name| name == "catalogue.toml"));
    heads.into_iter().any(|(_, text)| text.parse::<toml::Table>().map_or(true, |table| table.contains_key("title")))
}

/// The lock file of a folder, where it has one.
///
/// # Errors
/// It is there and cannot be read.
pub(crate) fn lock_of(folder: &Path) -> Result<Option<File>, Finding> {
    let path = folder.join(lock::FILE_NAME);
    let shown = path.display().to_string();
    match file::read(&path) {
        Ok(text) => Ok(Some((shown, text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Finding::unreadable(&shown, &why(&error))),
    }
}

/// Whether the working directory has a catalogue, as a clone of this repository has.
pub(crate) fn is_in_repository() -> bool {
    Path::new(FOLDER_DEFAULT).join("catalogue.toml").is_file()
}

/// Why a file or folder cannot be read, and what to do.
fn why(error: &io::Error) -> String {
    let advice = [
        (ErrorKind::InvalidData, "save it as UTF-8"),
        (ErrorKind::NotFound, "correct the path"),
        (ErrorKind::PermissionDenied, "let this user read it"),
    ];
    match advice.iter().find(|(kind, _)| *kind == error.kind()) {
        Some((_, advice)) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

/// Collects the files of a folder, sorted. What starts with a dot is not looked at: editors and
/// container platforms (the `..data` of a mounted configuration) keep theirs there.
fn walk(path: &Path, files: &mut Vec<File>, unreadable: &mut Vec<Finding>) {
    let shown = path.display().to_string();
    if !path.is_dir() {
        match file::read(path) {
            Ok(text) => files.push((shown, text)),
            Err(error) => {
                unreadable.push(Finding::unreadable(&shown, &why(&error)));
                files.push((shown, UNREADABLE.to_owned()));
            }
        }
        return;
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut paths: Vec<PathBuf> = match entries {
        Ok(paths) => paths,
        Err(error) => return unreadable.push(Finding::unreadable(&shown, &why(&error))),
    };
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && (path.is_dir() || is_catalogue_file(&path.to_string_lossy())) {
            walk(&path, files, unreadable);
        }
    }
}
