//! The catalogue in force.

use crate::schema::Catalogue;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The catalogue in force, and how often it was replaced.
///
/// A reactor asks for a newer one after it has taken its letters and before it reads them: whoever
/// posted a publication of a fresh event had the newer catalogue, and so will find it who reads the
/// letter.
#[derive(Debug)]
pub struct Current {
    version: AtomicU64,
    catalogue: Mutex<Arc<Catalogue>>,
}

impl Current {
    /// Returns the first one.
    pub fn new(catalogue: Arc<Catalogue>) -> Current {
        Current { version: AtomicU64::new(0), catalogue: Mutex::new(catalogue) }
    }

    /// Returns the catalogue in force.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.lock())
    }

    /// Returns the catalogue in force, if it is not the one of that version, which then is brought
    /// up to date.
    pub fn newer_than(&self, version: &mut u64) -> Option<Arc<Catalogue>> {
        if self.version.load(Ordering::SeqCst) == *version {
            return None;
        }
        let catalogue = self.catalogue.lock();
        *version = self.version.load(Ordering::SeqCst);
        Some(Arc::clone(&catalogue))
    }

    /// Puts another one in force. Its events keep the numbers that they have.
    pub fn replace(&self, catalogue: Arc<Catalogue>) {
        let mut current = self.catalogue.lock();
        *current = catalogue;
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}
