//! What the head of a publish request says of its body.

use super::attributes::Attributes;
use super::coding::{Coding, coding};
use super::form::{Form, Terms, form, terms};
use super::refusal::Refusal;
use crate::proto::http::head::Head;

/// What the head of a request says, kept until the body is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub(super) form: Form,
    pub(super) coding: Coding,
    pub(super) terms: Terms,
    /// The attributes of a CloudEvent in binary mode.
    pub(super) attributes: Attributes,
}

impl RequestHead {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// 415 for content type or coding, 400 for the query.
    pub fn read(head: &Head<'_>) -> Result<RequestHead, Refusal> {
        let coding = coding(head.list("content-encoding"))?;
        let attributes = Attributes::of(head.headers.iter().copied());
        let form = form(head.header("content-type"), attributes.are_there())?;
        Ok(RequestHead { form, coding, terms: terms(head.query)?, attributes })
    }

    /// That of a request with these two alone.
    ///
    /// # Errors
    ///
    /// As [`RequestHead::read`].
    pub fn of(content_type: Option<&str>, query: &str) -> Result<RequestHead, Refusal> {
        let (coding, attributes) = (Coding::Identity, Attributes::default());
        Ok(RequestHead { form: form(content_type, false)?, coding, terms: terms(query)?, attributes })
    }
}
