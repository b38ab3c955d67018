//! The integration tests: one binary, a module per concern.

#[cfg(test)]
mod readme;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod wire;
