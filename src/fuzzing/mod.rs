//! The bodies of the fuzz targets. Each takes any bytes, and judges what the parser makes of them
//! by an oracle: the same bytes in pieces, an independent implementation, or a slow and obvious
//! twin. They live here rather than in `fuzz/` so that `cargo test` replays the corpus through
//! them, without libFuzzer.
//!
//! An input starts with [`SIZE_BYTES`] bytes that say in which pieces the rest arrives;
//! [`validate()`] and [`publish()`] have heads of their own, [`key_set()`] and [`since()`]
//! have none.

mod handshake;
mod http_head;
mod hub_json;
mod key_set;
mod naive;
mod pieces;
mod proxy_preamble;
mod publish;
mod since;
mod validate;
mod ws_frames;

pub use handshake::handshake;
pub use http_head::http_head;
pub use hub_json::hub_json;
pub use key_set::key_set;
pub use pieces::SIZE_BYTES;
pub use proxy_preamble::proxy_preamble;
pub use publish::publish;
pub use since::since;
pub use validate::validate;
pub use ws_frames::ws_frames;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// Runs a target over its committed corpus; what libFuzzer finds is added there and stays
    /// found.
    fn replay(target: &str, body: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut inputs = 0;
        for entry in fs::read_dir(&folder).expect("each target has a corpus") {
            let path = entry.expect("the corpus can be listed").path();
            name_input(&path);
            body(&fs::read(&path).expect("a corpus file can be read"));
            inputs += 1;
        }
        assert!(inputs >= 10, "{} holds {inputs} inputs", folder.display());
    }

    /// Names the input that a failure comes from; captured unless the test fails.
    #[expect(clippy::print_stdout, reason = "the test harness shows it for a failing input only")]
    fn name_input(path: &Path) {
        println!("{}", path.display());
    }

    #[test]
    fn the_corpus_of_http_head_holds() {
        replay("http_head", http_head);
    }

    #[test]
    fn the_corpus_of_ws_frames_holds() {
        replay("ws_frames", ws_frames);
    }

    #[test]
    fn the_corpus_of_hub_json_holds() {
        replay("hub_json", hub_json);
    }

    #[test]
    fn the_corpus_of_key_set_holds() {
        replay("key_set", key_set);
    }

    #[test]
    fn the_corpus_of_handshake_holds() {
        replay("handshake", handshake);
    }

    #[test]
    fn the_corpus_of_proxy_preamble_holds() {
        replay("proxy_preamble", proxy_preamble);
    }

    #[test]
    fn the_corpus_of_publish_holds() {
        replay("publish", publish);
    }

    #[test]
    fn the_corpus_of_since_holds() {
        replay("since", since);
    }

    #[test]
    fn the_corpus_of_validate_holds() {
        replay("validate", validate);
    }
}
