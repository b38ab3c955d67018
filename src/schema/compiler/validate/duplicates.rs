//! Names that stand twice in one object, for lenient mode: the last one wins.

use super::super::model::{Event, Model, Property, Type};
use super::members::position;
use super::scan::{Halt, Scanner, Text};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// `text` without the members that a later one of the same name overrules, and how many those were;
/// `None` where there are none. Works on the event's object and the declared objects in it; only
/// white space between members and elements is lost besides.
pub(super) fn without_duplicates(
    model: &Model,
    event: &Event,
    text: &str,
    depth_max: usize,
) -> Result<Option<(String, u32)>, Halt> {
    let mut pass = Pass { model, scan: Scanner::new(text), out: String::with_capacity(text.len()), removed: 0 };
    if pass.scan.peek() == Some(b'{') {
        pass.object(&event.properties, depth_max)?;
    } else {
        pass.scan.skip(depth_max)?;
    }
    pass.scan.end()?;
    Ok((pass.removed > 0).then_some((pass.out, pass.removed)))
}

/// By what two members of one object are the same.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Known(usize),
    Unknown(Cow<'a, str>),
}

struct Pass<'a> {
    model: &'a Model,
    scan: Scanner<'a>,
    out: String,
    removed: u32,
}

impl<'a> Pass<'a> {
    fn object(&mut self, properties: &'a [Property], levels: usize) -> Result<(), Halt> {
        let levels = levels.checked_sub(1).ok_or(Halt::Depth)?;
        // Each member is written where it stands; those that are overruled are cut out at the end.
        let mut places: BTreeMap<Name<'a>, usize> = BTreeMap::new();
        let mut members: Vec<Option<Range<usize>>> = Vec::new();
        self.out.push('{');
        let begin = self.out.len();
        let mut removed = 0;
        let mut more = self.scan.open(b'{', b'}')?;
        while more {
            self.out.push_str(if members.is_empty() { "" } else { "," });
            let at = self.out.len();
            self.scan.peek();
            let start = self.scan.offset();
            let name = self.scan.name()?;
            let index = position(properties, name);
            self.scan.peek();
            self.out.push_str(self.scan.since(start));
            match index.and_then(|index| properties.get(index)) {
                Some(property) => self.value(&property.ty, levels)?,
                None => self.verbatim(levels)?,
            }
            if let Some(overruled) =
                places.insert(identity(index, name), members.len()).and_then(|at| members.get_mut(at))
            {
                *overruled = None;
                removed += 1;
            }
            members.push(Some(at..self.out.len()));
            more = self.scan.more(b'}')?;
        }
        if removed > 0 {
            let written = self.out.split_off(begin);
            for (n, Range { start, end }) in members.into_iter().flatten().enumerate() {
                self.out.push_str(if n == 0 { "" } else { "," });
                self.out.push_str(written.get(start - begin..end - begin).unwrap_or_default());
            }
        }
        self.out.push('}');
        self.removed = self.removed.saturating_add(removed);
        Ok(())
    }

    fn value(&mut self, ty: &'a Type, levels: usize) -> Result<(), Halt> {
        match (ty, self.scan.peek()) {
            (Type::Object(index), Some(b'{')) => match self.model.types.get(*index) {
                Some(object) => self.object(&object.properties, levels),
                None => self.verbatim(levels),
            },
            (Type::List(element), Some(b'[')) => {
                let levels = levels.checked_sub(1).ok_or(Halt::Depth)?;
                let mut more = self.scan.open(b'[', b']')?;
                self.out.push('[');
                let mut is_first = true;
                while more {
                    self.out.push_str(if std::mem::take(&mut is_first) { "" } else { "," });
                    self.value(element, levels)?;
                    more = self.scan.more(b']')?;
                }
                self.out.push(']');
                Ok(())
            }
            _ => self.verbatim(levels),
        }
    }

    fn verbatim(&mut self, levels: usize) -> Result<(), Halt> {
        self.scan.peek();
        let start = self.scan.offset();
        self.scan.skip(levels)?;
        self.out.push_str(self.scan.since(start));
        Ok(())
    }
}

fn identity(index: Option<usize>, name: Text<'_>) -> Name<'_> {
    // As it is delivered: U+0000, which is always escaped, becomes U+FFFD, as half a surrogate pair
    // does.
    let mended = || name.chars().map(|c| if c == '\0' { '\u{FFFD}' } else { c });
    let unknown = || if name.escaped { Cow::Owned(mended().collect()) } else { Cow::Borrowed(name.raw) };
    index.map_or_else(|| Name::Unknown(unknown()), Name::Known)
}
