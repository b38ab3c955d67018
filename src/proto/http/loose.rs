//! Heads that are not good or not whole, as far as an answer needs them.

/// Returns the first line that looks like that header, in a head that is not good or not whole.
///
/// Good for the answer that says so, which a page can only read where its `Origin` is known, and
/// for nothing else. One with a control character is none (RFC 9110 section 5.5).
pub(crate) fn loose_header<'b>(bytes: &'b [u8], name: &str) -> Option<&'b str> {
    let lines = bytes.split(|&byte| byte == b'\n').skip(1).take_while(|line| !line.trim_ascii().is_empty());
    let mut values = lines.filter_map(|line| {
        let (header, value) = line.split_at_checked(line.iter().position(|&byte| byte == b':')?)?;
        header.eq_ignore_ascii_case(name.as_bytes()).then_some(value.get(1..)?)
    });
    std::str::from_utf8(values.next()?.trim_ascii()).ok().filter(|value| !value.contains(char::is_control))
}

/// Returns the path of a head that is not good or not whole, as far as its first line tells it.
pub(crate) fn loose_path(bytes: &[u8]) -> Option<&str> {
    let line = bytes.trim_ascii_start().split(|&byte| byte == b'\n').next()?;
    let target = core::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?;
    target.split('?').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_in_a_head_that_is_cut_or_no_good() {
        let origin = |text: &'static str| loose_header(text.as_bytes(), "origin");
        assert_eq!(origin("GET / HTTP/9\r\nHost: h\r\nORIGIN:  https://a.example \r\nX"), Some("https://a.example"));
        assert_eq!(origin("GET / HTTP/1.1\nno header\nOrigin:https://a.example"), Some("https://a.example"));
        for none in ["Origin: https://a.example", "GET /\r\n\r\nOrigin: x\r\n", "GET /\r\nOrigin", "", "\n\n"] {
            assert_eq!(origin(none), None, "{none:?}");
        }
        assert_eq!(["GET /\nOrigin: a\x04", "GET /\nOrigin: a\rX: y\n"].map(origin), [None, None]);
    }

    #[test]
    fn a_bad_head_tells_its_path_where_its_first_line_has_one() {
        let path = |text: &'static str| loose_path(text.as_bytes());
        assert_eq!(path("\r\nGET /rte?x=1 HTTP/9\r\nno header"), Some("/rte"));
        assert_eq!((path("GET /rte"), path("GET"), path(""), path("GET\n/rte")), (Some("/rte"), None, None, None));
        assert_eq!(loose_path(b"GET /\xFF HTTP/1.1\r\n"), None);
    }
}
