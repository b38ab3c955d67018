//! Large bodies, which are judged in portions, and what is bounded in each.

use super::*;

/// Keeps what it gets, and takes a portion of so much work at a time.
struct Portions {
    kept: Published,
    left: usize,
    /// The most work of an item.
    most: usize,
    done: usize,
}

impl Sink for Portions {
    fn publish(&mut self, made: Made<'_>) {
        self.kept.publish(made);
    }

    fn takes_more(&mut self, work: usize) -> bool {
        self.most = self.most.max(work);
        self.done += work;
        self.left = self.left.saturating_sub(work);
        self.left > 0
    }
}

#[test]
fn a_body_that_is_judged_in_portions_comes_to_the_same() {
    let world = World::new();
    let good = item("UserAvailability").to_string();
    let items = |count: usize| -> Vec<String> {
        let bad = ["1", "[[],{}]", "\"],[\"", "{\"a]\":[\",\"]}", "null", "{\"eventName\":\"UserStats\",\"data\":{}}"];
        (0..count).map(|n| if n % 7 == 6 { good.clone() } else { bad[n % 7].to_owned() }).collect()
    };
    let (few, many) = (items(40), items(1_000));
    let bodies = [
        ("application/json", format!("\u{feff} [{}]", few.join(","))),
        ("application/json", format!("\u{feff} [\n{}\t] ", many.join(" ,\r\n"))),
        ("application/json", format!("[{}]", vec!["{}"; 3_000].join(","))),
        ("application/cloudevents-batch+json", format!("[{}]", many.join(","))),
        ("application/x-ndjson", format!("{}\n\n{{\n\u{feff}{good}", many.join("\r\n"))),
    ];
    for (content_type, body) in &bodies {
        let (whole, expected) = world.post(content_type, "", body.as_bytes());
        let head = RequestHead::of(Some(content_type), "").unwrap();
        let rules = Rules { catalogue: &CATALOGUE, options: &world.options, everybody: &[], limits: &world.limits };
        for portion in [1, 100, 10_000] {
            let request = Request { head: &head, body: body.as_bytes() };
            let mut judgement = Judgement::new(request, rules, &world.principal).unwrap();
            let mut sink = Portions { kept: Published::default(), left: 0, most: 0, done: 0 };
            let (mut scratch, mut portions, mut before) = (Scratch::default(), 0, 0);
            let mut status = Status::Partial;
            while status.is_partial() {
                sink.left = portion;
                status = judgement.proceed(rules, &world.principal, &mut scratch, &mut sink).unwrap();
                judgement = judgement.into_owned();
                let is_small = is_judged_at_once(body);
                assert!(is_small || sink.done - before <= portion + sink.most, "{} in a portion", sink.done - before);
                before = sink.done;
                portions += 1;
            }
            assert!(portions > 500 || portion > 1 || is_judged_at_once(body), "{portions} portions");
            assert_eq!(Ok(&judgement.outcome), whole.as_ref());
            assert_eq!(sink.kept.0, expected.0);
        }
    }
}

#[test]
fn a_compressed_body_is_inflated_in_portions_and_refused_in_any_of_them() {
    let world = World::new();
    let good = item("UserAvailability").to_string();
    let lines: Vec<String> = (0..1_000).map(|n| format!("{{\"n{}\":{n}}}", n * 7_919)).chain([good]).collect();
    let text = lines.join("\n");
    let (whole, expected) = world.post("application/x-ndjson", "", text.as_bytes());
    let mut head = RequestHead::of(Some("application/x-ndjson"), "").unwrap();
    head.coding = Coding::Gzip;
    let rules = Rules { catalogue: &CATALOGUE, options: &world.options, everybody: &[], limits: &world.limits };
    let post = |body: &[u8]| {
        let mut judgement = Judgement::new(Request { head: &head, body }, rules, &world.principal)?;
        let mut sink = Portions { kept: Published::default(), left: 0, most: 0, done: 0 };
        let mut portions = 0;
        while judgement.proceed(rules, &world.principal, &mut Scratch::default(), &mut sink)?.is_partial() {
            let kept = judgement.body_bytes();
            judgement = judgement.into_owned();
            assert!(judgement.body_bytes() <= kept && kept >= body.len(), "what is kept is counted");
            portions += 1;
        }
        Ok::<_, Refusal>((judgement.outcome, sink.kept.0, portions))
    };
    let body = envelopes::gzip(text.as_bytes());
    let (outcome, kept, portions) = post(&body).unwrap();
    assert_eq!((Ok(outcome), kept), (whole, expected.0));
    assert!(portions > 1_000 + body.len() / 1_024, "{portions} portions");
    assert_eq!(post(&body[..body.len() - 1]).unwrap_err().status, 400);
}

