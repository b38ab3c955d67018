//! The folder of a journal.
//!
//! | file | what |
//! |---|---|
//! | `lock` | held by the process whose journal it is |
//! | `0000000001.log`, … | publications in the order in which they were written; the last is written to |
//! | `snapshot` | what held when it was made, and the ids of late; files that are older are gone |
//! | `lost` | there while the files are not all that the hub has accepted |
//!
//! Beside it there is a [`Mark`], in memory, for a time in which the disk takes nothing at all.

use crate::clock::{Now, UnixMs};
use crate::hub::kept::Gaps;
use crate::hub::position::{Epoch, Position};
use crate::hub::record::{Begin, Record};
use crate::limits::{JOURNAL_SEGMENT_BYTES, Limits};
use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// So many files that could go are worth a snapshot, however small they are.
const FILES_MAX: usize = 8;
/// Where Linux has a file system in memory.
const MEMORY: &str = "/dev/shm";

/// A folder whose lock is held.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) mark: Mark,
    /// Held as long as it is open.
    _lock: File,
}

/// Says what the file `lost` does, where that cannot be written since the disk hangs: an empty file
/// of a file system in memory, which outlives the process and not the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark(Option<PathBuf>);

impl Mark {
    /// Of that folder; where the system has no such file system it is never set.
    fn of(path: &Path) -> Mark {
        let name = |folder: fs::Metadata| format!("rte-journal-lost-{:x}-{:x}", folder.dev(), folder.ino());
        let folder = fs::metadata(path).ok().filter(|_| Path::new(MEMORY).is_dir());
        Mark(folder.map(|folder| Path::new(MEMORY).join(name(folder))))
    }

    /// Sets it. Where that fails, `lost` is all there is.
    pub(super) fn set(&self) {
        if let Some(path) = &self.0 {
            let _ = private().create_new(true).write(true).open(path);
        }
    }

    /// Whether this user has set it: everybody may write there.
    fn is_set(&self) -> bool {
        let owner = |path: &Path| fs::symlink_metadata(path).ok().map(|file| file.uid());
        let marked = self.0.as_deref().and_then(owner);
        marked.is_some() && marked == owner(Path::new("/proc/self"))
    }

    fn clear(&self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

impl Folder {
    /// Locks the folder; none where another process has it.
    pub(super) fn lock(path: &Path) -> io::Result<Option<Folder>> {
        let lock = private().create(true).write(true).truncate(false).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Folder { path: path.to_owned(), mark: Mark::of(path), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The numbers of the files with publications, in their order.
    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Where the file of that number is.
    pub(super) fn file(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:010}.log"))
    }

    /// Where the snapshot is.
    pub(super) fn snapshot(&self) -> PathBuf {
        self.path.join("snapshot")
    }

    /// Whether the files are not all that the hub has accepted.
    pub(super) fn is_lost(&self) -> bool {
        self.path.join("lost").exists() || self.mark.is_set()
    }

    /// Says that the files are not all that the hub has accepted: a hub that starts from them
    /// begins another epoch. Where not even that can be written, they go.
    pub(super) fn set_lost(&self) {
        let written = private().create(true).write(true).truncate(true).open(self.path.join("lost"));
        if written.and_then(|file| file.sync_all()).is_err() {
            // What can't be removed can't be written either, so no hub will start from it.
            for number in self.numbers().unwrap_or_default() {
                let _ = fs::remove_file(self.file(number));
            }
        }
    }

    /// The files are all again.
    pub(super) fn set_whole(&self) -> io::Result<()> {
        // First: if the disk hangs now, it is set anew.
        self.mark.clear();
        match fs::remove_file(self.path.join("lost")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => sync_folder(&self.path),
        }
    }
}

/// What a hub accepts from now on is not in the files of that folder, if there are any: says so
/// there. Nothing is done to a folder that another hub has.
///
/// # Errors
///
/// The folder can't be read or locked.
pub(crate) fn leave(path: &Path) -> io::Result<()> {
    if !path.join("lock").exists() {
        // No hub has ever been there.
        return Ok(());
    }
    let Some(folder) = Folder::lock(path)? else { return Ok(()) };
    if !folder.numbers()?.is_empty() {
        folder.set_lost();
    }
    Ok(())
}

/// For files that only the hub's user may read: they hold what events say.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.mode(0o600);
    options
}

/// What was made, renamed or removed in a folder is so for good.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// What stands in the first record of each file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stem {
    pub(super) epoch: Epoch,
    pub(super) boot: Uuid,
    pub(super) is_synced: bool,
    pub(super) floor: Position,
}

impl Stem {
    pub(super) fn begin(self) -> Begin {
        let Stem { epoch, boot, is_synced, floor } = self;
        Begin { epoch, boot, is_synced, places: [None; 16], gaps: Gaps::NONE, floor }
    }
}

/// A file that is complete.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// When its last publication was taken, and its place.
    pub(super) newest: Option<(UnixMs, Position)>,
}

