//! A journal's folder at the start of a hub: the lock, and what the files tell.

use super::folder::{Files, Folder, Sealed, Stem};
use super::options::{Options, Setup};
use crate::auth::revoked::Revocation;
use crate::hub::kept::Gaps;
use crate::hub::past::{Gathering, Past};
use crate::hub::position::{Epoch, Position};
use crate::hub::record::{self, Begin, Record, Records, VERSION};
use crate::trace::Fact;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;
use uuid::Uuid;

/// How often a folder that another process has is looked at.
const LOCK_LOOK_MS: u64 = 20;

/// A folder that has been opened, and what it tells.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What it begins with.
    pub(crate) files: Files,
    /// The time of continuity: the former one, or another.
    pub(crate) epoch: Epoch,
    /// What each home had.
    pub(crate) homes: Vec<Past>,
    /// Tokens that are good no more.
    pub(crate) revocations: Vec<Revocation>,
    /// What is to be told of it.
    pub(crate) restored: Fact,
}

/// Opens the folder: waits a while for a process that has it, reads what the files tell, and begins
/// a file of its own.
///
/// # Errors
///
/// The folder is another process' ([`io::ErrorKind::ResourceBusy`]), or can't be read and written.
pub(crate) fn open(options: &Options, setup: &Setup<'_>, mut tell: impl FnMut(&Fact)) -> io::Result<Opened> {
    let path = options.dir.as_path();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("journal.dir {}: {error}", path.display()));
    let folder = await_lock(path, setup, &mut tell).map_err(named)?;
    restore(folder, options, setup).map_err(named)
}

fn await_lock(path: &Path, setup: &Setup<'_>, tell: &mut impl FnMut(&Fact)) -> io::Result<Folder> {
    // A hub that hands over has it until it has drained.
    let within_ms = setup.limits.drain_delay_ms + setup.limits.drain_ms;
    for look in 0..=within_ms / LOCK_LOOK_MS {
        if let Some(folder) = Folder::lock(path)? {
            return Ok(folder);
        }
        if look == 0 {
            tell(&Fact::JournalAwaited { folder: path.display().to_string(), within_ms });
        }
        thread::park_timeout(Duration::from_millis(LOCK_LOOK_MS));
    }
    let why = "another hub has it: give each hub its own folder, or end that one first";
    Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
}

/// What the files tell, besides publications.
struct Found {
    /// How the last file begins.
    last: Option<Begin>,
    /// Whether it has its end.
    is_ended: bool,
    /// Whether something is missing that is not at the end of the last file.
    is_damaged: bool,
    torn_bytes: u64,
    sealed: VecDeque<Sealed>,
    snapshot: Option<Begin>,
    snapshot_bytes: u64,
    /// The floors of the snapshot and the files, each with its epoch.
    floors: Vec<(Epoch, Position)>,
    /// In the order in which they were told.
    revocations: Vec<Revocation>,
}

impl Found {
    /// Up to when some of what holds may be missing, in an epoch that goes on.
    fn gaps(&self, epoch: Epoch) -> Gaps {
        match self.snapshot {
            Some(snapshot) if snapshot.epoch == epoch => snapshot.gaps,
            None if self.floors.iter().all(|(other, _)| *other == epoch) => Gaps { rows: epoch.began(), ..Gaps::NONE },
            // From the epochs before, not all may be there.
            Some(_) | None => Gaps::before(epoch.began()),
        }
    }
}

fn restore(folder: Folder, options: &Options, setup: &Setup<'_>) -> io::Result<Opened> {
    let began = setup.clock.now();
    let mut gathering = Gathering::new(setup.catalogue, setup.validation, setup.limits, setup.shards, began);
    let found = gather(&folder, &mut gathering)?;
    let boot = boot();
    let is_alive = |last: &Begin| found.is_ended || last.is_synced || !boot.is_nil() && last.boot == boot;
    let is_fresh = found.last.is_none() && found.snapshot.is_none();
    let is_whole = !folder.is_lost() && !found.is_damaged;
    let former = found.last.filter(|last| is_whole && is_alive(last)).map(|last| last.epoch);
    let begin = || {
        let epoch = Epoch::begin(began, setup.chance);
        found.last.map_or(epoch, |last| epoch.behind(last.epoch))
    };
    let epoch = former.unwrap_or_else(begin);
    let floor = former.map(|epoch| {
        let floors = found.floors.iter().filter(|(other, _)| *other == epoch);
        floors.map(|(_, floor)| *floor).max().unwrap_or(epoch.start())
    });
    let first = gathering.last().max(Some(epoch.start())).unwrap_or(epoch.start());
    let stem = Stem { epoch, boot, is_synced: options.is_synced, floor: floor.unwrap_or(first) };
    let lost = gathering.lost();
    let gaps = if former.is_some() && lost == 0 { found.gaps(epoch) } else { Gaps::before(began.unix) };
    let gaps = if is_fresh { Gaps { values: Gaps::NONE.values, ..gaps } } else { gaps };
    let homes = gathering.finish(epoch, floor, gaps);
    let restored = Fact::JournalRestored {
        rows: homes.iter().map(Past::row_count).sum(),
        publications: homes.iter().map(Past::publication_count).sum(),
        lost,
        torn_bytes: found.torn_bytes,
        is_continuous: former.is_some() || is_fresh,
        took_ms: setup.clock.now().mono.ms_since(began.mono),
    };
    let files = Files::begin(folder, stem, found.sealed, found.snapshot_bytes)?;
    if former.is_none() {
        // From here on the files are all of an epoch again.
        files.folder.set_whole()?;
    }
    let revocations = found.revocations;
    Ok(Opened { files, epoch, homes, revocations, restored })
}

