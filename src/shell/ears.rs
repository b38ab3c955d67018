//! What the lanes have to say, on its way to the shards and to the log.

use super::backplane::{Complaint, EngineFacts, Listener, Risk};
use crate::api::negotiated::IdKey;
use crate::backplane::Notice;
use crate::backplane::line::JointGap;
use crate::backplane::reader::ReaderMail;
use crate::backplane::writer::WriterMail;
use crate::conn::{Mail, Shared, Side};
use crate::shell::bell::Bell;
use crate::shell::clock::Clock;
use crate::shell::log::Logger;
use crate::shell::mailbox::{Letter, Mailboxes};
use crate::shell::mio_os::MioOs;
use crate::trace::Fact;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the reader waits before it looks again whether a shard takes more.
const FULL_LOOK: Duration = Duration::from_millis(1);

/// Posts what concerns the shards, and logs what concerns people.
#[derive(Debug)]
pub(crate) struct Ears {
    mailboxes: Arc<Mailboxes<MioOs>>,
    shared: Arc<Shared>,
    log: Logger,
    clock: Clock,
    /// By what the engine may lose something, as far as it has been told.
    told: Mutex<BTreeSet<(String, Risk)>>,
    /// The shards have ended: nobody takes anything any more.
    is_over: AtomicBool,
    end: Bell,
}

impl Ears {
    /// For these shards.
    pub(crate) fn new(mailboxes: Arc<Mailboxes<MioOs>>, shared: Arc<Shared>, log: Logger, clock: Clock) -> Ears {
        let (told, is_over) = (Mutex::default(), AtomicBool::new(false));
        Ears { mailboxes, shared, log, clock, told, is_over, end: Bell::default() }
    }

    /// The shards have ended.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.end.ring();
    }

    fn post(&self, shard: usize, mail: ReaderMail) {
        let Some(mailbox) = self.mailboxes.get(shard) else { return };
        // The log of the engine is the buffer.
        while mailbox.is_full() && !self.is_over.load(Ordering::Relaxed) {
            self.end.wait(FULL_LOOK);
        }
        mailbox.post(Letter::Mail(Mail::Read(mail)));
    }
}

impl Listener for Ears {
    fn hear_notice(&self, side: Side, notice: Notice, complaint: Option<&Complaint>) {
        let Some(contact) = &self.shared.contact else { return };
        if !contact.note(side, notice) {
            return;
        }
        let lane = side.label();
        let fact = match notice {
            Notice::Away { fault, .. } => {
                let complaint = complaint.cloned().unwrap_or_else(|| fault.into());
                let (error, action) = (complaint.told(), complaint.fault.remedy());
                let Complaint { server, words, .. } = complaint;
                Fact::BackplaneAway { lane, error, server, words, action }
            }
            Notice::Up { away_ms } => Fact::BackplaneBack { lane, away_ms },
        };
        self.log.write(&fact, self.clock.now());
    }

    fn hear_writer(&self, mail: WriterMail) {
        match mail {
            WriterMail::Settled(settled) => {
                if let Some(mailbox) = self.mailboxes.get(settled.shard) {
                    mailbox.post(Letter::Mail(Mail::Settled(settled)));
                }
            }
            WriterMail::Repaired { repaired, lost } => {
                self.log.write(&Fact::BackplaneRepaired { repaired, lost }, self.clock.now());
            }
            WriterMail::Notice(_) | WriterMail::Acked { .. } => {}
        }
    }

    fn hear_facts(&self, facts: &EngineFacts) {
        let EngineFacts { secret, risks } = facts;
        if self.shared.options.id_key.is_none() {
            self.shared.common_key.get_or_init(|| IdKey::derived(secret.as_bytes()));
        }
        // It is read anew whenever the lane comes back.
        let fresh = |risk: &&(String, Risk)| self.told.lock().insert((*risk).clone());
        for (server, (what, action)) in risks.iter().filter(fresh) {
            let fact = Fact::BackplaneUnsafe { server: server.clone(), what, action };
            self.log.write(&fact, self.clock.now());
        }
    }

    fn hear_gaps(&self, gaps: &[JointGap]) {
        for JointGap { reason, partitions, missed } in gaps {
            let partitions: Vec<String> = partitions.iter().map(|it| it.number().to_string()).collect();
            let (partitions, action) = (partitions.join(","), reason.remedy());
            let fact = Fact::BackplaneGap { partitions, reason: reason.label(), missed: *missed, action };
            self.log.write(&fact, self.clock.now());
        }
    }

    fn hear_reader(&self, mail: ReaderMail) {
        match &mail {
            ReaderMail::Ready => {
                self.log.write(&Fact::BackplaneReady, self.clock.now());
                (0..self.mailboxes.len()).for_each(|shard| self.post(shard, ReaderMail::Ready));
            }
            ReaderMail::Gap { .. }
            | ReaderMail::Entries { .. }
            | ReaderMail::Values { .. }
            | ReaderMail::Begun(_)
            | ReaderMail::Lost(_)
            | ReaderMail::Notice(_)
            | ReaderMail::Restart => {}
        }
        if let Some(partition) = mail.partition() {
            self.post(partition.home(self.mailboxes.len()), mail);
        }
    }
}
