//! Routes as functions: a request and what it needs in, a reply out.

pub mod publish;
