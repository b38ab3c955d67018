//! Documented names as identifiers of other languages.
//!
//! Names of one kind that differ without regard to case have different identifiers: only case
//! changes, and underscores come in.

/// `CallbackRelatedItem` → `callback_related_item`; `SMSTo` → `sms_to`.
pub fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        let starts_a_word = match (before, letters.get(index + 1)) {
            (None, _) => false,
            (Some(before), _) if before.is_ascii_lowercase() || before.is_ascii_digit() => true,
            (Some(before), Some(after)) => before.is_ascii_uppercase() && after.is_ascii_lowercase(),
            (Some(_), None) => false,
        };
        if letter.is_ascii_uppercase() && starts_a_word {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A name for the constant of a value, where its text gives one: `DoNotDisturb` → `DO_NOT_DISTURB`,
/// `busy_on_busy` → `BUSY_ON_BUSY`.
pub fn constant(text: &str) -> Option<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.map(snake).collect::<Vec<_>>().join("_").to_ascii_uppercase();
    name.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
}

/// Rust's keywords, strict and reserved, of edition 2024.
const RUST_KEYWORDS: [&str; 52] = [
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super",
    "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// An identifier that Rust takes: keywords become raw, and those that cannot be raw get an
/// underscore.
pub fn rust(identifier: &str) -> String {
    match identifier {
        "Self" | "self" | "super" | "crate" => format!("{identifier}_"),
        _ if RUST_KEYWORDS.contains(&identifier) => format!("r#{identifier}"),
        _ => identifier.to_owned(),
    }
}

/// A name for the value of a set in C#, where its text gives one: `DoNotDisturb` stays,
/// `busy_on_busy` → `BusyOnBusy`.
pub fn pascal(text: &str) -> Option<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut name = String::with_capacity(text.len());
    for word in words {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name.starts_with(|first: char| first.is_ascii_uppercase()).then_some(name)
}

/// A name with as many underscores behind it as set it apart from those that are taken.
pub fn apart(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = name.to_owned();
    while is_taken(&name) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_case() {
        let cases = [
            ("UserId", "user_id"),
            ("SMSTo", "sms_to"),
            ("CBRId", "cbr_id"),
            ("RUser", "r_user"),
            ("CallBackId", "call_back_id"),
            ("Username", "username"),
            ("ExpiresIn24h", "expires_in24h"),
            ("A1B", "a1_b"),
            ("ID", "id"),
        ];
        for (name, expected) in cases {
            assert_eq!(snake(name), expected);
        }
    }

    #[test]
    fn values_give_constants_where_they_can() {
        assert_eq!(constant("DoNotDisturb").as_deref(), Some("DO_NOT_DISTURB"));
        assert_eq!(constant("busy_on_busy").as_deref(), Some("BUSY_ON_BUSY"));
        assert_eq!(constant("N/A").as_deref(), Some("N_A"));
        assert_eq!(constant("24h"), None);
        assert_eq!(constant("?"), None);
    }

    #[test]
    fn values_give_members_where_they_can() {
        assert_eq!(pascal("DoNotDisturb").as_deref(), Some("DoNotDisturb"));
        assert_eq!(pascal("busy_on_busy").as_deref(), Some("BusyOnBusy"));
        assert_eq!(pascal("remote").as_deref(), Some("Remote"));
        assert_eq!(pascal("24h"), None);
        assert_eq!(pascal("?"), None);
    }

    #[test]
    fn taken_names_are_set_apart() {
        assert_eq!(apart("EventMap", |name| ["EventMap", "EventMap_"].contains(&name)), "EventMap__");
        assert_eq!(apart("UserStatus", |_| false), "UserStatus");
    }

    #[test]
    fn keywords_are_escaped() {
        assert_eq!(rust("type"), "r#type");
        assert_eq!(rust("self"), "self_");
        assert_eq!(rust("user_id"), "user_id");
        assert!(RUST_KEYWORDS.is_sorted());
    }
}
