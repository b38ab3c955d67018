//! Names: which are allowed, and which one was probably meant.

/// Whether it may name an event, a type, an enum, a family or a property: a capital, then ASCII
/// letters and digits. Every target language can spell such a name, and no generated file has one
/// that needs escaping.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// From here on, two names are alike enough for one to be a slip for the other. `integer` and `int`
/// are (0.87), `UserId` and `QueueId` are not (0.75).
const ALIKE: f64 = 0.8;

/// Bytes of a name beyond which it is no slip for any other: comparing costs the product of the
/// lengths, and a stranger may have chosen this one.
const SLIP_BYTES_MAX: usize = 48;

/// How far two names may be apart in length: nobody slips by more, and most comparisons end here.
const SLIP_LENGTHS_APART: usize = 8;

/// How much one name is like another, from 0 to 1. Names of several words (`server.log_level`) are
/// compared word by word, since a long common beginning would make any two alike; one word may be
/// missing at the end.
fn likeness(name: &str, candidate: &str) -> f64 {
    const BORDERS: [char; 2] = ['.', '_'];
    if !name.contains(BORDERS) || !candidate.contains(BORDERS) {
        return strsim::jaro_winkler(name, candidate);
    }
    let (words, others) = (name.split(BORDERS), candidate.split(BORDERS));
    let whole = match words.clone().count().abs_diff(others.clone().count()) {
        0 => 1.0,
        1 => ALIKE,
        _ => 0.0,
    };
    words.zip(others).map(|(word, other)| strsim::jaro_winkler(word, other)).fold(whole, f64::min)
}

/// Returns the candidate that is most like `name`, if one is like it at all. Case does not count.
/// What it costs has a bound whatever the name: about 15 µs among forty candidates.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > SLIP_BYTES_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    let of_like_length = |candidate: &&str| candidate.len().abs_diff(name.len()) <= SLIP_LENGTHS_APART;
    for candidate in candidates.into_iter().filter(of_like_length) {
        let likeness = likeness(&name, &candidate.to_ascii_lowercase());
        if likeness >= ALIKE && best.is_none_or(|(so_far, _)| likeness > so_far) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// What follows the complaint about an unknown name: `: did you mean X?`, X in the given quotes, or
/// nothing.
pub fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, quote: &str) -> String {
    nearest(name, candidates).map_or(String::new(), |near| format!(": did you mean {quote}{near}{quote}?"))
}

/// What to do about an unknown name: `did you mean "X"?`, or the list of what there is.
pub fn advice(name: &str, what: &str, candidates: &[&str]) -> String {
    match nearest(name, candidates.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None if candidates.is_empty() => format!("there are no {what}"),
        None => format!("{what}: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_capitalised_ascii_words() {
        for good in ["UserStatus", "A", "SMSTo", "ExpiresIn24h"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "userStatus", "User_Status", "User Status", "1st", "Käyttäjä", "User-Status"] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let types = ["Guid", "string", "bool", "short", "int", "long", "DateTime"];
        assert_eq!(nearest("integer", types), Some("int"));
        assert_eq!(nearest("String", types), Some("string"));
        assert_eq!(nearest("datetime", types), Some("DateTime"));
        assert_eq!(nearest("UserID", ["QueueId", "UserId"]), Some("UserId"));
        assert_eq!(nearest("UserId", ["QueueId"]), None);
        assert_eq!(nearest("float", types), None);
        let slip = format!("{}x", "U".repeat(SLIP_BYTES_MAX - 1));
        assert_eq!(nearest(&slip, ["U".repeat(SLIP_BYTES_MAX).as_str()]).map(str::len), Some(SLIP_BYTES_MAX));
        assert_eq!(nearest(&format!("{slip}x"), ["U".repeat(SLIP_BYTES_MAX).as_str()]), None, "too long for a slip");
        assert_eq!(nearest("UserStatus", ["UserStatusOfTheDay"]), Some("UserStatusOfTheDay"));
        assert_eq!(nearest("UserStatus", ["UserStatusOfEachDay"]), None, "more is missing than a slip leaves out");
    }

    #[test]
    fn names_of_several_words_are_compared_word_by_word() {
        let keys = ["auth.leeway_s", "server.listen", "server.log_level", "server.snapshots"];
        assert_eq!(nearest("server.lisen", keys), Some("server.listen"));
        assert_eq!(nearest("SERVER_LOG_LEVL", ["SERVER_LISTEN", "SERVER_LOG_LEVEL"]), Some("SERVER_LOG_LEVEL"));
        assert_eq!(nearest("auth.leeway", keys), Some("auth.leeway_s"));
        assert_eq!(nearest("auth.keys", keys), None);
        assert_eq!(nearest("service.host", keys), None);
        assert_eq!(hint("server.lisen", keys, "`"), ": did you mean `server.listen`?");
        assert_eq!(hint("zebra", keys, "`"), "");
    }

    #[test]
    fn advice_names_the_nearest_or_all() {
        assert_eq!(advice("Users", "the families", &["User", "Queue"]), "did you mean \"User\"?");
        assert_eq!(advice("Zebra", "the families", &["User", "Queue"]), "the families: User, Queue");
        assert_eq!(advice("Zebra", "families", &[]), "there are no families");
    }
}
