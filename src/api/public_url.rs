//! Where clients reach this very hub, whatever balancer shares it out: `server.public_url`.

use super::cors::parse_origin;
use crate::auth::token::Token;
use crate::proto::http::query;
use crate::proto::signalr::negotiate;

/// The name in the query that a URL has which was given to a client: it is not given again,
/// whatever host a proxy makes of it.
const MARK: &str = "direct";

/// The URL of this hub's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    /// Host, and port where it is not the scheme's.
    host: String,
}

impl PublicUrl {
    /// Reads it as the operator writes it: `https://node-1.example.com/rte`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn parse(text: &str, path: &str) -> Result<PublicUrl, String> {
        let wrong = |why: &str| Err(format!("{text:?} is no URL of this hub: {why}"));
        let Some(base) = text.strip_suffix(path) else {
            return wrong("it ends with `server.path`, as in \"https://node-1.example.com/rte\"");
        };
        let scheme = base.split("://").next().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || base.contains('*') {
            return wrong("it begins with https:// or http:// and a host");
        }
        let origin = parse_origin(base)?;
        let (_, host) = origin.split_once("://").unwrap_or_default();
        Ok(PublicUrl { url: text.to_owned(), host: host.to_owned() })
    }

    /// Whether whoever negotiates with that `Host` and query is sent here first. Stock clients
    /// negotiate again at the URL that they are given, and go on for as long as they are given one.
    pub(crate) fn is_elsewhere(&self, host: Option<&str>, query: &str) -> bool {
        let is_here = host.is_some_and(|host| host.eq_ignore_ascii_case(&self.host));
        !is_here && query::value(query, MARK).is_none()
    }

    /// The body of the answer, for the bearer of that token.
    pub(crate) fn body(&self, token: Token<'_>) -> Vec<u8> {
        let mut body = Vec::new();
        negotiate::encode_redirect(&format!("{}?{MARK}=1", self.url), token.reveal(), &mut body);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_sent_on_once_and_not_where_it_is_already() {
        let url = PublicUrl::parse("https://Node-1.example.com:443/rte", "/rte").unwrap();
        assert!(url.is_elsewhere(Some("rte.example.com"), "negotiateVersion=1"));
        assert!(url.is_elsewhere(None, ""));
        assert!(!url.is_elsewhere(Some("NODE-1.example.com"), "negotiateVersion=1"));
        assert!(!url.is_elsewhere(Some("127.0.0.1:8080"), "direct=1&negotiateVersion=1"), "whatever a proxy calls it");
        assert_eq!(
            String::from_utf8(url.body(Token::new("a.b.c"))).unwrap(),
            r#"{"url":"https://Node-1.example.com:443/rte?direct=1","accessToken":"a.b.c"}"#
        );
    }

    #[test]
    fn a_url_is_one_of_this_hub() {
        for wrong in [
            "",
            "/rte",
            "node-1/rte",
            "wss://node-1/rte",
            "https://node-1",
            "https://node-1/rte?x",
            "https:///rte",
            "https://*.a/rte",
        ] {
            assert!(PublicUrl::parse(wrong, "/rte").is_err(), "{wrong}");
        }
        assert!(PublicUrl::parse("http://127.0.0.1:8081/rte", "/rte").is_ok());
    }
}
