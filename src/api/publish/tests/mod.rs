mod envelopes;
mod portions;

use super::*;
use crate::auth::grant::Grant;
use crate::auth::token::Tenancy;
use crate::limits::Limits;
use crate::proto::Status;
use crate::proto::http::head::parse_head;
use crate::schema::Catalogue;
use crate::schema::guid;
use crate::schema::validate::{Mode, Violation};
use crate::schema::{EntityRule, Event};
use serde_json::{Value as Json, json};
use std::sync::{Arc, LazyLock};

const ORGANIZATION: &str = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59";
const OTHER: &str = "1c9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a60";
const USER: &str = "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3";
const ZERO: &str = "00000000-0000-0000-0000-000000000000";

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::built_in(None));

fn uuid(text: &str) -> Uuid {
    guid::parse(text).unwrap()
}

/// Keeps what it gets; apart, the topics of what is for those only who have had a key. And how much
/// work it was.
#[derive(Default)]
struct Published(Vec<(Topic, String, Provenance)>, Vec<Topic>, usize);

impl Sink for Published {
    fn publish(&mut self, made: Made<'_>) {
        if made.provenance == Provenance::Withdrawn {
            return self.1.push(made.topic);
        }
        self.0.push((made.topic, String::from_utf8(made.data.to_vec()).unwrap(), made.provenance));
    }

    fn takes_more(&mut self, work: usize) -> bool {
        self.2 += work;
        true
    }
}

/// A hub and a publisher, to be varied.
struct World {
    options: Options,
    limits: Limits,
    principal: Principal,
}

impl World {
    /// Strict, many organizations; the publisher has scope `publish` and belongs to none.
    fn new() -> World {
        let principal = Principal {
            user: None,
            organization: None,
            publisher: None,
            may_publish: true,
            is_admin: false,
            is_backend: false,
            grants: Arc::default(),
            foreign_grants: 0,
            expires_unix_s: 0,
            marks: crate::auth::marks::Marks::default(),
        };
        World { options: Options::default(), limits: Limits::DEFAULT, principal }
    }

    fn lenient(mut self) -> World {
        self.options.validation = Mode::Lenient;
        self
    }

    fn of(mut self, organization: &str) -> World {
        self.principal.organization = Some(uuid(organization));
        self
    }

    fn post(&self, content_type: &str, query: &str, body: &[u8]) -> (Result<Outcome, Refusal>, Published) {
        let mut kept = Published::default();
        let rules = Rules { catalogue: &CATALOGUE, options: &self.options, everybody: &[], limits: &self.limits };
        let head = match RequestHead::of(Some(content_type), query) {
            Ok(head) => head,
            Err(refusal) => return (Err(refusal), kept),
        };
        let outcome =
            publish(Request { head: &head, body }, rules, &self.principal, &mut Scratch::default(), &mut kept);
        (outcome, kept)
    }

    /// Posts JSON in the hub's own form; what it answers and what was delivered.
    fn json(&self, body: &Json) -> (u16, Json, Published) {
        self.text("application/json", &body.to_string())
    }

    fn text(&self, content_type: &str, body: &str) -> (u16, Json, Published) {
        let (outcome, kept) = self.post(content_type, "", body.as_bytes());
        let reply = outcome.unwrap().reply(None);
        assert_eq!(reply.content_type, "application/json");
        (reply.status, serde_json::from_slice(reply.body.bytes()).unwrap(), kept)
    }

    /// Posts one item that is refused: pointer and rule of its errors.
    fn refused(&self, item: &Json) -> Vec<(String, String)> {
        let (status, reply, kept) = self.json(item);
        assert_eq!((status, kept.0.len()), (422, 0), "{reply}");
        assert_eq!((&reply["accepted"], &reply["rejected"]), (&json!(0), &json!(1)));
        errors(&reply["results"][0])
    }

    /// The status and sentence of a request that is refused as a whole.
    fn refused_whole(&self, content_type: &str, query: &str, body: &[u8]) -> (u16, String) {
        let (outcome, kept) = self.post(content_type, query, body);
        assert!(kept.0.is_empty());
        let reply = outcome.unwrap_err().reply();
        (reply.status, String::from_utf8(reply.body.bytes().to_vec()).unwrap())
    }
}

