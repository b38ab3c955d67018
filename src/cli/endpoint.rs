//! Where a hub is: the URLs that commands take.

/// A hub's address, from `http://host[:port][/path][?query]`, or the same with `ws`, `https` or
/// `wss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or an address, without the brackets of an IPv6 address.
    pub host: String,
    /// Where the URL has none: 80, or 443 with TLS.
    pub port: u16,
    /// Whether the hub, or what is in front of it, speaks TLS.
    pub is_tls: bool,
    /// Empty, or starts with a slash.
    path: String,
    /// Empty, or starts with a question mark.
    query: String,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence for the caller: what is wrong with the URL, and what to write.
    pub(crate) fn parse(url: &str) -> Result<Endpoint, String> {
        let (scheme, rest) = url.split_once("://").ok_or("write it in full, such as http://127.0.0.1:8080")?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(format!("unknown scheme {scheme}: http, https, ws and wss are known")),
        };
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains('#') {
            return Err("blanks, fragments and characters beyond ASCII have no place in it".to_owned());
        }
        let target_at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(target_at).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("user and password have no place in it: give a token".to_owned());
        }
        let (host, port) = split_authority(authority)?;
        let port = port.unwrap_or(if is_tls { 443 } else { 80 });
        let query_at = target.find('?').unwrap_or(target.len());
        let (path, query) = target.split_at_checked(query_at).unwrap_or((target, ""));
        Ok(Endpoint { host: host.to_owned(), port, is_tls, path: path.to_owned(), query: query.to_owned() })
    }

    /// Returns the same hub; `path` where the URL named none.
    pub(crate) fn or_path(mut self, path: &str) -> Endpoint {
        if self.path.is_empty() || self.path == "/" {
            self.path = path.to_owned();
        }
        self
    }

    /// Returns the same hub without a path, where that is this one.
    pub(crate) fn without_path(mut self, path: &str) -> Endpoint {
        if self.path.trim_end_matches('/') == path {
            self.path.clear();
        }
        self
    }

    /// Returns the same hub without path and query.
    pub fn root(&self) -> Endpoint {
        Endpoint { path: String::new(), query: String::new(), ..self.clone() }
    }

    /// Returns the URL for HTTP, with `segment` behind the path (SignalR: `/negotiate`) and
    /// `parameter` in the query.
    pub fn http_url(&self, segment: &str, parameter: Option<&str>) -> String {
        self.url(if self.is_tls { "https" } else { "http" }, segment, parameter)
    }

    /// Returns the URL for a WebSocket, with `parameter` in the query.
    pub fn ws_url(&self, parameter: Option<&str>) -> String {
        self.url(if self.is_tls { "wss" } else { "ws" }, "", parameter)
    }

    /// `host:port`, as a person reads it.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn url(&self, scheme: &str, segment: &str, parameter: Option<&str>) -> String {
        let path = match (segment, self.path.as_str()) {
            ("", "") => "/",
            ("", path) => path,
            (_, path) => path.trim_end_matches('/'),
        };
        let mark = match (parameter, self.query.len()) {
            (None, _) | (_, 1) => "",
            (Some(_), 0) => "?",
            (Some(_), _) => "&",
        };
        let parameter = parameter.unwrap_or_default();
        format!("{scheme}://{}{path}{segment}{}{mark}{parameter}", self.authority(), self.query)
    }
}

fn split_authority(authority: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("the [ of an IPv6 address is not closed")?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => authority.split_once(':').map_or((authority, Some("")), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    match port {
        Some("") => Ok((host, None)),
        Some(port) => {
            let port = port.parse().map_err(|_| format!("{port:?} is no port"))?;
            Ok((host, Some(port)))
        }
        None => Err("behind the ] of an IPv6 address only :port can stand".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart_and_together_again() {
        let hub = Endpoint::parse("ws://127.0.0.1:8080").unwrap().or_path("/rte");
        assert_eq!((hub.host.as_str(), hub.port), ("127.0.0.1", 8080));
        assert_eq!(
            hub.http_url("/negotiate", Some("negotiateVersion=1")),
            "http://127.0.0.1:8080/rte/negotiate?negotiateVersion=1"
        );
        assert_eq!(hub.ws_url(Some("id=abc")), "ws://127.0.0.1:8080/rte?id=abc");

        let hub = Endpoint::parse("HTTP://[::1]/hubs/rte/?tenant=a").unwrap().or_path("/rte");
        assert_eq!((hub.host.as_str(), hub.port), ("::1", 80));
        assert_eq!(hub.http_url("/negotiate", Some("v=1")), "http://[::1]:80/hubs/rte/negotiate?tenant=a&v=1");
        assert_eq!(hub.ws_url(None), "ws://[::1]:80/hubs/rte/?tenant=a");

        let hub = Endpoint::parse("http://hub.example?").unwrap();
        assert_eq!(hub.ws_url(Some("id=1")), "ws://hub.example:80/?id=1");

        for (url, publish) in [("/rte", "/publish"), ("/rte/", "/publish"), ("/hub/rte", "/hub/rte"), ("", "/publish")]
        {
            let hub = Endpoint::parse(&format!("http://hub.example{url}")).unwrap();
            let hub = hub.without_path("/rte").or_path("/publish");
            assert_eq!(hub.http_url("", None), format!("http://hub.example:80{publish}"), "{url}");
        }

        for url in ["https://hub.example/rte?tenant=a", "WSS://hub.example:443/rte?tenant=a"] {
            let hub = Endpoint::parse(url).unwrap();
            assert_eq!(hub.http_url("/negotiate", None), "https://hub.example:443/rte/negotiate?tenant=a");
            assert_eq!(hub.ws_url(Some("id=1")), "wss://hub.example:443/rte?tenant=a&id=1");
            assert_eq!(hub.root().or_path("/publish").http_url("", None), "https://hub.example:443/publish");
        }
    }

    #[test]
    fn each_wrong_url_is_told_what_is_wrong_with_it() {
        for (url, part) in [
            ("127.0.0.1:8080", "in full"),
            ("ftp://hub", "unknown scheme ftp"),
            ("http://", "no host"),
            ("http://:80", "no host"),
            ("http://hub:eighty", "no port"),
            ("http://hub:65536", "no port"),
            ("http://[::1", "not closed"),
            ("http://[::1]8080", "only :port"),
            ("http://me:secret@hub", "no place"),
            ("http://hub/a b", "no place"),
            ("http://hub/#top", "no place"),
        ] {
            let reason = Endpoint::parse(url).unwrap_err();
            assert!(reason.contains(part), "{url}: {reason}");
        }
    }
}
