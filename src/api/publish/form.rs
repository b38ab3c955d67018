//! The forms of a publish request: its content type and its query.

use super::refusal::Refusal;
use crate::echo::echo;
use crate::proto::http::query;
use crate::schema::names;
use crate::schema::validate::Mode;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One item, or an array of them.
    Items,
    /// One item per line.
    Lines,
    /// One CloudEvent in structured mode.
    CloudEvent,
    /// An array of CloudEvents.
    CloudEvents,
    /// The data of one CloudEvent, whose attributes are headers (binary mode).
    Data,
}

/// The content types that are taken, for the message of a 415.
const TAKEN: &str =
    "application/json, application/x-ndjson, application/cloudevents+json or application/cloudevents-batch+json";

const MISSING: &str = "Content-Type is missing";

/// Reads the value of `Content-Type`; `has_attributes` says that headers have the attributes of a
/// CloudEvent. The content type decides first, as the HTTP binding of CloudEvents has it (section
/// 3): with one of its own types the attributes are in the body.
///
/// # Errors
///
/// 415 for any other type, or for a charset other than UTF-8 (RFC 8259 section 8.1).
pub(super) fn form(content_type: Option<&str>, has_attributes: bool) -> Result<Form, Refusal> {
    let refuse =
        |why, told: &str| Err(Refusal::new(415, why).told(format!("{told}; send {TAKEN}")).with("Accept", TAKEN));
    let Some(content_type) = content_type else {
        return if has_attributes { Ok(Form::Data) } else { refuse(MISSING, MISSING) };
    };
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let form = match media_type.as_str() {
        _ if has_attributes && is_json(&media_type) => Form::Data,
        "application/json" => Form::Items,
        "application/x-ndjson" => Form::Lines,
        "application/cloudevents+json" => Form::CloudEvent,
        "application/cloudevents-batch+json" => Form::CloudEvents,
        other => return refuse("This content type is not taken", &format!("{} is not taken", echo(other))),
    };
    let charset = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match charset {
        Some((_, charset)) if !charset.trim_matches('"').eq_ignore_ascii_case("utf-8") => {
            Err(Refusal::new(415, "The body must be UTF-8"))
        }
        _ => Ok(form),
    }
}

/// Whether a media type, in lower case and without parameters, is JSON and no envelope of
/// CloudEvents.
fn is_json(media_type: &str) -> bool {
    let is_envelope = media_type.starts_with("application/cloudevents");
    !is_envelope && (matches!(media_type, "application/json" | "text/json") || media_type.ends_with("+json"))
}

/// What the query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) dry_run: bool,
    /// The mode of validation, where it is not to be the configured one.
    pub(super) mode: Option<Mode>,
}

/// Reads the query: `dry_run=1` (or `true`), and with it `validation=strict` or `lenient`.
///
/// # Errors
///
/// 400 for other values, and for `validation` without `dry_run`: what is delivered is the
/// operator's choice. Also for a name that is nearly one of these: a misspelt `dry_run` would
/// deliver. Other names are passed over, as query strings have all sorts.
pub(super) fn terms(text: &str) -> Result<Terms, Refusal> {
    const KNOWN: [&str; 3] = ["dry_run", "validation", "access_token"];
    for (name, _) in query::pairs(text).filter(|(name, _)| !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name)))
    {
        if let Some(near) = names::nearest(&name, KNOWN) {
            let why = "no such name in the query";
            return Err(Refusal::new(400, why).told(format!("{why}; did you mean {near}?")));
        }
    }
    let dry_run = match query::value(text, "dry_run").as_deref() {
        None | Some("0" | "false") => false,
        Some("1" | "true") => true,
        Some(_) => return Err(Refusal::new(400, "dry_run takes 1 or 0")),
    };
    let mode = match query::value(text, "validation").as_deref() {
        None => None,
        Some(_) if !dry_run => return Err(Refusal::new(400, "validation can be chosen only with dry_run=1")),
        Some("strict") => Some(Mode::Strict),
        Some("lenient") => Some(Mode::Lenient),
        Some(_) => return Err(Refusal::new(400, "validation takes strict or lenient")),
    };
    Ok(Terms { dry_run, mode })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ECHO_BYTES_MAX;

    #[test]
    fn of_a_content_type_that_is_not_taken_no_more_than_the_beginning_is_repeated() {
        let long = "x".repeat(ECHO_BYTES_MAX + 1);
        let told = form(Some(&long), false).unwrap_err().sentence;
        assert!(told.starts_with(&long[..ECHO_BYTES_MAX]) && !told.contains(&long), "{told}");
    }

    #[test]
    fn a_misspelt_name_is_refused_and_a_foreign_name_is_not() {
        for text in ["dryrun=1", "dry-run=1", "dry_run=1&validaton=lenient", "dry_runs=true"] {
            let refusal = terms(text).unwrap_err();
            assert!(refusal.status == 400 && refusal.sentence.contains("did you mean"), "{text}: {refusal:?}");
        }
        for text in ["_=1732190000", "trace=abc", "DRY_RUN=1", "access_token=x"] {
            assert!(terms(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn content_types_are_read_without_case_and_parameters() {
        for (text, expected) in [
            ("application/json", Form::Items),
            ("Application/JSON; charset=UTF-8", Form::Items),
            ("application/json;charset=\"utf-8\"", Form::Items),
            ("application/x-ndjson", Form::Lines),
            ("application/cloudevents+json; charset=utf-8", Form::CloudEvent),
            ("application/cloudevents-batch+json", Form::CloudEvents),
        ] {
            assert_eq!(form(Some(text), false).unwrap(), expected, "{text}");
        }
        for text in
            [None, Some(""), Some("text/plain"), Some("application/jsonp"), Some("application/json; charset=latin1")]
        {
            assert_eq!(form(text, false).unwrap_err().status, 415, "{text:?}");
        }
    }

    #[test]
    fn headers_with_attributes_make_json_the_data_of_a_cloud_event() {
        for (text, expected) in [
            (None, Form::Data),
            (Some("application/json; charset=utf-8"), Form::Data),
            (Some("text/json"), Form::Data),
            (Some("application/vnd.acme.queue-status+json"), Form::Data),
            (Some("application/x-ndjson"), Form::Lines),
            (Some("application/cloudevents+json"), Form::CloudEvent),
            (Some("application/cloudevents-batch+json"), Form::CloudEvents),
        ] {
            assert_eq!(form(text, true).unwrap(), expected, "{text:?}");
        }
        for text in ["application/xml", "application/json; charset=utf-16", "application/cloudevents+avro"] {
            assert_eq!(form(Some(text), true).unwrap_err().status, 415, "{text}");
        }
    }

    #[test]
    fn validation_is_chosen_only_for_a_dry_run() {
        let terms = |text| terms(text).map_err(|refusal| refusal.status);
        assert_eq!(terms(""), Ok(Terms { dry_run: false, mode: None }));
        assert_eq!(terms("dry_run=0&access_token=x"), Ok(Terms { dry_run: false, mode: None }));
        assert_eq!(terms("dry_run=1"), Ok(Terms { dry_run: true, mode: None }));
        assert_eq!(terms("validation=lenient&dry_run=true"), Ok(Terms { dry_run: true, mode: Some(Mode::Lenient) }));
        for bad in ["validation=lenient", "validation=strict&dry_run=0", "dry_run=yes", "dry_run=1&validation=lax"] {
            assert_eq!(terms(bad), Err(400), "{bad}");
        }
    }
}