fn gather(folder: &Folder, gathering: &mut Gathering<'_>) -> io::Result<Found> {
    let mut found = Found {
        last: None,
        is_ended: false,
        is_damaged: false,
        torn_bytes: 0,
        sealed: VecDeque::new(),
        snapshot: None,
        snapshot_bytes: 0,
        floors: Vec::new(),
        revocations: Vec::new(),
    };
    read_snapshot(folder, gathering, &mut found)?;
    for number in folder.numbers()? {
        read_file(folder, number, gathering, &mut found)?;
    }
    Ok(found)
}

fn read_snapshot(folder: &Folder, gathering: &mut Gathering<'_>, found: &mut Found) -> io::Result<()> {
    let bytes = match fs::read(folder.snapshot()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    found.snapshot_bytes = bytes.len() as u64;
    found.is_damaged = true;
    for record in Records::new(&bytes) {
        match record {
            Record::Begin(begin) => {
                gathering.begin_rows(begin);
                found.snapshot = Some(begin);
                found.floors.push((begin.epoch, begin.floor));
            }
            Record::Publication(written) => gathering.row(&written),
            Record::Id { at, key } => gathering.id(key, at),
            Record::Revocation(revocation) => found.revocations.push(revocation),
            Record::End => found.is_damaged = false,
        }
    }
    Ok(())
}

/// Reads a file, and takes off what is torn at its end.
fn read_file(folder: &Folder, number: u64, gathering: &mut Gathering<'_>, found: &mut Found) -> io::Result<()> {
    let path = folder.file(number);
    let bytes = fs::read(&path)?;
    // What was torn of a file that is not the last was no end of a process.
    found.is_damaged |= found.last.is_some() && found.torn_bytes > 0;
    if let Some(version) = record::version(&bytes).filter(|version| *version != VERSION) {
        let why = format!("{} is of version {version}, which this program does not know", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut newest = None;
    found.is_ended = false;
    let mut records = Records::new(&bytes);
    for record in records.by_ref() {
        match record {
            Record::Begin(begin) => {
                found.last = Some(begin);
                found.floors.push((begin.epoch, begin.floor));
            }
            Record::Publication(written) => {
                newest = newest.max(Some((written.at, written.position)));
                gathering.publication(&written);
            }
            Record::Id { at, key } => gathering.id(key, at),
            Record::Revocation(revocation) => found.revocations.push(revocation),
            Record::End => found.is_ended = true,
        }
    }
    let read = records.read() as u64;
    found.torn_bytes += bytes.len() as u64 - read;
    if read < bytes.len() as u64 {
        File::options().write(true).open(&path)?.set_len(read)?;
    }
    found.sealed.push_back(Sealed { number, bytes: read, newest });
    Ok(())
}

/// Which start of the machine this is; nil where the system does not tell.
fn boot() -> Uuid {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::ToWrite;
    use crate::hub::publication::Effect;
    use crate::hub::record::Written;
    use crate::limits::Limits;
    use crate::schema::Catalogue;
    use crate::schema::validate::Mode;
    use crate::shell::clock::Clock;
    use crate::shell::store::Store;
    use std::path::PathBuf;

    /// A folder of a test; it goes with it.
    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn place(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("rte-journal-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn opened(place: &Place) -> Opened {
        let (catalogue, limits) = (Catalogue::built_in(None), Limits::DEFAULT);
        let setup = Setup {
            catalogue: &catalogue,
            validation: Mode::Strict,
            limits: &limits,
            shards: 1,
            clock: Clock::start(),
            chance: 7,
        };
        open(&Options { dir: place.0.clone(), is_synced: false }, &setup, |_| {}).unwrap()
    }

    /// Publications there, torn bytes, and whether positions of before are good.
    fn told(opened: &Opened) -> (usize, u64, bool) {
        let Fact::JournalRestored { publications, torn_bytes, is_continuous, .. } = opened.restored else {
            panic!("{:?}", opened.restored)
        };
        (publications, torn_bytes, is_continuous)
    }

    /// Appends so many values.
    fn append(opened: &mut Opened, count: u64) -> Position {
        let data = br#"{"availability":"Busy","endTime":"9999-12-31T23:59:59.9999999","eventSource":"User","note":"","organizationId":"0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59","profileId":"c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3","startTime":"2024-05-31T14:02:11Z","userId":"c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3","userName":"anna"}"#;
        let mut last = opened.files.stem.floor;
        for n in 1..=count {
            let (mut bytes, at) = (Vec::new(), crate::clock::UnixMs::from_ms(1_000));
            last = Position::from_number(opened.files.stem.floor.number() + n).unwrap();
            let written = Written {
                event: "UserAvailability",
                organization: Uuid::from_u128(1),
                entity: Uuid::from_u128(2),
                position: last,
                at,
                expires: None,
                effect: Effect::Value,
                id: None,
                data,
            };
            Record::Publication(written).encode(&mut bytes);
            opened.files.append(&bytes, (at, last)).unwrap();
        }
        last
    }

    #[test]
    fn a_file_cut_at_any_byte_is_read_as_far_as_it_is_whole() {
        let place = place("cut");
        let mut first = opened(&place);
        assert_eq!(told(&first), (0, 0, true), "a fresh folder");
        append(&mut first, 2);
        drop(first);
        let file = place.0.join("0000000001.log");
        let bytes = fs::read(&file).unwrap();
        for cut in (0..=bytes.len()).rev() {
            fs::write(&file, &bytes[..cut]).unwrap();
            let again = opened(&place);
            let whole = Records::new(&bytes[..cut]).count();
            let (publications, torn_bytes, is_continuous) = told(&again);
            assert_eq!(publications, whole.saturating_sub(1), "cut at {cut}");
            assert!(is_continuous || whole == 0, "cut at {cut}");
            assert_eq!(fs::metadata(&file).unwrap().len(), cut as u64 - torn_bytes, "what is torn is off");
            drop(again);
            fs::remove_file(place.0.join("0000000002.log")).unwrap();
        }
    }

    #[test]
    fn the_epoch_goes_on_only_where_all_that_was_accepted_must_be_there() {
        let place = place("epoch");
        let mut first = opened(&place);
        let (epoch, last) = (first.epoch, append(&mut first, 3));
        drop(first);
        let second = opened(&place);
        assert!(second.epoch == epoch && told(&second) == (3, 0, true), "the process has ended, not the machine");
        assert_eq!(second.homes[0].last(), Some(last));
        let whole = Gaps { rows: epoch.began(), ..Gaps::NONE };
        assert_eq!(second.homes[0].gaps(), Some(whole), "all that held since the epoch began is there");
        let stem = second.files.stem;
        drop(second);
        let rewrite = |begin: Begin, is_ended: bool| {
            let mut bytes = Vec::new();
            Record::Begin(begin).encode(&mut bytes);
            if is_ended {
                Record::End.encode(&mut bytes);
            }
            fs::write(place.0.join("0000000002.log"), bytes).unwrap();
            let again = opened(&place);
            let is_same = again.epoch == epoch;
            assert_eq!(told(&again).2, is_same);
            drop(again);
            fs::remove_file(place.0.join("0000000003.log")).unwrap();
            is_same
        };
        let other_boot = Begin { boot: Uuid::from_u128(9), ..stem.begin() };
        assert!(!rewrite(other_boot, false), "the machine may have lost what was not synced");
        assert!(rewrite(other_boot, true), "ended in order");
        assert!(rewrite(Begin { is_synced: true, ..other_boot }, false), "each write was on the disk");
        fs::write(place.0.join("lost"), "").unwrap();
        assert!(!rewrite(stem.begin(), true), "accepted, and not written");
        assert!(rewrite(stem.begin(), true) && !place.0.join("lost").exists(), "which is over with the new epoch");
        let first = place.0.join("0000000001.log");
        let torn = fs::read(&first).unwrap();
        fs::write(&first, &torn[..torn.len() - 1]).unwrap();
        assert!(!rewrite(stem.begin(), true), "damaged before the end");
    }

    #[test]
    fn a_hub_that_goes_on_while_its_disk_hangs_leaves_a_mark_that_the_next_one_finds_once() {
        let place = place("mark");
        let first = opened(&place);
        let (epoch, store) = (first.epoch, Store::of(&first.files));
        // Before anybody hears of another epoch, and nothing in the folder changes.
        store.write(ToWrite::Lost);
        store.write(ToWrite::Lost);
        assert!(!place.0.join("lost").exists());
        drop(first);
        let second = opened(&place);
        let has_memory = Path::new("/dev/shm").is_dir();
        assert!((second.epoch > epoch, told(&second).2) == (has_memory, !has_memory), "{second:?}");
        drop(second);
        assert!(told(&opened(&place)).2, "which is over with the new epoch");
    }

    #[test]
    fn a_file_of_another_version_is_refused_and_left() {
        let place = place("version");
        drop(opened(&place));
        let file = place.0.join("0000000001.log");
        let mut bytes = fs::read(&file).unwrap();
        bytes[12] = VERSION + 1;
        let checksum = crc32fast::hash(&bytes[8..]);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        fs::write(&file, &bytes).unwrap();
        let (catalogue, limits) = (Catalogue::built_in(None), Limits::DEFAULT);
        let (validation, clock) = (Mode::Strict, Clock::start());
        let setup = Setup { catalogue: &catalogue, validation, limits: &limits, shards: 1, clock, chance: 7 };
        let error = open(&Options { dir: place.0.clone(), is_synced: false }, &setup, |_| {}).unwrap_err();
        assert!(error.to_string().contains("is of version 2"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}
