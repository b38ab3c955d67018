//! The HTTP client of the commands.

use super::credential::Bearer;
use super::failure::Failure;
use super::trust;
use crate::shell::roots::Roots;
use std::time::Duration;

/// How long a connection may take to come about.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a whole request may take, from the first byte out to the last one in.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read; a hub's longest, to a publish, has 4 MiB.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Posts to a hub, over one kept connection. Proxies that the environment names are left aside: a
/// token must reach the hub only.
pub struct HttpClient {
    agent: ureq::Agent,
    roots: Roots,
}

/// What a hub answered.
#[derive(Debug)]
pub(crate) struct Response {
    /// The HTTP status.
    pub(crate) status: u16,
    /// How long to wait, where it says so (RFC 9110 section 10.2.3; a date is passed over).
    pub(crate) retry_after: Option<Duration>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl HttpClient {
    /// Returns a client without connections yet, which trusts these.
    pub fn new(roots: Roots) -> HttpClient {
        let config = ureq::Agent::config_builder()
            .tls_config(roots.for_http())
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("rte/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT))
            .build();
        HttpClient { agent: config.new_agent(), roots }
    }

    /// Returns whom it trusts.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Posts `body` and reads the answer, whatever its status is, except that of a refused token.
    ///
    /// # Errors
    /// [`Failure::Connection`] where no answer comes, [`Failure::Token`] for 401 and 403.
    pub(crate) fn post(
        &self,
        url: &str,
        token: &Bearer,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Response, Failure> {
        let mut request = self.agent.post(url).header("authorization", token.header());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let no_answer = |error: ureq::Error| {
            Failure::Connection(format!("no answer from {}: {}", host_of(url), trust::why_not_http(&error)))
        };
        let mut response = request.send(body).map_err(no_answer)?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(no_answer)?;
        match status {
            401 => Err(Failure::Token(said("the hub does not accept the token (401)", &body))),
            403 => Err(Failure::Token(said("the token does not allow this (403)", &body))),
            _ => Ok(Response { status, retry_after, body }),
        }
    }
}

impl Response {
    /// Returns the status with what the hub said about it.
    pub(crate) fn sentence(&self) -> String {
        said(&format!("the hub answered {}", self.status), &self.body)
    }
}

/// `what`, and the start of a short text behind it.
fn said(what: &str, body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") }
}

/// Returns the URL up to its path: a query could hold what should not be shown.
fn host_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(after_scheme..).and_then(|rest| rest.find(['/', '?'])).map_or(url.len(), |at| after_scheme + at);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_hub_and_nothing_of_the_query() {
        assert_eq!(host_of("http://[::1]:8080/rte/negotiate?access_token=x"), "http://[::1]:8080");
        assert_eq!(host_of("http://hub?x=1"), "http://hub");
        assert_eq!(host_of("http://hub"), "http://hub");
    }

    #[test]
    fn nobody_listening_is_a_failed_connection() {
        // Port 1 of the loopback has no listener on any machine that runs tests.
        let failure = HttpClient::new(Roots::default())
            .post("http://127.0.0.1:1/publish", &"t".parse().unwrap(), None, b"")
            .unwrap_err();
        assert_eq!(failure.exit_code(), 3);
        let sentence = failure.sentence().unwrap();
        assert!(sentence.starts_with("no answer from http://127.0.0.1:1: "), "{sentence}");
        assert!(sentence.ends_with("nobody listens there: --url names another hub"), "{sentence}");
    }
}
