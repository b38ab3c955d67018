//! Every way in which a key can be wrong.

use super::key::{der_element, rsa_components, strip_zeros};
use super::*;
use crate::auth::fixtures as key;

fn one(id: Option<&str>, source: KeySource) -> KeyOptions {
    KeyOptions { id: id.map(str::to_owned), ..KeyOptions::new(source) }
}

fn secret(id: Option<&str>, text: &str) -> KeyOptions {
    one(id, KeySource::Secret(text.to_owned()))
}

fn pem(id: Option<&str>, text: &str) -> KeyOptions {
    one(id, KeySource::Pem(text.to_owned()))
}

fn jwks(text: &str) -> KeyOptions {
    one(None, KeySource::Jwks(text.to_owned()))
}

fn problem(options: KeyOptions) -> KeyProblem {
    let errors = Keys::new(&[options]).unwrap_err();
    let [KeyError { index: 0, problem }] = errors.as_slice() else { panic!("{errors:?}") };
    problem.clone()
}

fn algorithms(options: &[KeyOptions]) -> Vec<(Option<String>, Algorithm)> {
    let keys = Keys::new(options).unwrap();
    keys.iter().map(|(id, algorithm)| (id.map(str::to_owned), algorithm)).collect()
}

#[test]
fn the_kind_of_a_key_decides_its_algorithm() {
    assert_eq!(algorithms(&[secret(None, key::SECRET)]), [(None, Algorithm::Hs256)]);
    assert_eq!(algorithms(&[pem(Some("r"), key::RSA_PUBLIC)]), [(Some("r".into()), Algorithm::Rs256)]);
    assert_eq!(algorithms(&[pem(None, key::RSA_PUBLIC_PKCS1)]), [(None, Algorithm::Rs256)]);
    assert_eq!(algorithms(&[pem(None, key::EC_PUBLIC)]), [(None, Algorithm::Es256)]);
    assert_eq!(algorithms(&[pem(None, key::P384_PUBLIC)]), [(None, Algorithm::Es384)]);
    assert_eq!(algorithms(&[pem(None, key::ED_PUBLIC)]), [(None, Algorithm::EdDsa)]);
}

#[test]
fn a_short_secret_is_refused_with_a_way_to_make_one() {
    let short = problem(secret(None, &key::SECRET[1..]));
    assert_eq!(short, KeyProblem::ShortSecret(31, Algorithm::Hs256));
    assert!(short.to_string().contains("31 bytes") && short.to_string().contains("openssl rand"), "{short}");
}

#[test]
fn a_key_of_the_wrong_sort_is_explained() {
    for (text, expected) in [
        (key::RSA_PRIVATE, KeyProblem::PrivatePem),
        (key::RSA_PRIVATE_PKCS1, KeyProblem::PrivatePem),
        (key::EC_PRIVATE, KeyProblem::PrivatePem),
        (key::EC_PRIVATE_SEC1, KeyProblem::PrivatePem),
        (key::ED_PRIVATE, KeyProblem::PrivatePem),
        (key::EC_CERTIFICATE, KeyProblem::CertificatePem),
        (key::P521_PUBLIC, KeyProblem::NotOnCurve),
        (key::ED448_PUBLIC, KeyProblem::UnservedPem),
        (key::RSA_1024_PUBLIC, KeyProblem::RsaBits(1024)),
        ("", KeyProblem::NotPem),
        ("-----BEGIN PUBLIC KEY-----", KeyProblem::UnservedPem),
        (key::SECRET, KeyProblem::NotPem),
    ] {
        assert_eq!(problem(pem(None, text)), expected, "{text}");
    }
}

#[test]
fn an_asserted_algorithm_must_be_the_keys() {
    let asserted = |algorithm| KeyOptions { algorithm: Some(algorithm), ..pem(None, key::EC_PUBLIC) };
    assert!(Keys::new(&[asserted(Algorithm::Es256)]).is_ok());
    let expected = KeyProblem::OtherAlgorithm { is: Algorithm::Es256, asserted: Algorithm::Rs256 };
    assert_eq!(problem(asserted(Algorithm::Rs256)), expected);
}