#[test]
fn whatever_is_checked_whole_is_work() {
    let world = World::new();
    let half = world.limits.item_bytes_max() / 2;
    let names: Vec<String> = (0..half / 8).map(|n| format!("\"{n:x}\":1")).collect();
    for (content_type, body) in [
        ("application/json", format!("{{{}}}", names.join(","))),
        ("application/json", format!("[{}{}]", "[".repeat(half), "]".repeat(half))),
        ("application/x-ndjson", format!("{}1", "\n".repeat(half))),
        ("application/cloudevents+json", format!("{{{}}}", names.join(","))),
    ] {
        let (outcome, kept) = world.post(content_type, "", body.as_bytes());
        assert!(outcome.is_ok() && kept.2 >= half / 16, "{} of work", kept.2);
    }
    // Checked, and nothing else in this portion.
    let body = format!("{}1", "\n".repeat(half));
    let head = RequestHead::of(Some("application/x-ndjson"), "").unwrap();
    let rules = Rules { catalogue: &CATALOGUE, options: &world.options, everybody: &[], limits: &world.limits };
    let mut judgement =
        Judgement::new(Request { head: &head, body: body.as_bytes() }, rules, &world.principal).unwrap();
    let mut sink = Portions { kept: Published::default(), left: 1_000, most: 0, done: 0 };
    let status = judgement.proceed(rules, &world.principal, &mut Scratch::default(), &mut sink).unwrap();
    assert!(status.is_partial() && judgement.outcome.rejected == 0);
}

#[test]
fn lines_are_those_that_hold_anything_with_the_numbers_that_an_editor_shows() {
    let pieces = ["\n", "\r\n", " ", "\u{feff}", "{}", "x y", "\u{c}"];
    let mut bodies = vec![String::new()];
    for _ in 0..5 {
        bodies = bodies.iter().flat_map(|body| pieces.map(|piece| format!("{body}{piece}"))).collect();
        for body in &bodies {
            let all = body.split('\n').map(bom::behind).zip(1..);
            let expected: Vec<(usize, &str)> =
                all.filter(|(line, _)| !line.trim_ascii().is_empty()).map(|(line, number)| (number, line)).collect();
            let found: Vec<(usize, &str)> = lines(body, 0, 1).map(|(number, _, line)| (number, line)).collect();
            assert_eq!(found, expected, "{body:?}");
            let Some((number, next, _)) = lines(body, 0, 1).next() else { continue };
            let rest: Vec<(usize, &str)> =
                lines(body, next, number + 1).map(|(number, _, line)| (number, line)).collect();
            assert_eq!(rest, expected[1..], "{body:?}, going on");
        }
    }
}

#[test]
fn what_lenient_mode_lets_through_is_work() {
    let mut data = item("UserAvailability");
    let work = |item: &Json| {
        let (outcome, kept) =
            World::new().post("application/json", "dry_run=1&validation=lenient", item.to_string().as_bytes());
        assert_eq!(outcome.unwrap().accepted, 1);
        kept.2
    };
    let before = work(&data);
    (0..1_000).for_each(|n| data["data"][format!("{n}")] = json!(1));
    assert!(work(&data) >= before + 1_000 * TOLERATED_WORK);
}

#[test]
fn the_form_of_a_large_array_is_checked_in_portions_and_no_item_goes_before_it_is_known() {
    let world = World::new();
    let good = item("UserAvailability").to_string();
    let body = format!("[\n{},\n  {{\"data\":}}]", vec![good; 1_000].join(",\n"));
    let head = RequestHead::of(Some("application/json"), "").unwrap();
    let rules = Rules { catalogue: &CATALOGUE, options: &world.options, everybody: &[], limits: &world.limits };
    let mut judgement =
        Judgement::new(Request { head: &head, body: body.as_bytes() }, rules, &world.principal).unwrap();
    let (mut sink, mut portions) = (Portions { kept: Published::default(), left: 0, most: 0, done: 0 }, 0);
    let refused = loop {
        sink.left = 100;
        match judgement.proceed(rules, &world.principal, &mut Scratch::default(), &mut sink) {
            Ok(status) => assert!(status.is_partial() && sink.done <= (portions + 1) * (100 + sink.most)),
            Err(refusal) => break refusal,
        }
        judgement = judgement.into_owned();
        portions += 1;
    };
    assert!(portions > 50 && sink.done >= body.len() / CHECKED_BYTES_PER_WORK, "{portions} portions");
    assert!(sink.most < 100 && sink.kept.0.is_empty(), "{} of work at once", sink.most);
    let reply = String::from_utf8(refused.reply().body.bytes().to_vec()).unwrap();
    assert!(reply.contains("expected value at line 1002 column 11"), "{reply}");
}

