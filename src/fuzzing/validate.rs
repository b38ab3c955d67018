//! The validator: its scanner against serde_json, and what it delivers against itself.

use super::fixtures::CATALOGUE;
use super::transcript::Transcript;
use crate::limits::{Limits, SUGGESTIONS_MAX};
use crate::schema::EventId;
use crate::schema::validate::{Accepted, Bounds, Mode, Violation, rule, validate as check};

const BOUNDS: Bounds = Bounds {
    depth_max: Limits::DEFAULT.json_depth_max,
    errors_max: Limits::DEFAULT.errors_per_item_max,
    suggestions_max: SUGGESTIONS_MAX,
};

/// An input has three parts: a letter that picks the event (`A` is the first), one for the mode
/// (`s` strict, `l` lenient), and the data. No JSON is called so exactly where serde_json refuses;
/// what is delivered is JSON, and delivered again unchanged; what strict mode takes, lenient mode
/// takes in the same way.
///
/// # Panics
/// The validator is wrong.
pub fn validate(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some(([event, mode], text)) = data.split_first_chunk() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let ids: Vec<EventId> = CATALOGUE.events().map(|(id, _)| id).collect();
    let Some(id) = ids.get(usize::from(event.wrapping_sub(b'A')) % ids.len().max(1)) else { return };
    let mode = if mode.is_multiple_of(2) { Mode::Lenient } else { Mode::Strict };

    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let outcome = deliver(*id, text, mode);
    transcript.say(|| format!("{} {mode:?}: {outcome:#?}", CATALOGUE.event(*id).name));
    match outcome {
        Err(violations) => {
            assert!(!violations.is_empty() && violations.len() <= BOUNDS.errors_max);
            let is_told = violations.iter().any(|violation| violation.rule == rule::JSON);
            assert!(!is_told || (!is_json && violations.len() == 1), "{violations:?}");
        }
        Ok((accepted, delivered)) => {
            assert!(is_json, "it is no JSON");
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(&delivered).is_ok(), "{delivered}");
            assert!(mode == Mode::Lenient || accepted.tolerated == 0);
            let again =
                deliver(*id, &delivered, mode).map(|(again, unchanged)| (again.rewritten, again.entity, unchanged));
            assert_eq!(again, Ok((false, accepted.entity, delivered.clone())));
            if mode == Mode::Strict {
                assert_eq!(deliver(*id, text, Mode::Lenient), Ok((accepted, delivered)));
            }
        }
    }
}

fn deliver(id: EventId, text: &str, mode: Mode) -> Result<(Accepted, String), Vec<Violation>> {
    let mut out = Vec::new();
    let accepted = check(CATALOGUE.model(), id, text, mode, BOUNDS, &mut out)?;
    let delivered = if accepted.rewritten { String::from_utf8_lossy(&out).into_owned() } else { text.to_owned() };
    Ok((accepted, delivered))
}
