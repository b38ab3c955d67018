//! A chapter of the reference that is about the hub and not about its events.

/// A text, a picture, and a table whose rows can be searched. Whoever has the facts makes it, the
/// emitters of the reference write it.
pub struct Chapter {
    /// What links name it by. No event has a hyphen in its name.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// A picture in characters; empty where there is none.
    pub picture: &'static str,
    /// The heads of the table.
    pub heads: &'static [&'static str],
    /// The rows; the first cell of each is a name.
    pub rows: Vec<Vec<String>>,
}
