//! The integration tests: one binary, a module per concern.

#[cfg(test)]
mod manual;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod wire;
