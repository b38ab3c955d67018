//! Texts that the program has in it deflated: pages, manual and catalogue are read
//! seldom, and would be a fourteenth of its size.

use crate::broken::broken;
use flate2::{Decompress, FlushDecompress, Status};

/// A text of this repository, as `build.rs` has deflated it; the macro `packed` makes one.
#[derive(Clone, Copy, Debug)]
pub struct Packed(pub(crate) &'static [u8]);

impl Packed {
    /// Inflates it. Who needs it often keeps what is returned.
    pub(crate) fn text(self) -> String {
        let (mut inflater, mut text) = (Decompress::new(false), Vec::new());
        let mut rest = self.0;
        loop {
            text.reserve(self.0.len() * 4);
            let done = (inflater.total_in(), text.len());
            let Ok(status) = inflater.decompress_vec(rest, &mut text, FlushDecompress::None) else {
                broken("what the build has deflated can be inflated");
            };
            if status == Status::StreamEnd {
                break;
            }
            let taken = usize::try_from(inflater.total_in() - done.0).unwrap_or(usize::MAX);
            if taken == 0 && text.len() == done.1 {
                broken("what the build has deflated has an end");
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        String::from_utf8(text).unwrap_or_else(|_| broken("what the build has deflated is a text"))
    }
}

/// The file of that path below `src`, in one of the folders that `build.rs` packs.
macro_rules! packed {
    ($($path:expr),+) => {
        $crate::packed::Packed(include_bytes!(concat!(env!("OUT_DIR"), "/packed/", $($path),+)))
    };
}
pub(crate) use packed;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write;

    #[test]
    fn a_packed_text_is_the_file_and_smaller() {
        let page = packed!("pages/", "wall.mjs");
        let file = include_str!("pages/wall.mjs");
        assert_eq!(page.text(), file);
        assert!(page.0.len() * 2 < file.len(), "{} of {}", page.0.len(), file.len());
    }

    #[test]
    fn a_text_that_is_a_hundred_times_larger_than_packed_is_inflated_whole() {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
        deflated.write_all(&[b'a'; 100_000]).unwrap();
        assert_eq!(Packed(deflated.finish().unwrap().leak()).text(), "a".repeat(100_000));
    }
}
