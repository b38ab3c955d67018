//! Every rule of a token, one by one.

use super::*;
use crate::auth::fixtures as key;
use crate::auth::keys::{Algorithm, KeyOptions, KeySource, Material};
use crate::auth::mint::{MintError, SigningKey, Statement, mint};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm as JwtAlgorithm, EncodingKey};
use serde_json::{Value, json};

mod bearer;
mod vectors;

const NOW_S: u64 = 1_800_000_000;
const USER: &str = "11111111-2222-3333-4444-5555555555aa";
const ORGANIZATION: &str = "99999999-2222-3333-4444-5555555555bb";

fn at(unix_s: u64) -> Now {
    Now::from_ms(7, unix_s * 1000)
}

fn secret_key(id: Option<&str>, secret: &str) -> KeyOptions {
    KeyOptions { id: id.map(str::to_owned), ..KeyOptions::new(KeySource::Secret(secret.to_owned())) }
}

fn pem_key(id: Option<&str>, text: &str) -> KeyOptions {
    KeyOptions { id: id.map(str::to_owned), ..KeyOptions::new(KeySource::Pem(text.to_owned())) }
}

fn options(keys: &[KeyOptions]) -> Options {
    Options::new(Keys::new(keys).unwrap())
}

fn by_secret() -> Options {
    options(&[secret_key(None, key::SECRET)])
}

fn verifier(options: Options) -> Verifier {
    Verifier::new(options).unwrap()
}

