//! The bodies of the fuzz targets. Each takes any bytes, and judges what the hub makes of them by
//! an oracle: the same bytes in pieces, an independent implementation, or a slow and obvious twin.
//! They live here rather than in `fuzz/` so that `cargo test` replays the corpus through them,
//! without libFuzzer, and `rte fuzz-replay` any file.
//!
//! Most inputs start with [`SIZE_BYTES`] bytes that say in which pieces the rest arrives; others
//! have heads of their own, or none: the form says it that the target has.
//!
//! Two targets need what the library has not, and are in `fuzz/` and `tests/`: the simulated world,
//! and the allocator of [`cost()`].

mod config;
mod connection;
mod cost;
mod entry;
mod fixtures;
mod grants;
mod handshake;
mod http_body;
mod http_head;
mod hub_json;
mod hub_messagepack;
mod journal_record;
mod key_set;
mod naive;
mod negotiate;
mod pieces;
mod proxy_preamble;
mod publish;
mod query;
mod schema;
mod script;
mod since;
mod ticket;
mod token;
mod transcript;
mod utf8;
mod validate;
mod ws_frames;

pub use cost::{Spent, cost};
pub use pieces::SIZE_BYTES;
pub use transcript::Transcript;

/// A target that any bytes can be given to.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its binary, and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// What reads the bytes.
    pub(crate) what: &'static str,
    /// The form of an input, for people. "Sizes" are [`SIZE_BYTES`].
    pub(crate) form: &'static str,
    /// Judges them; panics where the hub is wrong.
    pub body: fn(&[u8], &mut Transcript<'_>),
}

/// Makes the table of targets, and a test of each one's corpus.
macro_rules! targets {
    ($($name:ident: $what:literal, $form:literal;)*) => {
        $(pub use $name::$name;)*

        /// All targets, by name.
        pub const TARGETS: [Target; [$($what),*].len()] =
            [$(Target { name: stringify!($name), what: $what, form: $form, body: $name }),*];

        #[cfg(test)]
        mod the_corpus_holds {
            $(
                #[test]
                fn $name() {
                    super::tests::replay(stringify!($name), super::$name);
                }
            )*
        }
    };
}

targets! {
    config: "rte.toml", "the file";
    connection: "whole connections: HTTP, upgrade, handshake, hub",
        "sizes, and a script: lines, each behind a byte 0xFF";
    entry: "heads of entries in a log that several processes share", "the head";
    grants: "grants of a token, and what they cover",
        "a user's GUID and a blank, or neither; then lines, each a grant";
    handshake: "the handshake of SignalR", "sizes, and a record, which 0x1E ends";
    http_body: "chunked bodies", "sizes, and the chunks";
    http_head: "request heads",
        "sizes, and the lines of the head, each with its CR LF, and an empty one";
    hub_json: "hub messages in JSON", "sizes, and records, each of which 0x1E ends";
    hub_messagepack: "hub messages in MessagePack", "sizes, and messages, each behind its length";
    journal_record: "files of a journal", "the file";
    key_set: "key sets at an address", "the set, in JSON";
    negotiate: "the query of a negotiate request", "the query, without its `?`";
    proxy_preamble: "headers of the PROXY protocol", "sizes, and the header";
    publish: "publish bodies: items, NDJSON, CloudEvents, gzip",
        "`j`, `n`, `s` or `b`, and a body in JSON or NDJSON, a CloudEvent or a batch of them; `i` \
         or `e`, and lines, each an item or a CloudEvent; `c`, and lines of attributes, each a \
         name, a blank and a value, an empty line, and the data; `z`, and what gzip makes";
    query: "query strings", "the query, without its `?`";
    schema: "files of a catalogue", "a file, or files, each behind a line `### PATH`";
    since: "what an item of a Subscribe says of the past", "the text";
    ticket: "tickets, and what is sealed in them",
        "`r`, and a ticket; `s`, and the bytes that are sealed in one";
    token: "JSON Web Tokens",
        "`r`, and a token; `a` or `i`, a header in JSON, a line feed and claims in JSON, to be \
         signed here for a hub of any issuer, or of one";
    utf8: "UTF-8 in pieces", "sizes, and the text";
    validate: "the data of an event",
        "a letter for the event, of which `A` is the first of `rte schema list`; `s` for strict or \
         `l` for lenient; and the data in JSON";
    ws_frames: "WebSocket frames", "sizes, and the frames of a client";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// Runs a target over its committed corpus; what libFuzzer finds is added there and stays
    /// found.
    pub(super) fn replay(target: &str, body: fn(&[u8], &mut Transcript<'_>)) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut inputs = 0;
        for entry in fs::read_dir(&folder).expect("each target has a corpus") {
            let path = entry.expect("the corpus can be listed").path();
            name_input(&path);
            body(&fs::read(&path).expect("a corpus file can be read"), &mut Transcript::unheard());
            inputs += 1;
        }
        assert!(inputs >= 10, "{} holds {inputs} inputs", folder.display());
    }

    /// Names the input that a failure comes from; captured unless the test fails.
    #[expect(clippy::print_stdout, reason = "the test harness shows it for a failing input only")]
    fn name_input(path: &Path) {
        println!("{}", path.display());
    }
}