/// The files of a folder: one that is written to, and those before it.
#[derive(Debug)]
pub(crate) struct Files {
    pub(super) folder: Folder,
    pub(super) stem: Stem,
    pub(super) sealed: VecDeque<Sealed>,
    pub(super) snapshot_bytes: u64,
    last: Sealed,
    file: File,
}

impl Files {
    /// Begins a file behind those that there are.
    pub(super) fn begin(
        folder: Folder,
        stem: Stem,
        sealed: VecDeque<Sealed>,
        snapshot_bytes: u64,
    ) -> io::Result<Files> {
        let number = sealed.back().map_or(1, |last| last.number + 1);
        let (file, last) = begin_file(&folder, number, stem)?;
        Ok(Files { folder, stem, sealed, snapshot_bytes, last, file })
    }

    /// Appends records, the last of which is that.
    pub(super) fn append(&mut self, bytes: &[u8], newest: (UnixMs, Position)) -> io::Result<()> {
        self.file.write_all(bytes)?;
        if self.stem.is_synced {
            self.file.sync_data()?;
        }
        self.last.bytes += bytes.len() as u64;
        self.last.newest = self.last.newest.max(Some(newest));
        Ok(())
    }

    /// Whether the file that is written to is long enough.
    pub(super) fn is_long(&self) -> bool {
        self.last.bytes >= JOURNAL_SEGMENT_BYTES
    }

    /// Begins the next file.
    pub(super) fn turn_page(&mut self, stem: Stem) -> io::Result<()> {
        let (file, last) = begin_file(&self.folder, self.last.number + 1, stem)?;
        (self.file, self.stem) = (file, stem);
        self.sealed.push_back(std::mem::replace(&mut self.last, last));
        Ok(())
    }

    /// Ends in order: all that was accepted is on the disk.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let mut record = Vec::new();
        Record::End.encode(&mut record);
        self.file.write_all(&record)?;
        self.file.sync_all()
    }

    /// How many of the oldest files hold nothing that the log of a hub would: too old, or more than
    /// it keeps.
    pub(super) fn old(&self, now: Now, limits: &Limits) -> usize {
        let mut behind = self.last.bytes;
        let mut old = self.sealed.len();
        for sealed in self.sealed.iter().rev() {
            let age_ms = sealed.newest.map_or(u64::MAX, |(at, _)| now.unix.ms().saturating_sub(at.ms()));
            if behind >= limits.history_bytes_max as u64 || age_ms > limits.history_ms {
                break;
            }
            behind += sealed.bytes;
            old -= 1;
        }
        old
    }

    /// Whether so many of the oldest files are worth a snapshot, which takes their place.
    pub(super) fn is_worth(&self, old: usize) -> bool {
        let bytes: u64 = self.sealed.iter().take(old).map(|sealed| sealed.bytes).sum();
        old > 0 && (old >= FILES_MAX || bytes >= self.snapshot_bytes.max(JOURNAL_SEGMENT_BYTES))
    }

    /// Removes files up to that number: a snapshot has taken their place.
    pub(super) fn remove(&mut self, through: u64) {
        while let Some(first) = self.sealed.pop_front_if(|first| first.number <= through) {
            // One that stays is found at the next start, and is too old.
            let _ = fs::remove_file(self.folder.file(first.number));
        }
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.snapshot_bytes + self.last.bytes + self.sealed.iter().map(|sealed| sealed.bytes).sum::<u64>()
    }

    /// The name of the file that is written to.
    pub(super) fn name(&self) -> String {
        self.folder.file(self.last.number).display().to_string()
    }
}

fn begin_file(folder: &Folder, number: u64, stem: Stem) -> io::Result<(File, Sealed)> {
    let mut file = private().create(true).write(true).truncate(true).open(folder.file(number))?;
    let mut record = Vec::new();
    Record::Begin(stem.begin()).encode(&mut record);
    file.write_all(&record)?;
    if stem.is_synced {
        file.sync_all()?;
        sync_folder(&folder.path)?;
    }
    Ok((file, Sealed { number, bytes: record.len() as u64, newest: None }))
}

/// Writes a snapshot in the place of the one before, whole or not at all; how many bytes it has.
pub(super) fn write_snapshot(
    path: &Path,
    begin: Begin,
    encode_parts: impl FnOnce(&mut dyn FnMut(&Record<'_>) -> io::Result<()>) -> io::Result<()>,
) -> io::Result<u64> {
    let fresh = path.with_extension("new");
    let file = private().create(true).write(true).truncate(true).open(&fresh)?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    let (mut scratch, mut bytes) = (Vec::new(), 0);
    let mut write = |record: &Record<'_>| {
        scratch.clear();
        record.encode(&mut scratch);
        bytes += scratch.len() as u64;
        out.write_all(&scratch)
    };
    write(&Record::Begin(begin))?;
    encode_parts(&mut write)?;
    write(&Record::End)?;
    out.into_inner()?.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_folder)?;
    Ok(bytes)
}
