//! Positions: places in the order of a partition, and how they are told outside.

use super::partition::Partition;
use crate::clock::{Instant, Now, UnixMs};
use core::fmt::{self, Write};
use core::num::NonZeroU64;
use core::str::FromStr;
use uuid::Uuid;

/// A place in the order of a partition. Later is greater; nothing else may be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(NonZeroU64);

impl Position {
    /// Returns the position behind `last`. It is a hybrid of clock and counter, so that a restart
    /// needs no file to go on from.
    pub fn after(last: Option<Position>, now: Now) -> Position {
        let counted = last.map_or(NonZeroU64::MIN, |last| last.0.saturating_add(1));
        Position(counted.max(Position::at(now.unix).0))
    }

    /// Returns the first position that a publication of that moment can have.
    pub fn at(unix: UnixMs) -> Position {
        Position(NonZeroU64::new(unix.ms() << 10).unwrap_or(NonZeroU64::MIN))
    }

    /// Returns the position in front of this one.
    pub fn before(self) -> Position {
        Position(NonZeroU64::new(self.0.get() - 1).unwrap_or(NonZeroU64::MIN))
    }

    /// Returns the position of an entry of a log that counts its entries from 0 in each epoch. In
    /// front of each entry a place is free. Entries of a later epoch stand behind those of a former
    /// one, unless that has had more than 512 in each millisecond of its time.
    pub fn of_entry(epoch: Epoch, sequence: u64) -> Position {
        let places = sequence.saturating_add(1).saturating_mul(2);
        Position(epoch.start().0.saturating_add(places))
    }

    /// Returns which entry of that epoch the position is of.
    pub(crate) fn entry_of(self, epoch: Epoch) -> u64 {
        (self.number().saturating_sub(epoch.start().number()) / 2).saturating_sub(1)
    }

    /// The number, for logs.
    pub fn number(self) -> u64 {
        self.0.get()
    }

    /// Returns the position of that number, which is not 0.
    pub(crate) fn from_number(number: u64) -> Option<Position> {
        NonZeroU64::new(number).map(Position)
    }
}

/// A time of continuity: within an epoch nothing that was accepted gets lost unseen. Positions of
/// different epochs cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// Before all epochs.
    pub(crate) const NONE: Epoch = Epoch(0);

    /// Returns the epoch that begins now. `chance` tells it from another that begins in the same
    /// millisecond.
    pub fn begin(now: Now, chance: u64) -> Epoch {
        Epoch((now.unix.ms() << 20) | (chance & 0xF_FFFF))
    }

    /// Returns when it began.
    pub fn began(self) -> UnixMs {
        UnixMs::from_ms(self.0 >> 20)
    }

    /// Returns an epoch behind that one, which this is unless the calendar has been set back.
    pub(crate) fn behind(self, former: Epoch) -> Epoch {
        Epoch(self.0.max(former.0.saturating_add(1)))
    }

    /// Returns the epoch of that number.
    pub(crate) fn from_number(number: u64) -> Epoch {
        Epoch(number)
    }

    /// Its number.
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Returns the place at which it began.
    pub fn start(self) -> Position {
        Position::at(self.began())
    }
}

/// In so many digits as in a position.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; NUMBER];
        encode(self.0, &mut digits);
        digits.iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

/// What its home gives a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When continuity began.
    pub epoch: Epoch,
    /// Its place in the order of its partition.
    pub position: Position,
    /// When the hub took it.
    pub at: UnixMs,
}

impl Stamp {
    /// Returns the stamp of what follows from the publication, and stands in front of it.
    pub(crate) fn before(self) -> Stamp {
        Stamp { position: self.position.before(), ..self }
    }

    /// Returns when its home took the publication; now, where the calendar has been set back since.
    pub fn taken(self, now: Now) -> Instant {
        let age_ms = now.unix.ms().saturating_sub(self.at.ms());
        Instant::from_ms(now.mono.ms().saturating_sub(age_ms))
    }

    /// Returns the position of a publication of that organization as it is told outside.
    pub fn of(self, organization: Uuid) -> WirePosition {
        WirePosition { epoch: self.epoch, partition: Partition::of(organization), position: self.position }
    }
}

/// A position as it is told outside: one token of [`WirePosition::LENGTH`] ASCII characters, whose
/// byte order is the order within a partition and an epoch. To all but the hub it is opaque.
///
/// ```
/// use rte::clock::Now;
/// use rte::hub::partition::Partition;
/// use rte::hub::position::{Epoch, Position, WirePosition};
/// use uuid::Uuid;
///
/// let now = Now::from_ms(0, 1_795_266_403_000);
/// let (epoch, partition) = (Epoch::begin(now, 7), Partition::of(Uuid::nil()));
/// let first = WirePosition { epoch, partition, position: Position::after(None, now) };
/// let second = WirePosition { position: Position::after(Some(first.position), now), ..first };
/// assert!(first.token() < second.token());
/// let token = core::str::from_utf8(&first.token()).unwrap().to_owned();
/// assert_eq!(token.parse(), Ok(first));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WirePosition {
    /// When continuity began.
    pub epoch: Epoch,
    /// Whose order it is.
    pub partition: Partition,
    /// The place in it.
    pub position: Position,
}

/// A text that is no position; nothing may be told of it but that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

/// Characters of a number: 64 bits, five each.
const NUMBER: usize = 13;

/// The digits of base32hex (RFC 4648 section 7) in lower case: their byte order is their order.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

