//! A cursor over JSON text (RFC 8259).
//!
//! It steps through a text once and hands out slices of it; it builds no tree and allocates
//! nothing. What it refuses is exactly what `serde_json` refuses while skipping (a property test
//! holds the two against each other); texts that are JSON but not Unicode (a lone surrogate escape)
//! or that hold U+0000 come out with a [`Flaw`], so that the caller can say where.

/// Where a text stops being JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset into the text.
    pub offset: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

impl SyntaxError {
    /// A sentence with line and column, both from 1, the column counted in characters.
    pub fn describe(&self, text: &str) -> String {
        let before = text.get(..self.offset).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("no JSON at line {line} column {column}: expected {}", self.expected)
    }
}

/// What a JSON string may hold by the grammar and nobody can deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// An escaped surrogate without its other half: no Unicode text.
    LoneSurrogate,
    /// `\u0000`: ends a string in C, and PostgreSQL can't store it.
    Nul,
}

/// One JSON string.
#[derive(Clone, Copy, Debug)]
pub struct Text<'t> {
    /// Offset of the first byte behind the opening quote.
    pub start: usize,
    /// What stands between the quotes, as written.
    pub raw: &'t str,
    /// Whether `raw` holds escapes.
    pub escaped: bool,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

impl<'t> Text<'t> {
    /// Offset of the closing quote.
    pub fn end(&self) -> usize {
        self.start + self.raw.len()
    }

    /// The characters it means; a lone surrogate becomes U+FFFD.
    pub fn chars(&self) -> Unescape<'t> {
        Unescape::of(self.raw)
    }

    /// Whether it means `other`.
    pub fn means(&self, other: &str) -> bool {
        if self.escaped { self.chars().eq(other.chars()) } else { self.raw == other }
    }

    /// Whether it means `other`, the case of ASCII letters aside.
    pub fn means_without_case(&self, other: &str) -> bool {
        if self.escaped {
            self.chars().map(|c| c.to_ascii_lowercase()).eq(other.chars().map(|c| c.to_ascii_lowercase()))
        } else {
            self.raw.eq_ignore_ascii_case(other)
        }
    }

    /// The bytes it means: its own where nothing is escaped, else decoded into `buffer`; `None`
    /// where that is too small.
    pub fn bytes<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]>
    where
        't: 'b,
    {
        if !self.escaped {
            return Some(self.raw.as_bytes());
        }
        let mut used = 0;
        for c in self.chars() {
            let room = buffer.get_mut(used..used + c.len_utf8())?;
            used += c.encode_utf8(room).len();
        }
        buffer.get(..used)
    }
}

/// The characters of a JSON string, escapes resolved.
#[derive(Clone, Debug)]
pub struct Unescape<'t> {
    chars: std::str::Chars<'t>,
}

impl<'t> Unescape<'t> {
    /// Of what stands between the quotes, as written.
    pub fn of(raw: &'t str) -> Unescape<'t> {
        Unescape { chars: raw.chars() }
    }
    /// Four hexadecimal digits; they are there, for the scanner has seen them.
    fn unit(&mut self) -> u32 {
        (0..4).filter_map(|_| self.chars.next()?.to_digit(16)).fold(0, |unit, digit| unit * 16 + digit)
    }
}

impl Iterator for Unescape<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c != '\\' {
            return Some(c);
        }
        Some(match self.chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let high = self.unit();
                let rest = self.chars.as_str();
                if (0xD800..0xDC00).contains(&high)
                    && let Some(low) = rest.strip_prefix("\\u").and_then(|rest| rest.get(..4))
                    && let Ok(low) = u32::from_str_radix(low, 16)
                    && (0xDC00..0xE000).contains(&low)
                {
                    self.chars = rest.get(6..).unwrap_or_default().chars();
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).unwrap_or('\u{FFFD}')
                } else {
                    char::from_u32(high).unwrap_or('\u{FFFD}')
                }
            }
            other => other,
        })
    }
}

/// One JSON number.
#[derive(Clone, Copy, Debug)]
pub struct Number<'t> {
    /// As written.
    pub raw: &'t str,
    /// Whether it has neither fraction nor exponent.
    pub whole: bool,
}

/// Why a value can't be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It is no JSON.
    Syntax(SyntaxError),
    /// It nests too deep.
    Depth,
}

impl From<SyntaxError> for Halt {
    fn from(error: SyntaxError) -> Halt {
        Halt::Syntax(error)
    }
}

/// The cursor. Every method that answers a value leaves it right behind that value.
#[derive(Clone, Debug)]
pub struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    offset: usize,
}

