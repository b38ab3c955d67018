//! What `/readyz` says.

use crate::clock::Now;
use crate::conn::contact::{Contact, Side};
use crate::conn::turn::Process;
use crate::proto::http::query;
use crate::proto::http::reply::Reply;

/// What is said before all is taken over that the nodes have in common.
pub(super) const STARTING: &str = "starting: the log that the nodes share is not read yet\n";

/// What `/readyz` says where publications were to be written, and cannot be.
const JOURNAL_LOST: &str = "ready, but the journal is not written: publications are in memory only\n";

/// Whether clients and publishers should be sent here, for those who do.
pub(super) fn reply(query: &str, process: Process<'_>, now: Now) -> Reply {
    if process.drain.is_announced() {
        return Reply::text(503, "draining\n");
    }
    match process.contact {
        Some(contact) => shared(query, contact, now),
        None if process.journal.is_lost() => Reply::text(200, JOURNAL_LOST),
        None => Reply::text(200, "ready\n"),
    }
}

/// What `/readyz` says of a node that shares its log with others: the engine's absence is no reason
/// to send clients away, all of them at once, but publishers may be better off elsewhere.
fn shared(query: &str, contact: &Contact, now: Now) -> Reply {
    if !contact.is_ready() {
        return Reply::text(503, starting(contact));
    }
    let away_s = |side| contact.away_since(side).map(|since| now.mono.ms_since(since) / 1_000);
    let is = if contact.takes_nothing(Side::Writer) { "takes nothing" } else { "is away" };
    let asks_to_publish = query::value(query, "publish").is_some_and(|value| value == "1");
    match (away_s(Side::Writer), away_s(Side::Reader)) {
        // Who has not published lately does not know it of the line that writes.
        (Some(away_s), _) | (None, Some(away_s)) if asks_to_publish => {
            Reply::text(503, format!("the engine {is} for {away_s} s: publications are refused\n"))
                .with("Retry-After", "1")
        }
        (Some(away_s), _) => {
            Reply::text(200, format!("ready, but the engine {is} for {away_s} s: publications are refused\n"))
        }
        (None, Some(away_s)) => {
            Reply::text(200, format!("ready, but the engine is not read for {away_s} s: clients get nothing new\n"))
        }
        (None, None) => Reply::text(200, "ready\n"),
    }
}

/// What is said before that: also why, where the engine is not read. Strangers read it, who are to
/// learn no more than of which kind it is.
fn starting(contact: &Contact) -> String {
    contact.fault(Side::Reader).map_or_else(
        || STARTING.to_owned(),
        |fault| format!("starting: the engine is away ({}): see backplane_away in the log\n", fault.hint()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::{Fault, Notice};

    #[test]
    fn publishers_are_sent_elsewhere_while_either_line_to_the_engine_is_away_and_clients_stay() {
        let now = Now::from_ms(3_000, 3_000);
        for side in [Side::Writer, Side::Reader] {
            let contact = Contact::new(1, now);
            contact.note_ready();
            let status = |query| shared(query, &contact, now).status;
            for side in [Side::Writer, Side::Reader] {
                contact.note(side, Notice::Up { away_ms: 0 });
            }
            assert_eq!((status("publish=1"), status("")), (200, 200));
            contact.note(side, Notice::Away { fault: Fault::Away, since: now.mono });
            assert_eq!((status("publish=1"), status("")), (503, 200), "{side:?}");
        }
    }

    #[test]
    fn a_node_that_can_t_start_says_why_and_not_what_a_stranger_could_make_use_of() {
        let now = Now::from_ms(3_000, 3_000);
        let contact = Contact::new(1, now);
        let told = || {
            let reply = shared("", &contact, now);
            (reply.status, String::from_utf8_lossy(reply.body.bytes()).into_owned())
        };
        assert_eq!(told(), (503, STARTING.to_owned()));
        for (fault, hint) in [
            (Fault::PortClosed, "(it does not answer)"),
            (Fault::WrongPassword, "(it refuses this node)"),
            (Fault::SentinelWrongPassword, "(it refuses this node)"),
            (Fault::Moved, "(another server has the logs)"),
            (Fault::Passwordless, "(no hub works with it as it is)"),
        ] {
            contact.note(Side::Reader, Notice::Away { fault, since: now.mono });
            let text = format!("starting: the engine is away {hint}: see backplane_away in the log\n");
            assert_eq!(told(), (503, text));
        }
        contact.note(Side::Reader, Notice::Up { away_ms: 7 });
        assert_eq!(told(), (503, STARTING.to_owned()), "it is read");
    }

    #[test]
    fn an_engine_that_answers_and_takes_nothing_is_not_told_to_be_away() {
        let now = Now::from_ms(3_000, 3_000);
        let contact = Contact::new(1, now);
        contact.note_ready();
        contact.note(Side::Reader, Notice::Up { away_ms: 0 });
        for (fault, told) in
            [(Fault::Full, "the engine takes nothing for 0 s"), (Fault::Away, "the engine is away for 0 s")]
        {
            contact.note(Side::Writer, Notice::Away { fault, since: now.mono });
            for query in ["publish=1", ""] {
                let reply = shared(query, &contact, now);
                assert!(String::from_utf8_lossy(reply.body.bytes()).contains(told), "{reply:?}");
            }
        }
    }
}
