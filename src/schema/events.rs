//! What `build.rs` generates from the files under `schema/`: a struct for each event, and the
//! built-in catalogue's tables.

include!(concat!(env!("OUT_DIR"), "/events.rs"));
