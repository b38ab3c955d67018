//! The pages, as browsers load them.

use crate::support::Hub;

const ON: &str = "pages.enabled=true";
const PAGES: [&str; 6] = ["/", "/wall", "/desk", "/try", "/guide", "/guide/clients"];

#[test]
fn there_are_no_pages_unless_they_are_switched_on() {
    let hub = Hub::start();
    for path in PAGES.into_iter().chain(["/pages/page.css"]) {
        let reply = hub.request(&format!("GET {path}"), &[], "");
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.body.contains("the hub is at /rte"), "{}", reply.body);
    }
}

#[test]
fn a_page_loads_nothing_but_what_this_hub_has_and_is_sent_once() {
    let hub = Hub::start_with(&[ON]);
    let parts = [
        ("/pages/page.css", "text/css; charset=utf-8"),
        ("/pages/page.mjs", "text/javascript; charset=utf-8"),
        ("/pages/hub.mjs", "text/javascript; charset=utf-8"),
        ("/pages/icon.svg", "image/svg+xml"),
        ("/pages/manual.mjs", "text/javascript; charset=utf-8"),
        ("/pages/guide/clients.md", "text/markdown; charset=utf-8"),
        ("/favicon.ico", "image/svg+xml"),
    ];
    for (path, content_type) in PAGES.map(|path| (path, "text/html; charset=utf-8")).into_iter().chain(parts) {
        let reply = hub.request(&format!("GET {path}"), &[], "");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(content_type)), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        let tag = reply.header("etag").unwrap();
        let again = hub.request(&format!("GET {path}"), &[&format!("If-None-Match: {tag}")], "");
        assert_eq!((again.status, again.header("content-security-policy")), (304, Some(policy)), "{path}");
        assert_eq!(hub.request(&format!("POST {path}"), &[], "").status, 405, "{path}");
    }
    for path in ["/pages/", "/pages/mod.rs", "/pages/../wall"] {
        assert_eq!(hub.request(&format!("GET {path}"), &[], "").status, 404, "{path}");
    }
}

#[test]
fn every_file_of_the_folder_is_served_as_it_is_and_what_it_names_is_there() {
    let hub = Hub::start_with(&[ON]);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // What the pages begin with is a part of each of them.
    let is_served = |file: &std::path::PathBuf| {
        !["mod.rs", "guide.rs", "head.html", "top.html"].iter().any(|part| file.ends_with(part))
    };
    for file in files.filter(is_served) {
        let own = std::fs::read_to_string(&file).unwrap();
        let path = format!("/pages/{}", file.file_name().unwrap().to_str().unwrap());
        let text = hub.request(&format!("GET {path}"), &[], "").body;
        let is_page = path.ends_with(".html");
        assert!(if is_page { text.ends_with(&own) && text.starts_with("<!DOCTYPE") } else { text == own }, "{path}");
        for named in text.split('"').filter(|part| part.starts_with("/pages/")) {
            assert_eq!(hub.request(&format!("GET {named}"), &[], "").status, 200, "{path} names {named}");
        }
    }
}

#[test]
fn pages_are_told_where_the_hub_is() {
    let hub = Hub::start_with(&[ON, "server.path=/hubs/live"]);
    let module = hub.request("GET /pages/hub.mjs", &[], "").body;
    assert_eq!(module, "export const HUB = \"/hubs/live\";\nexport const METRICS = true;\n");
}

#[test]
fn pages_are_at_the_public_listener_where_there_are_two() {
    let hub = Hub::start_with(&[ON, "server.internal=127.0.0.1:0", "server.public_documents=true"]);
    for path in PAGES.into_iter().chain(["/client.mjs", "/events.mjs"]) {
        assert_eq!(hub.request(&format!("GET {path}"), &[], "").status, 200, "{path}");
    }
    // What the pages ask for is there.
    assert!(hub.request("GET /pages/hub.mjs", &[], "").body.ends_with("export const METRICS = false;\n"));
    let inside = hub.request_inside("GET /wall", &[], "");
    assert!(inside.status == 404 && inside.body.contains("server.listen"), "{inside:?}");
}