#[test]
fn nothing_of_a_large_body_is_delivered_where_its_end_is_wrong() {
    let good = item("UserAvailability").to_string();
    let body = format!("[{}", vec![good; 200].join(","));
    assert!(body.len() > AT_ONCE_BYTES);
    let (refused, kept) = World::new().post("application/json", "", body.as_bytes());
    assert_eq!((refused.unwrap_err().status, kept.0.len()), (400, 0));
    for (count, status) in [(20_000, 413), (10_001, 413)] {
        let body = format!("[{}]", vec!["{}  "; count].join(","));
        assert_eq!(World::new().post("application/json", "", body.as_bytes()).0.unwrap_err().status, status);
    }
}

#[test]
fn the_nearest_names_are_told_for_the_first_items_and_errors_only() {
    let hints = |reply: &Json| -> Vec<usize> {
        let results = reply["results"].as_array().unwrap().iter();
        results.map(|result| result.to_string().matches("did you mean").count()).collect()
    };
    let members: serde_json::Map<String, Json> = (0..12).map(|n| (format!("dat{n}"), json!(1))).collect();
    let mut data = item("UserAvailability");
    data["data"]["userIdd"] = json!(1);
    for wrong in [json!({ "eventName": "UserStats", "data": {} }), json!(members), data] {
        let (_, reply, _) = World::new().json(&json!(vec![wrong; SUGGEST_ITEMS_MAX + 2]));
        let told = hints(&reply);
        assert!(told[..SUGGEST_ITEMS_MAX].iter().all(|hints| (1..=SUGGESTIONS_MAX).contains(hints)), "{told:?}");
        assert_eq!(told[SUGGEST_ITEMS_MAX..], [0, 0]);
    }
    let (_, reply, _) = World::new().json(&json!(members));
    assert_eq!(hints(&reply), [SUGGESTIONS_MAX]);
}

#[test]
fn an_item_of_which_no_data_could_be_taken_is_not_read() {
    let world = World::new();
    let most = world.limits.item_bytes_max();
    let good = item("UserAvailability").to_string();
    let long = |bytes: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(bytes - 8));
    let rules = |content_type: &str, body: &str| -> Vec<String> {
        let (outcome, _) = world.post(content_type, "", body.as_bytes());
        let reply: serde_json::Value = serde_json::from_slice(outcome.unwrap().reply(None).body.bytes()).unwrap();
        let results = reply["results"].as_array().unwrap().iter();
        results.map(|result| result["errors"][0]["rule"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(rules("application/json", &long(most)), ["unknown-member"]);
    assert_eq!(rules("application/json", &long(most + 1)), ["too-large"]);
    let lines = format!("{good}\n{}\n{}", long(most), long(most + 1));
    assert_eq!(rules("application/x-ndjson", &lines), ["unknown-member", "too-large"]);
    assert_eq!(rules("application/json", &format!("[{good},{}]", long(most))), ["unknown-member"]);
    let array = format!("[{good},{}]", long(most + 1));
    assert_eq!(world.refused_whole("application/json", "", array.as_bytes()).0, 413);
}

#[test]
fn a_body_that_is_refused_has_cost_what_was_read_of_it() {
    let world = World::new();
    let rules = Rules { catalogue: &CATALOGUE, options: &world.options, everybody: &[], limits: &world.limits };
    for (content_type, body) in [
        ("application/x-ndjson", "\n \r\n".repeat(50_000)),
        ("application/json", format!("[{}", "[".repeat(200_000))),
        ("application/json", format!("[{}", "{},".repeat(5_000))),
    ] {
        let head = RequestHead::of(Some(content_type), "").unwrap();
        let request = Request { head: &head, body: body.as_bytes() };
        let mut judgement = Judgement::new(request, rules, &world.principal).unwrap();
        let mut sink = Portions { kept: Published::default(), left: usize::MAX, most: 0, done: 0 };
        assert!(judgement.proceed(rules, &world.principal, &mut Scratch::default(), &mut sink).is_err());
        assert!(sink.done >= body.len() / CHECKED_BYTES_PER_WORK, "{} bytes: {}", body.len(), sink.done);
    }
}

#[test]
fn what_is_made_and_kept_of_an_item_is_work_and_so_is_what_lenience_looks_through() {
    let work = |world: &World, item: &serde_json::Value| {
        let (outcome, kept) = world.post("application/json", "", item.to_string().as_bytes());
        assert_eq!(outcome.unwrap().accepted, 1);
        kept.2
    };
    let mut world = World::new();
    let callback = item("CallbackChanged");
    let derived = work(&world, &callback);
    let mut unassigned = callback.clone();
    unassigned["data"]["assignedUserId"] = serde_json::Value::Null;
    world.options.not_derived = CATALOGUE.find("UserCallbackChanged").into_iter().collect();
    assert!(derived >= work(&world, &callback) + DERIVED_WORK + KEPT_WORK, "{derived}");
    let mut known = item("UserAvailability");
    world.options.validation = Mode::Lenient;
    let before = work(&world, &known);
    (0..10).for_each(|n| known["data"][format!("x{n}")] = n.into());
    assert!(work(&world, &known) >= before + 10 * TOLERATED_WORK);
}
