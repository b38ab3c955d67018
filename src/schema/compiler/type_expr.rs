//! The vendor's type tokens: `Guid`, `string?`, `List<CallbackAttempt>`.
//!
//! ```text
//! type  = plain [ "?" ]
//! plain = "List<" plain ">" | name
//! ```

use super::model::Type;

/// A type as written, before its name is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeExpr<'a> {
    /// The innermost name.
    pub name: &'a str,
    /// How many times `List<…>` stands around it.
    pub lists: usize,
    /// Whether `?` ends it.
    pub nullable: bool,
}

/// The names of the vendor's own types; no event, type or enum may take one.
pub const BUILT_IN: [&str; 8] = ["Guid", "string", "bool", "short", "int", "long", "DateTime", "List"];

/// The vendor's own scalar type of that name.
pub fn built_in(name: &str) -> Option<Type> {
    Some(match name {
        "Guid" => Type::Guid,
        "string" => Type::String,
        "bool" => Type::Bool,
        "short" => Type::Short,
        "int" => Type::Int,
        "long" => Type::Long,
        "DateTime" => Type::DateTime,
        _ => return None,
    })
}

/// Reads a type; the error says what to do.
pub fn parse(text: &str) -> Result<TypeExpr<'_>, &'static str> {
    let (plain, nullable) = match text.strip_suffix('?') {
        Some(plain) => (plain, true),
        None => (text, false),
    };
    let (mut name, mut lists) = (plain, 0);
    while let Some(inner) = name.strip_prefix("List<") {
        name = inner.strip_suffix('>').ok_or("close the list with \">\"")?;
        lists += 1;
    }
    if name.ends_with('?') {
        return Err("one \"?\" at the very end is all that nullability needs: elements of a list are never null");
    }
    if name == "List" {
        return Err("say what the list holds, as in \"List<Guid>\"");
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("write a name, \"List<name>\", or either with \"?\" at the end");
    }
    Ok(TypeExpr { name, lists, nullable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_tokens_are_read() {
        let cases = [
            ("Guid", "Guid", 0, false),
            ("string?", "string", 0, true),
            ("List<CallbackAttempt>", "CallbackAttempt", 1, false),
            ("List<Guid>?", "Guid", 1, true),
            ("List<List<int>>", "int", 2, false),
        ];
        for (text, name, lists, nullable) in cases {
            assert_eq!(parse(text), Ok(TypeExpr { name, lists, nullable }), "{text}");
        }
    }

    #[test]
    fn malformed_types_are_refused_with_advice() {
        for (text, advice) in [
            ("List<Guid", "close the list"),
            ("List<Guid?>", "never null"),
            ("Guid??", "never null"),
            ("List", "say what the list holds"),
            ("", "write a name"),
            ("List<>", "write a name"),
            ("Guid | string", "write a name"),
            ("guid[]", "write a name"),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.contains(advice), "{text}: {refused}");
        }
    }
}
