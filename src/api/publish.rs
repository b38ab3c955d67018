//! stub
#![expect(missing_docs, reason = "stub")]
use crate::auth::principal::Principal;
use crate::auth::token::Verifier;
use crate::hub::topic::Topic;
use crate::limits::Limits;
use crate::proto::http::reply::Reply;
use crate::schema::Catalogue;
#[derive(Debug, Default)]
pub struct Options {}
#[derive(Debug, Default)]
pub struct Scratch {}
#[derive(Debug, Clone, Copy)]
pub enum Form {
    Json,
}
impl Form {
    pub fn of(_: Option<&str>) -> Result<Form, Reply> {
        Ok(Form::Json)
    }
}
pub struct Request<'a> {
    pub form: Form,
    pub query: &'a str,
    pub body: &'a [u8],
}
#[derive(Debug)]
pub struct Outcome {}
impl Outcome {
    pub fn topics(&self) -> &[Topic] {
        &[]
    }
    pub fn rejected(&self) -> usize {
        0
    }
    pub fn tolerated(&self) -> u64 {
        0
    }
    pub fn reply(self) -> Reply {
        Reply::text(202, "")
    }
    pub fn dry_run_reply(self, _: u64) -> Reply {
        Reply::text(202, "")
    }
}
pub enum Provenance {
    Sent,
    Derived,
}
pub trait Sink {
    fn publish(&mut self, topic: Topic, data: &[u8], provenance: Provenance);
}
pub fn publish(
    _: &Request<'_>,
    _: &Catalogue,
    _: &Options,
    _: &Verifier,
    _: &Principal,
    _: &Limits,
    _: &mut Scratch,
    _: &mut impl Sink,
) -> Outcome {
    Outcome {}
}
