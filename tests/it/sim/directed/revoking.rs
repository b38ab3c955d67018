//! Tokens that are revoked while their connections wait for their end.

use super::*;

/// A request that revokes the tokens of a user for as long as anything here takes.
pub fn revocation(user: Uuid) -> Vec<u8> {
    let until = setting::START.unix.seconds() + 1_000_000;
    let body = format!(r#"{{"sub":"{user}","until":{until}}}"#);
    format!(
        "POST /revoke HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        TOKENS.admin,
        body.len()
    )
    .into_bytes()
}

/// Revokes the tokens of a user; the hub has read it, and no time has passed.
pub fn revoke(world: &World, user: Uuid) {
    let admin = Peer::dial(world, WIDE);
    admin.send(world, &revocation(user));
    world.net().end(admin.id);
    world.settle();
}

fn close_of(heard: &[Heard]) -> &str {
    let close = heard.iter().find_map(|heard| match heard {
        Heard::Record(record) if record.contains("\"type\":7") => Some(record.as_str()),
        Heard::Record(_) | Heard::Reply(_) | Heard::Pong(_) | Heard::Close(_) => None,
    });
    close.expect("a Close")
}

#[test]
fn who_is_revoked_when_a_drain_begins_is_told_so_and_not_to_come_back() {
    let world = World::new(&Setting { shards: 2, ..Setting::one_shard() });
    let mut peer = Peer::connect(&world);
    // Its end, which is due at once, is rounded up, so that the drain begins before it.
    pass(&world, 30);
    revoke(&world, user());
    assert!(peer.is_there(&world) && peer.hear(&world).is_empty());
    world.drain();
    pass(&world, Limits::DEFAULT.drain_spread_ms + 200);
    let heard = peer.hear(&world);
    let close = close_of(&heard);
    assert!(close.contains("token_revoked") && !close.contains("allowReconnect"), "{close}");
}
