//! Names on the wire: the camel case of .NET's JSON serialisers.
//!
//! The rule is the one of `JsonNamingPolicy.CamelCase` and of Newtonsoft's
//! `CamelCaseNamingStrategy`, which ASP.NET SignalR uses by default: the leading run of capitals
//! becomes lower case, but for its last letter where a small letter follows.
//!
//! Only the case of letters changes, so two documented names that differ without regard to case
//! have different wire names: no check for colliding wire names is needed beside
//! `duplicate-property`.

use super::model::WireCase;

impl WireCase {
    /// The wire spelling of a documented name.
    pub fn spell(self, documented: &str) -> String {
        match self {
            WireCase::Camel => camel(documented).collect(),
            WireCase::Documented => documented.to_owned(),
        }
    }
}

/// The camel case of a documented name, letter by letter: publishers may use it whatever the wire
/// case is.
pub fn camel(documented: &str) -> impl Iterator<Item = char> {
    let run = documented.bytes().take_while(u8::is_ascii_uppercase).count();
    // The last capital of a longer run starts the next word, unless the name ends with it.
    let lowered = if run > 1 && run < documented.len() { run - 1 } else { run };
    documented
        .chars()
        .enumerate()
        .map(move |(at, letter)| if at < lowered { letter.to_ascii_lowercase() } else { letter })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_words_for_the_cases_are_those_of_serde() {
        for (word, wire_case) in WireCase::NAMED {
            assert_eq!(serde_json::to_value(wire_case).unwrap(), word);
        }
    }

    #[test]
    fn camel_case_is_dotnets() {
        let measured = [
            ("EntityId", "entityId"),
            ("SMSTo", "smsTo"),
            ("CBRId", "cbrId"),
            ("RUser", "rUser"),
            ("IPAddress", "ipAddress"),
            ("URLValue", "urlValue"),
            ("URL", "url"),
            ("ID", "id"),
            ("I", "i"),
            ("X509", "x509"),
            ("XY509", "xY509"),
            ("A1B", "a1B"),
            ("already", "already"),
            ("", ""),
        ];
        for (documented, wire) in measured {
            assert_eq!(WireCase::Camel.spell(documented), wire);
            assert_eq!(WireCase::Documented.spell(documented), documented);
        }
    }

    proptest! {
        #[test]
        fn spelling_changes_nothing_but_case(name in "[A-Z][A-Za-z0-9]{0,12}") {
            prop_assert!(WireCase::Camel.spell(&name).eq_ignore_ascii_case(&name));
        }

        #[test]
        fn spelling_is_the_published_algorithm_letter_by_letter(name in "[A-Z][A-Z0-9a-c]{0,6}") {
            let mut letters: Vec<char> = name.chars().collect();
            for at in 0..letters.len() {
                if at == 1 && !letters[at].is_uppercase() {
                    break;
                }
                if at > 0 && letters.get(at + 1).is_some_and(|next| !next.is_uppercase()) {
                    break;
                }
                letters[at] = letters[at].to_ascii_lowercase();
            }
            prop_assert_eq!(WireCase::Camel.spell(&name), letters.into_iter().collect::<String>());
        }
    }
}
