//! Documents made from the catalogue: schemas, typings, references. Public: no token, any origin.
//! And the pages, which are public, too, for those who load them from here.

use super::open_api;
use super::routes::Entrance;
use crate::limits::LIST_ELEMENTS_MAX;
use crate::pages;
use crate::proto::http::head::Head;
use crate::proto::http::query;
use crate::proto::http::reply::{Body, Reply};
use crate::schema::artefacts::Artefact;
use crate::schema::{Catalogue, names};

/// A minute: a catalogue changes with a reload at most, and after that a copy is asked about with
/// its `ETag`.
const CACHE_CONTROL: &str = "public, max-age=60";

/// `GET` and `HEAD` of one of the documents that the route table names, by its path among the
/// catalogue's artefacts.
pub(crate) fn document(path: &str, head: &Head<'_>, catalogue: &Catalogue) -> Reply {
    reply(catalogue.artefact(path).ok_or_else(|| "no such document".to_owned()), head)
}

/// `GET` and `HEAD` of what `name` is below the folder of schemas.
///
/// `{Event}.json` is the same as `v1/{Event}.json`; `?closed=1` gives the schemas that refuse
/// properties which they do not name, for publishers' own tests. A wrong name is told the nearest
/// one.
pub(crate) fn schema(name: &str, head: &Head<'_>, catalogue: &Catalogue) -> Reply {
    let is_closed = query::value(head.query, "closed").is_some_and(|value| value == "1");
    reply(find_schema(name, is_closed, catalogue), head)
}

/// `GET` and `HEAD` of the description of the routes, for a hub at that path.
pub(crate) fn open_api(hub: &str, head: &Head<'_>) -> Reply {
    open_api::with(hub, |document| whole_or_not_modified(document, head))
}

/// What a browser may do for a page: load what this hub has, and connect to it. No text that a
/// script has becomes markup, and no other page frames this one (CSP level 3; Trusted Types).
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                           require-trusted-types-for 'script'; trusted-types 'none'";

/// `GET` and `HEAD` of a page, or of what pages load, by its path among their files; for a hub at
/// that path, of whoever came in by that listener.
pub(crate) fn page(path: &str, hub: &str, entrance: Entrance, head: &Head<'_>) -> Reply {
    let reply = match pages::find(path) {
        Some(file) => whole_or_not_modified(file, head),
        None if path == pages::HUB_MODULE => {
            whole_or_not_modified(&pages::hub_module(hub, entrance == Entrance::Only), head)
        }
        None => return Reply::text(404, "no such part of a page"),
    };
    reply
        .with("Content-Security-Policy", PAGE_POLICY)
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}

fn reply(found: Result<&Artefact, String>, head: &Head<'_>) -> Reply {
    match found {
        Ok(artefact) => whole_or_not_modified(artefact, head),
        Err(sentence) => Reply::text(404, sentence),
    }
}

/// Returns the document of a name below `/schemas/`, or a sentence that helps.
fn find_schema<'c>(name: &str, is_closed: bool, catalogue: &'c Catalogue) -> Result<&'c Artefact, String> {
    let folder = catalogue.schema_folder();
    let version = folder.trim_start_matches("schemas/");
    let name = name.strip_prefix(version).unwrap_or(name);
    let path = format!("{folder}{name}");
    let closed = if is_closed { catalogue.closed_schema(&path) } else { None };
    if let Some(artefact) = closed.or_else(|| catalogue.artefact(&path)) {
        return Ok(artefact);
    }
    let Some(name) = name.strip_suffix(".json") else {
        return Err(format!("schemas are at /{folder}{{EventName}}.json"));
    };
    let candidates = catalogue.available_subscriptions().chain(["bundle", "index"]);
    Err(match names::nearest(name, candidates) {
        Some(nearest) => format!("no such schema; did you mean {nearest}.json?"),
        None => format!("no such schema; /{folder}index.json lists them"),
    })
}

