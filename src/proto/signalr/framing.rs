//! Records of the JSON hub protocol: each ends with the separator 0x1E, wherever message and frame borders fall.

/// The record separator, ASCII RS. It can't stand inside JSON text: encoders must escape it.
pub const SEPARATOR: u8 = 0x1E;
