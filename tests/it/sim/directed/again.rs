//! Items that come again with their ids: one is taken, whatever waits and whatever shard is asked.

use super::*;
use rte::hub::partition::Partition;

/// An item of the first organization with an id, on the user's alerts.
fn item(id: &str, tag: &str) -> String {
    let item = ALERT.item(ORGANIZATIONS[0], user(), &format!("#{tag}#"));
    item.replacen('{', &format!("{{\"id\":\"{id}\","), 1)
}

/// The indices of the items that a reply calls duplicates.
fn duplicates(heard: &[Heard]) -> Vec<u64> {
    let [Heard::Reply(reply)] = heard else { panic!("{heard:?}") };
    let body: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
    let results = body["results"].as_array().unwrap().iter();
    results.filter(|result| result["duplicate"] == true).map(|result| result["index"].as_u64().unwrap()).collect()
}

#[test]
fn a_retry_on_any_shard_is_accepted_and_told_and_delivers_nothing() {
    for shards in 1..=3 {
        let world = World::new(&Setting { shards, ..Setting::one_shard() });
        let mut member = Peer::connect(&world);
        member.subscribe(&world, ALERT, user());
        let body = format!("[{},{},{}]", item("1", "a"), ALERT.item(ORGANIZATIONS[0], user(), "#b#"), item("2", "c"));
        for (n, expected) in [vec![], vec![0, 2], vec![0, 2], vec![0, 2]].into_iter().enumerate() {
            // The shards take connections by turns.
            let mut publisher = Peer::publisher(&world);
            publisher.send(&world, &post(&body));
            let heard = publisher.hear(&world);
            assert_eq!((statuses(&heard), duplicates(&heard)), (vec![202], expected), "try {n}, {shards} shards");
        }
        assert_eq!(tags(&member.hear(&world)), ["a", "b", "c", "b", "b", "b"], "what has no id comes each time");
        let sum =
            |number: fn(&rte::metrics::Metrics) -> u64| (0..shards).map(|n| number(&world.numbers(n))).sum::<u64>();
        assert_eq!((sum(|numbers| numbers.duplicates), sum(|numbers| numbers.ids)), (6, 2));
    }
}

#[test]
fn while_the_first_try_waits_a_second_one_is_not_taken_too() {
    for shards in 1..=2 {
        let limits = Limits { turn_deliveries_max: 2, ..Limits::DEFAULT };
        let world = World::new(&Setting { shards, limits, ..Setting::one_shard() });
        let home = Partition::of(ORGANIZATIONS[0]).home(shards);
        let mut member = Peer::connect(&world);
        member.subscribe(&world, ALERT, user());
        let items: Vec<String> = (0..20).map(|n| item(&n.to_string(), &n.to_string())).collect();
        let request = post(&format!("[{}]", items.join(",")));
        let mut tries: Vec<Peer> = (0..3).map(|_| Peer::publisher(&world)).collect();
        for publisher in &tries {
            world.net().send(publisher.id, &request);
            world.net().arrive_all();
            (0..shards).for_each(|shard| world.step(shard));
        }
        assert!(world.numbers(home).ids < 20, "nothing waits");
        world.settle();
        let mut told = Vec::new();
        for publisher in &mut tries {
            let heard = publisher.hear(&world);
            assert_eq!(statuses(&heard), [202]);
            told.extend(duplicates(&heard));
        }
        told.sort_unstable();
        let expected: Vec<u64> = (0..20).flat_map(|n| [n, n]).collect();
        assert_eq!(told, expected, "each item is new to one of the three, {shards} shards");
        let mut heard = tags(&member.hear(&world));
        heard.sort_by_key(|tag| tag.parse::<u64>().unwrap());
        assert_eq!(heard, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[test]
fn an_id_is_forgotten_when_its_time_is_over_and_beyond_the_bound_the_oldest_goes() {
    let world = world(Limits { dedupe_ms: 1_000, dedupe_max: 2, ..Limits::DEFAULT });
    let mut publisher = Peer::publisher(&world);
    let mut send = |id: &str| {
        publisher.send(&world, &post(&item(id, id)));
        duplicates(&publisher.hear(&world)).len()
    };
    assert_eq!((send("1"), send("1")), (0, 1));
    pass(&world, 1_000);
    assert_eq!((send("1"), send("2"), send("3")), (0, 0, 0));
    assert_eq!((send("3"), send("2"), send("1")), (1, 1, 0));
    assert_eq!((world.numbers(0).ids, world.numbers(0).ids_evicted), (2, 2));
}