fn errors(result: &Json) -> Vec<(String, String)> {
    let text = |error: &Json, key: &str| error[key].as_str().unwrap().to_owned();
    result["errors"].as_array().unwrap().iter().map(|error| (text(error, "pointer"), text(error, "rule"))).collect()
}

fn pair(pointer: &str, rule: &str) -> Vec<(String, String)> {
    vec![(pointer.to_owned(), rule.to_owned())]
}

/// The first example of an event, as delivered.
fn example(event: &str) -> Json {
    let event = CATALOGUE.event(CATALOGUE.find(event).unwrap());
    serde_json::from_str(&event.examples[0].delivered).unwrap()
}

/// An item with it; the routing property and the organization are set where the event has them.
fn item(event: &str) -> Json {
    json!({ "eventName": event, "data": example(event) })
}

/// An item with one property changed.
fn with(event: &str, property: &str, value: Json) -> Json {
    let mut item = item(event);
    item["data"][property] = value;
    item
}

fn assigned(user: Json) -> Json {
    with("CallbackChanged", "assignedUserId", user)
}

#[test]
fn every_event_of_the_catalogue_is_accepted_by_its_example() {
    let world = World::new();
    for (id, event) in CATALOGUE.events() {
        let mut item = item(&event.name);
        if matches!(event.entity, EntityRule::Publisher) || accepted_entity(event).is_none() {
            item["entityId"] = json!(USER);
        }
        if event.organization.is_none() {
            item["organizationId"] = json!(ORGANIZATION);
        }
        let (status, reply, kept) = world.json(&item);
        assert_eq!(status, 202, "{} {reply}", event.name);
        assert_eq!(reply, json!({ "accepted": 1, "rejected": 0, "results": [] }));
        let (topic, data, provenance) = &kept.0[0];
        assert_eq!((topic.event, *provenance), (id, Provenance::Sent));
        assert_eq!(serde_json::from_str::<Json>(data).unwrap(), example(&event.name));
    }
}

/// The entity that an event's example names.
fn accepted_entity(event: &Event) -> Option<Uuid> {
    let (EntityRule::Property(index) | EntityRule::PropertyOrPublisher(index)) = event.entity else { return None };
    example(&event.name)[&event.properties[index].wire].as_str().map(uuid)
}

#[test]
fn an_id_is_a_text_of_1_to_128_bytes() {
    let world = World::new();
    let with_id = |id: Json| {
        let mut item = item("QueueStatus");
        item["id"] = id;
        item
    };
    for id in [json!("1"), json!("ä".repeat(64)), json!("\u{0}"), Json::Null] {
        assert_eq!(world.json(&with_id(id.clone())).0, 202, "{id}");
    }
    for (id, rule) in [(json!(""), "id"), (json!("x".repeat(129)), "id"), (json!(5), "type"), (json!(["1"]), "type")] {
        assert_eq!(world.refused(&with_id(id.clone())), pair("/id", rule), "{id}");
    }
}

