//! Keys: secrets, PEM and JWKS texts; one key, one algorithm.
//!
//! Everything that can be wrong with a key is found when it is read, with a sentence that says what
//! to do: a token that arrives later can only be wrong itself.

mod key;
mod problem;
mod read;

use super::error::TokenError;
use super::provider;
use jsonwebtoken::Algorithm as JwtAlgorithm;
pub(super) use key::Key;
use read::{Read, read, read_set};
use std::fmt;

pub use super::algorithm::{Algorithm, Material, SERVED};
pub use problem::{KeyError, KeyProblem, PassedOver, RSA_BITS};
pub(super) use read::pem_label;
pub use read::{KeyOptions, KeySource};

/// The keys that tokens are verified with; never empty of sense: each of them can be chosen by some
/// token.
///
/// A set at an address begins empty. Whoever has fetched its text makes the next keys with
/// [`Keys::with_set`]; where that text is no good the present ones stay.
#[derive(Clone)]
pub struct Keys {
    /// In the order in which they were configured, the lone ones before the sets.
    keys: Vec<Key>,
    parts: Vec<Part>,
}

/// What was configured, and what has been read of it.
#[derive(Clone)]
struct Part {
    /// Without the text of a key.
    options: KeyOptions,
    read: Read,
    /// Keys of the set that others leave no room for.
    crowded_out: Vec<PassedOver>,
}

impl Part {
    fn is_set(&self) -> bool {
        matches!(self.options.source, KeySource::Jwks(_) | KeySource::JwksUrl(_))
    }

    fn passed_over(&self) -> impl Iterator<Item = &PassedOver> {
        self.read.passed_over.iter().chain(&self.crowded_out)
    }

    fn url(&self) -> Option<&str> {
        match &self.options.source {
            KeySource::JwksUrl(url) => Some(url),
            KeySource::Secret(_) | KeySource::Pem(_) | KeySource::Jwks(_) => None,
        }
    }
}

impl Keys {
    /// Reads all keys, or tells everything that is wrong with any of them. No key at all gives no
    /// error here: a [`super::token::Verifier`] refuses it.
    pub fn new(options: &[KeyOptions]) -> Result<Keys, Vec<KeyError>> {
        provider::install();
        let mut keys = Keys { keys: Vec::new(), parts: Vec::new() };
        let mut errors = Vec::new();
        for (index, one) in options.iter().enumerate() {
            let read = read(one).unwrap_or_else(|problem| {
                errors.push(KeyError { index, problem });
                Read::default()
            });
            let source = match &one.source {
                KeySource::Secret(_) => KeySource::Secret(String::new()),
                KeySource::Pem(_) => KeySource::Pem(String::new()),
                KeySource::Jwks(_) => KeySource::Jwks(String::new()),
                KeySource::JwksUrl(url) => KeySource::JwksUrl(url.clone()),
            };
            let options = KeyOptions { source, ..one.clone() };
            keys.parts.push(Part { options, read, crowded_out: Vec::new() });
        }
        errors.extend(keys.gather());
        errors.sort_by_key(|error| error.index);
        if errors.is_empty() { Ok(keys) } else { Err(errors) }
    }

    /// The same keys, but for those of the set at `url`: they are what this text says.
    ///
    /// # Errors
    /// The text is no JWK set, or has no key that can be used.
    pub fn with_set(&self, url: &str, text: &str) -> Result<Keys, KeyProblem> {
        let mut keys = self.clone();
        for part in keys.parts.iter_mut().filter(|part| part.url() == Some(url)) {
            part.read = read_set(text, &part.options, true)?;
        }
        // Only lone keys can be at odds with each other, and those were not touched.
        keys.gather();
        Ok(keys)
    }

    /// Puts together what has been read. Lone keys come first, so that what others put into a set
    /// never takes their place; two of them at odds are an operator's mistake, a set's key at odds
    /// is passed over.
    fn gather(&mut self) -> Vec<KeyError> {
        self.keys.clear();
        let mut errors = Vec::new();
        for is_set in [false, true] {
            for (index, part) in self.parts.iter_mut().enumerate().filter(|(_, part)| part.is_set() == is_set) {
                part.crowded_out.clear();
                for (number, key) in &part.read.keys {
                    match refusal(&self.keys, key) {
                        Some(problem) if is_set => part.crowded_out.push(PassedOver { number: *number, problem }),
                        Some(problem) => errors.push(KeyError { index, problem }),
                        None => self.keys.push(key.clone()),
                    }
                }
            }
        }
        errors
    }

