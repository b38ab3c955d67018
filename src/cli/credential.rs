//! The token that a command shows to the hub: where it comes from, and that it is not printed.

use super::failure::Failure;
use crate::bom;
use crate::config::file;
use std::fmt;
use std::path::PathBuf;

/// The environment variable that holds a token.
pub(crate) const TOKEN_VARIABLE: &str = "RTE_TOKEN";

/// The options that name a token.
#[derive(clap::Args, Clone)]
pub(crate) struct Credential {
    /// The token (JWT). Other users of this machine can see it in the list of processes: prefer
    /// --token-file or RTE_TOKEN
    #[arg(long, value_name = "JWT", conflicts_with = "token_file")]
    pub(crate) token: Option<Bearer>,
    /// A file that holds the token; `rte listen` reads it again whenever it connects,
    /// and `rte publish` when the hub no longer takes it
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Credential {
    /// Reads the token: `--token`, `--token-file`, then `RTE_TOKEN`.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is none, or it cannot be one.
    pub(crate) fn read(&self) -> Result<Bearer, Failure> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        if let Some(path) = &self.token_file {
            let text = file::read(path)
                .map_err(|error| Failure::Usage(format!("cannot read the token file {}: {error}", path.display())))?;
            return text.trim().parse().map_err(|reason| Failure::Usage(format!("{}: {reason}", path.display())));
        }
        match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => bom::behind(&text)
                .trim()
                .parse()
                .map_err(|reason| Failure::Usage(format!("{TOKEN_VARIABLE}: {reason}"))),
            Err(_) => Err(Failure::Usage(format!(
                "no token: give --token, --token-file or {TOKEN_VARIABLE} (`rte token` makes one)"
            ))),
        }
    }
}

/// A token that a command holds. Its `Debug` says only that there is one, and there is no
/// `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer(String);

impl Bearer {
    /// Returns the value of the header `Authorization` (RFC 6750 section 2.1).
    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Returns the bare token, for the one command that is there to show it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Bearer {
    type Err = &'static str;

    /// Takes what can stand in a header; whether it is a good token is the hub's to say. The error
    /// never quotes it.
    fn from_str(text: &str) -> Result<Bearer, &'static str> {
        if text.is_empty() {
            return Err("the token is empty");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token has characters that no token has (blanks, line ends, or beyond ASCII)");
        }
        Ok(Bearer(text.to_owned()))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_be_printed_by_accident() {
        let bearer: Bearer = "eyJhbGciOi.secret.sig".parse().unwrap();
        assert_eq!(format!("{bearer:?}"), "Bearer(redacted)");
        assert_eq!(bearer.header(), "Bearer eyJhbGciOi.secret.sig");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_refused_without_being_quoted() {
        for text in ["", "two words", "line\nend", "früh"] {
            let reason = text.parse::<Bearer>().unwrap_err();
            assert!(text.is_empty() || !reason.contains(text), "{reason}");
        }
    }

    #[test]
    fn a_token_file_may_end_in_a_line_end_and_an_absent_one_is_wrong_usage() {
        let path = std::env::temp_dir().join(format!("rte-token-{}", std::process::id()));
        std::fs::write(&path, "a.b.c\n").unwrap();
        let credential = Credential { token: None, token_file: Some(path.clone()) };
        assert_eq!(credential.read().unwrap().reveal(), "a.b.c");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(credential.read().unwrap_err().exit_code(), 2);
    }
}
