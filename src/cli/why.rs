//! `rte why`: whether a token lets its bearer hear an event of an entity, and by which rule.

use super::console::Console;
use super::credential::{Bearer, Credential};
use super::cursors::EVERY;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::http::HttpClient;
use super::identity::{Identity, Judge};
use super::inspect::expiry;
use super::listen::socket::{self, Read};
use super::publish::Publisher;
use super::session::{HELLO, Interest, Session, Step, Verdict};
use super::trust::Trust;
use super::{batch, schema, world};
use crate::auth::principal::Principal;
use crate::auth::rights::{Action, Allowed, Denied, Standing};
use crate::auth::token::Tenancy;
use crate::config::{Flags, environment};
use crate::schema::{Catalogue, EntityRule, EventId, Kind, guid};
use crate::shell::roots::Roots;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use uuid::Uuid;

const LONG: &str = "\
Says whether a token lets its bearer subscribe to an event of an entity, and which rule decided: its expiry, organization, \
the event's audience, the grant. By the configuration that `rte serve` would use here (its keys, claim names and default \
grants); without one the token is read and not proven.

With --url the hub itself is asked, too: what it says to the token, and to each subscription, which ends at once. Where a token \
with scope publish is there (this one, or --publisher-token-file), a dry run counts the members.

Exit code 1: at least one of them is not allowed.

Examples, with GUID for the 36 characters of one:
  rte why --token-file token.jwt GUID:QueueStatus '*:QueueStatus'
  rte why --token-file token.jwt --url http://127.0.0.1:8080/rte GUID:UserStatus GUID:QueueStatus";

/// Explains what a token may.
#[derive(clap::Args)]
#[command(about = "Explain whether a token may hear an event, and why", long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    credential: Credential,
    /// A hub to ask; the path is /rte where none is given
    #[arg(long, value_name = "URL", value_parser = Endpoint::parse)]
    url: Option<Endpoint>,
    #[command(flatten)]
    trust: Trust,
    /// A file with a token of scope publish, by which members are counted
    #[arg(long, value_name = "FILE", requires = "url")]
    publisher_token_file: Option<PathBuf>,
    /// What is asked about: a GUID, or '*' for every entity, and an event
    #[arg(value_name = "GUID:EVENT", required = true, value_parser = topic)]
    topics: Vec<Asked>,
}

/// One pair.
#[derive(Clone, Debug)]
struct Asked {
    /// None is `*`.
    entity: Option<Uuid>,
    event: String,
}

impl Asked {
    fn entity_id(&self) -> String {
        self.entity.map_or_else(|| EVERY.to_owned(), |entity| entity.to_string())
    }
}

fn topic(text: &str) -> Result<Asked, &'static str> {
    let (entity, event) = text.split_once([':', '/']).ok_or("write GUID:EVENT, such as GUID:QueueStatus")?;
    let entity = match entity {
        EVERY => None,
        literal => {
            // The hub refuses the all-zero one to everybody.
            let entity = guid::parse(literal).filter(|entity| !entity.is_nil());
            Some(entity.ok_or("an entity is a GUID of 36 characters, not the all-zero one, or *")?)
        }
    };
    if event.is_empty() { Err("the event is missing") } else { Ok(Asked { entity, event: event.to_owned() }) }
}

