//! What a target says of an input, for people.

/// Takes what a target has to say, line by line and at once: an input may break the target before
/// its end. Where nobody listens, nothing is formatted.
pub struct Transcript<'w> {
    write: Option<&'w mut dyn FnMut(&str)>,
    has_decided: bool,
}

impl<'w> Transcript<'w> {
    /// Nobody listens.
    pub fn unheard() -> Transcript<'static> {
        Transcript { write: None, has_decided: false }
    }

    /// Every text goes to `write`.
    pub fn heard_by(write: &'w mut dyn FnMut(&str)) -> Transcript<'w> {
        Transcript { write: Some(write), has_decided: false }
    }

    /// Says what was decided.
    pub(super) fn say(&mut self, text: impl FnOnce() -> String) {
        self.has_decided = true;
        self.show(text);
    }

    /// Says as what the input was taken, which decides nothing yet.
    pub(super) fn show(&mut self, text: impl FnOnce() -> String) {
        if let Some(write) = &mut self.write {
            write(&text());
        }
    }

    /// Returns whether anything was decided: an input may have another form than its target reads.
    pub(crate) fn has_decided(&self) -> bool {
        self.has_decided
    }
}
