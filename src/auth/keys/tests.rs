//! Every way in which a key can be wrong.

use super::*;
use crate::auth::fixtures as key;

fn one(id: Option<&str>, source: KeySource) -> KeyOptions {
    KeyOptions { id: id.map(str::to_owned), algorithm: None, source }
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
    assert_eq!(algorithms(&[pem(None, key::ED_PUBLIC)]), [(None, Algorithm::EdDsa)]);
}

#[test]
fn a_short_secret_is_refused_with_a_way_to_make_one() {
    let short = problem(secret(None, &key::SECRET[1..]));
    assert_eq!(short, KeyProblem::ShortSecret(31));
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
        (key::P384_PUBLIC, KeyProblem::NotP256),
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
        (1, KeyProblem::ShortSecret(5)),
        (2, KeyProblem::DuplicateId("a".into())),
        (3, KeyProblem::EmptyId),
        (4, KeyProblem::PrivatePem),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_key_that_no_token_could_choose_is_refused() {
    let errors = Keys::new(&[secret(Some("a"), key::SECRET), secret(None, key::SECRET)]).unwrap_err();
    assert_eq!(errors, [KeyError { index: 1, problem: KeyProblem::Unchoosable(Algorithm::Hs256) }]);
    assert!(Keys::new(&[secret(Some("a"), key::SECRET), pem(None, key::EC_PUBLIC)]).is_ok());
}

const EC_JWK: &str = r#""kty":"EC","crv":"P-256","x":"qoXasVKN0wj8pWOSI1Ps-MoS-1U9EBzh7PIUDC0QlCU","y":"-2np65X3KH0CwUvw5MQvXDFo29WmWPWrieUYskL7mKQ""#;
const ED_JWK: &str = r#""kty":"OKP","crv":"Ed25519","x":"U8bL4f3kUQQlLtVqidEBu-DdzgBXDop5R9Q-xvHoLj0""#;
const OCT_JWK: &str = r#""kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY""#;

#[test]
fn a_jwk_without_alg_goes_by_kty_and_crv_and_what_is_not_for_us_is_passed_over() {
    let set = format!(
        r#"{{"keys":[{{{EC_JWK},"kid":"e","use":"sig"}},{{{ED_JWK},"kid":"d","key_ops":["verify"]}},{{{OCT_JWK},"kid":"o","alg":"HS256"}},
        {{{EC_JWK},"kid":"x","use":"enc"}},{{{EC_JWK},"alg":"ES384"}},{{{ED_JWK},"key_ops":["sign"]}},
        {{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}},{{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}},{{"kty":"AKP","pub":"AA"}}]}}"#
    );
    let keys = Keys::new(&[jwks(&set)]).unwrap();
    let found: Vec<_> = keys.iter().collect();
    assert_eq!(found, [(Some("e"), Algorithm::Es256), (Some("d"), Algorithm::EdDsa), (Some("o"), Algorithm::Hs256)]);
    assert_eq!(keys.skipped(), 6);
}

#[test]
fn a_bad_jwk_set_is_explained() {
    let short = r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#;
    assert_eq!(problem(jwks(short)), KeyProblem::ShortSecret(5));
    let private = format!(r#"{{"keys":[{{{ED_JWK}}},{{{EC_JWK},"d":"AA"}}]}}"#);
    assert_eq!(problem(jwks(&private)), KeyProblem::PrivateJwk(1));
    let weak = r#"{"keys":[{"kty":"RSA","n":"AAEB","e":"AQAB"}]}"#;
    assert_eq!(problem(jwks(weak)), KeyProblem::RsaBits(9));
    assert_eq!(problem(jwks(r#"{"keys":[]}"#)), KeyProblem::NothingUsable(0));
    assert_eq!(problem(jwks(r#"{"keys":[{"kty":"AKP"},3]}"#)), KeyProblem::NothingUsable(2));
    assert!(matches!(problem(jwks("{}")), KeyProblem::NotJwks(_)));
    assert!(matches!(problem(jwks(key::EC_PUBLIC)), KeyProblem::NotJwks(_)));
    assert!(matches!(problem(jwks(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"+/+/"}]}"#)), KeyProblem::NotJwks(_)));
    let named = KeyOptions { id: Some("a".into()), ..jwks(&format!(r#"{{"keys":[{{{ED_JWK}}}]}}"#)) };
    assert_eq!(problem(named), KeyProblem::BesideJwks);
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
    let options = [secret(Some("a"), key::SECRET), pem(None, key::EC_PUBLIC)];
    let keys = Keys::new(&options).unwrap();
    let printed = format!("{options:?} {keys:?}");
    assert!(!printed.contains(key::SECRET) && !printed.contains("BEGIN") && printed.contains("Es256"), "{printed}");
}