#[test]
fn where_the_material_leaves_a_choice_the_algorithm_is_chosen_and_is_the_only_one() {
    let chosen = |algorithm, options: KeyOptions| KeyOptions { algorithm: Some(algorithm), ..options };
    for algorithm in [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512] {
        let keys = Keys::new(&[chosen(algorithm, pem(None, key::RSA_PUBLIC))]).unwrap();
        assert_eq!(keys.iter().collect::<Vec<_>>(), [(None, algorithm)]);
        let other = keys.choose(None, JwtAlgorithm::RS256, || None).map(|_| ());
        assert_eq!(other, Err(TokenError::Algorithm), "{algorithm}");
    }
    assert_eq!(
        problem(chosen(Algorithm::Hs512, secret(None, &"s".repeat(63)))),
        KeyProblem::ShortSecret(63, Algorithm::Hs512)
    );
    assert!(Keys::new(&[chosen(Algorithm::Hs512, secret(None, &"s".repeat(64)))]).is_ok());
}

#[test]
fn all_errors_are_told_with_the_number_of_their_key() {
    let errors = Keys::new(&[
        secret(Some("a"), key::SECRET),
        secret(Some("b"), "short"),
        secret(Some("a"), key::SECRET),
        pem(Some(""), key::EC_PUBLIC),
        pem(None, key::EC_PRIVATE),
    ])
    .unwrap_err();
    let told: Vec<_> = errors.into_iter().map(|error| (error.index, error.problem)).collect();
    let expected = [
        (1, KeyProblem::ShortSecret(5, Algorithm::Hs256)),
        (2, KeyProblem::DuplicateId("a".into())),
        (3, KeyProblem::EmptyId),
        (4, KeyProblem::PrivatePem),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_key_that_no_token_could_choose_is_refused() {
    let errors = Keys::new(&[secret(None, key::SECRET), secret(None, key::SECRET)]).unwrap_err();
    assert_eq!(errors, [KeyError { index: 1, problem: KeyProblem::Unchoosable(Algorithm::Hs256) }]);
    assert!(Keys::new(&[secret(Some("a"), key::SECRET), secret(None, key::SECRET)]).is_ok());
    let of = |issuer: &str| KeyOptions { issuers: vec![issuer.to_owned()], ..secret(None, key::SECRET) };
    assert!(Keys::new(&[of("a"), of("b")]).is_ok(), "their issuers choose");
    assert!(Keys::new(&[of("a"), of("a")]).is_err() && Keys::new(&[of("a"), secret(None, key::SECRET)]).is_err());
}

/// What chooses and which key is chosen, by its place.
fn chosen(options: &[KeyOptions], kid: Option<&str>, issuer: Option<&str>) -> Result<usize, TokenError> {
    let keys = Keys::new(options).unwrap();
    let key = keys.choose(kid, JwtAlgorithm::HS256, || issuer.map(str::to_owned))?;
    Ok(keys.keys.iter().position(|other| std::ptr::eq(other, key)).unwrap())
}

#[test]
fn a_lone_key_without_id_stands_for_every_id_that_no_other_key_has() {
    let nameless = [secret(None, key::SECRET)];
    for kid in [None, Some("2026-a"), Some("")] {
        assert_eq!(chosen(&nameless, kid, None), Ok(0), "{kid:?}");
    }
    // One step later the second key is there, and nobody who has a token of the first notices.
    let two = [secret(None, key::SECRET), secret(Some("b"), key::SECRET)];
    for (kid, expected) in [(None, 0), (Some("2026-a"), 0), (Some("b"), 1), (Some("B"), 0)] {
        assert_eq!(chosen(&two, kid, None), Ok(expected), "{kid:?}");
    }
    let named = [secret(Some("a"), key::SECRET), secret(Some("b"), key::SECRET), pem(None, key::EC_PUBLIC)];
    assert_eq!(
        chosen(&named, Some("c"), None),
        Err(TokenError::UnknownKey),
        "a key for another algorithm is no stand-in"
    );
    assert_eq!(chosen(&named, None, None), Err(TokenError::NoKeyId));
}

#[test]
fn the_issuer_chooses_where_the_id_leaves_several() {
    let of =
        |id: Option<&str>, issuer: &str| KeyOptions { issuers: vec![issuer.to_owned()], ..secret(id, key::SECRET) };
    for id in [None, Some("1")] {
        let two = [of(id, "https://a"), of(id, "https://b")];
        assert_eq!(chosen(&two, Some("1"), Some("https://a")), Ok(0));
        assert_eq!(chosen(&two, Some("1"), Some("https://b")), Ok(1));
        assert_eq!(chosen(&two, None, Some("https://b")), Ok(1));
        assert_eq!(chosen(&two, Some("1"), Some("https://c")), Err(TokenError::Issuer));
        assert_eq!(chosen(&two, Some("1"), None), Err(TokenError::Issuer));
    }
}

const EC_JWK: &str = r#""kty":"EC","crv":"P-256","x":"qoXasVKN0wj8pWOSI1Ps-MoS-1U9EBzh7PIUDC0QlCU","y":"-2np65X3KH0CwUvw5MQvXDFo29WmWPWrieUYskL7mKQ""#;
/// Without its end, so that more can be said.
const RSA_JWK: &str = r#"{"kty":"RSA","e":"AQAB","n":"v0IWce1rz7YOs2a_89o1tvwgrgookl9E5tBDWV7LuogZmX6s_8R_RlOZ6y8S5VgLsH6s6e0sAFSldj-whH90r_cQEs9SmXEOx1LlI7sqQm1csTCHBXGpEb0xDJYH2sO9jQIQWpFHftYvQeG3sZmlvxznUeWvyniBQ6mIgQZcpH0rG1CJ9QCLY6hLnkEeD-nVQRK681LELLV6dFaUgxRWLFii2WOL2DeyE4g6Lzz3pMDLFKIEehTg4_9-Ewq0ZFOvlNA_1aPXA8ZCEa-WjpKEP_Y3tCcMOuT6PhUqVcC4pZYWLmuMQqccoKL1s-gYMpPNUX1c5G6eXfhigK-iVXPKqQ""#;
const ED_JWK: &str = r#""kty":"OKP","crv":"Ed25519","x":"U8bL4f3kUQQlLtVqidEBu-DdzgBXDop5R9Q-xvHoLj0""#;
const OCT_JWK: &str = r#""kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY""#;

#[test]
fn a_jwk_without_alg_goes_by_kty_and_crv_and_what_is_not_for_us_is_passed_over() {
    let set = format!(
        r#"{{"keys":[{{{EC_JWK},"kid":"e","use":"sig"}},{{{ED_JWK},"kid":"d","key_ops":["verify"]}},{{{OCT_JWK},"kid":"o","alg":"HS256"}},
        {{{EC_JWK},"kid":"x","use":"enc"}},{{{EC_JWK},"alg":"ES256K"}},{{{ED_JWK},"key_ops":["sign"]}},
        {{"kty":"EC","crv":"P-521","x":"AA","y":"AA","alg":"ES512"}},{{"kty":"RSA","alg":"RSA-OAEP","n":"AA"}},{{"kty":"AKP","pub":"AA"}}]}}"#
    );
    let keys = Keys::new(&[jwks(&set)]).unwrap();
    let found: Vec<_> = keys.iter().collect();
    assert_eq!(found, [(Some("e"), Algorithm::Es256), (Some("d"), Algorithm::EdDsa), (Some("o"), Algorithm::Hs256)]);
    assert_eq!(keys.skipped(), 6);
}

