//! Topics and their members, publications, outboxes.

pub mod topic;