impl<'t> Scanner<'t> {
    /// At the start of `text`.
    pub fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, bytes: text.as_bytes(), offset: 0 }
    }

    /// Where it stands.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The text from `start` up to where it stands.
    pub fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.offset).unwrap_or_default()
    }

    /// The next byte that is no white space; stands on it.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.offset) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.offset += 1,
                other => return other.copied(),
            }
        }
    }

    /// Steps over `byte` if it is the next that is no white space.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.offset += usize::from(is_next);
        is_next
    }

    /// Steps over `byte`, which must come next.
    #[inline]
    pub fn demand(&mut self, byte: u8, expected: &'static str) -> Result<(), SyntaxError> {
        if self.eat(byte) { Ok(()) } else { Err(self.error(expected)) }
    }

    /// The end of the text, but for white space.
    pub fn end(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("the end of the text")),
        }
    }

    /// An error where it stands.
    pub fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError { offset: self.offset, expected }
    }

    /// Steps over `"name"` if exactly this comes next. `name` must need no escapes.
    #[inline]
    pub fn eat_name(&mut self, name: &str) -> Option<Text<'t>> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.offset + 1;
        let end = start + name.len();
        if self.bytes.get(start..end) != Some(name.as_bytes()) || self.bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.offset = end + 1;
        Some(Text { start, raw: self.text.get(start..end)?, escaped: false, flaw: None })
    }

    /// A string.
    #[inline]
    pub fn text(&mut self) -> Result<Text<'t>, SyntaxError> {
        self.demand(b'"', "a string")?;
        let start = self.offset;
        let mut escaped = false;
        let mut flaw = None;
        loop {
            self.offset += plain_bytes(self.bytes.get(self.offset..).unwrap_or_default());
            match self.bytes.get(self.offset) {
                Some(b'"') => {
                    let raw = self.since(start);
                    self.offset += 1;
                    return Ok(Text { start, raw, escaped, flaw });
                }
                Some(b'\\') => {
                    escaped = true;
                    flaw = flaw.or(self.escape()?);
                }
                // RFC 8259 section 7: control characters must be escaped.
                Some(_) => return Err(self.error("no control character in a string")),
                None => return Err(self.error("the end of a string")),
            }
        }
    }

    /// An escape, from its backslash on; both halves of a surrogate pair at once.
    fn escape(&mut self) -> Result<Option<Flaw>, SyntaxError> {
        self.offset += 1;
        match self.bytes.get(self.offset) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.offset += 1;
                Ok(None)
            }
            Some(b'u') => {
                self.offset += 1;
                let unit = self.unit()?;
                match unit {
                    0 => Ok(Some(Flaw::Nul)),
                    0xD800..0xDC00 if self.bytes.get(self.offset..self.offset + 2) == Some(b"\\u") => {
                        let before = self.offset;
                        self.offset += 2;
                        if (0xDC00..0xE000).contains(&self.unit()?) {
                            return Ok(None);
                        }
                        // The second escape stands for itself: it may begin a pair of its own.
                        self.offset = before;
                        Ok(Some(Flaw::LoneSurrogate))
                    }
                    0xD800..0xE000 => Ok(Some(Flaw::LoneSurrogate)),
                    _ => Ok(None),
                }
            }
            _ => Err(self.error("an escape: one of \" \\ / b f n r t u")),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, SyntaxError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = match self.bytes.get(self.offset) {
                Some(byte @ b'0'..=b'9') => byte - b'0',
                Some(byte @ b'a'..=b'f') => byte - b'a' + 10,
                Some(byte @ b'A'..=b'F') => byte - b'A' + 10,
                _ => return Err(self.error("four hexadecimal digits")),
            };
            unit = unit << 4 | u16::from(digit);
            self.offset += 1;
        }
        Ok(unit)
    }

    /// A number.
    pub fn number(&mut self) -> Result<Number<'t>, SyntaxError> {
        self.peek();
        let start = self.offset;
        let mut whole = true;
        self.offset += usize::from(self.bytes.get(self.offset) == Some(&b'-'));
        match self.bytes.get(self.offset) {
            Some(b'0') => self.offset += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.error("a digit")),
        }
        if self.bytes.get(self.offset) == Some(&b'.') {
            whole = false;
            self.offset += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.offset) {
            whole = false;
            self.offset += 1;
            self.offset += usize::from(matches!(self.bytes.get(self.offset), Some(b'+' | b'-')));
            self.digits()?;
        }
        // `01`: RFC 8259 section 6 allows no leading zero.
        if let Some(b'0'..=b'9') = self.bytes.get(self.offset) {
            return Err(self.error("no digit after a leading zero"));
        }
        Ok(Number { raw: self.since(start), whole })
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), SyntaxError> {
        let start = self.offset;
        while let Some(b'0'..=b'9') = self.bytes.get(self.offset) {
            self.offset += 1;
        }
        if self.offset == start { Err(self.error("a digit")) } else { Ok(()) }
    }

    /// `true`, `false` or `null`.
    pub fn literal(&mut self, word: &str) -> Result<(), SyntaxError> {
        self.peek();
        if self.bytes.get(self.offset..self.offset + word.len()) != Some(word.as_bytes()) {
            return Err(self.error("a value"));
        }
        self.offset += word.len();
        Ok(())
    }

    /// Passes over any value that nests at most `levels` deep; answers the first flaw of the texts
    /// in it, names included.
    pub fn skip(&mut self, levels: usize) -> Result<Option<Flaw>, Halt> {
        match self.peek() {
            Some(b'"') => Ok(self.text()?.flaw),
            Some(b'-' | b'0'..=b'9') => Ok(self.number().map(|_| None)?),
            Some(b't') => Ok(self.literal("true").map(|()| None)?),
            Some(b'f') => Ok(self.literal("false").map(|()| None)?),
            Some(b'n') => Ok(self.literal("null").map(|()| None)?),
            Some(b'{') => self.skip_object(levels),
            Some(b'[') => self.skip_list(levels),
            _ => Err(self.error("a value").into()),
        }
    }

    fn skip_object(&mut self, levels: usize) -> Result<Option<Flaw>, Halt> {
        let levels = levels.checked_sub(1).ok_or(Halt::Depth)?;
        let mut flaw = None;
        let mut more = self.open(b'{', b'}')?;
        while more {
            flaw = flaw.or(self.name()?.flaw);
            flaw = flaw.or(self.skip(levels)?);
            more = self.more(b'}')?;
        }
        Ok(flaw)
    }

    fn skip_list(&mut self, levels: usize) -> Result<Option<Flaw>, Halt> {
        let levels = levels.checked_sub(1).ok_or(Halt::Depth)?;
        let mut flaw = None;
        let mut more = self.open(b'[', b']')?;
        while more {
            flaw = flaw.or(self.skip(levels)?);
            more = self.more(b']')?;
        }
        Ok(flaw)
    }

    /// Steps into an object or a list; says whether there is anything in it.
    #[inline]
    pub fn open(&mut self, open: u8, close: u8) -> Result<bool, SyntaxError> {
        self.demand(open, "a value")?;
        Ok(!self.eat(close))
    }

    /// Steps from one member or element to the next, or out behind the last; says whether there is
    /// another.
    #[inline]
    pub fn more(&mut self, close: u8) -> Result<bool, SyntaxError> {
        if self.eat(b',') {
            Ok(true)
        } else if self.eat(close) {
            Ok(false)
        } else {
            Err(self.error(if close == b'}' { "a comma or }" } else { "a comma or ]" }))
        }
    }

    /// A member's name and its colon.
    pub fn name(&mut self) -> Result<Text<'t>, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a property name in quotes"));
        }
        let name = self.text()?;
        self.demand(b':', "a colon")?;
        Ok(name)
    }
}