/// How long the hub may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Explains each pair.
///
/// # Errors
/// [`Failure::Refused`] where one of them is not allowed; as other commands where the hub can't be
/// asked.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let token = args.credential.read()?;
    let judge = Judge::new(&args.flags, environment())?;
    let (folders, wire_case) = match &judge.config {
        Some(config) => (config.schema_dirs.clone(), config.wire_case),
        None => (args.flags.schema_dirs.clone(), None),
    };
    let catalogue = schema::load(&folders, wire_case, console).map_err(Failure::Usage)?;
    let identity = judge.look(token.reveal(), world::unix_ms())?;
    let hub = args.url.as_ref().map(|url| Ok((url, args.trust.roots(url)?))).transpose()?;
    let verdicts = hub.as_ref().map(|(url, roots)| ask(url, roots, &token, &args.topics)).transpose()?;
    let publisher = match &args.publisher_token_file {
        Some(file) => Credential { token: None, token_file: Some(file.clone()) }.read()?,
        None => token,
    };
    let mut refused = 0;
    for (number, asked) in args.topics.iter().enumerate() {
        let mut answer = explain(&judge, &identity, &catalogue, asked);
        if let (Some(verdicts), Some((url, roots))) = (&verdicts, &hub) {
            let verdict = verdicts.get(number);
            answer.is_allowed = verdict.is_some_and(|verdict| verdict.subscribed);
            answer.lines.push(("hub", said(verdict)));
            if let Some(entity) = asked.entity {
                let members = || {
                    let item = item(&catalogue, &asked.event, entity, identity.principal.as_ref().ok())?;
                    count(&Publisher::new(&url.root(), roots.clone(), publisher.clone(), Some("dry_run=1")), &item)
                };
                answer.lines.push(("members", told(members())));
            }
        }
        refused += usize::from(!answer.is_allowed);
        let yes_or_no = if answer.is_allowed { "yes" } else { "no" };
        console.line(format_args!("{}:{}  {yes_or_no}", asked.entity_id(), asked.event))?;
        for (name, line) in answer.lines {
            console.line(format_args!("  {name:<14}{line}"))?;
        }
    }
    match refused {
        0 => Ok(()),
        _ => Err(Failure::Refused(format!("{refused} of {} not allowed", args.topics.len()))),
    }
}

