//! The walk over one event's data.

use super::super::model::{Event, EventId, Model, Property, Scalar, Type, Values};
use super::super::{names, wire::camel};
use super::bounds::{Bounds, DEPTH_CEILING, Mode};
use super::date_time;
use super::duplicates::without_duplicates;
use super::members::{Met, Strangers, position};
use super::message::{cut, expected, found};
use super::path::{Path, Step};
use super::scalar::{INT, Integer, LONG, SHORT, Width};
use super::scan::{Flaw, Halt, Scanner, SyntaxError, Text, flaws};
use super::verdict::{Accepted, Violation};
use super::wanted::{Noted, Read, Wanted};
use super::{rule, scalar};
use std::borrow::Cow;

/// See [`super::validate`].
pub(super) fn validate(
    model: &Model,
    event: EventId,
    text: &str,
    mode: Mode,
    bounds: Bounds,
    out: &mut Vec<u8>,
) -> Result<Accepted, Vec<Violation>> {
    let Some(declared) = model.event(event) else {
        return Err(vec![Violation {
            pointer: String::new(),
            rule: rule::TYPE,
            message: format!("the catalogue has no event number {}", event.0),
        }]);
    };
    let (depth_max, errors_max) = (bounds.depth_max.min(DEPTH_CEILING), bounds.errors_max.max(1));
    let bounds = Bounds { depth_max, errors_max, ..bounds };
    let mut walk = Walk::new(model, text, mode, bounds, out);
    match walk.event(declared) {
        Ok(accepted) => Ok(accepted),
        Err(Stop::Rejected) => {
            let violations = std::mem::take(&mut walk.violations);
            out.clear();
            Err(violations)
        }
        Err(Stop::Syntax(error)) => Err(vec![no_json(error, text)]),
        Err(Stop::Duplicates) => validate_again(model, declared, text, bounds, out),
    }
}

/// The second and last attempt of lenient mode, where names are, or may be, there twice: the
/// earlier ones are taken out of the text first.
fn validate_again(
    model: &Model,
    declared: &Event,
    text: &str,
    bounds: Bounds,
    out: &mut Vec<u8>,
) -> Result<Accepted, Vec<Violation>> {
    let cleaned = match without_duplicates(model, declared, text, bounds.depth_max) {
        Ok(cleaned) => cleaned,
        Err(Halt::Syntax(error)) => return Err(vec![no_json(error, text)]),
        Err(Halt::Depth) => return Err(vec![too_deep(String::new(), bounds)]),
    };
    let (once, removed) = match &cleaned {
        Some((once, removed)) => (once.as_str(), *removed),
        None => (text, 0),
    };
    let mut walk = Walk::new(model, once, Mode::Lenient, bounds, out);
    walk.names_are_unique = true;
    match walk.event(declared) {
        Ok(mut accepted) => {
            accepted.tolerated = accepted.tolerated.saturating_add(removed);
            if removed > 0 && !accepted.rewritten {
                out.extend_from_slice(once.as_bytes());
                accepted.rewritten = true;
            }
            Ok(accepted)
        }
        Err(Stop::Syntax(error)) => Err(vec![no_json(error, once)]),
        Err(Stop::Rejected | Stop::Duplicates) => {
            let violations = std::mem::take(&mut walk.violations);
            out.clear();
            Err(violations)
        }
    }
}

fn no_json(error: SyntaxError, text: &str) -> Violation {
    Violation { pointer: String::new(), rule: rule::JSON, message: error.describe(text) }
}

fn too_deep(pointer: String, bounds: Bounds) -> Violation {
    let message = format!("nests deeper than {} levels", bounds.depth_max);
    Violation { pointer, rule: rule::DEPTH, message }
}

/// Why the walk ends early.
enum Stop {
    /// The text is no JSON.
    Syntax(SyntaxError),
    /// There are violations, and no more are wanted or can be found.
    Rejected,
    /// Lenient mode has met a name twice, or can't tell.
    Duplicates,
}

impl From<SyntaxError> for Stop {
    fn from(error: SyntaxError) -> Stop {
        Stop::Syntax(error)
    }
}

struct Walk<'a> {
    model: &'a Model,
    text: &'a str,
    scan: Scanner<'a>,
    mode: Mode,
    bounds: Bounds,
    out: &'a mut Vec<u8>,
    /// How far `text` has been copied to `out`; nothing is until the first change.
    copied: usize,
    rewritten: bool,
    tolerated: u32,
    /// Lenient mode's second attempt: nothing is there twice any more.
    names_are_unique: bool,
    violations: Vec<Violation>,
}