#[test]
fn one_key_that_cannot_be_used_spoils_no_other() {
    let weak = r#"{"kty":"RSA","n":"AAEB","e":"AQAB","kid":"weak"}"#;
    let set = format!(
        r#"{{"keys":[{weak},{{"kty":"oct","k":"c2hvcnQ"}},{{{EC_JWK},"d":"AA","kid":"private"}},{{"kty":"RSA"}},3,
        {{{EC_JWK},"kid":5}},{{{EC_JWK},"alg":"RS256"}},{{{ED_JWK},"kid":"good"}},{{{ED_JWK},"kid":"good"}},
        {{"kty":"OKP","crv":"Ed25519","x":"+/+/"}}]}}"#
    );
    let keys = Keys::new(&[jwks(&set), pem(Some("lone"), key::EC_PUBLIC)]).unwrap();
    let found: Vec<_> = keys.iter().collect();
    assert_eq!(found, [(Some("lone"), Algorithm::Es256), (Some("good"), Algorithm::EdDsa)]);
    let told: Vec<_> = keys.passed_over().map(|(part, one)| (part, one.number, one.problem.clone())).collect();
    let expected = [
        (0, 0, KeyProblem::RsaBits(9)),
        (0, 1, KeyProblem::ShortSecret(5, Algorithm::Hs256)),
        (0, 2, KeyProblem::PrivateJwk),
        (0, 3, KeyProblem::NotJwk),
        (0, 4, KeyProblem::NotJwk),
        (0, 5, KeyProblem::NotJwk),
        (0, 6, KeyProblem::NotJwk),
        (0, 9, KeyProblem::NotJwk),
        (0, 8, KeyProblem::DuplicateId("good".to_owned())),
    ];
    assert_eq!(told, expected);
    assert_eq!(keys.skipped(), 0);
}

