//! What a target says of an input, for people.

/// Takes what a target has to say, line by line and at once: an input may break the target before
/// its end. Where nobody listens, nothing is formatted.
pub struct Transcript<'w>(Option<&'w mut dyn FnMut(&str)>);

impl<'w> Transcript<'w> {
    /// Nobody listens.
    pub fn unheard() -> Transcript<'static> {
        Transcript(None)
    }

    /// Every text goes to `write`.
    pub fn heard_by(write: &'w mut dyn FnMut(&str)) -> Transcript<'w> {
        Transcript(Some(write))
    }

    /// Says something.
    pub(super) fn say(&mut self, text: impl FnOnce() -> String) {
        if let Some(write) = &mut self.0 {
            write(&text());
        }
    }
}
