//! Tokens: from a request to a [`Principal`].

/// A bearer token. It can't be printed: no `Display`, and `Debug` says only that there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// Wraps the text of a token.
    pub fn new(text: &'a str) -> Token<'a> {
        Token(text)
    }
}

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(redacted)")
    }
}
