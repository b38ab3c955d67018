//! Documents made from the catalogue.

use crate::proto::http::reply::Reply;
use crate::schema::Catalogue;

/// `GET /schemas/{Event}.json` and `/schemas/v1/{Event}.json`: the JSON Schema of one event. `rest` is what follows
/// `/schemas/`; `?closed=1` refuses unknown properties, for publishers' own tests.
pub fn schema(rest: &str, query: &str, catalogue: &Catalogue) -> Reply {
    let name = rest.strip_prefix("v1/").unwrap_or(rest);
    let Some(event) = name.strip_suffix(".json") else {
        return Reply::text(404, "schemas are at /schemas/v1/{EventName}.json");
    };
    match catalogue.find(event) {
        Some(id) if catalogue.event(id).name == event => {
            let closed = crate::proto::http::query::value(query, "closed").is_some_and(|value| value == "1");
            let mut reply = Reply::json(200, catalogue.json_schema(id, closed));
            reply.content_type = "application/schema+json";
            reply
        }
        Some(id) => Reply::text(404, format!("no such schema; did you mean {}.json?", catalogue.event(id).name)),
        None => match catalogue.nearest(event) {
            Some(nearest) => Reply::text(404, format!("no such event; did you mean {nearest}.json?")),
            None => Reply::text(404, "no such event; AvailableSubscriptions lists them"),
        },
    }
}
