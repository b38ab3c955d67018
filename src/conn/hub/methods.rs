//! Hub messages of a client: the methods, and what each other message means.
//!
//! What a method gives back is a value, which the connection's hub protocol writes.
//!
//! A method runs to its end before the next record is looked at, and its completion is queued at
//! once. So answers come in the order of the questions, and whatever is queued behind the
//! completion of a Subscribe saw the subscription. A Subscribe that wants what another shard keeps
//! is the one that waits: the records behind it wait with it.

use super::super::allowance::TOKEN_COST;
use super::super::answers::Asked;
use super::super::ask::{Answer, Caller, Question};
use super::super::turn::{Process, Turn};
use super::misfit::Misfit;
use super::refreshing::{self, OTHER_USER, RefreshAnswer, granted, judging_cost};
use super::results::{Besides, Described, EVERY, Names, Verdict, Verdicts};
use super::subscribing::{self, Judged, Refused, Right, Snapshot, Subscribing};
use crate::auth::principal::Principal;
use crate::auth::token::{Tenancy, Token, TokenError};
use crate::broken::broken;
use crate::echo::echo;
use crate::hub::block::{Block, Found, Rows, Since, Wanted};
use crate::hub::kept::retained::Retained;
use crate::hub::partition::Partition;
use crate::hub::position::WirePosition;
use crate::hub::publication::{EventTraits, Publication};
use crate::hub::registry::{ConnKey, Joined, Left};
use crate::hub::topic::{Pattern, Reach, Topic, Wildcard};
use crate::limits::{Limits, SUBSCRIPTION_BYTES};
use crate::metrics::{Recovery, Refusal};
use crate::proto::signalr::codec::Arguments;
use crate::proto::signalr::message::{Given, HubMessage, Item, Malformed, ServerMessage};
use crate::proto::signalr::text;
use crate::proto::signalr::value::Value;
use crate::schema::{Kind, guid};
use crate::trace::{Fact, Level};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// What a verdict costs beside its bytes, in deliveries: an item that is no good is bound, judged
/// and answered, too.
const VERDICT_COST: usize = 3;
/// What is said of an item that lacks something, or has it of a wrong type.
const INVALID: &str = "Invalid item";
/// What is said of an item that is not granted.
const UNAUTHORIZED: &str = "Unauthorized";
/// So many bytes of an answer to `Catalogue` that is made cost as much as a delivery.
const MADE_BYTES_PER_DELIVERY: usize = 24;

/// What a record asks of the connection.
#[derive(Debug)]
pub(super) enum Next {
    GoOn,
    /// The client has shown that it pings.
    Pinged,
    /// The client said Close.
    Close,
    /// A Subscribe needs to know first what holds.
    Ask(Box<Subscribing>),
    /// A fresh token is good, and what the connection holds is judged by it.
    Refreshed(Box<Principal>),
}

/// The methods, matched without case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Subscribe,
    Unsubscribe,
    UnsubscribeAll,
    AvailableSubscriptions,
    GetActiveSubscriptions,
    Catalogue,
    RefreshToken,
}

/// The arguments that a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Any number, and ignores them, as the reference's samples pass some.
    Anything,
    /// A list of items.
    Items,
    /// A text.
    Text,
}

impl Method {
    fn find(target: &str) -> Option<Method> {
        const METHODS: [(&str, Method); 7] = [
            ("Subscribe", Method::Subscribe),
            ("Unsubscribe", Method::Unsubscribe),
            ("UnsubscribeAll", Method::UnsubscribeAll),
            ("AvailableSubscriptions", Method::AvailableSubscriptions),
            ("GetActiveSubscriptions", Method::GetActiveSubscriptions),
            ("Catalogue", Method::Catalogue),
            ("RefreshToken", Method::RefreshToken),
        ];
        METHODS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(target)).map(|(_, method)| method)
    }

    fn takes(self) -> Takes {
        match self {
            Method::Subscribe | Method::Unsubscribe => Takes::Items,
            Method::RefreshToken => Takes::Text,
            Method::UnsubscribeAll
            | Method::AvailableSubscriptions
            | Method::GetActiveSubscriptions
            | Method::Catalogue => Takes::Anything,
        }
    }
}

/// The connection that says something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker<'c> {
    pub(super) key: ConnKey,
    /// Its number in facts.
    pub(super) number: u64,
    pub(super) principal: &'c Principal,
}

