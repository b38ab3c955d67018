//! Text files that people write: configuration, keys, tokens, events.

use crate::bom;
use std::io;
use std::path::Path;

/// The text of a file, without byte order mark.
///
/// # Errors
/// The file can't be read, or is no UTF-8.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    if bom::is_utf16(&bytes) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is UTF-16"));
    }
    match std::str::from_utf8(bom::behind_bytes(&bytes)) {
        Ok(text) => Ok(text.to_owned()),
        // In the words of the standard library.
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8")),
    }
}