/// Returns the document, or 304 where the requester has it (RFC 9110 section 15.4.5: with the
/// headers that a 200 would update it with).
fn whole_or_not_modified(artefact: &Artefact, head: &Head<'_>) -> Reply {
    let tag = format!("\"{}\"", artefact.sha256);
    // Weak tags count: a proxy that compresses makes them (RFC 9110 section 13.1.2).
    let is_it = |listed: &[u8]| listed == b"*" || listed.strip_prefix(b"W/").unwrap_or(listed) == tag.as_bytes();
    let has_it = head.list("if-none-match").take(LIST_ELEMENTS_MAX).any(is_it);
    let reply = if has_it {
        Reply::new(304, "", Body::Static(b""))
    } else {
        Reply::new(200, artefact.content_type, Body::Shared(artefact.bytes.clone()))
    };
    reply.with("ETag", tag).with("Cache-Control", CACHE_CONTROL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::{self, Gate, Public};
    use crate::proto::Status;
    use crate::proto::http::head::parse_head;

    /// Returns the reply to `GET path` with these further header lines.
    fn get(target: &str, headers: &str, catalogue: &Catalogue) -> Reply {
        let request = format!("GET {target} HTTP/1.1\r\nHost: rte\r\n{headers}\r\n").into_bytes();
        let Ok(Status::Complete(head)) = parse_head(&request, 8192, 64) else { panic!("{target}") };
        let found = routes::find(head.path, "/rte").unwrap();
        match found.route.gate {
            Gate::Open(Public::Document(path)) => document(path, &head, catalogue),
            Gate::Open(Public::Schema) => schema(&found.rest, &head, catalogue),
            Gate::Open(_) | Gate::Client(_) | Gate::Publisher | Gate::Either | Gate::Admin => panic!("{target}"),
        }
    }

    fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
        reply.headers.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value.as_ref())
    }

    #[test]
    fn every_artefact_is_served_under_its_path_and_the_short_ones() {
        let catalogue = Catalogue::built_in(None);
        for artefact in catalogue.artefacts() {
            let full = format!("/{}", artefact.path);
            for target in [full.clone(), full.replace("/v1/", "/"), full.replace("reference.html", "reference")] {
                let reply = get(&target, "", &catalogue);
                assert_eq!((reply.status, reply.content_type), (200, artefact.content_type), "{target}");
                assert_eq!(reply.body.bytes(), &*artefact.bytes, "{target}");
                assert!(matches!(reply.body, Body::Shared(_)), "{target}");
            }
        }
    }

    #[test]
    fn who_has_the_document_is_told_so() {
        let catalogue = Catalogue::built_in(None);
        let first = get("/schemas/v1/QueueStatus.json", "", &catalogue);
        let tag = header(&first, "ETag").unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 66, "{tag}");
        for tags in [tag.clone(), format!("W/{tag}"), format!("\"a\", {tag}"), "*".to_owned()] {
            let reply = get("/schemas/QueueStatus.json", &format!("If-None-Match: {tags}\r\n"), &catalogue);
            assert_eq!((reply.status, reply.body.bytes().len(), reply.content_type), (304, 0, ""), "{tags}");
            assert_eq!(header(&reply, "ETag"), Some(tag.as_str()));
            assert_eq!(header(&reply, "Cache-Control"), Some(CACHE_CONTROL));
        }
        let twice = format!("If-None-Match: \"a\"\r\nIf-None-Match: {tag}\r\n");
        assert_eq!(get("/schemas/QueueStatus.json", &twice, &catalogue).status, 304);
        let other = format!("If-None-Match: \"{}\"\r\n", "0".repeat(64));
        assert_eq!(get("/schemas/QueueStatus.json", &other, &catalogue).status, 200);
    }

    #[test]
    fn closed_schemas_are_another_document_with_another_tag() {
        let catalogue = Catalogue::built_in(None);
        for name in ["QueueStatus", "bundle"] {
            let open = get(&format!("/schemas/{name}.json"), "", &catalogue);
            let closed = get(&format!("/schemas/v1/{name}.json?closed=1"), "", &catalogue);
            assert_ne!(header(&open, "ETag"), header(&closed, "ETag"));
            let refuses =
                |reply: &Reply| String::from_utf8_lossy(reply.body.bytes()).contains("\"additionalProperties\": false");
            assert!(refuses(&closed) && !refuses(&open), "{name}");
        }
        assert_eq!(get("/schemas/index.json?closed=1", "", &catalogue).status, 200);
        assert_eq!(
            get("/schemas/QueueStatus.json?closed=0", "", &catalogue).body.bytes(),
            get("/schemas/QueueStatus.json", "", &catalogue).body.bytes()
        );
    }

    #[test]
    fn a_wrong_name_is_told_the_nearest_one_and_never_repeated() {
        let catalogue = Catalogue::built_in(None);
        let told = [
            ("/schemas/queuestatus.json", "no such schema; did you mean QueueStatus.json?"),
            ("/schemas/v1/QueueStatsu.json", "no such schema; did you mean QueueStatus.json?"),
            ("/schemas/v1/bundel.json", "no such schema; did you mean bundle.json?"),
            ("/schemas/v1/zzz.json", "no such schema; /schemas/v1/index.json lists them"),
            ("/schemas/v2/zzz", "schemas are at /schemas/v1/{EventName}.json"),
            ("/schemas", "schemas are at /schemas/v1/{EventName}.json"),
            ("/schemas/", "schemas are at /schemas/v1/{EventName}.json"),
        ];
        for (target, sentence) in told {
            let reply = get(target, "", &catalogue);
            assert_eq!((reply.status, reply.body.bytes()), (404, sentence.as_bytes()), "{target}");
        }
    }
}