/// Reads one record of an open connection and does what it says.
pub(super) fn handle_record(speaker: Speaker<'_>, record: &mut [u8], turn: &mut Turn<'_>) -> Result<Next, Malformed> {
    let limits = turn.process.limits;
    let mut parser = turn.tools.parser.take().unwrap_or_default();
    let protocol = turn.hub.encoding(speaker.key).protocol();
    let mut methods = Methods { speaker, turn };
    let next = parser.parse(protocol, record, limits.json_depth_max, |message| methods.handle(message));
    turn.tools.parser = Some(parser);
    next?
}

/// A verdict that tells nothing besides.
fn told(subscribed: bool, message: Option<&'static str>, pattern: Pattern) -> Verdict {
    Verdict::Told { subscribed, message, pattern, besides: Besides::default() }
}

/// Completes a Subscribe for which other shards have been asked, once they have all answered; false
/// where they have not.
pub(super) fn complete(
    speaker: Speaker<'_>,
    subscribing: &mut Subscribing,
    answer: Answer,
    turn: &mut Turn<'_>,
) -> bool {
    subscribing.awaited.add(answer);
    let Some(answer) = subscribing.awaited.whole() else { return false };
    let Answer::Block(block) = answer else { broken("a shard answers what it was asked") };
    let items = std::mem::take(&mut subscribing.items);
    Methods { speaker, turn }.seat(subscribing.id.as_deref(), items, Some(&block));
    true
}

/// An invocation whose method is known and whose arguments fit it.
struct Bound<'r> {
    method: Method,
    /// Of a method that takes any.
    items: SmallVec<[Item<'r>; 8]>,
    /// Of a method that takes one.
    text: &'r str,
}

impl<'r> Bound<'r> {
    /// Binds in ASP.NET's order: the method, the number of arguments, their types. A list is
    /// counted before any of its items is bound.
    fn new(target: &str, arguments: &Arguments<'_, 'r>, limits: &Limits) -> Result<Bound<'r>, Misfit> {
        let method = Method::find(target).ok_or(Misfit::UnknownMethod)?;
        let (mut items, mut text) = (SmallVec::new(), "");
        let (given, takes) = (arguments.count(), method.takes());
        if takes != Takes::Anything && given != 1 {
            return Err(Misfit::ArgumentCount { given, expected: 1 });
        }
        match takes {
            Takes::Anything => {}
            Takes::Items => {
                let (given, most) = (arguments.item_count(), limits.call_items_max());
                if given > most {
                    return Err(Misfit::TooManyItems { given, most });
                }
                arguments.items(&mut items).map_err(|_| Misfit::Items)?;
            }
            Takes::Text => text = arguments.text().map_err(|_| Misfit::Text)?,
        }
        Ok(Bound { method, items, text })
    }
}

/// Where invocations are served.
struct Methods<'m, 't> {
    speaker: Speaker<'m>,
    turn: &'m mut Turn<'t>,
}

impl Methods<'_, '_> {
    fn handle(&mut self, message: HubMessage<'_, Arguments<'_, '_>>) -> Result<Next, Malformed> {
        let key = self.speaker.key;
        if message.counts() && !self.turn.hub.take_received(key, self.turn.now.mono) {
            return Ok(Next::GoOn);
        }
        Ok(match message {
            HubMessage::Invocation { id, target, arguments, streams } => self.invoke(id, target, &arguments, streams),
            HubMessage::StreamInvocation { id, target, arguments } => {
                let misfit =
                    Bound::new(target, &arguments, self.turn.process.limits).err().unwrap_or(Misfit::NotStreaming);
                self.refuse_invocation(Some(id), target, misfit)
            }
            HubMessage::Ping => Next::Pinged,
            HubMessage::Close(_) => Next::Close,
            HubMessage::Ack(number) => {
                self.turn.hub.handle_ack(key, number);
                Next::GoOn
            }
            HubMessage::Sequence(number) => self.turn.hub.handle_sequence(key, number).map(|()| Next::GoOn)?,
            // Nothing of ours is answered by these, and what comes to nobody is ignored, as ASP.NET
            // does.
            HubMessage::StreamItem | HubMessage::Completion | HubMessage::CancelInvocation | HubMessage::Unknown => {
                Next::GoOn
            }
        })
    }

