//! Documents made from the catalogue, as browsers and tools fetch them.

use crate::support::Hub;

const DOCUMENTS: [(&str, &str); 10] = [
    ("/schemas/v1/QueueStatus.json", "application/schema+json"),
    ("/schemas/index.json", "application/json"),
    ("/schemas/v1/bundle.json", "application/schema+json"),
    ("/openapi.json", "application/vnd.oai.openapi+json;version=3.1"),
    ("/asyncapi.json", "application/vnd.aai.asyncapi+json;version=3.0.0"),
    ("/events.d.ts", "application/typescript; charset=utf-8"),
    ("/events.mjs", "text/javascript; charset=utf-8"),
    ("/events.cs", "text/plain; charset=utf-8"),
    ("/reference", "text/html; charset=utf-8"),
    ("/reference.md", "text/markdown; charset=utf-8"),
];

#[test]
fn documents_need_no_token_have_their_types_and_are_sent_once() {
    let hub = Hub::start();
    for (path, content_type) in DOCUMENTS {
        let reply = hub.request(&format!("GET {path}"), &[], "");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(content_type)), "{path}");
        let tag = reply.header("etag").unwrap();
        let again = hub.request(&format!("GET {path}"), &[&format!("If-None-Match: {tag}")], "");
        assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(tag)), "{path}");
        let posted = hub.request(&format!("POST {path}"), &[], "");
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{path}");
    }
}

#[test]
fn pages_of_all_origins_may_read_documents_though_others_may_not_use_the_hub() {
    let hub = Hub::start_with(&["cors.origins=https://app.example"]);
    for origin in ["https://app.example", "https://other.example"] {
        let origin = format!("Origin: {origin}");
        for line in ["GET /reference", "GET /schemas/Queue.json", "OPTIONS /schemas/QueueStatus.json"] {
            let asked =
                ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: if-none-match", &origin];
            let reply = hub.request(line, &asked, "");
            assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{line} {origin}");
            assert!(reply.status < 300 || line.contains("Queue.json"), "{line}: {}", reply.status);
        }
    }
}

#[test]
fn the_wire_case_configured_is_the_case_served() {
    let hub = Hub::start_with(&["catalogue.wire_case=documented"]);
    for (path, documented, camel) in [
        ("/schemas/QueueStatus.json", "\"MaxWaitTime\": {", "\"maxWaitTime\""),
        ("/schemas/index.json", "\"MaxWaitTime\"", "\"maxWaitTime\""),
        ("/asyncapi.json", "\"MaxWaitTime\": 74", "\"maxWaitTime\""),
        ("/events.d.ts", "  MaxWaitTime: number;", "maxWaitTime"),
        ("/events.cs", "[JsonPropertyName(\"MaxWaitTime\")]", "maxWaitTime"),
        ("/reference.md", "| `MaxWaitTime` | long |", "maxWaitTime"),
        ("/reference", "id=\"QueueStatus.MaxWaitTime\"", "maxWaitTime"),
    ] {
        let reply = hub.request(&format!("GET {path}"), &[], "");
        assert!(reply.body.contains(documented) && !reply.body.contains(camel), "{path}");
    }
}

#[test]
fn every_method_that_is_described_answers_as_described() {
    let hub = Hub::start();
    let document = hub.request("GET /asyncapi.json", &[], "").json();
    let mut client = hub.client();
    let operations = document["operations"].as_object().unwrap().values();
    let methods: Vec<&str> = operations
        .filter(|operation| operation["action"] == "receive")
        .map(|operation| operation["title"].as_str().unwrap())
        .collect();
    assert_eq!(methods.len(), 7);
    for method in methods {
        let argument = &document["components"]["messages"][method]["payload"]["type"];
        let token = format!("[\"{}\"]", hub.client_token());
        let arguments = match argument.as_str() {
            Some("array") => "[[]]",
            Some("string") => &token,
            _ => "[]",
        };
        let answer: serde_json::Value = serde_json::from_str(&client.invoke(method, arguments)).unwrap();
        let result = &document["components"]["messages"][format!("{method}Result")]["payload"]["type"];
        assert_eq!(answer["result"].is_array(), result == "array", "{method}: {answer}");
        assert!(answer["error"].is_null(), "{answer}");
    }
}
