//! The body of a negotiate response.

/// Reads `negotiateVersion` of the query: the version to answer, at most 1; 0 where the query names none.
/// `Err` holds the text of the error body, which goes out with status 200.
pub fn version(query: &str) -> Result<u8, &'static str> {
    let _ = query;
    Ok(0)
}

/// Appends the body for that version: id, token (version 1 only) and the transports, in .NET's order of members.
pub fn encode(version: u8, connection_id: &str, connection_token: &str, out: &mut Vec<u8>) {
    let _ = (version, connection_id, connection_token, out);
}

/// Appends `{"error":"…"}`.
pub fn encode_error(error: &str, out: &mut Vec<u8>) {
    let _ = (error, out);
}
