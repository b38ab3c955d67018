//! Request targets (RFC 9112 section 3.2).

/// Returns path and query of a target in origin-form or absolute-form; `*`, where it may be that.
pub(super) fn split(target: &str, may_be_asterisk: bool) -> Option<(&str, &str)> {
    if target == "*" && may_be_asterisk {
        return Some((target, ""));
    }
    // RFC 9112 section 3.2.2: "A server MUST accept the absolute-form in requests". No route
    // depends on the authority, so it is passed over.
    let origin = if target.starts_with('/') { target } else { after_authority(target)? };
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    // RFC 9110 section 4.2.3: an empty path is equivalent to "/".
    Some((if path.is_empty() { "/" } else { path }, query))
}

/// Returns what follows `scheme://authority` of an absolute URI.
fn after_authority(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, origin) = rest.split_at_checked(end)?;
    let has_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (has_scheme && !authority.is_empty()).then_some(origin)
}
