//! Tickets: what stands in for a token in all requests of a connection behind its negotiation, so
//! that no token need stand in a URL.
//!
//! A ticket is sealed by a key that is made for one connection token and seals nothing else, so it
//! opens only together with that. It holds what a connection needs of its principal: who shows it
//! may begin this connection, once, and not publish. A connection token serves one connection, and
//! so does its ticket.

use crate::auth::grant::Grant;
use crate::auth::marks::{Mark, Marks};
use crate::auth::principal::Principal;
use crate::broken::broken;
use crate::limits::TICKET_BYTES_MAX;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::Prk;
use uuid::Uuid;

/// The form that is sealed and opened here.
const VERSION: u8 = 1;
/// Of the flags: there is a user, an organization, a subject; it is a back end's; the token has a
/// name.
const USER: u8 = 1;
const ORGANIZATION: u8 = 2;
const SUBJECT: u8 = 4;
const BACKEND: u8 = 8;
const TOKEN: u8 = 16;

/// The key of the one ticket of a connection token.
fn key(secret: &Prk, token: &[u8]) -> LessSafeKey {
    match secret.expand(&[b"rte ticket", token], &CHACHA20_POLY1305) {
        Ok(key) => LessSafeKey::new(UnboundKey::from(key)),
        Err(_) => broken("HKDF-SHA-256 gives 32 bytes"),
    }
}

/// Each key seals once, so the nonce may be the same (RFC 8439 section 2.8).
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Seals what a connection needs of its principal; nothing where it would be too long.
pub(crate) fn seal(secret: &Prk, token: &[u8], principal: &Principal) -> Option<String> {
    let mut sealed = encode(principal);
    if key(secret, token).seal_in_place_append_tag(nonce(), Aad::from([VERSION]), &mut sealed).is_err() {
        return None;
    }
    sealed.insert(0, VERSION);
    Some(URL_SAFE_NO_PAD.encode(sealed)).filter(|text| text.len() <= TICKET_BYTES_MAX)
}

