//! What the machine says that a configuration depends on. It is a value: who judges it asks nobody.

use super::checked::Config;
use crate::limits::Limits;
use crate::shell::listener::Listener;
use rlimit::Resource;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The machine, as far as it tells; `None` is for what it doesn't.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// File descriptors that the process may have (the hard limit).
    pub descriptors_max: Option<u64>,
    /// `net.core.somaxconn`.
    pub somaxconn: Option<u64>,
    /// `net.core.wmem_max`.
    pub wmem_max: Option<u64>,
    /// Memory of the machine, or of the control group where that has less.
    pub memory_bytes: Option<u64>,
    /// The files that hold keys or secrets, with their permission bits.
    pub modes: Vec<(PathBuf, u32)>,
    /// Why the folder of the journal cannot be written to.
    pub journal_not_written: Option<String>,
    /// Which address cannot be listened on, and why.
    pub not_bound: Option<String>,
    /// The key sets that can't be had, each with the reason.
    pub keys_not_fetched: Vec<String>,
    /// By what the engine that nodes share may lose something, and what to do, where it was asked.
    pub backplane_unsafe: Vec<String>,
}

impl Machine {
    /// Asks the machine what matters to this configuration.
    pub fn read(config: &Config) -> Machine {
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
        let files = config.key_sources.files.iter().chain(config.file.as_ref());
        Machine {
            descriptors_max: rlimit::getrlimit(Resource::NOFILE).ok().map(|(_, hard)| hard),
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            wmem_max: number("/proc/sys/net/core/wmem_max"),
            memory_bytes: memory_bytes(),
            modes: files.filter_map(|path| Some((path.clone(), mode(path)?))).collect(),
            journal_not_written: config.journal.as_ref().and_then(|journal| {
                let unwritten = probe(&journal.dir).err()?;
                Some(unwritten.to_string())
            }),
            not_bound: None,
            keys_not_fetched: Vec::new(),
            backplane_unsafe: Vec::new(),
        }
    }

    /// The same, after a try to listen: for those who don't go on to do so.
    pub fn with_port(self, config: &Config) -> Machine {
        Machine {
            not_bound: [Some(config.listen), config.internal].into_iter().flatten().find_map(|address| {
                let error = Listener::bind(address, &config.limits).err()?;
                Some(format!("{address} cannot be listened on now ({error})"))
            }),
            ..self
        }
    }
}

impl Config {
    /// What is wrong with the folder of the journal, where no later start mends it: it is not
    /// there, or not the hub's. A disk that is full is another thing.
    pub(crate) fn journal_misplaced(&self) -> Option<String> {
        const KINDS: [ErrorKind; 4] =
            [ErrorKind::NotFound, ErrorKind::NotADirectory, ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
        let folder = &self.journal.as_ref()?.dir;
        let error = probe(folder).err().filter(|error| KINDS.contains(&error.kind()))?;
        Some(format!("journal.dir: {}", unwritten(folder, &error.to_string())))
    }
}

/// What is said of a folder of a journal in which no file can be made.
pub(crate) fn unwritten(folder: &Path, error: &str) -> String {
    let folder = folder.display();
    format!(
        "no file can be made in {folder} ({error}), and no hub will start: make the folder, for the hub's user alone"
    )
}

/// Makes a file in a folder, and takes it away again.
fn probe(folder: &Path) -> io::Result<()> {
    let probe = folder.join("probe");
    fs::write(&probe, "")?;
    match fs::remove_file(&probe) {
        // Another hub, which is to take over or to be taken over, has looked at the same moment.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).ok().map(|file| file.permissions().mode())
}

/// Returns the bound of all that the process keeps on a machine with so much memory; 0 where there
/// is none.
pub(super) fn memory_bytes_max(limits: &Limits, memory_bytes: Option<u64>) -> usize {
    match limits.memory_bytes_max {
        0 => memory_bytes.map_or(0, |bytes| usize::try_from(bytes / 4 * 3).unwrap_or(usize::MAX)),
        bytes => bytes,
    }
}

/// The least of what the machine has and what the control groups around the process allow.
pub(super) fn memory_bytes() -> Option<u64> {
    let machine = total_of(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let allowed = limits_of(&group).into_iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    machine.into_iter().chain(allowed).min()
}

/// `MemTotal` of `/proc/meminfo`, in KiB there.
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The files that limit the memory of a process in this control group: each group around it has
/// one, with a number or `max`; of version 1 there is one.
fn limits_of(cgroup: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let own = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let groups = Path::new(own).ancestors().map(|group| root.join(group).join("memory.max"));
    groups.chain([root.join("memory/memory.limit_in_bytes")]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Flags;
    use super::*;

    #[test]
    fn the_memory_that_the_hub_may_keep_is_what_is_set_or_three_quarters_of_the_machine() {
        let limits = |memory_bytes_max| Limits { memory_bytes_max, ..Limits::DEFAULT };
        assert_eq!(memory_bytes_max(&limits(0), Some(2_000)), 1_500);
        assert_eq!(memory_bytes_max(&limits(0), None), 0, "nobody knows");
        assert_eq!(memory_bytes_max(&limits(7), Some(2_000)), 7);
    }

    #[test]
    fn a_folder_of_a_journal_that_is_not_there_or_none_is_wrong_and_one_that_is_there_is_not() {
        let folder = std::env::temp_dir().join(format!("rte-machine-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        let misplaced = |dir: &Path| {
            let set = [format!("journal.dir={}", dir.display()), "journal.engine=file".to_owned()];
            let flags = Flags { set: set.to_vec(), ..Flags::default() };
            let variables = vec![("RTE_AUTH_SECRET".to_owned(), "0123456789abcdef0123456789abcdef".to_owned())];
            Config::load(&flags, variables).unwrap().journal_misplaced()
        };
        assert_eq!(misplaced(&folder), None);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left there");
        for wrong in [folder.join("none"), file] {
            let why = misplaced(&wrong).unwrap();
            let expected = format!("journal.dir: no file can be made in {} (", wrong.display());
            assert!(why.starts_with(&expected) && why.contains("make the folder"), "{why}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn every_control_group_around_the_process_is_asked() {
        let files = limits_of("1:name=systemd:/x\n0::/system.slice/rte.service\n");
        let names = [
            "system.slice/rte.service/memory.max",
            "system.slice/memory.max",
            "memory.max",
            "memory/memory.limit_in_bytes",
        ];
        assert_eq!(files, names.map(|name| Path::new("/sys/fs/cgroup").join(name)));
        assert_eq!(limits_of("").len(), 2);
        assert_eq!(total_of("MemTotal:        2035480 kB\nMemFree: 1 kB\n"), Some(2_035_480 * 1024));
    }
}
