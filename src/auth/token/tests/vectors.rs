//! Vectors of others: the examples of RFC 7515 and RFC 8037, in the form that
//! `json_web_signature_test.json` of the project Wycheproof has.

use super::*;

/// In the form of Wycheproof: RFC 7515 appendices A.1 and A.3, RFC 8037 appendix A.4.
const OF_RFCS: &str = r#"{"testGroups":[
{"private":{"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},"tests":[
{"tcId":1,"result":"valid","jws":"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}]},
{"public":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},"tests":[
{"tcId":2,"result":"valid","jws":"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"}]},
{"public":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"tests":[
{"tcId":3,"result":"valid","jws":"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"}]}]}"#;

/// A key that the hub may take no token by: `ring` has no P-521.
fn is_served(key: &Value) -> bool {
    key["crv"] != "P-521"
}

/// One key, one algorithm: a vector whose header names another one than its key is refused here.
fn is_of_its_key(jws: &str, key: &Value) -> bool {
    let header = jws.split('.').next().and_then(object).unwrap_or_default();
    key["alg"].is_null() || header.get("alg") == Some(&key["alg"])
}

/// Of each group: how many of its vectors were taken and refused.
fn play(text: &str) -> (usize, usize) {
    let vectors: Value = serde_json::from_str(text).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = group.get("public").unwrap_or_else(|| &group["private"]);
        let set = KeySource::Jwks(json!({"keys": [key]}).to_string());
        let verifier = Keys::new(&[KeyOptions::new(set)]).ok().and_then(|keys| Verifier::new(Options::new(keys)).ok());
        for vector in group["tests"].as_array().unwrap() {
            // What is no compact form is no text there, either.
            let jws = vector["jws"].as_str().map_or_else(|| vector["jws"].to_string(), str::to_owned);
            let proven = verifier.as_ref().and_then(|verifier| verifier.proven(Token::new(&jws)).ok());
            // Claims are read of it next, which these payloads are none.
            let is_proven = proven.is_some_and(|(payload, _)| BASE64.decode(payload).is_ok());
            let is_good = vector["result"] == "valid" && is_served(key) && is_of_its_key(&jws, key);
            assert_eq!(is_proven, is_good, "{vector:#}");
            *if is_proven { &mut taken } else { &mut refused } += 1;
        }
    }
    (taken, refused)
}

#[test]
fn the_signatures_of_the_vectors_are_judged_as_they_say() {
    assert_eq!(play(OF_RFCS), (3, 0));
    // The last character but one of a signature: all of its bits count.
    let forged = OF_RFCS.replace("EjXk\"", "EkXk\"").replace("NU1Q\"", "NV1Q\"").replace("0KAg\"", "0LAg\"");
    assert_eq!(play(&forged.replace("\"valid\"", "\"invalid\"")), (0, 3));
}