#[test]
fn numbers_and_white_space_arrive_as_they_were_sent() {
    let text = example("QueueStatus").to_string().replace(':', " :\n\t").replace("openStatus", "OpenStatus");
    let start = text.find("maxWaitTime\" :\n\t").unwrap() + "maxWaitTime\" :\n\t".len();
    let end = start + text[start..].find(',').unwrap();
    let text = format!("{}9007199254740993{}", &text[..start], &text[end..]);
    let body = format!(r#" {{"EventName":"queuestatus","data":{text}}} "#);
    let (status, _, kept) = World::new().text("application/json; charset=utf-8", &body);
    assert_eq!((status, kept.0[0].1.as_str()), (202, text.replace("OpenStatus", "openStatus").as_str()));
}

#[test]
fn items_of_one_request_are_delivered_in_order_and_rejected_ones_are_listed() {
    let good = |n: i64| with("QueueStatus", "maxWaitTime", json!(n));
    let bad = with("QueueStatus", "maxWaitTime", json!("7"));
    let (status, reply, kept) = World::new().json(&json!([good(0), bad, good(1), 5, good(2), {}]));
    assert_eq!((status, &reply["accepted"], &reply["rejected"]), (207, &json!(3), &json!(3)));
    let numbers: Vec<Json> =
        kept.0.iter().map(|(_, data, _)| serde_json::from_str::<Json>(data).unwrap()["maxWaitTime"].clone()).collect();
    assert_eq!(numbers, [json!(0), json!(1), json!(2)]);
    assert_eq!(
        reply["results"][0],
        json!({ "index": 1, "errors": [{ "pointer": "/data/maxWaitTime", "rule": "type",
            "message": "found \"7\", expected a whole number (long)" }] })
    );
    assert_eq!((&reply["results"][1]["index"], errors(&reply["results"][1])), (&json!(3), pair("", "type")));
    assert_eq!(reply["results"][2]["index"], json!(5));
    assert_eq!(
        errors(&reply["results"][2]),
        [pair("/eventName", "missing-member"), pair("/data", "missing-member")].concat()
    );
}

#[test]
fn all_errors_of_an_item_are_told_with_pointers_in_the_publishers_spelling() {
    let mut item = with("UserAvailability", "availability", json!("Availble"));
    item["data"]["user_name"] = json!(1);
    item["Colour"] = json!(1);
    let told = World::new().refused(&item);
    assert_eq!(
        told,
        [
            pair("/Colour", "unknown-member"),
            pair("/data/availability", "values"),
            pair("/data/user_name", "unknown-property")
        ]
        .concat()
    );
    let many: serde_json::Map<String, Json> = (0..80).map(|n| (format!("x{n}"), json!(1))).collect();
    let told = World::new().refused(&json!({ "eventName": "UserStatus", "data": many, "event": 1 }));
    assert_eq!(told.len(), 50);
}

#[test]
fn an_unknown_event_is_told_with_the_nearest() {
    let (_, reply, _) = World::new().json(&json!({ "eventName": "QueueStats", "data": {} }));
    let error = &reply["results"][0]["errors"][0];
    assert_eq!(error["rule"], "unknown-event");
    assert_eq!(error["message"], "no event \"QueueStats\"; did you mean \"QueueStatus\"?");
    assert_eq!(World::new().refused(&json!({ "eventName": 7, "data": {} })), pair("/eventName", "type"));
}

#[test]
fn the_entity_comes_from_the_data_or_from_beside_it_and_both_agree() {
    let world = World::new().of(ORGANIZATION);
    let alert = |entity: Json| {
        let mut item = item("UserQueueAlert");
        item["entityId"] = entity;
        item
    };
    let (_, _, kept) = world.json(&alert(json!(USER.to_uppercase())));
    assert_eq!(kept.0[0].0.entity, uuid(USER));
    assert_eq!(world.refused(&alert(json!(null))), pair("/entityId", "entity-missing"));
    assert_eq!(world.refused(&alert(json!(ZERO))), pair("/entityId", "entity-zero"));
    assert_eq!(world.refused(&alert(json!("x"))), pair("/entityId", "guid"));
    assert_eq!(world.refused(&alert(json!(5))), pair("/entityId", "type"));

    let mut both = item("UserAvailability");
    let routed = both["data"]["userId"].clone();
    both["entityId"] = routed.as_str().unwrap().to_uppercase().into();
    assert_eq!(World::new().json(&both).0, 202);
    both["entityId"] = json!(OTHER);
    assert_eq!(World::new().refused(&both), pair("/entityId", "entity-mismatch"));
    assert_eq!(
        World::new().refused(&with("UserAvailability", "userId", json!(ZERO))),
        pair("/data/userId", "entity-zero")
    );

    // Where the data may leave the entity open, the publisher names it.
    let mut request = with("CallbackRequestNotification", "listId", json!(null));
    assert_eq!(world.refused(&request), pair("/entityId", "entity-missing"));
    request["entityId"] = json!(USER);
    assert_eq!(world.json(&request).2.0[0].0.entity, uuid(USER));
}

#[test]
fn a_publication_belongs_to_one_organization_that_the_token_may_publish_for() {
    let status = |organization: &str| with("QueueStatus", "organizationId", json!(organization));
    let of = |world: World, item: &Json| world.json(item).2.0[0].0.organization;
    assert_eq!(of(World::new(), &status(OTHER)), uuid(OTHER));
    assert_eq!(of(World::new().of(OTHER), &status(OTHER)), uuid(OTHER));
    assert_eq!(World::new().of(ORGANIZATION).refused(&status(OTHER)), pair("/data/organizationId", "organization"));
    assert_eq!(World::new().refused(&status(ZERO)), pair("/data/organizationId", "organization"));
    let mut both = status(OTHER);
    both["organizationId"] = json!(ORGANIZATION);
    assert_eq!(World::new().refused(&both), pair("/organizationId", "organization"));

    let mut alert = item("UserQueueAlert");
    alert["entityId"] = json!(USER);
    assert_eq!(of(World::new().of(OTHER), &alert), uuid(OTHER));
    assert_eq!(World::new().refused(&alert), pair("/organizationId", "organization"));
    alert["organizationId"] = json!(OTHER);
    assert_eq!(of(World::new(), &alert), uuid(OTHER));
    assert_eq!(of(World::new().of(OTHER), &alert), uuid(OTHER));
    assert_eq!(World::new().of(ORGANIZATION).refused(&alert), pair("/organizationId", "organization"));
    alert["organizationId"] = json!(ZERO);
    assert_eq!(World::new().refused(&alert), pair("/organizationId", "organization"));
}

#[test]
fn in_single_tenancy_every_topic_has_the_nil_organization() {
    let mut world = World::new();
    world.options.tenancy = Tenancy::Single;
    let mut alert = item("UserQueueAlert");
    alert["entityId"] = json!(USER);
    let items = json!([with("QueueStatus", "organizationId", json!(ZERO)), item("QueueStatus"), alert]);
    let (status, _, kept) = world.json(&items);
    assert_eq!((status, kept.0.len()), (202, 3));
    assert!(kept.0.iter().all(|(topic, _, _)| topic.organization.is_nil()));
}

#[test]
fn grants_narrow_the_scope() {
    let mut world = World::new();
    world.principal.grants = Arc::new([Grant::parse("queue/*").unwrap()]);
    assert_eq!(world.json(&item("QueueStatus")).0, 202);
    assert_eq!(world.refused(&item("UserStatus")), pair("/eventName", "unauthorized"));
    world.principal.may_publish = false;
    let (status, sentence) = world.refused_whole("application/json", "", b"{}");
    assert_eq!((status, sentence.as_str()), (403, NO_SCOPE));
    assert!(NO_SCOPE.contains("rte token --scope publish"), "{NO_SCOPE}");
    let admitted = |principal: &Principal, content_type, query| {
        let head = format!("POST /publish?{query} HTTP/1.1\r\nHost: rte\r\nContent-Type: {content_type}\r\n\r\n");
        let Ok(Status::Complete(head)) = parse_head(head.as_bytes(), 8192, 64) else { panic!("{head}") };
        admit(&head, principal).map(|_| ()).map_err(|refusal| refusal.status)
    };
    assert_eq!(admitted(&world.principal, "application/json", ""), Err(403));
    let publisher = World::new().principal;
    assert_eq!(admitted(&publisher, "application/json", "dry_run=1&validation=lenient"), Ok(()));
    assert_eq!(admitted(&publisher, "text/plain", ""), Err(415));
    assert_eq!(admitted(&publisher, "application/json", "validation=lenient"), Err(400));
}

#[test]
fn a_request_that_is_wrong_as_a_whole_delivers_nothing() {
    let world = World::new();
    let good = item("QueueStatus").to_string();
    let broken = format!("[{good},\n{{]");
    let (status, sentence) = world.refused_whole("application/json", "", broken.as_bytes());
    assert_eq!(status, 400);
    assert!(sentence.ends_with("at line 2 column 2"), "{sentence}");
    for (content_type, query, body, status) in [
        ("application/json", "", &b""[..], 400),
        ("application/json", "", b"[]", 400),
        ("application/json", "", b"{} x", 400),
        ("application/json", "", b"{\"data\":\"\xff\"}", 400),
        ("application/x-ndjson", "", b"\n \r\n", 400),
        ("application/x-ndjson", "", b"{}\n\xff", 400),
        ("application/cloudevents-batch+json", "", b"[]", 400),
        ("application/cloudevents-batch+json", "", b"{}", 400),
        ("application/json", "validation=lenient", good.as_bytes(), 400),
        ("application/json", "dry_run=maybe", good.as_bytes(), 400),
        ("text/plain", "", good.as_bytes(), 415),
    ] {
        let (told, sentence) = world.refused_whole(content_type, query, body);
        assert_eq!(told, status, "{sentence}");
        assert!(!sentence.is_empty());
    }
    let (_, sentence) = world.refused_whole("application/x-www-form-urlencoded", "", good.as_bytes());
    assert!(
        sentence.starts_with("application/x-www-form-urlencoded is not taken; send application/json"),
        "{sentence}"
    );
}

#[test]
fn items_are_counted_before_any_is_delivered() {
    let mut world = World::new();
    world.limits.items_max = 2;
    let good = item("QueueStatus");
    assert_eq!(world.json(&json!([good, good])).0, 202);
    let three = json!([good, good, good]).to_string();
    assert_eq!(world.refused_whole("application/json", "", three.as_bytes()).0, 413);
    assert_eq!(world.refused_whole("application/x-ndjson", "", format!("{good}\n{good}\n\n{good}").as_bytes()).0, 413);
    assert_eq!(world.text("application/x-ndjson", &format!("{good}\n\n{good}\n\n")).0, 202);
}

#[test]
fn each_line_of_ndjson_stands_for_itself() {
    let good = item("QueueStatus");
    let (status, reply, kept) =
        World::new().text("application/x-ndjson", &format!("{good}\r\n\n{{\"eventName\" 1}}\n[]\n{good}"));
    assert_eq!((status, kept.0.len()), (207, 2));
    let bad = &reply["results"][0];
    assert_eq!((&bad["index"], errors(bad)), (&json!(1), pair("", "json")));
    assert_eq!(bad["errors"][0]["message"], "line 3 column 14 is no JSON: expected `:`");
    assert_eq!((&reply["results"][1]["index"], errors(&reply["results"][1])), (&json!(2), pair("", "type")));
}

#[test]
fn an_event_beyond_its_size_is_rejected_also_where_filling_makes_it_so() {
    let mut world = World::new();
    let item = item("QueueStatus");
    world.limits.event_bytes_max = item["data"].to_string().len();
    assert_eq!(world.json(&item).0, 202);
    world.limits.event_bytes_max -= 1;
    assert_eq!(world.refused(&item), pair("/data", "too-large"));
    let mut unfilled = self::item("UserAvailability");
    unfilled["data"].as_object_mut().unwrap().remove("note");
    world.limits.event_bytes_max = unfilled["data"].to_string().len();
    assert_eq!(world.refused(&unfilled), pair("/data", "too-large"));
}

#[test]
fn a_derived_event_follows_its_source_at_once() {
    let mut world = World::new();
    let (outcome, kept) = world.post(
        "application/json",
        "",
        json!([assigned(json!(USER.to_uppercase())), item("QueueStatus")]).to_string().as_bytes(),
    );
    let outcome = outcome.unwrap();
    assert_eq!((outcome.accepted, outcome.derived), (2, 1));
    let names: Vec<_> = kept.0.iter().map(|(topic, _, by)| (CATALOGUE.event(topic.event).name.as_str(), *by)).collect();
    assert_eq!(
        names,
        [
            ("CallbackChanged", Provenance::Sent),
            ("UserCallbackChanged", Provenance::Derived),
            ("QueueStatus", Provenance::Sent)
        ]
    );
    let [(source, _, _), (derived, data, _), _] = kept.0.as_slice() else { panic!() };
    assert_eq!((derived.entity, derived.organization), (uuid(USER), source.organization));
    let mut expected = example("CallbackChanged");
    expected["assignedUserId"] = json!(USER);
    expected["targetUser"] = json!(USER);
    assert_eq!(serde_json::from_str::<Json>(data).unwrap(), expected);

    for nobody in [json!(null), json!(ZERO)] {
        let Published(made, withdrawn, _) = world.json(&assigned(nobody)).2;
        let topic = Topic { event: derived.event, entity: Uuid::nil(), ..*source };
        assert_eq!((made.len(), withdrawn), (1, vec![topic]), "whoever has had it hears of it");
    }
    world.options.not_derived = vec![CATALOGUE.find("UserCallbackChanged").unwrap()];
    assert_eq!(world.json(&assigned(json!(USER))).2.0.len(), 1);
    assert_eq!(world.json(&item("UserCallbackChanged")).2.0.len(), 1, "as sent, whatever is derived");
}

#[test]
fn a_dry_run_tells_topics_and_members_and_delivers_nothing() {
    let world = World::new();
    let body = json!([assigned(json!(USER)), 1]).to_string();
    let (outcome, kept) = world.post("application/json", "dry_run=1", body.as_bytes());
    assert!(kept.0.is_empty());
    let outcome = outcome.unwrap();
    let entities: Vec<Uuid> = outcome.topics().unwrap().iter().map(|topic| topic.entity).collect();
    assert_eq!(entities, [uuid(example("CallbackChanged")["callListId"].as_str().unwrap()), uuid(USER)]);
    let reply = outcome.reply(Some(17));
    let json: Json = serde_json::from_slice(reply.body.bytes()).unwrap();
    assert_eq!(
        (reply.status, &json["members"], &json["accepted"], &json["rejected"]),
        (207, &json!(17), &json!(1), &json!(1))
    );
    let (outcome, _) = world.post("application/json", "dry_run=0", body.as_bytes());
    assert_eq!(outcome.unwrap().topics(), None);
}

#[test]
fn lenient_mode_counts_what_it_lets_through() {
    let item = with("UserAvailability", "availability", json!("Availble"));
    let (status, reply, kept) = World::new().lenient().json(&item);
    assert_eq!((status, &reply["tolerated"], kept.0.len()), (202, &json!(1), 1));
    let (outcome, kept) =
        World::new().post("application/json", "dry_run=1&validation=lenient", item.to_string().as_bytes());
    assert_eq!((outcome.unwrap().tolerated, kept.0.len()), (1, 0));
    let (outcome, _) =
        World::new().lenient().post("application/json", "dry_run=1&validation=strict", item.to_string().as_bytes());
    assert_eq!(outcome.unwrap().rejected, 1);
}

fn cloud_event(event: &str) -> Json {
    json!({
        "specversion": "1.0", "id": "1", "source": "/pbx/1", "type": event, "time": "2024-05-31T14:02:11Z",
        "datacontenttype": "application/json", "traceparent": "00-0-0-00", "data": example(event.rsplit('.').next().unwrap()),
    })
}

#[test]
fn cloud_events_are_taken_one_by_one_and_in_batches() {
    let world = World::new();
    for name in ["QueueStatus", "com.example.rte.QueueStatus", "queuestatus"] {
        let (status, reply, kept) = world.text("application/cloudevents+json", &cloud_event(name).to_string());
        assert_eq!((status, kept.0.len()), (202, 1), "{reply}");
    }
    let mut alert = cloud_event("com.example.UserQueueAlert");
    alert["subject"] = json!(USER);
    alert["organizationid"] = json!(ORGANIZATION);
    let batch = json!([cloud_event("QueueStatus"), alert]);
    let (status, _, kept) = world.text("application/cloudevents-batch+json", &batch.to_string());
    let topic = kept.0[1].0;
    assert_eq!((status, topic.entity, topic.organization), (202, uuid(USER), uuid(ORGANIZATION)));
}

#[test]
fn a_cloud_event_that_is_none_is_rejected_with_its_own_pointers() {
    let world = World::new();
    let refused = |member: &str, value: Json| {
        let mut event = cloud_event("QueueStatus");
        event[member] = value;
        let (status, reply, _) = world.text("application/cloudevents+json", &event.to_string());
        assert_eq!(status, 422);
        errors(&reply["results"][0])
    };
    assert_eq!(refused("specversion", json!("0.3")), pair("/specversion", "cloud-event"));
    assert_eq!(refused("specversion", json!(1.0)), pair("/specversion", "type"));
    assert_eq!(refused("id", json!("")), pair("/id", "cloud-event"));
    assert_eq!(refused("source", json!(null)), pair("/source", "missing-member"));
    assert_eq!(refused("datacontenttype", json!("application/xml")), pair("/datacontenttype", "cloud-event"));
    assert_eq!(refused("data_base64", json!("e30=")), pair("/data_base64", "cloud-event"));
    assert_eq!(refused("type", json!("com.example.QueueStats")), pair("/type", "unknown-event"));
    assert_eq!(refused("subject", json!(OTHER)), pair("/subject", "entity-mismatch"));
    assert_eq!(refused("data", json!([])), pair("/data", "type"));
}

#[test]
fn beyond_its_bound_the_reply_lists_items_without_their_errors() {
    let mut world = World::new();
    let items: Vec<Json> = (0..100).map(|_| json!({ "eventName": "x".repeat(100), "data": 1 })).collect();
    world.limits.reply_bytes_max = 1_000;
    let (status, reply, _) = world.json(&json!(items));
    let results = reply["results"].as_array().unwrap();
    assert_eq!((status, results.len()), (422, 100));
    assert!(!errors(&results[0]).is_empty() && errors(&results[99]).is_empty());
    assert_eq!(results[99]["index"], json!(99));
    assert!(reply.to_string().len() < 1_000 + 100 * 30);
}

#[test]
fn errors_that_nobody_is_told_of_are_not_made() {
    let mut outcome = Outcome::new(false, 100);
    let error = |message: &str| Violation { pointer: String::new(), rule: rule::TYPE, message: message.to_owned() };
    outcome.reject(&[error("short")], None);
    assert!(!outcome.is_full());
    outcome.reject(&[error(&"long".repeat(100))], None);
    assert!(outcome.is_full());
    outcome.reject(&[error("short")], None);
    assert!(outcome.reply(None).body.bytes().ends_with(br#"{"index":1,"errors":[]},{"index":2,"errors":[]}]}"#));
    // A request of which nobody is told costs less, and comes to the same.
    let work = |reply_bytes_max| {
        let mut world = World::new();
        world.limits.reply_bytes_max = reply_bytes_max;
        let wrong = format!("{{{}}}", (0..40).map(|n| format!("\"n{n}\":{n}")).collect::<Vec<_>>().join(","));
        let (outcome, kept) = world.post("application/x-ndjson", "", [wrong.as_str(); 100].join("\n").as_bytes());
        let outcome = outcome.unwrap();
        ((outcome.accepted, outcome.rejected, outcome.first_rejected), kept.2)
    };
    let ((told, dear), (untold, cheap)) = (work(1 << 20), work(1));
    assert!(told == untold && cheap < dear / 4, "{cheap} and {dear}");
}

#[test]
fn every_rule_has_its_line_in_the_lists() {
    let names: Vec<&str> = rule::ALL.iter().chain(&crate::schema::validate::rule::ALL).map(|(name, _)| *name).collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len());
    for shared in [rule::JSON, rule::TYPE, rule::TEXT, rule::GUID, rule::ENTITY_ZERO] {
        assert!(names.contains(&shared));
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let good = json!([item("CallbackChanged"), cloud_event("UserStatus")]).to_string();
    let world = World::new().lenient();
    for cut in (0..good.len()).step_by(7) {
        for put in ["", "\"", "}", "\\", "\u{0}", "[[[["] {
            let body = format!("{}{put}{}", &good[..cut], &good[cut + 1..]);
            for content_type in [
                "application/json",
                "application/x-ndjson",
                "application/cloudevents+json",
                "application/cloudevents-batch+json",
            ] {
                let (outcome, kept) = world.post(content_type, "", body.as_bytes());
                let accepted = outcome.map_or(0, |outcome| outcome.accepted + outcome.derived);
                assert_eq!(accepted, kept.0.len());
            }
        }
    }
}
