//! Logs of a Cluster: one command reads of one slot only, so that each partition is waited for on a
//! connection of its own.

use super::dialed::Dialed;
use super::faults::Complaint;
use super::layout::{Entries, Tail, reading};
use super::options::Options;
use super::servers::{Servers, reach};
use crate::backplane::Fault;
use crate::backplane::entry::Raw;
use crate::hub::partition::Partition;
use crate::limits::BACKPLANE_BLOCK_MS;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::time::Duration;

/// A connection on which the log of one partition is waited for.
struct Follower {
    partition: Partition,
    dialed: Dialed,
    /// What has been asked there and is not answered.
    asked: Option<Tail>,
}

/// Those of all partitions.
#[derive(Default)]
pub(super) struct Followers(Vec<Follower>);

impl Followers {
    /// Waits a while until some of these logs have something, and returns what.
    pub(super) fn read(
        &mut self,
        tails: &[Tail],
        options: &Options,
        servers: &Servers,
    ) -> Result<Vec<(Partition, Vec<Raw>)>, Complaint> {
        for tail in tails {
            self.ask(tail, options, servers)?;
        }
        let (mut found, mut silent) = (Vec::new(), 0);
        loop {
            let ready = self.wait()?;
            for follower in
                self.0.iter_mut().zip(&ready).filter_map(|(follower, is_ready)| is_ready.then_some(follower))
            {
                let answer = follower.dialed.receive()?;
                let Some(tail) = follower.asked.take() else { continue };
                let of_tail = |entries: Option<Entries>| Ok(entries.map(|entries| tail.found(entries)).transpose()?);
                match answer.read(of_tail)? {
                    Some(entries) => found.extend(entries),
                    None => {
                        silent += 1;
                        follower.ask(tail)?;
                    }
                }
            }
            if !found.is_empty() || silent >= tails.len() || !ready.contains(&true) {
                return Ok(found);
            }
        }
    }

    /// Asks for what comes behind that place of a log, unless that is asked already.
    fn ask(&mut self, tail: &Tail, options: &Options, servers: &Servers) -> Result<(), Complaint> {
        let is_asked = |follower: &Follower| follower.asked.as_ref().is_some_and(|asked| asked != tail);
        // An answer is still to come there that nobody wants any more.
        self.0.retain(|follower| follower.partition != tail.partition || !is_asked(follower));
        if !self.0.iter().any(|follower| follower.partition == tail.partition) {
            let mut dialed = reach(options, servers.address(tail.partition)?)?;
            // What TLS says first has been read then: what comes next is an answer.
            let _: u32 = dialed.ask(redis::cmd("EXISTS").arg(&tail.key))?;
            dialed.be_patient(BACKPLANE_BLOCK_MS)?;
            self.0.push(Follower { partition: tail.partition, dialed, asked: None });
        }
        let silent =
            self.0.iter_mut().filter(|follower| follower.partition == tail.partition && follower.asked.is_none());
        silent.into_iter().try_for_each(|follower| follower.ask(tail.clone()))
    }

    /// Which of them has an answer; none where the time is over.
    fn wait(&self) -> Result<Vec<bool>, Complaint> {
        let mut fds: Vec<PollFd<'_>> =
            self.0.iter().map(|follower| PollFd::new(follower.dialed.tcp(), PollFlags::IN)).collect();
        let longest = Timespec::try_from(Duration::from_millis(BACKPLANE_BLOCK_MS)).map_err(|_| Fault::Timeout)?;
        match poll(&mut fds, Some(&longest)) {
            Ok(_) => Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect()),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(_) => Err(Fault::Away.into()),
        }
    }
}

impl Follower {
    fn ask(&mut self, tail: Tail) -> Result<(), Complaint> {
        self.dialed.send(&reading(core::slice::from_ref(&tail)).get_packed_command())?;
        self.asked = Some(tail);
        Ok(())
    }
}
