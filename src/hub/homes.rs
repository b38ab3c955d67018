//! The homes of a shard: one for all of its partitions, or one for each.

use super::home::{Home, HomeTotals};
use super::partition::{PARTITIONS, Partition};
use super::position::Epoch;
use super::registry::HashSeed;
use crate::broken::broken;
use crate::limits::Limits;
use uuid::Uuid;

/// The homes of a shard.
///
/// A process that gives publications their order itself needs one sequence for all partitions of a
/// shard. Where an engine counts the entries of each partition, each has a home of its own.
#[derive(Debug)]
pub struct Homes {
    /// By their partitions.
    homes: Vec<Home>,
    shards: usize,
    is_parted: bool,
}

impl Homes {
    /// One for all partitions of the shard, of so many shards.
    pub fn alone(seed: HashSeed, limits: &Limits, epoch: Epoch, totals: &HomeTotals, shards: usize) -> Homes {
        Homes { homes: vec![Home::new(seed, limits, epoch, totals, shards)], shards, is_parted: false }
    }

    /// One for each partition of the shard of that number, of so many shards.
    pub fn parted(seed: HashSeed, limits: &Limits, totals: &HomeTotals, shard: usize, shards: usize) -> Homes {
        let partitions = (0..PARTITIONS).filter_map(Partition::from_number);
        let own = partitions.filter(|partition| partition.home(shards) == shard);
        let home = |_| Home::counted(seed, limits, totals, usize::from(PARTITIONS));
        Homes { homes: own.map(home).collect(), shards, is_parted: true }
    }

    /// The one home, unless each partition has its own.
    pub(crate) fn only(&self) -> Option<&Home> {
        self.homes.first().filter(|_| !self.is_parted)
    }

    /// The same, to change it.
    pub(crate) fn only_mut(&mut self) -> Option<&mut Home> {
        self.homes.first_mut().filter(|_| !self.is_parted)
    }

    /// The home of an organization, which is here.
    pub(crate) fn of(&self, organization: Uuid) -> &Home {
        self.homes.get(self.index(organization)).unwrap_or_else(|| broken(ELSEWHERE))
    }

    /// The same, to change it.
    pub(crate) fn of_mut(&mut self, organization: Uuid) -> &mut Home {
        let index = self.index(organization);
        self.homes.get_mut(index).unwrap_or_else(|| broken(ELSEWHERE))
    }

    /// The home of a partition, which is here.
    pub(crate) fn in_partition(&mut self, partition: Partition) -> &mut Home {
        let index = self.place(partition);
        self.homes.get_mut(index).unwrap_or_else(|| broken(ELSEWHERE))
    }

    fn index(&self, organization: Uuid) -> usize {
        if self.is_parted { self.place(Partition::of(organization)) } else { 0 }
    }

    fn place(&self, partition: Partition) -> usize {
        if self.is_parted { usize::from(partition.number()) / self.shards.max(1) } else { 0 }
    }

    /// All.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Home> {
        self.homes.iter()
    }

    /// All, to change them.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Home> {
        self.homes.iter_mut()
    }
}

const ELSEWHERE: &str = "a shard is asked for the partitions that it is home to";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;

    #[test]
    fn each_partition_has_a_home_of_its_own_at_its_shard_where_an_engine_counts() {
        let (limits, totals, seed) = (Limits::DEFAULT, HomeTotals::default(), HashSeed(1, 2));
        for shards in [1, 3, 16, 20] {
            let mut homes: Vec<Homes> =
                (0..shards).map(|shard| Homes::parted(seed, &limits, &totals, shard, shards)).collect();
            assert_eq!(homes.iter().map(|homes| homes.iter().count()).sum::<usize>(), usize::from(PARTITIONS));
            for (number, partition) in (1..).zip((0..PARTITIONS).filter_map(Partition::from_number)) {
                homes[partition.home(shards)]
                    .in_partition(partition)
                    .enter(Epoch::from_number(number), Epoch::NONE.start());
            }
            for organization in (0..200).map(Uuid::from_u128) {
                let partition = Partition::of(organization);
                let home = homes[partition.home(shards)].of(organization);
                assert_eq!(home.epoch(), Epoch::from_number(u64::from(partition.number()) + 1));
            }
            assert!(homes.iter().all(|homes| homes.only().is_none()));
        }
        let epoch = Epoch::begin(Now::from_ms(0, 5), 0);
        let mut homes = Homes::alone(seed, &limits, epoch, &totals, 2);
        assert!(homes.only_mut().is_some() && homes.of(Uuid::from_u128(3)).epoch() == epoch);
    }
}