/// The answer to one pair.
struct Explained {
    is_allowed: bool,
    lines: Vec<(&'static str, String)>,
}

/// By the token and the configuration alone.
fn explain(judge: &Judge, identity: &Identity, catalogue: &Catalogue, asked: &Asked) -> Explained {
    let mut is_allowed = true;
    let mut lines = Vec::new();
    let mut tell = |name, is_good: bool, line: String| {
        is_allowed &= is_good;
        lines.push((name, line));
    };
    match (&identity.verdict, &judge.unproven) {
        (Some(Err(error)), _) => tell("token", false, format!("refused: {error}")),
        (Some(Ok(())), _) => tell("token", true, "proven by a configured key".to_owned()),
        (None, why) => tell("token", true, format!("not proven: {}", why.as_deref().unwrap_or("nobody looked"))),
    }
    tell("expiry", true, expiry(&identity.said.claims, world::unix_ms() / 1000));
    let names = &judge.verifier.options().claims;
    let principal = match &identity.principal {
        Ok(principal) => principal,
        Err(error) => {
            tell("claims", false, error.to_string());
            return Explained { is_allowed, lines };
        }
    };
    match (judge.verifier.tenancy(), principal.organization) {
        (Tenancy::Single, _) => tell("organization", true, "not looked at (auth.tenancy = \"single\")".to_owned()),
        (Tenancy::Multi, Some(guid)) => {
            tell(
                "organization",
                true,
                format!("{guid} ({}): what is published for it, and nothing else", names.organization),
            );
        }
        (Tenancy::Multi, None) => {
            tell("organization", false, format!("none, and clients need one ({})", names.organization))
        }
    }
    let Some(id) = catalogue.find(&asked.event) else {
        let near = catalogue.nearest(&asked.event).map_or(String::new(), |near| format!("; did you mean {near}?"));
        tell("event", false, format!("there is none of that name{near}"));
        return Explained { is_allowed, lines };
    };
    tell("event", true, described(catalogue, id));
    let (event, family) = (catalogue.event(id), catalogue.family_of(id));
    let Some(entity) = asked.entity else {
        let (is_good, line) = standing(judge.verifier.standing(principal, family, event), catalogue, id);
        tell("grant", is_good, line);
        return Explained { is_allowed, lines };
    };
    let decide = |action| judge.verifier.decide(principal, action, family, event, entity);
    let (is_good, line) = reason(decide(Action::Subscribe), principal);
    tell("grant", is_good, line);
    if principal.may_publish {
        // Publishing is another question: it is told, and decides nothing here.
        tell("publishing", true, reason(decide(Action::Publish), principal).1);
    }
    Explained { is_allowed, lines }
}

fn described(catalogue: &Catalogue, id: EventId) -> String {
    let event = catalogue.event(id);
    let kind = match event.kind {
        Kind::State => "state",
        Kind::Occurrence => "occurrence",
    };
    let audience = if event.audience.client {
        "for clients"
    } else {
        "for back ends: a grant must name it, or the token needs scope backend"
    };
    format!("{}, {kind} of a {}, {audience}", event.name, catalogue.family(id).entity)
}

/// For which entities it is allowed, if for any.
fn standing(standing: Standing, catalogue: &Catalogue, id: EventId) -> (bool, String) {
    let entity = &catalogue.family(id).entity;
    match standing {
        Standing::Every => (true, format!("allowed for every {entity}")),
        Standing::Only(entities) => {
            let list: Vec<String> = entities.iter().map(Uuid::to_string).collect();
            (true, format!("allowed for these only, by entity: {}", list.join(" ")))
        }
        Standing::Unnamed => (false, "denied: no grant names the event, and scope backend is missing".to_owned()),
        Standing::Ungranted => (false, "denied: no grant covers it".to_owned()),
    }
}

/// Whether it is allowed, and the rule.
fn reason(decided: Result<Allowed<'_>, Denied>, principal: &Principal) -> (bool, String) {
    let line = match decided {
        Ok(Allowed::Itself) => "allowed: it is the user's own, which needs no grant".to_owned(),
        Ok(Allowed::Everybody(grant)) => format!("allowed by {grant}, which everybody has (auth.default_grants)"),
        Ok(Allowed::Own(grant)) => format!("allowed by {grant} in the token"),
        Ok(Allowed::Scope) => "allowed by scope publish, which no grant narrows".to_owned(),
        Err(Denied::Unnamed) => {
            "denied: what covers the entity does not name the event, and scope backend is missing".to_owned()
        }
        Err(Denied::Ungranted) => {
            let user = if principal.user.is_none() { "; the user is no GUID, so that nothing is its own" } else { "" };
            let foreign = match principal.foreign_grants {
                0 => String::new(),
                count => format!(" ({count} entries are no grants, `rte token --inspect` says why)"),
            };
            format!("denied: none of {} grants covers it{foreign}{user}", principal.grants.len())
        }
        Err(Denied::NoScope) => "denied: scope publish is missing".to_owned(),
        Err(Denied::AllForeign) => {
            format!(
                "denied: none of {} entries is a grant, and so they narrow scope publish to nothing",
                principal.foreign_grants
            )
        }
    };
    (decided.is_ok(), line)
}

/// What the hub says to these subscriptions, in their order.
fn ask(url: &Endpoint, roots: &Roots, token: &Bearer, topics: &[Asked]) -> Result<Vec<Verdict>, Failure> {
    let endpoint = url.clone().or_path("/rte");
    let interest = |asked: &Asked| Interest { entity: asked.entity_id(), event: asked.event.clone() };
    let mut session = Session::new(&topics.iter().map(interest).collect::<Vec<_>>());
    let mut socket = socket::connect(&HttpClient::new(roots.clone()), &endpoint, token)?;
    socket::send(&mut socket, HELLO)?;
    let mut verdicts = Vec::new();
    let until = world::now() + ANSWER_MAX;
    while world::now() < until {
        let text = match socket::read(&mut socket, ANSWER_MAX) {
            Read::Text(text) => text,
            Read::Life => continue,
            Read::Nothing => break,
            Read::Lost(why) => return Err(Failure::Connection(why)),
        };
        let mut steps = Vec::new();
        session.on_text(&text, &mut steps).map_err(|fault| Failure::Connection(fault.to_string()))?;
        for step in steps {
            match step {
                Step::Send(text) => socket::send(&mut socket, &text)?,
                Step::Verdict(verdict) => verdicts.push(verdict),
                Step::Live => {
                    socket::goodbye(&mut socket);
                    return Ok(verdicts);
                }
                Step::Closed { error, .. } => return Err(Failure::Connection(error.unwrap_or_default())),
                Step::Greeted | Step::Event(_) => {}
            }
        }
    }
    Err(Failure::Connection("the hub does not answer".to_owned()))
}

fn said(verdict: Option<&Verdict>) -> String {
    match verdict {
        Some(verdict) if verdict.subscribed => "takes the subscription".to_owned(),
        Some(verdict) => format!("refuses it: {}", verdict.message.as_deref().unwrap_or("no reason given")),
        None => "said nothing of it".to_owned(),
    }
}

/// An item by which members can be counted.
fn item(catalogue: &Catalogue, event: &str, entity: Uuid, who: Option<&Principal>) -> Result<Value, String> {
    let id = catalogue.find(event).ok_or("there is no such event")?;
    example(catalogue, id, entity, who.and_then(|who| who.organization))
}

/// How many members the hub counts, by a dry run.
fn count(publisher: &Publisher, item: &Value) -> Result<u64, String> {
    let mut batch = batch::Batch::new(batch::Form::Json);
    batch.push(1, item.to_string().as_bytes());
    let outcome = publisher.send_once(&mut batch);
    let outcome = outcome.map_err(|failure| failure.sentence().unwrap_or_default().to_owned())?;
    let fault = outcome.rejections.into_iter().flat_map(|rejection| rejection.faults).next();
    fault.map_or(Ok(()), Err)?;
    outcome.members.ok_or_else(|| "the hub does not say".to_owned())
}

/// The members, or why they can't be counted.
fn told(count: Result<u64, String>) -> String {
    count.map_or_else(|why| format!("not counted: {why} (a token of scope publish can)"), |count| count.to_string())
}

/// An item about that entity, made of the event's first example.
fn example(catalogue: &Catalogue, id: EventId, entity: Uuid, organization: Option<Uuid>) -> Result<Value, String> {
    let event = catalogue.event(id);
    let text = event.examples.first().map(|example| example.delivered.as_str()).ok_or("the event has no example")?;
    let mut data: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let wire = |index: usize| event.properties.get(index).map(|property| property.wire.as_str());
    let mut put = |index: usize, guid: Uuid| {
        if let Some(name) = wire(index) {
            data[name] = json!(guid.to_string());
        }
    };
    match event.entity {
        EntityRule::Property(index) | EntityRule::PropertyOrPublisher(index) => put(index, entity),
        EntityRule::Publisher => {}
    }
    if let (Some(index), Some(organization)) = (event.organization, organization) {
        put(index, organization);
    }
    let mut item = json!({ "eventName": event.name, "data": data });
    if event.entity == EntityRule::Publisher {
        item["entityId"] = json!(entity.to_string());
    }
    if let (None, Some(organization)) = (event.organization, organization) {
        item["organizationId"] = json!(organization.to_string());
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_takes_for_no_entity_cannot_be_asked_about() {
        for entity in ["00000000-0000-0000-0000-000000000000", "cbeeb190ff4bea11ac9c00155d4fdcf3", "**"] {
            assert!(topic(&format!("{entity}:QueueStatus")).is_err(), "{entity}");
        }
        for entity in ["cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3", "*"] {
            assert_eq!(topic(&format!("{entity}:QueueStatus")).unwrap().entity_id(), entity);
        }
    }
}
