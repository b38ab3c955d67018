//! Links that carry a connection without a WebSocket, each played by a script and alone: their room
//! is below all that it takes to play one.

mod event_stream;
mod poll;

use super::{Line, Stage, line};
use crate::wire::Cut;

/// What unit tests of links play and hear.
impl Stage {
    /// Plays a line of a script.
    fn run(&mut self, text: &str) {
        let line = line(text.as_bytes()).expect("a line of a script");
        self.play(&line, &mut || usize::MAX);
    }

    /// So many milliseconds pass.
    fn pass(&mut self, ms: u64) {
        self.play(&Line::Time(ms), &mut || usize::MAX);
    }

    /// The peer of that letter sends a request with a client's token. Its target may name `{id}`.
    fn ask(&mut self, letter: char, line: &str, more: &str, body: &str) {
        let (host, len) = ("Host: hub\r\nAuthorization: Bearer {client}", body.len());
        self.run(&format!("{letter}{line} HTTP/1.1\r\n{host}\r\n{more}Content-Length: {len}\r\n\r\n{body}"));
    }

    /// What the peer of that letter has heard and nobody has taken yet. An id is taken with it.
    fn take(&mut self, letter: char) -> String {
        let peer = self.peers.all.iter_mut().rev().find(|peer| char::from(peer.letter) == letter);
        String::from_utf8(std::mem::take(&mut peer.expect("a peer").heard)).expect("a text")
    }

    /// How the hub has closed the link of the peer of that letter.
    fn closed(&self, letter: char) -> Option<Cut> {
        let peer = self.peers.all.iter().rev().find(|peer| char::from(peer.letter) == letter);
        peer.expect("a peer").closed
    }
}
