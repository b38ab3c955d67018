//! What is repeated of names that peers have made up: in answers, errors and the log.

use crate::limits::ECHO_BYTES_MAX;

/// The beginning of a foreign name, cut at a character's border: as much of it as is ever repeated.
pub(crate) fn echo(name: &str) -> &str {
    name.get(..name.floor_char_boundary(ECHO_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_echo_is_the_longest_beginning_that_may_be_repeated(name in ".{0,200}") {
            let told = echo(&name);
            prop_assert!(name.starts_with(told) && told.len() <= ECHO_BYTES_MAX);
            let next = name[told.len()..].chars().next();
            prop_assert!(next.is_none_or(|next| told.len() + next.len_utf8() > ECHO_BYTES_MAX));
        }
    }
}
