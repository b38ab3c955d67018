//! A Redis for several nodes of one hub, for as long as the demo lasts.

use crate::cli::failure::Failure;
use crate::config::Setting;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// A Redis that keeps nothing. It ends with the demo.
pub(super) struct OwnRedis {
    process: Child,
    port: u16,
}

/// Runs a Redis for as long as the demo does, whatever ends that: its end closes the input.
const UNTIL_INPUT_ENDS: &str = "redis-server \"$@\" & exec >&-; read -r _; kill $!; wait";

impl OwnRedis {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    /// [`Failure::Refused`] with what to do, where there is none.
    pub(super) fn start() -> Result<OwnRedis, Failure> {
        let refused = |why: String| {
            let advice = "install redis-server (on Debian: apt-get install redis-server), or name a Redis of yours by \
                          --set journal.redis.addresses=HOST:PORT";
            Failure::Refused(format!("--nodes needs a Redis: {why}; {advice}"))
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| refused(error.to_string()))?;
        let port = listener.local_addr().map_err(|error| refused(error.to_string()))?.port();
        drop(listener);
        let mut command = Command::new("sh");
        command.args(["-c", UNTIL_INPUT_ENDS, "sh", "--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--appendonly", "no"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| refused(format!("sh: {error}")))?;
        let lines = process.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
        let is_ready = lines.map_while(Result::ok).any(|line| line.contains("eady to accept connections"));
        let redis = OwnRedis { process, port };
        if is_ready { Ok(redis) } else { Err(refused("there is no redis-server, or it does not start".to_owned())) }
    }

    /// What makes it the engine of a node.
    pub(super) fn setting(&self) -> Setting {
        let (key, text) = ("journal.redis.addresses".to_owned(), format!("127.0.0.1:{}", self.port));
        Setting { key, text, origin: "--nodes".to_owned() }
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