    fn invoke(&mut self, id: Option<&str>, target: &str, arguments: &Arguments<'_, '_>, streams: usize) -> Next {
        let bound = match Bound::new(target, arguments, self.turn.process.limits) {
            Ok(bound) if streams == 0 => bound,
            Ok(_) => return self.refuse_invocation(id, target, Misfit::Streams(streams)),
            Err(misfit) => return self.refuse_invocation(id, target, misfit),
        };
        let Process { catalogue, verifier, .. } = self.turn.process;
        match bound.method {
            Method::Subscribe => return self.subscribe(id, &bound.items),
            Method::Unsubscribe => self.complete_list(id, &bound.items, |methods, item| methods.unsubscribe(item)),
            Method::UnsubscribeAll => {
                self.turn.hub.leave_all(self.speaker.key);
                self.complete(id, Ok(&true));
            }
            Method::AvailableSubscriptions => self.complete(id, Ok(&Names(catalogue))),
            Method::GetActiveSubscriptions => {
                let held: SmallVec<[Pattern; 16]> = self.turn.hub.registry.patterns_of(self.speaker.key).collect();
                self.complete_list(id, held, |_, pattern| told(true, None, pattern));
            }
            Method::Catalogue => {
                self.describe(id, &Described { catalogue, verifier, principal: self.speaker.principal });
            }
            Method::RefreshToken => {
                let next = self.refresh(id, target, Token::new(bound.text));
                self.note_invoked();
                return next;
            }
        }
        self.note_invoked();
        Next::GoOn
    }

    /// Answers with an error, and tells more of it where somebody listens: a client learns little,
    /// and one that asked for no answer nothing.
    fn refuse_invocation(&mut self, id: Option<&str>, target: &str, misfit: Misfit) -> Next {
        self.note_failed(target, misfit.why());
        if id.is_some() {
            self.complete(id, Err(&misfit.told(target, self.turn.process.options)));
        }
        self.note_invoked();
        Next::GoOn
    }

    fn note_failed(&mut self, target: &str, why: Cow<'static, str>) {
        let conn = self.speaker.number;
        let fact = || Fact::InvocationFailed { conn, method: echo(target).into(), why };
        self.turn.books.trace.note(Level::Debug, fact);
    }

    fn note_invoked(&mut self) {
        let conn = self.speaker.number;
        self.turn.books.trace.note(Level::Trace, || Fact::Invoked { conn });
    }

    /// Answers with a result or an error, where an answer was asked for.
    fn complete(&mut self, id: Option<&str>, result: Result<&dyn Value, &str>) {
        if let Some(id) = id {
            self.turn.hub.send_message(self.speaker.key, &ServerMessage::Completion { id, result });
        }
    }

    /// A fresh token: what is held is judged by its grants, where it is good and of the same user.
    fn refresh(&mut self, id: Option<&str>, target: &str, token: Token<'_>) -> Next {
        let Process { catalogue, verifier, revocations, .. } = self.turn.process;
        let now = self.turn.now;
        self.turn.hub.spend(TOKEN_COST);
        let verified = verifier.verify_client(token, now).and_then(|fresh| match revocations.hold(&fresh, now) {
            true => Err(TokenError::Revoked),
            false => Ok(fresh),
        });
        let verified = verified.map_err(|error| (error.to_string(), error.sentence()));
        let fresh = verified.and_then(|fresh| match fresh.is_same_as(self.speaker.principal) {
            true => Ok(fresh),
            false => Err((OTHER_USER.to_owned(), OTHER_USER)),
        });
        match fresh {
            Ok(fresh) => {
                let refreshed = refreshing::judge_again(self.speaker.key, &fresh, self.turn);
                self.complete(id, Ok(&RefreshAnswer { refreshed: &refreshed, catalogue }));
                Next::Refreshed(Box::new(fresh))
            }
            Err((told, why)) => {
                self.turn.books.metrics.refuse(Refusal::BadToken);
                self.note_failed(target, Cow::Borrowed(why));
                self.complete(id, Err(&text::hub_exception(target, &told)));
                Next::GoOn
            }
        }
    }