/// Where the escapes stand that give a text a [`Flaw`]: the offset of each backslash in `json`, a
/// value or a part of one that the cursor has passed. Backslashes stand in strings alone.
pub fn flaws(json: &str) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + json.get(at..)?.find('\\')?;
            let unit = |at: usize| {
                let digits = json.get(at..)?.strip_prefix("\\u")?.get(..4)?;
                u16::from_str_radix(digits, 16).ok()
            };
            let (length, is_flaw) = match unit(start) {
                None => (2, false),
                Some(0xD800..0xDC00) if unit(start + 6).is_some_and(|low| (0xDC00..0xE000).contains(&low)) => {
                    (12, false)
                }
                Some(unit) => (6, unit == 0 || (0xD800..0xE000).contains(&unit)),
            };
            at = start + length;
            if is_flaw {
                return Some(start);
            }
        }
    })
}

/// How many bytes at the front are neither a quote, nor a backslash, nor a control character: eight
/// at a time, by the carries that subtracting from each byte leaves in its top bit. A carry may
/// spoil the bytes above a hit, never those below it.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    let (chunks, tail) = bytes.as_chunks::<8>();
    let mut plain = 0;
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5C);
        let hits = (word.wrapping_sub(ONES * 0x20) & !word
            | quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash)
            & TOPS;
        if hits != 0 {
            return plain + usize::try_from(hits.trailing_zeros() / 8).unwrap_or_default();
        }
        plain += 8;
    }
    plain + tail.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests;