/// A token of any header and claims, well signed by HS256.
fn signed_with(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    // Whichever test is the first.
    crate::auth::provider::install();
    let key = EncodingKey::from_secret(secret);
    let signature = crypto::sign(message.as_bytes(), &key, JwtAlgorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn signed(claims: &Value) -> String {
    signed_with(&json!({"alg": "HS256"}), claims, key::SECRET.as_bytes())
}

/// Good claims with some replaced; null takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"sub": USER, "org": ORGANIZATION, "exp": NOW_S + 60});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn verify(verifier: &Verifier, token: &str) -> Result<Principal, TokenError> {
    verifier.verify(Token::new(token), at(NOW_S))
}

/// What the verifier of one secret says of these claims.
fn verdict(changes: Value) -> Result<Principal, TokenError> {
    let verifier = verifier(by_secret());
    verify(&verifier, &signed(&claims(changes)))
}

fn statement() -> Statement {
    Statement {
        user: Some(USER.to_owned()),
        organization: Some(ORGANIZATION.parse().unwrap()),
        grants: vec!["queue/*".to_owned()],
        scopes: vec!["publish".to_owned(), "backend".to_owned()],
        issuer: Some("pbx".to_owned()),
        audience: Some("hub".to_owned()),
        issued_unix_s: NOW_S,
        expires_unix_s: NOW_S + 60,
    }
}

#[test]
fn what_is_minted_is_verified_by_every_algorithm() {
    let names = ClaimNames::default();
    let secret = key::SECRET.repeat(2);
    for algorithm in Algorithm::ALL {
        let wanted = Some(algorithm);
        let (signing, keys) = match algorithm.material() {
            Material::Secret => (SigningKey::from_secret(None, &secret, wanted), secret_key(None, &secret)),
            Material::Rsa => {
                (SigningKey::from_pem(None, key::RSA_PRIVATE, wanted), pem_key(None, key::RSA_PUBLIC_PKCS1))
            }
            Material::P256 => (SigningKey::from_pem(None, key::EC_PRIVATE, None), pem_key(None, key::EC_PUBLIC)),
            Material::P384 => (SigningKey::from_pem(None, key::P384_PRIVATE, None), pem_key(None, key::P384_PUBLIC)),
            Material::Ed25519 => (SigningKey::from_pem(None, key::ED_PRIVATE, None), pem_key(None, key::ED_PUBLIC)),
        };
        let signing = signing.unwrap();
        assert_eq!(signing.algorithm(), algorithm);
        let token = mint(&signing, &names, &statement()).unwrap();
        let issuers = vec!["crm".to_owned(), "pbx".to_owned()];
        let mut options = options(&[KeyOptions { algorithm: wanted, issuers, ..keys }]);
        options.audiences = vec!["hub".to_owned()];
        let verifier = verifier(options);
        let principal = verify(&verifier, &token).unwrap();
        assert_eq!(principal.user, Some(USER.parse().unwrap()), "{signing:?}");
        assert_eq!(principal.organization, Some(ORGANIZATION.parse().unwrap()));
        assert!(principal.may_publish && principal.is_backend && !principal.is_admin);
        assert_eq!(*principal.grants, [Grant::parse("queue/*").unwrap()]);
        assert_eq!(principal.expires_unix_s, NOW_S + 60);

        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let other = BASE64.encode(String::from_utf8(BASE64.decode(payload).unwrap()).unwrap().replace("queue", "user"));
        let mut bytes = BASE64.decode(signature).unwrap();
        let tampered = verify(&verifier, &format!("{header}.{other}.{signature}"));
        assert_eq!(tampered, Err(TokenError::Signature), "payload of {signing:?}");
        for index in [0, bytes.len() - 1] {
            bytes[index] ^= 1;
            let tampered = verify(&verifier, &format!("{message}.{}", BASE64.encode(&bytes)));
            assert_eq!(tampered, Err(TokenError::Signature), "signature of {signing:?}");
            bytes[index] ^= 1;
        }
        assert_eq!(verify(&verifier, &format!("{message}.")), Err(TokenError::Signature), "no signature");
    }
}

#[test]
fn a_key_of_a_jwk_set_verifies() {
    let set = r#"{"keys":[{"kid":"e","kty":"EC","crv":"P-256","x":"qoXasVKN0wj8pWOSI1Ps-MoS-1U9EBzh7PIUDC0QlCU","y":"-2np65X3KH0CwUvw5MQvXDFo29WmWPWrieUYskL7mKQ"},
        {"kid":"d","kty":"OKP","crv":"Ed25519","x":"U8bL4f3kUQQlLtVqidEBu-DdzgBXDop5R9Q-xvHoLj0"}]}"#;
    let options = options(&[KeyOptions::new(KeySource::Jwks(set.to_owned()))]);
    let verifier = verifier(options);
    for (id, pem) in [("e", key::EC_PRIVATE), ("d", key::ED_PRIVATE)] {
        let signing = SigningKey::from_pem(Some(id.to_owned()), pem, None).unwrap();
        let token = mint(&signing, &ClaimNames::default(), &statement()).unwrap();
        assert!(verify(&verifier, &token).is_ok(), "{id}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    // The forger signs by HS256 with what everybody knows: the text of the public key.
    for (public, other) in [(key::RSA_PUBLIC, key::RSA_PUBLIC_PKCS1), (key::EC_PUBLIC, key::EC_PUBLIC)] {
        let forged = |header: Value, secret: &str| signed_with(&header, &claims(json!({})), secret.as_bytes());
        let alone = verifier(options(&[pem_key(Some("k"), public)]));
        for secret in [public, other] {
            let with_id = forged(json!({"alg": "HS256", "kid": "k"}), secret);
            assert_eq!(verify(&alone, &with_id), Err(TokenError::Algorithm));
            assert_eq!(verify(&alone, &forged(json!({"alg": "HS256"}), secret)), Err(TokenError::Algorithm));
        }
        let beside = verifier(options(&[pem_key(Some("k"), public), secret_key(Some("s"), key::SECRET)]));
        assert_eq!(verify(&beside, &forged(json!({"alg": "HS256", "kid": "k"}), public)), Err(TokenError::Algorithm));
        assert_eq!(verify(&beside, &forged(json!({"alg": "HS256"}), public)), Err(TokenError::Signature));
    }
}

#[test]
fn an_unsigned_token_is_none() {
    let verifier = verifier(by_secret());
    for alg in ["none", "None", "NONE", "", "HS1", "ES256K"] {
        let header = BASE64.encode(json!({"alg": alg}).to_string());
        let payload = BASE64.encode(claims(json!({})).to_string());
        for signature in ["", "AAAA"] {
            assert_eq!(
                verify(&verifier, &format!("{header}.{payload}.{signature}")),
                Err(TokenError::Unserved),
                "{alg}"
            );
        }
    }
}

#[test]
fn an_algorithm_without_a_key_is_told_and_es512_why_there_can_be_none() {
    let token = signed_with(&json!({"alg": "HS512"}), &claims(json!({})), key::SECRET.as_bytes());
    assert_eq!(verify(&verifier(by_secret()), &token), Err(TokenError::Algorithm));
    let token = signed_with(&json!({"alg": "ES512"}), &claims(json!({})), key::SECRET.as_bytes());
    assert_eq!(verify(&verifier(by_secret()), &token), Err(TokenError::Es512));
}

#[test]
fn a_token_that_is_no_jwt_is_malformed() {
    let verifier = verifier(by_secret());
    let good = signed(&claims(json!({})));
    let payload_is_no_json = signed_with(&json!({"alg": "HS256"}), &json!([1, 2]), key::SECRET.as_bytes());
    for token in ["", ".", "..", "a.b.c", "\u{e9}.\u{e9}.\u{e9}", &good[1..], &format!("x.{good}"), &payload_is_no_json]
    {
        assert_eq!(verify(&verifier, token), Err(TokenError::Malformed), "{token}");
    }
    assert_eq!(verify(&verifier, &"a".repeat(100_000)), Err(TokenError::Malformed));
}

#[test]
fn a_header_longer_than_any_issuers_is_not_read() {
    let with = |padding: usize| {
        let header = json!({ "alg": "HS256", "x5c": ["A".repeat(padding)] });
        verify(&verifier(by_secret()), &signed_with(&header, &claims(json!({})), key::SECRET.as_bytes())).map(|_| ())
    };
    // What is not encoded yet, without the padding.
    let most = TOKEN_HEADER_BYTES_MAX / 4 * 3 - json!({ "alg": "HS256", "x5c": [""] }).to_string().len();
    assert_eq!((with(most), with(most + 1)), (Ok(()), Err(TokenError::Malformed)));
}

#[test]
fn a_critical_extension_is_refused() {
    let header = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let token = signed_with(&header, &claims(json!({})), key::SECRET.as_bytes());
    assert_eq!(verify(&verifier(by_secret()), &token), Err(TokenError::Critical));
}

#[test]
fn the_key_id_chooses_and_no_other_named_key_stands_in_for_it() {
    let other = "another secret with 32 bytes or more";
    let token = |kid: Option<&str>, secret: &str| {
        let header = kid.map_or(json!({"alg": "HS256"}), |kid| json!({"alg": "HS256", "kid": kid}));
        signed_with(&header, &claims(json!({})), secret.as_bytes())
    };
    let two = verifier(options(&[secret_key(Some("a"), key::SECRET), secret_key(Some("b"), other)]));
    assert!(verify(&two, &token(Some("a"), key::SECRET)).is_ok());
    assert!(verify(&two, &token(Some("b"), other)).is_ok());
    assert_eq!(verify(&two, &token(Some("b"), key::SECRET)), Err(TokenError::Signature));
    assert_eq!(verify(&two, &token(Some("c"), key::SECRET)), Err(TokenError::UnknownKey));
    assert_eq!(verify(&two, &token(Some("A"), key::SECRET)), Err(TokenError::UnknownKey));
    assert_eq!(verify(&two, &token(None, key::SECRET)), Err(TokenError::NoKeyId));

    let one = verifier(options(&[secret_key(Some("a"), key::SECRET), pem_key(Some("r"), key::RSA_PUBLIC)]));
    assert!(verify(&one, &token(None, key::SECRET)).is_ok());
    assert_eq!(verify(&one, &token(Some("r"), key::SECRET)), Err(TokenError::Algorithm));

    let nameless = verifier(by_secret());
    assert!(verify(&nameless, &token(Some("a"), key::SECRET)).is_ok(), "no other key has that id");
    assert_eq!(verify(&nameless, &token(Some("a"), other)), Err(TokenError::Signature));
}

#[test]
fn expiry_counts_with_the_leeway_to_the_second() {
    let mut options = by_secret();
    options.leeway_s = 5;
    let verifier = verifier(options);
    let token = signed(&claims(json!({"exp": NOW_S})));
    let verify_at = |now| verifier.verify(Token::new(&token), at(now)).map(|principal| principal.expires_unix_s);
    assert_eq!(verify_at(NOW_S - 1), Ok(NOW_S));
    assert_eq!(verify_at(NOW_S + 4), Ok(NOW_S));
    assert_eq!(verify_at(NOW_S + 5), Err(TokenError::Expired { ago_s: 5 }));
    assert_eq!(verify_at(NOW_S + 7_203), Err(TokenError::Expired { ago_s: 7_203 }));
    assert_eq!(TokenError::Expired { ago_s: 7_203 }.to_string(), "The token expired 7,203 s ago (exp)");
    let late = Now::from_ms(0, (NOW_S + 4) * 1000 + 999);
    let principal = verifier.verify(Token::new(&token), late).unwrap();
    assert_eq!([late, at(NOW_S + 5)].map(|now| verifier.is_expired(&principal, now)), [false, true]);
}

#[test]
fn the_start_counts_with_the_leeway_to_the_second() {
    let verifier = verifier(by_secret());
    let token = signed(&claims(json!({"nbf": NOW_S, "exp": NOW_S + 60})));
    let verify_at = |now| verifier.verify(Token::new(&token), at(now)).map(|_| ());
    assert_eq!(verify_at(NOW_S - 6), Err(TokenError::NotYetValid { in_s: 6 }));
    assert_eq!(verify_at(NOW_S - 5), Ok(()));
    assert_eq!(verify_at(NOW_S), Ok(()));
}

#[test]
fn dates_are_numbers() {
    let expires = |value: Value| verdict(json!({"exp": value})).map(|principal| principal.expires_unix_s);
    assert_eq!(verdict(json!({"exp": null})), Err(TokenError::NoExpiry));
    let wrong = Err(TokenError::Claim(Claim::Expiry));
    for value in [json!("1900000000"), json!(true), json!([NOW_S]), json!({})] {
        assert_eq!(expires(value), wrong);
    }
    assert_eq!(verify(&verifier(by_secret()), &signed(&json!({"exp": null}))).map(|_| 0), Err(TokenError::NoExpiry));
    assert_eq!(expires(json!(1_900_000_000.75)), Ok(1_900_000_000));
    assert_eq!(expires(json!(1.9e9)), Ok(1_900_000_000));
    assert_eq!(expires(json!(u64::MAX)), Ok(u64::MAX));
    assert_eq!(expires(json!(1e300)), Ok(u64::MAX));
    for value in [json!(-1), json!(-1e300), json!(0), json!(0.5), json!(i64::MIN)] {
        assert!(matches!(expires(value), Err(TokenError::Expired { ago_s }) if ago_s >= NOW_S - 1));
    }
    assert_eq!(verdict(json!({"nbf": "0"})), Err(TokenError::Claim(Claim::NotBefore)));
    assert_eq!(verdict(json!({"nbf": u64::MAX})), Err(TokenError::NotYetValid { in_s: u64::MAX - NOW_S }));
    assert!(verdict(json!({"nbf": -5})).is_ok());
}

#[test]
fn issuer_and_audience_count_where_they_are_configured() {
    assert!(verdict(json!({"iss": "anybody", "aud": 5})).is_ok());
    let issuers = vec!["crm".to_owned(), "pbx".to_owned()];
    let mut options = options(&[KeyOptions { issuers, ..secret_key(None, key::SECRET) }]);
    options.audiences = vec!["hub".to_owned(), "api://hub".to_owned()];
    let strict = verifier(options);
    let verdict = |changes| verify(&strict, &signed(&claims(changes))).map(|_| ());
    for aud in [json!("hub"), json!("api://hub"), json!(["other", "hub"]), json!(["hub", 1, null])] {
        for iss in ["pbx", "crm"] {
            assert_eq!(verdict(json!({"iss": iss, "aud": aud})), Ok(()), "{aud}");
        }
    }
    for iss in [Value::Null, json!("PBX"), json!("pbx "), json!(["pbx"]), json!("pbx,crm")] {
        assert_eq!(verdict(json!({"iss": iss, "aud": "hub"})), Err(TokenError::Issuer));
    }
    for aud in [
        Value::Null,
        json!("crm"),
        json!([]),
        json!(["crm"]),
        json!([["hub"]]),
        json!({"hub": 1}),
        json!("hub api://hub"),
    ] {
        assert_eq!(verdict(json!({"iss": "pbx", "aud": aud})), Err(TokenError::Audience));
    }
}

#[test]
fn a_key_is_for_its_own_issuers_tokens_only() {
    let key = |id: &str, issuer: &str, secret: &str| KeyOptions {
        issuers: vec![issuer.to_owned()],
        ..secret_key(Some(id), secret)
    };
    let other = "another secret with 32 bytes or more";
    let two = verifier(options(&[key("a", "https://a", key::SECRET), key("b", "https://b", other)]));
    let token = |kid: Option<&str>, issuer: &str, secret: &str| {
        let header = kid.map_or(json!({"alg": "HS256"}), |kid| json!({"alg": "HS256", "kid": kid}));
        signed_with(&header, &claims(json!({"iss": issuer})), secret.as_bytes())
    };
    assert!(verify(&two, &token(Some("a"), "https://a", key::SECRET)).is_ok());
    assert!(verify(&two, &token(Some("b"), "https://b", other)).is_ok());
    assert!(verify(&two, &token(None, "https://b", other)).is_ok(), "the issuer chooses");
    // Whoever holds one key must not speak for the other's issuer.
    assert_eq!(verify(&two, &token(Some("a"), "https://b", key::SECRET)), Err(TokenError::Issuer));
    assert_eq!(verify(&two, &token(None, "https://b", key::SECRET)), Err(TokenError::Signature));
}

#[test]
fn the_subject_is_the_user_where_it_is_a_guid() {
    let user = |value: Value| verdict(json!({"sub": value})).map(|principal| principal.user);
    assert_eq!(user(json!(USER.to_uppercase())), Ok(Some(USER.parse().unwrap())));
    for value in
        [Value::Null, json!("billing"), json!(""), json!(USER.replace('-', "")), json!(Uuid::nil().to_string())]
    {
        assert_eq!(user(value), Ok(None));
    }
    for value in [json!(1), json!([USER])] {
        assert_eq!(user(value), Err(TokenError::Claim(Claim::User)));
    }
}

#[test]
fn the_organization_is_a_guid_or_the_token_is_refused() {
    let organization = |value: Value| verdict(json!({"org": value})).map(|principal| principal.organization);
    assert_eq!(organization(json!(ORGANIZATION.to_uppercase())), Ok(Some(ORGANIZATION.parse().unwrap())));
    assert_eq!(organization(Value::Null), Ok(None));
    for value in [json!("acme"), json!(""), json!(Uuid::nil().to_string()), json!(5), json!([ORGANIZATION])] {
        assert_eq!(organization(value), Err(TokenError::Claim(Claim::Organization)));
    }
}

#[test]
fn a_client_needs_an_organization_unless_there_is_one_only() {
    let nameless = signed(&claims(json!({"org": null})));
    let multi = verifier(by_secret());
    let publisher = verify(&multi, &nameless).unwrap();
    assert_eq!(multi.check_client(&publisher), Err(TokenError::NoOrganization));
    let client = verify(&multi, &signed(&claims(json!({})))).unwrap();
    assert_eq!(multi.check_client(&client), Ok(()));

    let single = verifier(Options { tenancy: Tenancy::Single, ..by_secret() });
    let client = verify(&single, &nameless).unwrap();
    assert_eq!(single.check_client(&client), Ok(()));
    let named = verify(&single, &signed(&claims(json!({"org": "acme"})))).unwrap();
    assert_eq!(named.organization, None);
}

#[test]
fn scopes_come_as_text_or_array_and_what_is_none_is_passed_over() {
    let scopes =
        |value: Value| verdict(json!({"scope": value})).map(|who| (who.may_publish, who.is_admin, who.is_backend));
    assert_eq!(scopes(Value::Null), Ok((false, false, false)));
    assert_eq!(scopes(json!("openid publish  backend")), Ok((true, false, true)));
    assert_eq!(scopes(json!(["admin", "email"])), Ok((false, true, false)));
    assert_eq!(scopes(json!("Publish publisher")), Ok((false, false, false)));
    assert_eq!(scopes(json!(["publish admin"])), Ok((false, false, false)));
    assert_eq!(scopes(json!(["publish", 1, null, {"admin": true}, ["admin"]])), Ok((true, false, false)));
    for value in [json!(1), json!({"publish": true}), json!(true)] {
        assert_eq!(scopes(value), Err(TokenError::Claim(Claim::Scope)));
    }
}

#[test]
fn an_entry_that_is_no_grant_grants_nothing_and_spoils_nothing() {
    let grants = |value: Value| verdict(json!({"rte": value})).map(|who| (who.grants.len(), who.foreign_grants));
    assert_eq!(grants(Value::Null), Ok((0, 0)));
    assert_eq!(grants(json!(["queue/*", "user/*/UserAvailability"])), Ok((2, 0)));
    assert_eq!(grants(json!("queue/* user/*")), Ok((2, 0)));
    assert_eq!(grants(json!(["queue/*", "offline_access", "queue", 1, null, {}, ["user/*"], ""])), Ok((1, 6)));
    assert_eq!(grants(json!([null])), Ok((0, 0)));
    assert_eq!(grants(json!([])), Ok((0, 0)));
    for value in [json!(1), json!({}), json!(false)] {
        assert_eq!(grants(value), Err(TokenError::Claim(Claim::Grants)));
    }
    let null = signed(&json!({"exp": NOW_S + 60, "sub": null, "org": null, "rte": null, "scope": null, "nbf": null}));
    let nobody = verify(&verifier(by_secret()), &null).unwrap();
    assert_eq!(nobody, Principal { expires_unix_s: NOW_S + 60, ..key::nobody() });
}

#[test]
fn a_publisher_whose_grants_are_none_may_publish_nothing() {
    let status = key::event("QueueStatus", true);
    let verifier = verifier(by_secret());
    let may = |rte: Value| {
        let principal = verify(&verifier, &signed(&claims(json!({"scope": "publish", "rte": rte})))).unwrap();
        verifier.may(&principal, Action::Publish, "Queue", &status, Uuid::from_u128(1))
    };
    assert!(may(Value::Null) && may(json!([])) && may(json!([null])) && may(json!(["queue/*", "queue:*"])));
    for narrowed in [json!(["queue:*"]), json!(["calllist/*", "offline_access"]), json!([1]), json!("queue")] {
        assert!(!may(narrowed.clone()), "whoever wrote {narrowed} did not mean everything");
    }
}

#[test]
fn claims_may_have_other_names() {
    let claims_names = ClaimNames {
        user: ClaimPath::new("uid"),
        organization: ClaimPath::new("https://pbx/org"),
        grants: ClaimPath::of(&["realm_access", "roles"]),
        scope: ClaimPath::of(&["realm_access", "scp"]),
    };
    let renamed = verifier(Options { claims: claims_names.clone(), ..by_secret() });
    let signing = SigningKey::from_secret(None, key::SECRET, None).unwrap();
    let principal = verify(&renamed, &mint(&signing, &claims_names, &statement()).unwrap()).unwrap();
    assert!(principal.user.is_some() && principal.organization.is_some() && principal.may_publish);
    assert_eq!(principal.grants.len(), 1);
    let plain = verify(&renamed, &mint(&signing, &ClaimNames::default(), &statement()).unwrap()).unwrap();
    assert!(plain.user.is_none() && plain.organization.is_none() && !plain.may_publish && plain.grants.is_empty());
}

#[test]
fn a_claim_is_found_by_its_literal_name_first_and_then_by_its_way() {
    let claims = |value: Value| value.as_object().unwrap().clone();
    let nested = claims(json!({"realm_access": {"roles": [1]}, "a": {"b": {"c": 2}}, "x": null, "s": "text"}));
    let literal = claims(json!({"realm_access.roles": [3], "realm_access": {"roles": [1]}}));
    let null = claims(json!({"realm_access.roles": null, "realm_access": {"roles": [1]}}));
    for path in [ClaimPath::of(&["realm_access", "roles"]), ClaimPath::new("realm_access.roles")] {
        for (claims, expected) in [(&nested, 1), (&literal, 3), (&null, 1)] {
            assert_eq!(path.find(claims), Some(&json!([expected])), "{path} in {claims:?}");
        }
    }
    assert_eq!(ClaimPath::of(&["a", "b", "c"]).find(&nested), Some(&json!(2)));
    for path in [["a", "c"].as_slice(), &["s", "text"], &["x"], &["x", "y"], &["a", "b", "c", "d"], &["A"]] {
        assert_eq!(ClaimPath::of(path).find(&nested), None, "{path:?}");
    }
    let url = "https://pbx.example/org";
    assert_eq!(ClaimPath::new(url).find(&claims(json!({url: 4}))), Some(&json!(4)));
}

#[test]
fn a_claim_that_never_occurs_is_told_once_after_many_tokens() {
    let absent = |options: Options, with: &dyn Fn(u32) -> Value| {
        let verifier = verifier(options);
        let mut told = Vec::new();
        for number in 1..=2 * TOKENS_WATCHED {
            verify(&verifier, &signed(&claims(with(number)))).unwrap();
            assert!(verify(&verifier, &signed(&claims(json!({"exp": 1, "rte": []})))).is_err(), "counts for nothing");
            let absent = verifier.take_absent_claims();
            assert!(absent.is_empty() || number == TOKENS_WATCHED, "{number}: {absent:?}");
            told.extend(absent.into_iter().map(|claim| format!("{}={}", claim.key, claim.name)));
        }
        told
    };
    assert_eq!(absent(by_secret(), &|_| json!({})), ["grants=rte", "scope=scope"]);
    assert_eq!(absent(by_secret(), &|n| json!({"rte": (n == 7).then_some("x"), "scope": ""})), [""; 0]);
    assert_eq!(absent(by_secret(), &|n| json!({"rte": (n == 101).then_some("x"), "scope": ""})), ["grants=rte"]);
    let roles = ClaimNames { grants: ClaimPath::of(&["realm_access", "rolls"]), ..ClaimNames::default() };
    let default_grants = || vec![Grant::parse("queue/*").unwrap()];
    let named = Options { claims: roles, default_grants: default_grants(), ..by_secret() };
    let keycloak = |_| json!({"realm_access": {"roles": ["queue/*"]}, "scope": ""});
    assert_eq!(absent(named, &keycloak), ["grants=realm_access.rolls"], "a name that was given is missed");
    let single = Options { tenancy: Tenancy::Single, default_grants: default_grants(), ..by_secret() };
    assert_eq!(absent(single, &|_| json!({"org": null, "scope": ""})), [""; 0]);
}

#[test]
fn a_key_that_a_fresher_set_may_have_is_missed() {
    let url = "https://id.example.com/jwks";
    let by_url = options(&[KeyOptions::new(KeySource::JwksUrl(url.to_owned()))]);
    let empty = verifier(by_url);
    let named = signed_with(&json!({"alg": "HS256", "kid": "a"}), &claims(json!({})), key::SECRET.as_bytes());
    assert_eq!(verify(&empty, &named), Err(TokenError::UnknownKey));
    assert!(empty.take_missing_key() && !empty.take_missing_key());
    assert!(verify(&empty, "no.to.ken").is_err() && !empty.take_missing_key());
    assert!(empty.with_set(url, "<html>").is_err());
}

#[test]
fn options_that_make_no_sense_are_refused() {
    assert_eq!(Verifier::new(options(&[])).unwrap_err(), OptionsError::NoKey);
    let slack = Options { leeway_s: LEEWAY_S_MAX + 1, ..by_secret() };
    assert_eq!(Verifier::new(slack).unwrap_err(), OptionsError::Leeway);
    for name in [
        ClaimPath::new(""),
        ClaimPath::new("exp"),
        ClaimPath::of(&["org"]),
        ClaimPath::of(&["a", ""]),
        ClaimPath::of(&[]),
    ] {
        let claims = ClaimNames { user: name.clone(), ..ClaimNames::default() };
        let error = Verifier::new(Options { claims, ..by_secret() }).unwrap_err();
        assert!(matches!(&error, OptionsError::ClaimName(told) if told.to_string() == name.to_string()), "{error}");
    }
}

#[test]
fn a_connection_outlives_its_token_unless_told_otherwise() {
    let token = signed(&claims(json!({"exp": NOW_S + 60})));
    let usual = verifier(by_secret());
    assert_eq!(usual.ends_unix_s(&verify(&usual, &token).unwrap()), None);
    let closing = verifier(Options { close_on_expiry: true, ..by_secret() });
    assert_eq!(closing.ends_unix_s(&verify(&closing, &token).unwrap()), Some(NOW_S + 65));
}

#[test]
fn the_grants_of_everybody_are_kept_by_the_verifier() {
    let default_grants = vec![Grant::parse("queue/*").unwrap()];
    let verifier = verifier(Options { default_grants, ..by_secret() });
    let principal = verify(&verifier, &signed(&claims(json!({})))).unwrap();
    assert!(principal.grants.is_empty());
    let status = key::event("QueueStatus", true);
    assert!(verifier.may(&principal, Action::Subscribe, "Queue", &status, Uuid::from_u128(1)));
    assert!(!verifier.may(&principal, Action::Subscribe, "CallList", &status, Uuid::from_u128(1)));
}

#[test]
fn a_key_that_cannot_sign_is_explained() {
    assert!(matches!(SigningKey::from_secret(None, "short", None), Err(MintError::Secret(_))));
    for text in [key::RSA_PUBLIC, key::RSA_PUBLIC_PKCS1, key::EC_CERTIFICATE, key::EC_PRIVATE_SEC1, key::SECRET] {
        assert_eq!(SigningKey::from_pem(None, text, None).unwrap_err(), MintError::NotPrivate, "{text}");
    }
    assert_eq!(SigningKey::from_pem(None, key::EC_PRIVATE, None).unwrap().algorithm(), Algorithm::Es256);
}

#[test]
fn nothing_prints_a_token_or_a_key() {
    let token = signed(&claims(json!({})));
    let query = format!("access_token={token}");
    let found = bearer(None, &query).unwrap().unwrap();
    let signing = SigningKey::from_secret(Some("a".to_owned()), key::SECRET, None).unwrap();
    let verifier = verifier(by_secret());
    let printed = format!("{:?} {found:?} {:?} {signing:?} {verifier:?}", Token::new(&token), found.token());
    assert!(!printed.contains(&token) && !printed.contains(key::SECRET), "{printed}");
    assert!(
        printed.starts_with("Token(redacted) Bearer(redacted) Token(redacted) SigningKey(HS256, redacted)"),
        "{printed}"
    );
}