#[test]
fn a_set_of_which_nothing_is_left_is_explained() {
    let first = |text: &str| {
        let KeyProblem::NothingUsable(count, first) = problem(jwks(text)) else { panic!("{text}") };
        (count, first.map(|first| (first.number, first.problem)))
    };
    let short = r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#;
    assert_eq!(first(short), (1, Some((0, KeyProblem::ShortSecret(5, Algorithm::Hs256)))));
    let private = format!(r#"{{"keys":[{{"kty":"AKP"}},{{{EC_JWK},"d":"AA"}}]}}"#);
    assert_eq!(first(&private), (2, Some((1, KeyProblem::PrivateJwk))));
    assert!(problem(jwks(&private)).to_string().contains("`keys[1]` of the JWK set: it holds a private key"));
    assert_eq!(first(r#"{"keys":[]}"#), (0, None));
    assert_eq!(first(r#"{"keys":[{"kty":"AKP"},{"kty":"RSA","use":"enc"}]}"#), (2, None));
    assert!(matches!(problem(jwks("{}")), KeyProblem::NotJwks(_)));
    assert!(matches!(problem(jwks(key::EC_PUBLIC)), KeyProblem::NotJwks(_)));
    let named = KeyOptions { id: Some("a".into()), ..jwks(&format!(r#"{{"keys":[{{{ED_JWK}}}]}}"#)) };
    assert_eq!(problem(named), KeyProblem::BesideJwks);
}

#[test]
fn a_jwk_says_its_algorithm_or_the_options_do() {
    let set =
        format!(r#"{{"keys":[{RSA_JWK},"kid":"a","alg":"PS384"}},{RSA_JWK},"kid":"b"}},{{{ED_JWK},"kid":"c"}}]}}"#);
    let usual = algorithms(&[jwks(&set)]);
    let found =
        |algorithms: Vec<(Option<String>, Algorithm)>| algorithms.into_iter().map(|(_, a)| a).collect::<Vec<_>>();
    assert_eq!(found(usual), [Algorithm::Ps384, Algorithm::Rs256, Algorithm::EdDsa]);
    let said = algorithms(&[KeyOptions { algorithm: Some(Algorithm::Rs512), ..jwks(&set) }]);
    assert_eq!(found(said), [Algorithm::Ps384, Algorithm::Rs512, Algorithm::EdDsa]);
    // The same key for two algorithms, as some providers list it: the token's algorithm chooses.
    let twice = format!(r#"{{"keys":[{RSA_JWK},"kid":"a","alg":"PS256"}},{RSA_JWK},"kid":"a","alg":"RS256"}}]}}"#);
    let keys = Keys::new(&[jwks(&twice)]).unwrap();
    for algorithm in [Algorithm::Ps256, Algorithm::Rs256] {
        assert_eq!(keys.choose(Some("a"), algorithm.of_jwt(), || None).unwrap().algorithm, algorithm);
    }
    assert!(matches!(keys.choose(Some("a"), JwtAlgorithm::RS384, || None), Err(TokenError::Algorithm)));
}

#[test]
fn a_set_at_an_address_is_empty_until_it_is_fetched_and_then_replaced_whole() {
    let url = "https://id.example.com/jwks";
    let mut options = vec![one(None, KeySource::JwksUrl(url.to_owned())), pem(Some("lone"), key::EC_PUBLIC)];
    options[0].issuers = vec!["https://id.example.com".to_owned()];
    let empty = Keys::new(&options).unwrap();
    assert_eq!((empty.len(), empty.urls()), (1, vec![url]));
    let set = |kid: &str| format!(r#"{{"keys":[{{{ED_JWK},"kid":"{kid}"}},{{{EC_JWK},"kid":"lone"}}]}}"#);
    let first = empty.with_set(url, &set("a")).unwrap();
    let ids = |keys: &Keys| keys.iter().map(|(id, _)| id.map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(ids(&first), [Some("lone".to_owned()), Some("a".to_owned())]);
    assert_eq!(first.issuers().map(<[String]>::len).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(first.passed_over().count(), 1, "what is fetched never takes the place of what the operator gave");
    let second = first.with_set(url, &set("b")).unwrap();
    assert_eq!(ids(&second), [Some("lone".to_owned()), Some("b".to_owned())]);
    assert_eq!((second.count_beyond(&first), first.count_beyond(&second), first.count_beyond(&first)), (1, 1, 0));
    for text in ["", "<html>", r#"{"keys":[]}"#, &format!(r#"{{"keys":[{{{OCT_JWK}}}]}}"#)] {
        assert!(second.with_set(url, text).is_err(), "{text}");
    }
    assert!(first.choose(Some("a"), JwtAlgorithm::EdDSA, || None).unwrap().is_fetched);
}

#[test]
fn a_jwk_set_never_tells_its_secret() {
    let told = problem(jwks(r#"{"keys":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}"#));
    assert!(!format!("{told} {told:?}").contains("MDEyMzQ1"), "{told}");
}

#[test]
fn a_leading_zero_of_a_modulus_is_no_bit() {
    assert_eq!(strip_zeros(&[0, 0, 1, 0]), [1, 0]);
    assert_eq!(strip_zeros(&[0]), [0u8; 0]);
}

#[test]
fn der_that_is_cut_is_no_key() {
    let der = [0x30, 0x08, 0x02, 0x02, 0x01, 0x02, 0x02, 0x02, 0x03, 0x04];
    assert_eq!(rsa_components(&der), Some((&[1, 2][..], &[3, 4][..])));
    for len in 0..der.len() {
        assert_eq!(rsa_components(&der[..len]), None, "{len}");
    }
    assert_eq!(der_element(2, &[2, 0x81, 1, 9]), Some((&[9][..], &[][..])));
    assert_eq!(der_element(2, &[2, 0x82, 0, 1, 9]), Some((&[9][..], &[][..])));
    assert_eq!(der_element(2, &[2, 0x80, 9]), None);
    assert_eq!(der_element(2, &[2, 0x83, 0, 0, 1, 9]), None);
}

#[test]
fn nothing_prints_a_key() {
    let mut options = vec![secret(Some("a"), key::SECRET), pem(None, key::EC_PUBLIC)];
    options.push(one(None, KeySource::JwksUrl("https://id.example.com/?s=hidden".to_owned())));
    let keys = Keys::new(&options).unwrap();
    let printed = format!("{options:?} {keys:?}");
    assert!(
        !printed.contains(key::SECRET)
            && !printed.contains("BEGIN")
            && !printed.contains("hidden")
            && printed.contains("Es256"),
        "{printed}"
    );
}
