//! An invocation that reaches no method.

use crate::conn::turn::Options;
use crate::proto::signalr::text;
use std::borrow::Cow;

/// Why an invocation reaches no method. The client is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    UnknownMethod,
    ArgumentCount {
        given: usize,
        expected: usize,
    },
    /// They are no list of items.
    Items,
    /// They are a list of more items than a call takes.
    TooManyItems {
        given: usize,
        most: usize,
    },
    /// It is no text.
    Text,
    NotStreaming,
    /// It announces so many upload streams.
    Streams(usize),
}

impl Misfit {
    /// Returns what ASP.NET tells the client, and of a bound of the hub what the client can do.
    pub(super) fn told(self, target: &str, options: &Options) -> String {
        match self {
            Misfit::UnknownMethod => text::unknown_method(target),
            Misfit::ArgumentCount { given, expected } => {
                text::argument_count(target, given, expected, options.detailed_errors)
            }
            Misfit::TooManyItems { .. } => text::hub_exception(target, &self.why()),
            Misfit::Items | Misfit::Text => text::argument_type(target, options.detailed_errors),
            Misfit::NotStreaming => text::not_streaming(target),
            Misfit::Streams(streams) => text::unexpected_streams(target, streams),
        }
    }

    /// Returns what the log says: more, but nothing of the arguments themselves.
    pub(super) fn why(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Misfit::UnknownMethod => "there is no such method",
            Misfit::ArgumentCount { given, expected } => {
                return Cow::Owned(format!(
                    "{given} arguments were given, it takes {expected}: an array of all items, or a token"
                ));
            }
            Misfit::TooManyItems { given, most } => {
                return Cow::Owned(format!("{given} items were given, one call takes {most}: send portions"));
            }
            Misfit::Text => "the argument must be a string: a token",
            Misfit::Items => "the argument must be an array of objects, with EntityId and EventName strings",
            Misfit::NotStreaming => "it was invoked as a stream, and answers once",
            Misfit::Streams(_) => "it takes no upload streams",
        })
    }
}