    /// Answers what the principal may have.
    fn describe(&mut self, id: Option<&str>, described: &Described<'_>) {
        let mut descriptions = std::mem::take(&mut self.turn.tools.descriptions);
        let (answer, is_fresh) = descriptions.answer(self.turn.hub.encoding(self.speaker.key).protocol(), described);
        self.turn.hub.spend(if is_fresh { answer.bytes() / MADE_BYTES_PER_DELIVERY } else { 0 });
        self.complete(id, Ok(&answer));
        self.turn.tools.descriptions = descriptions;
    }

    /// Answers with a verdict for each item, in order.
    fn complete_list<I>(
        &mut self,
        id: Option<&str>,
        items: impl IntoIterator<Item = I>,
        mut verdict: impl FnMut(&mut Self, I) -> Verdict,
    ) {
        let mut verdicts = std::mem::take(&mut self.turn.tools.verdicts);
        verdicts.extend(items.into_iter().map(|item| verdict(self, item)));
        self.turn.hub.spend(VERDICT_COST * verdicts.len());
        self.complete(id, Ok(&Verdicts { verdicts: &verdicts, catalogue: self.turn.process.catalogue }));
        verdicts.clear();
        self.turn.tools.verdicts = verdicts;
    }

    /// Judges the items, and completes at once where no other shard has to be asked. A connection
    /// has one organization, so there is one home to ask.
    fn subscribe(&mut self, id: Option<&str>, items: &[Item<'_>]) -> Next {
        self.turn.hub.spend(judging_cost(items.len(), self.speaker.principal));
        let items: SmallVec<[Judged; 8]> = items
            .iter()
            .map(|item| match self.judge(item) {
                Ok(reach) => Judged::Right(self.right(reach, item)),
                Err(message) => Judged::Wrong(Refused::new(message, item)),
            })
            .collect();
        let wanted = items.iter().filter_map(|item| match item {
            Judged::Right(right) => right.wanted(),
            Judged::Wrong(_) => None,
        });
        let wanted: SmallVec<[Wanted; 8]> = wanted.collect();
        let organization = self.organization();
        let home = home_of(self.speaker.principal, self.turn.process);
        // What the home has stamped and this shard has not delivered yet comes before.
        let is_behind = home != self.turn.process.shard && !self.turn.intake.takes_mail(self.turn.process.limits);
        if wanted.is_empty() && !is_behind {
            self.seat(id, items, None);
            return Next::GoOn;
        }
        let caller = Caller::Connection(self.speaker.key);
        let question = Question::Recover { organization, wanted: Arc::from(&wanted[..]) };
        let mut awaited = self.turn.ask(caller, Asked::Home(home), question);
        match awaited.whole() {
            Some(Answer::Block(block)) => {
                self.seat(id, items, Some(&block));
                Next::GoOn
            }
            _ => Next::Ask(Box::new(Subscribing { id: id.map(str::to_owned), items, awaited })),
        }
    }

    fn right(&self, reach: Reach, item: &Item<'_>) -> Right {
        let snapshot = match item.snapshot {
            Some(true) => Snapshot::Asked,
            None if self.turn.process.options.snapshots => Snapshot::ByDefault,
            None | Some(false) => Snapshot::No,
        };
        let pattern = reach.pattern();
        let event = self.turn.process.catalogue.event(pattern.event());
        let rows = match (event.kind, event.key, event.call) {
            (Kind::State, None, _) => Rows::Value,
            (Kind::State, Some(_), _) => Rows::Keyed,
            (Kind::Occurrence, _, Some(_)) => Rows::Call,
            (Kind::Occurrence, _, None) => Rows::None,
        };
        let since = subscribing::since(item);
        let asks = since.is_some_and(|since| since != Since::Present);
        let is_current = asks && self.turn.hub.registry.holds(self.speaker.key, &pattern);
        Right { reach, is_current, rows, since, snapshot, is_lost: false }
    }

    /// The items become subscriptions; then come the completion, the block, and whatever is
    /// published later.
    fn seat(&mut self, id: Option<&str>, items: SmallVec<[Judged; 8]>, block: Option<&Block>) {
        let (count, mut subscribed, mut answered) = (items.len(), 0, BTreeSet::new());
        let mut found = block.map(|block| block.found.as_slice()).unwrap_or_default().iter();
        self.complete_list(id, items, |methods, item| {
            let right = match item {
                Judged::Wrong(refused) => return methods.refuse(refused),
                Judged::Right(right) => right,
            };
            let found = if right.wants() { found.next() } else { None };
            if right.is_lost {
                return told(false, Some(UNAUTHORIZED), right.reach.pattern());
            }
            let verdict = methods.join(&right, block.zip(found));
            if let Verdict::Told { subscribed: true, pattern, .. } = verdict {
                subscribed += 1;
                answered.extend(found.map(|_| pattern));
            }
            verdict
        });
        let conn = self.speaker.number;
        self.turn.books.trace.note(Level::Trace, || Fact::Subscribed { conn, items: count, subscribed });
        if let Some(block) = block {
            self.send_block(block, &answered);
        }
    }

    /// Queues the block, as far as these want it: others were one subscription too many.
    fn send_block(&mut self, block: &Block, answered: &BTreeSet<Pattern>) {
        let key = self.speaker.key;
        let is_wanted = |topic: &Topic| {
            answered.contains(&Pattern::One(*topic)) || answered.contains(&Pattern::Every(topic.wildcard()))
        };
        let parts: Vec<(&Arc<Retained>, EventTraits<'_>, bool)> = block
            .publications
            .iter()
            .filter(|publication| is_wanted(&publication.topic))
            .filter_map(|publication| {
                let Publication { topic, effect, .. } = &***publication;
                let traits = EventTraits::of(self.turn.process.catalogue, topic.event, effect.is_last());
                Some((publication, traits, self.turn.hub.registry.membership(key, &publication.topic)?))
            })
            .collect();
        self.turn.hub.send_block(key, parts);
    }

    /// How many subscriptions the connection may have; none that it has not, where all together are
    /// as many as may be, or the process keeps as much as it may.
    fn subscriptions_max(&self) -> usize {
        let Limits { subscriptions_max, total_subscriptions_max, .. } = *self.turn.process.limits;
        let hub = &self.turn.hub;
        let share = total_subscriptions_max.div_ceil(self.turn.process.shards.max(1));
        let has_room = hub.registry.subscription_count() < share && hub.share().all().has_room(SUBSCRIPTION_BYTES);
        if has_room { subscriptions_max } else { 0 }
    }

    fn join(&mut self, right: &Right, told: Option<(&Block, &Found)>) -> Verdict {
        let Right { reach, since, snapshot, .. } = right;
        let pattern = reach.pattern();
        let max = self.subscriptions_max();
        if self.turn.hub.join(self.speaker.key, reach.clone(), since.is_some(), max) == Joined::Full {
            const MESSAGE: &str = "Too many subscriptions";
            let event = &self.turn.process.catalogue.event(pattern.event()).lower;
            let asked = || {
                let entity = match pattern {
                    Pattern::One(topic) => topic.entity.to_string().into(),
                    Pattern::Every(_) => EVERY.into(),
                };
                (Some(event.as_str().into()), Some(entity))
            };
            self.note_refused(MESSAGE, asked);
            return self::told(false, Some(MESSAGE), pattern);
        }
        let mut besides = Besides::default();
        if let Some((block, found)) = told {
            let Found { position, recovery, replayed, rows, is_partial } = *found;
            if since.is_some() {
                besides.position = Some(WirePosition { position, ..block.present });
            }
            if let Some(recovery) = recovery {
                besides.recovered = Some((recovery == Recovery::Recovered, replayed));
                self.turn.books.metrics.recover(recovery);
                self.turn.books.metrics.replayed += replayed as u64;
            }
            self.turn.books.metrics.snapshots += rows as u64;
            if *snapshot == Snapshot::Asked {
                besides.snapshot = Some((rows, is_partial));
                self.turn.books.metrics.snapshots_partial += u64::from(is_partial);
            }
        }
        Verdict::Told { subscribed: true, message: None, pattern, besides }
    }

    fn refuse(&mut self, refused: Refused) -> Verdict {
        let Refused { message, entity, event } = &refused;
        let boxed = |text: &Option<String>| text.as_deref().map(Box::from);
        self.note_refused(message, || (boxed(event), boxed(entity)));
        Verdict::Refused(refused)
    }

    /// An item is refused: what was asked for, its event and its entity, is told where somebody
    /// listens.
    fn note_refused(&mut self, why: &'static str, asked: impl FnOnce() -> (Option<Box<str>>, Option<Box<str>>)) {
        let conn = self.speaker.number;
        self.turn.books.metrics.refuse(Refusal::Item);
        self.turn.books.trace.note(Level::Debug, || {
            let (event, entity) = asked();
            Fact::ItemRefused { conn, event, entity, why }
        });
    }

    /// The checks of an item of a Subscribe, in their order: form, event, entity, permission. The
    /// limit comes last.
    fn judge(&self, item: &Item<'_>) -> Result<Reach, &'static str> {
        granted(self.pattern(item)?, self.speaker.principal, self.turn.process).ok_or(UNAUTHORIZED)
    }

    /// Leaving needs no permission: who was never let in is not in.
    fn unsubscribe(&mut self, item: &Item<'_>) -> Verdict {
        match self.pattern(item) {
            Ok(pattern) => match self.turn.hub.leave(self.speaker.key, pattern) {
                Left::Gone | Left::Absent => told(false, None, pattern),
                Left::Covered => told(true, Some("Still subscribed by EntityId *"), pattern),
            },
            Err(message) => self.refuse(Refused::new(message, item)),
        }
    }

    fn pattern(&self, item: &Item<'_>) -> Result<Pattern, &'static str> {
        let (Given::Text(entity), Given::Text(event)) = (item.entity_id, item.event_name) else {
            return Err(INVALID);
        };
        if item.is_mistyped {
            return Err(INVALID);
        }
        let event = self.turn.process.catalogue.find(event).ok_or("Unknown EventName")?;
        let organization = self.organization();
        if entity == EVERY {
            return Ok(Pattern::Every(Wildcard { organization, event }));
        }
        // The all-zero one means nobody: nothing is ever published of it.
        let entity = guid::parse(entity).filter(|entity| !entity.is_nil()).ok_or("Invalid EntityId")?;
        Ok(Pattern::One(Topic { organization, event, entity }))
    }

    fn organization(&self) -> Uuid {
        organization_of(self.speaker.principal, self.turn.process)
    }
}

fn organization_of(principal: &Principal, process: Process<'_>) -> Uuid {
    match process.verifier.tenancy() {
        Tenancy::Multi => principal.organization.unwrap_or(Uuid::nil()),
        Tenancy::Single => Uuid::nil(),
    }
}

/// The shard that knows what a connection of that principal has missed.
pub(super) fn home_of(principal: &Principal, process: Process<'_>) -> usize {
    Partition::of(organization_of(principal, process)).home(process.shards)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::signalr::codec::Parser;
    use crate::proto::signalr::protocol::HubProtocol;

    #[test]
    fn methods_are_found_without_case_and_by_no_other_name() {
        assert_eq!(Method::find("subscribe"), Some(Method::Subscribe));
        assert_eq!(Method::find("UNSUBSCRIBEALL"), Some(Method::UnsubscribeAll));
        assert_eq!(Method::find("Subscribe "), None);
    }

    #[test]
    fn a_list_of_more_items_than_a_call_takes_is_refused_before_any_is_bound() {
        let limits = Limits { subscriptions_max: 600, ..Limits::DEFAULT };
        let json = |count: usize| {
            let items = vec!["7"; count].join(",");
            format!(r#"{{"type":1,"target":"Unsubscribe","arguments":[[{items}]]}}"#).into_bytes()
        };
        let packed = |count: u16| {
            let message = [&b"\x95\x01\x80\xC0\xA9Subscribe\x91\xDC"[..], &count.to_be_bytes()].concat();
            [message, vec![7; usize::from(count)]].concat()
        };
        let misfit = |protocol, mut record: Vec<u8>| {
            let depth_max = limits.json_depth_max;
            let misfit = Parser::default().parse(protocol, &mut record, depth_max, |message| {
                let HubMessage::Invocation { target, arguments, .. } = message else { panic!("an invocation") };
                Bound::new(target, &arguments, &limits).err()
            });
            misfit.unwrap().unwrap()
        };
        let too_many = Misfit::TooManyItems { given: 1_201, most: 1_200 };
        assert_eq!(misfit(HubProtocol::Json, json(1_200)), Misfit::Items);
        assert_eq!(misfit(HubProtocol::Json, json(1_201)), too_many);
        assert_eq!(misfit(HubProtocol::MessagePack, packed(1_200)), Misfit::Items);
        assert_eq!(misfit(HubProtocol::MessagePack, packed(1_201)), too_many);
    }
}