    /// The key of a token. A known `kid` chooses, and of several keys with that id the algorithm
    /// and the issuer do. An unknown `kid` leaves the lone key without id; no `kid` that one, or
    /// the only one there is. The key's own algorithm must be the token's.
    pub(super) fn choose(
        &self,
        kid: Option<&str>,
        algorithm: JwtAlgorithm,
        issuer: impl Fn() -> Option<String>,
    ) -> Result<&Key, TokenError> {
        let fits = |key: &&Key| key.algorithm.of_jwt() == algorithm;
        let is_meant = |key: &&Key| match kid {
            Some(kid) if self.has(kid) => key.id.as_deref() == Some(kid),
            Some(_) => key.id.is_none(),
            None => true,
        };
        let mut meant = self.keys.iter().filter(is_meant).peekable();
        if meant.peek().is_none() {
            return Err(if kid.is_some() { TokenError::UnknownKey } else { TokenError::Algorithm });
        }
        let mut fitting: Vec<&Key> = meant.filter(fits).collect();
        if fitting.len() > 1 {
            let issuer = issuer();
            fitting.retain(|key| key.serves(issuer.as_deref()));
            if fitting.is_empty() {
                return Err(TokenError::Issuer);
            }
        }
        let nameless = || fitting.iter().find(|key| key.id.is_none());
        match fitting.as_slice() {
            [key] => Ok(key),
            [] if kid.is_some_and(|kid| !self.has(kid)) => Err(TokenError::UnknownKey),
            [] => Err(TokenError::Algorithm),
            [..] => nameless().copied().ok_or(TokenError::NoKeyId),
        }
    }

    /// Whether a key has that id.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(kid))
    }

    /// Whether a key is a public one: to verify what it has signed costs much.
    pub(super) fn have_public(&self) -> bool {
        self.keys.iter().any(|key| key.algorithm.material() != Material::Secret)
    }

    /// Each key's id and algorithm, as configured; the keys themselves stay here.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<&str>, Algorithm)> + Clone {
        self.keys.iter().map(|key| (key.id.as_deref(), key.algorithm))
    }

    /// The issuers that are accepted with each key, in the order of [`Keys::iter`]; none for
    /// anybody.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &[String]> + Clone {
        self.keys.iter().map(|key| &*key.issuers)
    }

    /// Keys here that `former` has not.
    pub(crate) fn count_beyond(&self, former: &Keys) -> usize {
        self.keys.iter().filter(|key| !former.keys.iter().any(|other| other.is(key))).count()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The addresses of the sets that are for the tokens of any issuer.
    pub fn urls_for_any_issuer(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|part| part.options.issuers.is_empty()).filter_map(Part::url)
    }

    /// Each set at an address, with the issuers that it is for; none for anybody.
    pub fn sets(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.parts.iter().filter_map(|part| Some((part.url()?, &*part.options.issuers)))
    }

    /// The addresses of sets, each once.
    pub(crate) fn urls(&self) -> Vec<&str> {
        let mut urls: Vec<&str> = self.parts.iter().filter_map(Part::url).collect();
        urls.sort_unstable();
        urls.dedup();
        urls
    }

    /// JWKs that were passed over because they are for something else (encryption, other algorithms
    /// or curves): RFC 7517 section 5 wants them ignored.
    pub(crate) fn skipped(&self) -> usize {
        self.parts.iter().map(|part| part.read.skipped).sum()
    }

    /// JWKs that are for this and can't be used, each with the number of its [`KeyOptions`].
    pub(crate) fn passed_over(&self) -> impl Iterator<Item = (usize, &PassedOver)> {
        self.parts.iter().enumerate().flat_map(|(index, part)| part.passed_over().map(move |one| (index, one)))
    }

    /// Those of the set at that address.
    pub(crate) fn passed_over_of(&self, url: &str) -> impl Iterator<Item = &PassedOver> {
        self.parts.iter().filter(move |part| part.url() == Some(url)).flat_map(Part::passed_over)
    }
}

/// What forbids to add `key` to the others.
fn refusal(keys: &[Key], key: &Key) -> Option<KeyProblem> {
    if key.id.as_deref() == Some("") {
        return Some(KeyProblem::EmptyId);
    }
    let mut rivals = keys.iter().filter(|other| other.algorithm == key.algorithm && other.shares_issuers(key));
    rivals.find(|other| other.id == key.id).map(|_| match &key.id {
        Some(id) => KeyProblem::DuplicateId(id.to_string()),
        None => KeyProblem::Unchoosable(key.algorithm),
    })
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
