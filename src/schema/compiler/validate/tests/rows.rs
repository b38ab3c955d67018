//! What tells rows apart.

use super::super::super::model::{CallRule, Phase};
use super::*;

#[test]
fn a_derived_event_with_a_key_is_made_for_nobody_where_nobody_is_assigned() {
    let mut model = model();
    model.events[usize::from(USER_CALLBACK_CHANGED.0)].key = Some(4);
    let mut out = Vec::new();
    let text = CALLBACK_CHANGED_TEXT.replace(&format!("\"{USER}\""), "null");
    let made = derive(&model, USER_CALLBACK_CHANGED, &text, &mut out).unwrap();
    let place = made.entity_at.unwrap() as usize;
    assert_eq!((made.entity, &out[place..place + 36]), ([0; 16], ZERO.as_bytes()));
    out[place..place + 36].copy_from_slice(USER.as_bytes());
    let (accepted, _) = run(USER_CALLBACK_CHANGED, core::str::from_utf8(&out).unwrap(), Mode::Strict).unwrap();
    assert!(!accepted.rewritten);
}

#[test]
fn what_tells_rows_apart_is_the_same_from_the_walk_and_from_the_text_delivered() {
    let mut model = model();
    let status = &mut model.events[usize::from(QUEUE_STATUS.0)];
    let index = |name: &str| status.properties.iter().position(|property| property.name == name).unwrap();
    let (id, leg) = (index("QueueId"), index("QueueName"));
    status.call = Some(CallRule { id, leg, phase: Phase::Begin });
    for (name, plain) in [("Support", true), ("\\u0053upport", true), ("Sales", false)] {
        let text = QUEUE_STATUS_TEXT.replace("Support", name);
        let mut out = Vec::new();
        let accepted = validate(&model, QUEUE_STATUS, &text, Mode::Strict, BOUNDS, &mut out).unwrap();
        assert_eq!(accepted.keys, key::keys(&model, QUEUE_STATUS, &text));
        assert_eq!(accepted.keys[1] == Some(key::hash("Support".chars())), plain, "{name}");
        assert!(accepted.keys[0].is_some());
    }
}
