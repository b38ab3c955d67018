//! Names that stand twice in one object, for lenient mode: the last one wins.

use super::super::model::{Event, Model, Property, Type};
use super::members::position;
use super::scan::{Halt, Scanner, Text};

use std::collections::BTreeMap;

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
enum Name {
    Known(usize),
    Unknown(String),
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
        // Each member is written where it stands; one that is overruled is cut out of what has been
        // written.
        let mut places: BTreeMap<Name, usize> = BTreeMap::new();
        let mut members: Vec<Option<String>> = Vec::new();
        let outer = std::mem::take(&mut self.out);
        let mut more = self.scan.open(b'{', b'}')?;
        while more {
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
                self.removed = self.removed.saturating_add(1);
            }
            members.push(Some(std::mem::take(&mut self.out)));
            more = self.scan.more(b'}')?;
        }
        self.out = outer;
        self.out.push('{');
        for (n, member) in members.iter().flatten().enumerate() {
            self.out.push_str(if n == 0 { "" } else { "," });
            self.out.push_str(member);
        }
        self.out.push('}');
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

fn identity(index: Option<usize>, name: Text<'_>) -> Name {
    // As it is delivered: U+0000 becomes U+FFFD, as half a surrogate pair does.
    let mended = || name.chars().map(|c| if c == '\0' { '\u{FFFD}' } else { c });
    index.map_or_else(|| Name::Unknown(mended().collect()), Name::Known)
}
