//! Just enough of Rust's grammar to read paths: comments and literals blanked, `use` trees
//! expanded, inline modules followed.

/// One path in the code, `std::io::Read` as its segments, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub struct CodePath {
    /// The segments; a glob is `*`.
    pub segments: Vec<String>,
    /// The line, from 1.
    pub line: usize,
    /// How many inline modules (`mod x { … }`) are around it.
    pub inline_depth: usize,
    /// Whether one of them is `tests`.
    pub in_tests: bool,
}

/// `text` with every comment and literal blanked out, line for line and byte for byte.
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let is_word_before = at > 0 && is_word(bytes[at - 1]);
        let length = match rest {
            [b'/', b'/', ..] => line_length(rest),
            [b'/', b'*', ..] => block_comment_length(rest),
            [b'"', ..] => quoted_length(rest),
            [b'b', b'"', ..] if !is_word_before => 1 + quoted_length(&rest[1..]),
            [b'r' | b'b', ..] if !is_word_before => raw_string_length(rest).unwrap_or(0),
            [b'\'', ..] => char_length(rest),
            _ => 0,
        };
        for byte in &mut code[at..at + length] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += length.max(1);
    }
    String::from_utf8(code).expect("whole literals and comments are blanked, never a part of a character")
}

/// Blanked code with everything that stands under `#[cfg(test)]` blanked too, line for line.
pub fn without_tests(code: &str) -> String {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut left = code.to_owned();
    while let Some(start) = left.find(ATTRIBUTE) {
        let mut depth = 0usize;
        let end = left[start + ATTRIBUTE.len()..].find(|c: char| {
            match c {
                '{' | '(' | '[' => depth += 1,
                // The end of what holds a field that is only there in tests.
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(c, ';' | '}' | ',')
        });
        let end = end.map_or(left.len(), |end| start + ATTRIBUTE.len() + end + 1);
        let blanks: String = left[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        left.replace_range(start..end, &blanks);
    }
    left
}

/// Every path with at least two segments in blanked code, groups expanded.
pub fn paths(code: &str) -> Vec<CodePath> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    // One entry per open brace: the name of the module that it opens, if it opens one.
    let mut open: Vec<Option<&str>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text {
            "{" => {
                let module =
                    match (at.checked_sub(2).map(|i| tokens[i].text), at.checked_sub(1).map(|i| tokens[i].text)) {
                        (Some("mod"), Some(name)) => Some(name),
                        _ => None,
                    };
                open.push(module);
                at += 1;
            }
            "}" => {
                open.pop();
                at += 1;
            }
            // The scope of a visibility, `pub(in crate::x)`, imports nothing.
            "in" if at > 0 && tokens[at - 1].text == "(" => {
                at += tokens[at..].iter().position(|token| token.text == ")").unwrap_or(tokens.len() - at);
            }
            word if word.starts_with(is_word_start) => {
                let mut expanded = Vec::new();
                let line = tokens[at].line;
                at = expand(&tokens, at, &mut Vec::new(), &mut expanded);
                let modules: Vec<&str> = open.iter().flatten().copied().collect();
                found.extend(expanded.into_iter().filter(|segments| segments.len() > 1).map(|segments| CodePath {
                    segments,
                    line,
                    inline_depth: modules.len(),
                    in_tests: modules.contains(&"tests"),
                }));
            }
            _ => at += 1,
        }
    }
    found
}

struct Token<'a> {
    text: &'a str,
    line: usize,
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word_start(first) || first.is_ascii_digit() {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: &rest[..length], line: number + 1 });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Reads the path that starts at `at`, into `found` once per leaf of its groups; answers where it
/// ends.
fn expand(tokens: &[Token<'_>], mut at: usize, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let before = prefix.len();
    loop {
        match tokens.get(at).map(|token| token.text) {
            Some("{") => {
                at += 1;
                while let Some(token) = tokens.get(at) {
                    at = match token.text {
                        "}" => break,
                        "," => at + 1,
                        _ => expand(tokens, at, prefix, found).max(at + 1),
                    };
                }
                at += 1;
                break;
            }
            Some(segment) if segment == "*" || segment.starts_with(is_word_start) => {
                prefix.push(segment.to_owned());
                at += 1;
                if tokens.get(at).is_some_and(|token| token.text == "::") {
                    at += 1;
                    continue;
                }
                found.push(prefix.clone());
                if tokens.get(at).is_some_and(|token| token.text == "as") {
                    at += 2;
                }
                break;
            }
            // A turbofish or a qualified path: what stands before it is a path of its own.
            _ => {
                found.push(prefix.clone());
                break;
            }
        }
    }
    prefix.truncate(before);
    at
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string_length(rest: &[u8]) -> Option<usize> {
    let start = rest.iter().take(2).position(|&byte| byte == b'r')? + 1;
    let hashes = rest[start..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return None;
    }
    let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = start + hashes + 1;
    let length = rest[body..].windows(end.len()).position(|window| window == end).unwrap_or(rest.len() - body);
    Some((body + length + end.len()).min(rest.len()))
}

/// The length of a character literal; 0 for a lifetime.
fn char_length(rest: &[u8]) -> usize {
    match rest {
        [_, b'\\', ..] => rest.iter().skip(3).position(|&byte| byte == b'\'').map_or(0, |at| at + 4),
        _ => rest.iter().take(6).skip(2).position(|&byte| byte == b'\'').map_or(0, |at| {
            let is_one_character = std::str::from_utf8(&rest[1..at + 2]).is_ok_and(|text| text.chars().count() == 1);
            if is_one_character { at + 3 } else { 0 }
        }),
    }
}

mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lifetimes_are_not() {
        let text =
            "a /* x /* y */ z */ b // c\nlet d = \"e\\\"f\"; r#\"g\"h\"#; b\"i\" 'j' '\\'' '\\n' &'k str 'ä' for<'l> m";
        let code = code_only(text);
        assert_eq!(code.len(), text.len());
        let words: Vec<&str> = code.split_whitespace().collect();
        assert_eq!(words.join(" "), "a b let d = ; ; &'k str for<'l> m");
    }

    #[test]
    fn what_is_for_tests_only_is_blanked() {
        let code = "a\n#[cfg(test)]\nmod b;\nc\n#[cfg(test)]\nmod tests { fn d() { e } }\nf";
        let left = without_tests(code);
        assert_eq!(left.split_whitespace().collect::<Vec<_>>(), ["a", "c", "f"]);
        assert_eq!(left.lines().count(), code.lines().count());
    }

    #[test]
    fn use_trees_and_inline_paths_are_expanded_with_their_modules() {
        let code = "use crate::{a::{self, B as C}, d};\npub(in crate::e) fn f() {}\nfn f() { std::io::stdin(); }\nmod tests { use super::*; mod deep { super::super::x(); } }";
        let found: Vec<(String, usize, bool)> =
            paths(code).into_iter().map(|path| (path.segments.join("::"), path.inline_depth, path.in_tests)).collect();
        let expected = [
            ("crate::a::self", 0, false),
            ("crate::a::B", 0, false),
            ("crate::d", 0, false),
            ("std::io::stdin", 0, false),
            ("super::*", 1, true),
            ("super::super::x", 2, true),
        ];
        assert_eq!(found, expected.map(|(path, depth, in_tests)| (path.to_owned(), depth, in_tests)));
    }
}
