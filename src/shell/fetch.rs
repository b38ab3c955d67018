//! Fetches the text of a key set, over TLS unless it is on this machine.

use super::roots::Roots;
use crate::auth::keys::Keys;
use crate::limits::{KEY_SET_BYTES_MAX, KEY_SET_MS};
use std::sync::OnceLock;
use std::time::Duration;
use ureq::http::Uri;

/// A key set that moves is followed so many times.
const REDIRECTS_MAX: u32 = 3;

/// Whether a key set may be at that address: `https`, or `http` on this machine. Over anything else
/// whoever is in between could put a key of their own into the set, and be everybody.
///
/// # Errors
/// A sentence.
pub fn check_address(url: &str) -> Result<(), String> {
    let uri: Uri =
        url.parse().map_err(|_| "this is no address such as \"https://id.example.com/jwks.json\"".to_owned())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("this is no whole address such as \"https://id.example.com/jwks.json\"".to_owned());
    };
    if authority.as_str().contains('@') {
        return Err("a name and a password have no place in an address".to_owned());
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_here(authority.host()) => Ok(()),
        "http" => {
            Err("this must be https, unless it is on this machine: whoever is in between could add keys".to_owned())
        }
        _ => Err("this must be an https address".to_owned()),
    }
}

/// Whether a host is this machine by its very name.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: core::net::IpAddr| address.is_loopback())
}

/// An address for people: what stands in a query may be secret.
pub fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// Fetches texts. It asks the system for its certificates when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Fetcher {
    agent: OnceLock<ureq::Agent>,
}

impl Fetcher {
    /// The text at `url`.
    ///
    /// # Errors
    /// Why there is none, without the address.
    pub(crate) fn fetch(&self, url: &str) -> Result<String, String> {
        let is_tls = url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let agent = self.agent.get_or_init(agent);
        // What is trusted because it is on this machine must not lead away from it.
        let request = agent.get(url).config().https_only(is_tls).max_redirects(if is_tls { REDIRECTS_MAX } else { 0 });
        let mut response = request.build().call().map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(format!("the answer is {status}"));
        }
        let body = response.body_mut().with_config().limit(KEY_SET_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| error.to_string())?;
        String::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())
    }
}

/// These keys, and those of all their addresses, fetched now; and what can't be had.
pub fn fetched_keys(keys: &Keys) -> (Keys, Vec<String>) {
    let (fetcher, mut fetched, mut complaints) = (Fetcher::default(), keys.clone(), Vec::new());
    for url in keys.urls() {
        let text = fetcher.fetch(url);
        match text.and_then(|text| fetched.with_set(url, &text).map_err(|problem| problem.to_string())) {
            Ok(next) => fetched = next,
            Err(why) => complaints.push(format!("{}: {why}", shown(url))),
        }
    }
    (fetched, complaints)
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .tls_config(Roots::of_this_machine().for_http())
        .http_status_as_error(false)
        .max_redirects_will_error(true)
        // A connection that was kept for a quarter of an hour is dead at the other end.
        .max_idle_connections(0)
        .user_agent(concat!("rte/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(Duration::from_millis(KEY_SET_MS)))
        .build();
    config.new_agent()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_set_is_at_an_https_address_or_on_this_machine() {
        for url in [
            "https://id.example.com/realms/x/protocol/openid-connect/certs",
            "HTTPS://id.example.com:8443/",
            "http://127.0.0.1:8080/jwks",
            "http://localhost/jwks",
            "http://[::1]:9/jwks",
        ] {
            assert_eq!(check_address(url), Ok(()), "{url}");
        }
        for url in [
            "",
            "id.example.com/jwks",
            "/jwks",
            "https://",
            "ftp://id.example.com/jwks",
            "file:///etc/jwks",
            "http://id.example.com/jwks",
            "http://localhost.example.com/jwks",
            "http://10.0.0.1/jwks",
            "https://user:word@id.example.com/jwks",
        ] {
            assert!(check_address(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        assert_eq!(shown("https://id.example.com/jwks?key=hidden#x"), "https://id.example.com/jwks");
    }
}
