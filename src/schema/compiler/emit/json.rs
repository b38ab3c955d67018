//! JSON as the emitters write it: members in the order given, laid out for reading, the same text
//! each time.
//!
//! Not `serde_json::Value`: whether that keeps the order of members is a feature that any crate of
//! the build can switch.

/// A JSON value to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// A string.
    Text(String),
    /// An array; written on one line if it holds scalars only.
    Array(Vec<Json>),
    /// An object, its members in order.
    Object(Vec<(String, Json)>),
    /// A text that is JSON already; numbers and strings stay as they are, only the layout changes.
    Verbatim(String),
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl Json {
    /// An object of these members.
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        Json::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The document: two spaces of indentation, a line break at the end.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, depth: usize) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Integer(value) => out.push_str(&value.to_string()),
            Json::Text(text) => write_string(out, text),
            Json::Array(list) if list.iter().all(Json::is_scalar) => {
                out.push('[');
                for (index, element) in list.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    element.write(out, depth);
                }
                out.push(']');
            }
            Json::Array(list) => write_block(out, depth, '[', ']', list, |out, element| element.write(out, depth + 1)),
            Json::Object(members) => write_block(out, depth, '{', '}', members, |out, (name, value)| {
                write_string(out, name);
                out.push_str(": ");
                value.write(out, depth + 1);
            }),
            Json::Verbatim(text) => lay_out(out, text, depth),
        }
    }

    fn is_scalar(&self) -> bool {
        match self {
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Text(_) => true,
            Json::Array(_) | Json::Object(_) | Json::Verbatim(_) => false,
        }
    }
}

/// Writes elements on lines of their own between brackets.
fn write_block<T>(
    out: &mut String,
    depth: usize,
    open: char,
    close: char,
    elements: &[T],
    mut write: impl FnMut(&mut String, &T),
) {
    out.push(open);
    for (index, element) in elements.iter().enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        break_line(out, depth + 1);
        write(out, element);
    }
    if !elements.is_empty() {
        break_line(out, depth);
    }
    out.push(close);
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn write_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Lays out a JSON text at a depth, by its tokens alone.
fn lay_out(out: &mut String, text: &str, outer: usize) {
    let mut depth = outer;
    let mut in_string = false;
    let mut letters = text.chars().filter(|letter| !letter.is_control()).peekable();
    while let Some(letter) = letters.next() {
        if in_string {
            out.push(letter);
            if letter == '\\' {
                out.extend(letters.next());
            }
            in_string = letter != '"';
            continue;
        }
        match letter {
            ' ' => {}
            '{' | '[' => {
                out.push(letter);
                while letters.next_if_eq(&' ').is_some() {}
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    break_line(out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                break_line(out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_string = letter == '"';
                out.push(letter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_scalars_share_a_line() {
        let json = Json::object([
            ("b", Json::Array(vec!["x".into(), Json::Null, Json::Bool(true)])),
            ("a", Json::Array(vec![Json::object([("c", Json::Integer(-1))])])),
            ("empty", Json::Object(Vec::new())),
        ]);
        let text =
            "{\n  \"b\": [\"x\", null, true],\n  \"a\": [\n    {\n      \"c\": -1\n    }\n  ],\n  \"empty\": {}\n}\n";
        assert_eq!(json.to_text(), text);
    }

    #[test]
    fn a_verbatim_text_is_laid_out_and_otherwise_untouched() {
        let text =
            "\n{\"a\" : [ ] ,\"n\":9007199254740993,\t\"s\":\"{ \\\"x\\\": [1, 2] \\\\\",\r\n \"o\":{ }, \"l\":[1,{}]}";
        let laid_out = Json::Array(vec![Json::Verbatim(text.to_owned())]).to_text();
        let expected = r#"[
  {
    "a": [],
    "n": 9007199254740993,
    "s": "{ \"x\": [1, 2] \\",
    "o": {},
    "l": [
      1,
      {}
    ]
  }
]
"#;
        assert_eq!(laid_out, expected);
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(Json::from("a\"\\\n\u{1}ä").to_text(), "\"a\\\"\\\\\\n\\u0001ä\"\n");
    }
}