impl<'a> Walk<'a> {
    fn new(model: &'a Model, text: &'a str, mode: Mode, bounds: Bounds, out: &'a mut Vec<u8>) -> Walk<'a> {
        out.clear();
        Walk {
            model,
            text,
            scan: Scanner::new(text),
            mode,
            bounds,
            out,
            copied: 0,
            rewritten: false,
            tolerated: 0,
            names_are_unique: false,
            violations: Vec::new(),
        }
    }

    fn event(&mut self, event: &'a Event) -> Result<Accepted, Stop> {
        let mut wanted = Wanted::of(event);
        if self.scan.peek() == Some(b'{') {
            self.object(&event.properties, Some(&mut wanted), &Path::ROOT, 0)?;
        } else {
            self.mismatch("an object", &Path::ROOT, 0)?;
        }
        self.scan.end()?;
        if !self.violations.is_empty() {
            return Err(Stop::Rejected);
        }
        if self.rewritten {
            self.out.extend_from_slice(self.text.as_bytes().get(self.copied..).unwrap_or_default());
        }
        Ok(Accepted { rewritten: self.rewritten, tolerated: self.tolerated, ..wanted.found })
    }

    fn object(
        &mut self,
        properties: &'a [Property],
        mut wanted: Option<&mut Wanted>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        self.enter(path, depth)?;
        let mut met = Met::of(properties.len());
        let mut met_count = 0;
        let mut strangers = Strangers::default();
        let mut is_documented = false;
        let mut next = 0;
        let mut more = self.scan.open(b'{', b'}')?;
        let is_empty = !more;
        let mut end = if is_empty { self.scan.offset() - 1 } else { self.scan.offset() };
        while more {
            let (name, index) = self.property(properties, next, path)?;
            let here = Path { up: Some(path), step: Step::Name(name) };
            if let Some((index, property)) = index.and_then(|index| Some((index, properties.get(index)?))) {
                is_documented |= name.raw == property.name && name.raw != property.wire;
                if met.mark(index) {
                    self.duplicate(&property.wire, &here)?;
                } else {
                    met_count += 1;
                }
                next = index + 1;
                let read = self.value(&property.ty, property.values.as_ref(), property.nullable, &here, depth + 1)?;
                if let (Some(wanted), Some(noted)) = (wanted.as_deref_mut(), read)
                    && !wanted.keep(index, noted)
                {
                    let message = "the all-zero GUID names no entity; nobody could receive the event".to_owned();
                    self.violate(rule::ENTITY_ZERO, &here, message)?;
                }
            } else {
                if self.mode == Mode::Lenient && !self.names_are_unique && !strangers.add(name) {
                    return Err(Stop::Duplicates);
                }
                self.opaque(&here, depth + 1)?;
            }
            end = self.scan.offset();
            more = self.scan.more(b'}')?;
        }
        if met_count < properties.len() {
            let absent =
                properties.iter().enumerate().filter(|(index, _)| !met.has(*index)).map(|(_, property)| property);
            self.fill(absent, end, is_empty, is_documented, path)?;
        }
        Ok(())
    }

    /// A member's name up to the value, and the property it names. `next` is the one that comes
    /// next if the publisher keeps the catalogue's order, which saves the search.
    fn property(
        &mut self,
        properties: &'a [Property],
        next: usize,
        path: &Path<'_>,
    ) -> Result<(Text<'a>, Option<usize>), Stop> {
        if let Some(property) = properties.get(next)
            && let Some(name) = self.scan.eat_name(&property.wire)
        {
            self.scan.demand(b':', "a colon")?;
            return Ok((name, Some(next)));
        }
        let name = self.scan.name()?;
        if let Some(flaw) = name.flaw {
            self.flaw(flaw, name.start, name.end(), &Path { up: Some(path), step: Step::Name(name) })?;
            if self.mode == Mode::Lenient {
                self.unknown(properties, name, path)?;
            }
            return Ok((name, None));
        }
        let Some((index, property)) =
            position(properties, name).and_then(|index| Some((index, properties.get(index)?)))
        else {
            self.unknown(properties, name, path)?;
            return Ok((name, None));
        };
        if !name.means(&property.wire) {
            if !name.means(&property.name) && !name.chars().eq(camel(&property.name)) {
                match self.mode {
                    Mode::Strict => self.unknown(properties, name, path)?,
                    Mode::Lenient => self.tolerate(),
                }
            }
            self.replace(name.start, name.end(), property.wire.as_bytes());
        }
        Ok((name, Some(index)))
    }

    fn unknown(&mut self, properties: &[Property], name: Text<'_>, path: &Path<'_>) -> Result<(), Stop> {
        if self.mode == Mode::Lenient {
            self.tolerate();
            return Ok(());
        }
        let name_read: String = name.chars().collect();
        let mut message = format!("unknown property \"{}\"", cut(&name_read));
        if self.violations.len() < self.bounds.suggestions_max
            && let Some(nearest) = names::nearest(&name_read, properties.iter().map(|property| property.wire.as_str()))
        {
            message.push_str(&format!("; did you mean \"{nearest}\"?"));
        }
        self.violate(rule::UNKNOWN_PROPERTY, &Path { up: Some(path), step: Step::Name(name) }, message)
    }

    fn duplicate(&mut self, wire: &str, path: &Path<'_>) -> Result<(), Stop> {
        match self.mode {
            Mode::Lenient => Err(Stop::Duplicates),
            Mode::Strict => {
                let message = format!("property \"{wire}\" is there already (names are compared without case)");
                self.violate(rule::DUPLICATE_PROPERTY, path, message)
            }
        }
    }

    /// Deals with the properties that an object doesn't have; `end` is where its last member ends.
    #[cold]
    fn fill(
        &mut self,
        absent: impl Iterator<Item = &'a Property>,
        end: usize,
        is_empty: bool,
        is_documented: bool,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        let mut is_first = is_empty;
        for property in absent {
            if property.optional {
                continue;
            }
            if property.nullable {
                let comma: &[u8] = if std::mem::take(&mut is_first) { b"" } else { b"," };
                self.replace(end, end, comma);
                for piece in [&b"\""[..], property.wire.as_bytes(), b"\":null"] {
                    self.out.extend_from_slice(piece);
                }
            } else {
                let name = if is_documented { &property.name } else { &property.wire };
                let message =
                    format!("property \"{name}\" is missing; expected {}", expected(self.model, &property.ty));
                self.violate(rule::MISSING_PROPERTY, &Path { up: Some(path), step: Step::Absent(name) }, message)?;
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        ty: &'a Type,
        values: Option<&'a Values>,
        nullable: bool,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Read<'a>, Stop> {
        let first = self.scan.peek();
        if first == Some(b'n') {
            return self.null(ty, nullable, path);
        }
        match (ty, first) {
            (Type::Guid, Some(b'"')) => return self.guid(path),
            (Type::String, Some(b'"')) => return self.string(values, path),
            (Type::DateTime, Some(b'"')) => return self.date_time(path),
            (Type::Bool, Some(b't')) => self.scan.literal("true")?,
            (Type::Bool, Some(b'f')) => self.scan.literal("false")?,
            (Type::Short, Some(b'-' | b'0'..=b'9')) => self.integer(SHORT, values, path)?,
            (Type::Int, Some(b'-' | b'0'..=b'9')) => self.integer(INT, values, path)?,
            (Type::Long, Some(b'-' | b'0'..=b'9')) => self.integer(LONG, values, path)?,
            (Type::List(element), Some(b'[')) => self.list(element, path, depth)?,
            (Type::Object(index), Some(b'{')) => match self.model.types.get(*index) {
                Some(object) => self.object(&object.properties, None, path, depth)?,
                None => self.opaque(path, depth)?,
            },
            (Type::Set(index), _) => match self.model.sets.get(*index) {
                Some(set) => return self.value(&set.base, Some(&set.values), nullable, path, depth),
                None => self.opaque(path, depth)?,
            },
            (
                Type::Guid
                | Type::String
                | Type::DateTime
                | Type::Bool
                | Type::Short
                | Type::Int
                | Type::Long
                | Type::List(_)
                | Type::Object(_),
                _,
            ) => self.mismatch(&expected(self.model, ty), path, depth)?,
        }
        Ok(None)
    }

    fn null(&mut self, ty: &'a Type, nullable: bool, path: &Path<'_>) -> Result<Read<'a>, Stop> {
        self.scan.literal("null")?;
        if nullable {
            return Ok(None);
        }
        let base = if let Type::Set(index) = ty { self.model.sets.get(*index).map_or(ty, |set| &set.base) } else { ty };
        match (self.mode, base) {
            (Mode::Lenient, Type::String) => self.tolerate(),
            (Mode::Lenient, Type::List(_)) => {
                self.tolerate();
                let end = self.scan.offset();
                self.replace(end - "null".len(), end, b"[]");
            }
            _ => self.violate(
                rule::NULL,
                path,
                format!("null is not allowed here; expected {}", expected(self.model, ty)),
            )?,
        }
        Ok(None)
    }

    fn guid(&mut self, path: &Path<'_>) -> Result<Read<'a>, Stop> {
        let text = self.scan.text()?;
        let Some(guid) = text.bytes(&mut [0; 36]).and_then(scalar::guid) else {
            let message = format!("{} is no GUID of the form 0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59", found(&text));
            self.violate(rule::GUID, path, message)?;
            return Ok(None);
        };
        if guid.has_upper_case || text.escaped {
            let mut lower = [0; 36];
            if let Some(bytes) = text.bytes(&mut [0; 36])
                && bytes.len() == lower.len()
            {
                lower.copy_from_slice(bytes);
                lower.make_ascii_lowercase();
                self.replace(text.start, text.end(), &lower);
            }
        }
        Ok(Some(Noted::Guid(guid.bytes)))
    }

    fn string(&mut self, values: Option<&'a Values>, path: &Path<'_>) -> Result<Read<'a>, Stop> {
        let text = self.scan.text()?;
        let read = Some(Noted::Text(text));
        if let Some(flaw) = text.flaw {
            self.flaw(flaw, text.start, text.end(), path)?;
            if self.mode == Mode::Strict {
                return Ok(None);
            }
        }
        let Some(values) = values else { return Ok(read) };
        let is_known = values.list.iter().any(|value| match &value.scalar {
            Scalar::Text(known) => text.means(known),
            Scalar::Integer(_) => false,
        });
        if !is_known {
            self.stranger(values, &found(&text), path)?;
        }
        Ok(read)
    }

    fn integer(&mut self, width: Width, values: Option<&'a Values>, path: &Path<'_>) -> Result<(), Stop> {
        let number = self.scan.number()?;
        let is_plain = number.whole && number.raw != "-0";
        let read = match number.raw.parse() {
            Ok(value) if is_plain => Integer::Whole(value),
            _ => scalar::integer(number.raw),
        };
        let value = match read {
            Integer::Whole(value) if (width.low..=width.high).contains(&value) => value,
            Integer::Fraction => {
                let message = format!("{} has a fraction; expected a whole number ({})", cut(number.raw), width.name);
                return self.violate(rule::INTEGER, path, message);
            }
            Integer::Whole(_) | Integer::TooLarge => {
                let Width { name, low, high } = width;
                let message = format!("{} is out of range; {name} reaches from {low} to {high}", cut(number.raw));
                return self.violate(rule::RANGE, path, message);
            }
        };
        if !is_plain {
            let end = self.scan.offset();
            self.replace(end - number.raw.len(), end, value.to_string().as_bytes());
        }
        let Some(values) = values else { return Ok(()) };
        let is_known = values.list.iter().any(|known| known.scalar == Scalar::Integer(value));
        if is_known { Ok(()) } else { self.stranger(values, number.raw, path) }
    }

    /// A value that its set doesn't list.
    fn stranger(&mut self, values: &Values, found: &str, path: &Path<'_>) -> Result<(), Stop> {
        if values.open {
            return Ok(());
        }
        if self.mode == Mode::Lenient {
            self.tolerate();
            return Ok(());
        }
        let known: Vec<Cow<'_, str>> = values
            .list
            .iter()
            .map(|value| match &value.scalar {
                Scalar::Integer(integer) => Cow::Owned(integer.to_string()),
                Scalar::Text(text) => Cow::Borrowed(text.as_str()),
            })
            .collect();
        self.violate(rule::VALUES, path, format!("{found} is none of {}", known.join(", ")))
    }

    fn date_time(&mut self, path: &Path<'_>) -> Result<Read<'a>, Stop> {
        let text = self.scan.text()?;
        let unescaped: String;
        let bytes = if text.escaped {
            unescaped = text.chars().collect();
            unescaped.as_bytes()
        } else {
            text.raw.as_bytes()
        };
        let read = match date_time::date_time(bytes) {
            Ok(read) => read,
            Err(reason) => return self.bad_date_time(&text, reason, path).map(|()| None),
        };
        if !read.has_time {
            match self.mode {
                Mode::Lenient => self.tolerate(),
                Mode::Strict => return self.bad_date_time(&text, "it has no time of day", path).map(|()| None),
            }
        }
        if !read.is_canonical {
            self.replace(text.start, text.end(), b"");
            let start = self.out.len();
            read.deliver(|piece| self.out.extend_from_slice(piece));
            let delivered = self.out.get(start..).unwrap_or_default();
            return Ok(date_time::date_time(delivered).ok().map(|delivered| Noted::Instant(delivered.unix_ms())));
        }
        if text.escaped {
            self.replace(text.start, text.end(), bytes);
        }
        Ok(Some(Noted::Instant(read.unix_ms())))
    }

    fn bad_date_time(&mut self, text: &Text<'_>, reason: &str, path: &Path<'_>) -> Result<(), Stop> {
        self.violate(rule::DATE_TIME, path, format!("{} is no date and time: {reason}", found(text)))
    }

    fn list(&mut self, element: &'a Type, path: &Path<'_>, depth: usize) -> Result<(), Stop> {
        self.enter(path, depth)?;
        let mut index = 0;
        let mut more = self.scan.open(b'[', b']')?;
        while more {
            self.value(element, None, false, &Path { up: Some(path), step: Step::Index(index) }, depth + 1)?;
            index += 1;
            more = self.scan.more(b']')?;
        }
        Ok(())
    }

    /// Goes one level down: the root object is at depth 0.
    fn enter(&mut self, path: &Path<'_>, depth: usize) -> Result<(), Stop> {
        if depth < self.bounds.depth_max { Ok(()) } else { self.too_deep(path) }
    }

    fn too_deep(&mut self, path: &Path<'_>) -> Result<(), Stop> {
        self.violations.push(too_deep(path.pointer(), self.bounds));
        Err(Stop::Rejected)
    }

    /// Passes over a value that no declaration describes.
    fn opaque(&mut self, path: &Path<'_>, depth: usize) -> Result<(), Stop> {
        let start = self.scan.offset();
        match self.scan.skip(self.bounds.depth_max.saturating_sub(depth)) {
            Ok(None) => Ok(()),
            Ok(Some(flaw)) => self.flaw(flaw, start, self.scan.offset(), path),
            Err(Halt::Syntax(error)) => Err(Stop::Syntax(error)),
            Err(Halt::Depth) => self.too_deep(path),
        }
    }

    /// Passes over a value of the wrong type.
    #[cold]
    fn mismatch(&mut self, expected: &str, path: &Path<'_>, depth: usize) -> Result<(), Stop> {
        self.scan.peek();
        let start = self.scan.offset();
        self.opaque(path, depth)?;
        let raw = self.scan.since(start);
        let found = match raw.bytes().next() {
            Some(b'{') => Cow::Borrowed("an object"),
            Some(b'[') => Cow::Borrowed("a list"),
            _ => cut(raw),
        };
        self.violate(rule::TYPE, path, format!("found {found}, expected {expected}"))
    }

    /// A flaw of the texts from `start` to `end`. Lenient mode mends all that are there.
    #[cold]
    fn flaw(&mut self, flaw: Flaw, start: usize, end: usize, path: &Path<'_>) -> Result<(), Stop> {
        if self.mode == Mode::Lenient {
            let text = self.text;
            for at in flaws(text.get(start..end).unwrap_or_default()) {
                let at = start + at;
                self.replace(at, at + r"\uXXXX".len(), br"\ufffd");
                self.tolerate();
            }
            return Ok(());
        }
        let message = match flaw {
            Flaw::LoneSurrogate => "a text holds half a surrogate pair and so is no Unicode",
            Flaw::Nul => "a text holds U+0000",
        };
        self.violate(rule::TEXT, path, message.to_owned())
    }

    #[cold]
    fn violate(&mut self, rule: &'static str, path: &Path<'_>, message: String) -> Result<(), Stop> {
        self.violations.push(Violation { pointer: path.pointer(), rule, message });
        if self.violations.len() < self.bounds.errors_max { Ok(()) } else { Err(Stop::Rejected) }
    }

    fn tolerate(&mut self) {
        self.tolerated = self.tolerated.saturating_add(1);
    }

    /// Delivers `new` instead of what stands from `start` to `end`. Calls come in the order of the
    /// text.
    fn replace(&mut self, start: usize, end: usize, new: &[u8]) {
        self.out.extend_from_slice(self.text.as_bytes().get(self.copied..start).unwrap_or_default());
        self.out.extend_from_slice(new);
        self.copied = end;
        self.rewritten = true;
    }
}
