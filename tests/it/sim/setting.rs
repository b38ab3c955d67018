//! How a hub of the simulation is set up.

use super::cast;
use super::rng::Rng;
use rte::api::client_address::Network;
use rte::api::cors::Origins;
use rte::auth::token::{self, Verifier};
use rte::clock::Now;
use rte::conn::{self, Contact, Journal, Shared};
use rte::hub::position::Epoch;
use rte::hub::registry::HashSeed;
use rte::limits::Limits;
use rte::schema::Catalogue;
use std::sync::{Arc, LazyLock};

/// When every world begins.
pub const START: Now = Now::from_ms(5_000, 1_800_000_000_000);
pub const ORIGIN: &str = "https://app.example";

pub static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::built_in(None)));

/// How a world is made.
#[derive(Clone, Debug)]
pub struct Setting {
    pub seed: u64,
    pub shards: usize,
    /// Whether publications are written before members get them.
    pub is_written: bool,
    /// Whether an engine that several processes share gives them their order.
    pub is_shared: bool,
    pub limits: Limits,
    pub close_on_expiry: bool,
    pub detailed_errors: bool,
    pub trusted_proxies: Vec<Network>,
    /// What the process has descriptors for.
    pub links_max: usize,
}

impl Setting {
    pub fn one_shard() -> Setting {
        let limits = Limits::DEFAULT;
        Setting {
            seed: 1,
            shards: 1,
            is_written: false,
            is_shared: false,
            limits,
            close_on_expiry: false,
            detailed_errors: false,
            trusted_proxies: Vec::new(),
            links_max: usize::MAX,
        }
    }
}

/// What the shards of a world check tokens with.
pub fn verifier(setting: &Setting) -> Arc<Verifier> {
    let mut tokens = token::Options::new(cast::keys());
    tokens.close_on_expiry = setting.close_on_expiry;
    Arc::new(Verifier::new(tokens).expect("options that go together"))
}

/// What the shards of a hub share, which begins in that epoch.
pub fn shared(setting: &Setting, rng: &mut Rng, epoch: Epoch) -> Arc<Shared> {
    setting.limits.check().expect("limits that go together");
    let seed = HashSeed(rng.next(), rng.next());
    let options = conn::Options {
        origins: Origins { allowed: Some(vec![ORIGIN.into()]) },
        trusted_proxies: setting.trusted_proxies.clone(),
        detailed_errors: setting.detailed_errors,
        ..conn::Options::default()
    };
    let mut shared = Shared::new(options, setting.limits.clone(), setting.shards, seed, epoch);
    shared.journal = Journal::new(epoch, setting.is_written);
    shared.contact = setting.is_shared.then(|| Contact::new(setting.shards, START));
    Arc::new(shared)
}