/// Opens a ticket; nothing where it is none of that connection token.
pub(crate) fn open(secret: &Prk, token: &[u8], text: &str) -> Option<Principal> {
    if text.len() > TICKET_BYTES_MAX {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (&mut VERSION, sealed) = bytes.split_first_mut()? else { return None };
    decode(key(secret, token).open_in_place(nonce(), Aad::from([VERSION]), sealed).ok()?)
}

/// What is sealed.
pub(crate) fn encode(principal: &Principal) -> Vec<u8> {
    let Principal { user, organization, is_backend, grants, expires_unix_s, marks, .. } = principal;
    let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
    let Marks { subject, token, issued_unix_s } = marks;
    let flags = flag(USER, user.is_some())
        | flag(ORGANIZATION, organization.is_some())
        | flag(SUBJECT, subject.is_some())
        | flag(BACKEND, *is_backend)
        | flag(TOKEN, token.is_some());
    let mut bytes = vec![flags];
    bytes.extend(expires_unix_s.to_be_bytes());
    bytes.extend(issued_unix_s.to_be_bytes());
    [user, organization].into_iter().flatten().for_each(|id| bytes.extend(id.as_bytes()));
    bytes.extend([subject, token].into_iter().flatten().flat_map(|mark| mark.to_bytes()));
    let grants: Vec<String> = grants.iter().map(Grant::to_string).collect();
    bytes.extend(grants.join(" ").into_bytes());
    bytes
}

/// Reads it; nothing where these bytes are none of it.
pub(crate) fn decode(bytes: &[u8]) -> Option<Principal> {
    let (&flags, rest) = bytes.split_first()?;
    let (expires, rest) = rest.split_first_chunk()?;
    let (issued, mut rest) = rest.split_first_chunk()?;
    let mut id = |flag: u8| {
        if flags & flag == 0 {
            return Some(None);
        }
        let (id, behind) = rest.split_first_chunk()?;
        rest = behind;
        Some(Some(Uuid::from_bytes(*id)))
    };
    let (user, organization) = (id(USER)?, id(ORGANIZATION)?);
    let mut mark = |flag: u8| {
        if flags & flag == 0 {
            return Some(None);
        }
        let (mark, behind) = rest.split_first_chunk()?;
        rest = behind;
        Mark::from_bytes(*mark).map(Some)
    };
    let (subject, token) = (mark(SUBJECT)?, mark(TOKEN)?);
    let grants = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
    let grants: Result<Vec<Grant>, _> = grants.map(Grant::parse).collect();
    Some(Principal {
        user,
        organization,
        publisher: None,
        may_publish: false,
        is_admin: false,
        is_backend: flags & BACKEND != 0,
        grants: grants.ok()?.into(),
        foreign_grants: 0,
        expires_unix_s: u64::from_be_bytes(*expires),
        marks: Marks { subject, token, issued_unix_s: u64::from_be_bytes(*issued) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::fixtures::nobody;
    use ring::hkdf;

    fn secret(text: &str) -> Prk {
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(text.as_bytes())
    }

    fn principals() -> Vec<Principal> {
        let grants = |texts: &[&str]| texts.iter().map(|text| Grant::parse(text).unwrap()).collect();
        let (user, organization) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        let marks = Marks { subject: Some(Mark::of("alice")), token: Some(Mark::of("one")), issued_unix_s: 5 };
        vec![
            Principal { user, organization, expires_unix_s: 7, ..nobody() },
            Principal { organization, marks, is_backend: true, ..nobody() },
            Principal { user, grants: grants(&["queue/*/queuestatus", "*/*"]), expires_unix_s: u64::MAX, ..nobody() },
            Principal { grants: grants(&["user/c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3"]), marks, ..nobody() },
        ]
    }

    #[test]
    fn a_ticket_gives_back_what_a_connection_needs() {
        for principal in principals() {
            let scopes = Principal { may_publish: true, is_admin: true, ..principal.clone() };
            let ticket = seal(&secret("a"), b"an id", &scopes).unwrap();
            assert_eq!(open(&secret("a"), b"an id", &ticket), Some(principal), "and no right to publish");
            assert!(!ticket.contains('.'), "it is told from a JWT");
        }
    }

    #[test]
    fn a_ticket_opens_for_its_own_id_and_secret_and_unchanged_only() {
        let ticket = seal(&secret("a"), b"an id", &principals()[0]).unwrap();
        assert_eq!(open(&secret("b"), b"an id", &ticket), None);
        assert_eq!(open(&secret("a"), b"another id", &ticket), None);
        for at in 0..ticket.len() {
            let mut forged = ticket.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last character has bits that nobody reads, which the decoder refuses.
            assert_eq!(open(&secret("a"), b"an id", &forged), None, "byte {at}");
        }
        for text in ["", "AQ", "x.y.z", &"A".repeat(TICKET_BYTES_MAX + 4)] {
            assert_eq!(open(&secret("a"), b"an id", text), None);
        }
    }

    #[test]
    fn whoever_has_too_many_grants_for_a_url_gets_no_ticket() {
        let grants = |count: u128| (0..count).map(|n| Grant::parse(&format!("user/{}", Uuid::from_u128(n))).unwrap());
        let of = |count| seal(&secret("a"), b"an id", &Principal { grants: grants(count).collect(), ..nobody() });
        assert!(of(60).is_some_and(|ticket| ticket.len() <= TICKET_BYTES_MAX));
        assert_eq!(of(80), None);
    }

    #[test]
    fn whatever_is_sealed_no_bytes_are_a_panic() {
        for principal in principals() {
            let bytes = encode(&principal);
            (0..=bytes.len()).for_each(|end| drop(decode(&bytes[..end])));
            for at in 0..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[at] ^= 0xff;
                drop(decode(&bytes));
            }
        }
    }
}
