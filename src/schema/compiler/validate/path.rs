//! Where in a text something is wrong.

use super::message::shown;
use super::scan::Text;

/// The way from the root to a value, on the stack; a pointer is made of it only when something is
/// wrong.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    pub(super) up: Option<&'p Path<'p>>,
    pub(super) step: Step<'p>,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'p> {
    Root,
    Name(Text<'p>),
    /// A property that the text doesn't have.
    Absent(&'p str),
    Index(usize),
}

impl Path<'_> {
    pub(super) const ROOT: Path<'static> = Path { up: None, step: Step::Root };

    /// The RFC 6901 pointer; names that are too long to be repeated are cut in it.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = self.up.map(Path::pointer).unwrap_or_default();
        let mut name = |chars: &mut dyn Iterator<Item = char>| {
            pointer.push('/');
            for c in chars {
                // RFC 6901 section 3.
                match c {
                    '~' => pointer.push_str("~0"),
                    '/' => pointer.push_str("~1"),
                    c => pointer.push(c),
                }
            }
        };
        match self.step {
            Step::Root => {}
            Step::Name(text) => name(&mut shown(&text).chars()),
            Step::Absent(text) => name(&mut text.chars()),
            Step::Index(index) => pointer.push_str(&format!("/{index}")),
        }
        pointer
    }
}