impl WirePosition {
    /// Bytes of a token.
    pub const LENGTH: usize = 2 * NUMBER + 1;

    /// Returns the token.
    pub fn token(self) -> [u8; WirePosition::LENGTH] {
        let mut token = [0; WirePosition::LENGTH];
        encode(self.epoch.0, &mut token[..NUMBER]);
        encode(u64::from(self.partition.number()), &mut token[NUMBER..=NUMBER]);
        encode(self.position.number(), &mut token[NUMBER + 1..]);
        token
    }
}

impl fmt::Display for WirePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.token().iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

impl FromStr for WirePosition {
    type Err = NoPosition;

    fn from_str(token: &str) -> Result<WirePosition, NoPosition> {
        let (epoch, rest) = token.as_bytes().split_at_checked(NUMBER).ok_or(NoPosition)?;
        let (partition, position) = rest.split_first().ok_or(NoPosition)?;
        let partition = decode(&[*partition]).and_then(|number| u8::try_from(number).ok());
        if position.len() != NUMBER {
            return Err(NoPosition);
        }
        Ok(WirePosition {
            epoch: Epoch(decode(epoch).ok_or(NoPosition)?),
            partition: partition.and_then(Partition::from_number).ok_or(NoPosition)?,
            position: Position(decode(position).and_then(NonZeroU64::new).ok_or(NoPosition)?),
        })
    }
}

/// Writes a number in so many digits, the most significant first.
fn encode(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 32) as usize];
        number /= 32;
    }
}

/// Reads a number; none where a character is no digit or it has more than 64 bits.
fn decode(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        let value = DIGITS.iter().position(|known| known == digit)? as u64;
        number.checked_mul(32)?.checked_add(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn positions_grow_whatever_the_clock_does() {
        let at = |unix_ms| Now::from_ms(0, unix_ms);
        let mut last = None;
        for unix_ms in [5, 5, 6, 0, 3, 1_900_000_000_000, 7] {
            let next = Position::after(last, at(unix_ms));
            assert!(Some(next) > last);
            last = Some(next);
        }
    }

    #[test]
    fn positions_of_entries_grow_over_epochs_and_tell_which_entry_it_is() {
        let now = |unix_ms| Now::from_ms(0, unix_ms);
        let (former, later) = (Epoch::begin(now(1_795_266_403_000), 3), Epoch::begin(now(1_795_266_403_001), 1));
        let mut last = former.start();
        for (epoch, sequence) in [(former, 0), (former, 1), (former, 500), (later, 0), (later, 7)] {
            let position = Position::of_entry(epoch, sequence);
            assert!(last < position.before() && position.entry_of(epoch) == sequence, "a place is free in front");
            last = position;
        }
        assert!(Position::of_entry(former, u64::MAX) > last);
    }

    #[test]
    fn a_stamp_tells_when_it_was_made_as_far_as_the_clock_allows() {
        let now = Now::from_ms(500, 10_000);
        let stamp = Stamp { epoch: Epoch::begin(now, 0), position: Position::after(None, now), at: now.unix };
        assert_eq!(stamp.taken(Now::from_ms(700, 10_200)), Instant::from_ms(500));
        let set_back = Now::from_ms(800, 9_000);
        assert_eq!(stamp.taken(set_back), set_back.mono);
        let set_forward = Now::from_ms(10, 20_000);
        assert_eq!(stamp.taken(set_forward), Instant::from_ms(0), "and the process is young");
    }

    #[test]
    fn an_epoch_starts_where_no_publication_of_it_can_stand_before() {
        let now = Now::from_ms(0, 1_795_266_403_000);
        let epoch = Epoch::begin(now, u64::MAX);
        assert!(epoch.start() <= Position::after(None, now));
        assert_ne!(epoch, Epoch::begin(now, 1), "two that begin in one millisecond differ");
    }

    #[test]
    fn what_is_no_token_is_no_position() {
        let now = Now::from_ms(0, 1_795_266_403_000);
        let place = WirePosition {
            epoch: Epoch::begin(now, 1),
            partition: Partition::of(Uuid::nil()),
            position: Position::after(None, now),
        };
        let token = String::from_utf8(place.token().to_vec()).unwrap();
        assert_eq!(token.parse(), Ok(place));
        let (long, short, high) = (format!("{token}0"), &token[1..], token.replacen('1', "w", 1));
        let too_large = format!("{}g{}", &token[..14], &token[15..]);
        let nowhere = format!("{}{}", &token[..14], "0".repeat(13));
        for wrong in ["", "-30s", "null", &long, short, &high, &too_large, &nowhere, &token.to_uppercase()] {
            assert_eq!(wrong.parse::<WirePosition>(), Err(NoPosition), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn the_byte_order_of_tokens_is_the_order_and_each_is_read_back(a in 1u64.., b in 1u64.., epoch: u64) {
            let place = |number| WirePosition {
                epoch: Epoch(epoch),
                partition: Partition::of(Uuid::nil()),
                position: Position(NonZeroU64::new(number).unwrap()),
            };
            let (one, other) = (place(a), place(b));
            prop_assert_eq!(one.token().cmp(&other.token()), a.cmp(&b));
            prop_assert_eq!(core::str::from_utf8(&one.token()).unwrap().parse(), Ok(one));
        }

        #[test]
        fn whatever_is_read_as_a_position_is_written_so(text in "[0-9a-v]{25,29}") {
            if let Ok(place) = text.parse::<WirePosition>() {
                prop_assert_eq!(&place.token()[..], text.as_bytes());
            }
        }
    }
}
