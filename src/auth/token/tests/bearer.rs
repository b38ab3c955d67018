//! Where a request carries its token.

use super::*;

fn found<'r>(authorization: Option<&'r str>, query: &'r str) -> Result<Option<String>, TokenError> {
    bearer(authorization, query).map(|bearer| bearer.map(|bearer| bearer.0.into_owned()))
}

fn is(token: &str) -> Result<Option<String>, TokenError> {
    Ok(Some(token.to_owned()))
}

#[test]
fn the_header_gives_the_token_whatever_the_case_of_its_scheme() {
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c ", " Bearer a.b.c"] {
        assert_eq!(found(Some(value), ""), is("a.b.c"), "{value}");
    }
    for value in ["", "Bearer", "Bearer ", "a.b.c", "Basic YTpi", "Bearera.b.c"] {
        assert_eq!(found(Some(value), ""), Ok(None), "{value}");
    }
    assert_eq!(found(None, ""), Ok(None));
}

#[test]
fn the_query_gives_the_token_decoded() {
    assert_eq!(found(None, "id=1&access_token=a.b%2Ec"), is("a.b.c"));
    assert_eq!(found(None, "Access_Token=a.b.c&id=1"), is("a.b.c"));
    assert_eq!(found(None, "access_token=&id=1"), Ok(None));
    assert_eq!(found(Some("Basic YTpi"), "access_token=a"), is("a"));
}

#[test]
fn two_tokens_must_be_the_same() {
    assert_eq!(found(Some("Bearer a.b.c"), "access_token=a.b.c"), is("a.b.c"));
    assert_eq!(found(None, "access_token=a&access_token=a"), is("a"));
    assert_eq!(found(Some("Bearer a.b.c"), "access_token=a.b.d"), Err(TokenError::Conflict));
    assert_eq!(found(None, "access_token=a&x=1&access_token=b"), Err(TokenError::Conflict));
    assert_eq!(found(None, "access_token=a&ACCESS_TOKEN=b"), Err(TokenError::Conflict));
}
