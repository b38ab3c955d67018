//! Date-times in the generated structs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A date-time as it travels: RFC 3339 text, with the fraction digits that the publisher wrote.
///
/// A text and not a number of ticks: seven fraction digits and .NET's `DateTime.MaxValue` survive
/// for nothing, and the validator has checked the form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DateTime(#[schemars(extend("format" = "date-time"))] pub String);
