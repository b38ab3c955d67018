//! What is in force and may change while the hub runs: the catalogue, and what tokens are verified
//! by.

use super::bell::Bell;
use crate::auth::token::Verifier;
use crate::schema::Catalogue;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Settings as they were typed; only whoever typed them knows what they mean.
pub(crate) type Settings = serde_json::Value;

/// What is in force, taken at one moment.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The events.
    pub catalogue: Arc<Catalogue>,
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// The settings that these were made of, without secrets; whoever reads them again compares.
    pub settings: Arc<Settings>,
}

/// What is in force, and how often it was replaced.
///
/// A reactor asks for what is newer after it has taken its letters and before it reads them:
/// whoever posted a publication of a fresh event had the newer catalogue, and so will find it who
/// reads the letter.
#[derive(Debug)]
pub struct Current {
    version: AtomicU64,
    in_force: Mutex<InForce>,
    /// Rung where a token wants a key that nobody has.
    pub(crate) missing_key: Bell,
}

impl Current {
    /// The first one.
    pub fn new(in_force: InForce) -> Current {
        Current { version: AtomicU64::new(0), in_force: Mutex::new(in_force), missing_key: Bell::default() }
    }

    /// What is in force.
    pub(crate) fn get(&self) -> InForce {
        self.in_force.lock().clone()
    }

    /// What is in force, if it is not what was at that version, which then is brought up to date.
    pub(crate) fn newer_than(&self, version: &mut u64) -> Option<InForce> {
        if self.version.load(Ordering::SeqCst) == *version {
            return None;
        }
        let in_force = self.in_force.lock();
        *version = self.version.load(Ordering::SeqCst);
        Some(in_force.clone())
    }

    /// Makes of what is in force what is to be, and puts it there; nobody else can change it in
    /// between. Events keep their numbers.
    ///
    /// # Errors
    /// Those of `make`; nothing has changed then.
    pub(crate) fn replace<E>(&self, make: impl FnOnce(&InForce) -> Result<InForce, E>) -> Result<(), E> {
        let mut current = self.in_force.lock();
        *current = make(&current)?;
        self.version.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
