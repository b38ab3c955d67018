//! What is handed over to the thread of a journal, and what that tells.

use super::folder::{Files, Mark};
use crate::conn::ToWrite;
use crate::shell::bell::Bell;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What the thread tells of itself.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Bytes on disk.
    pub(crate) bytes: AtomicU64,
    pub(crate) written_bytes: AtomicU64,
    pub(crate) writes: AtomicU64,
}

/// What is handed over to the thread.
#[derive(Debug)]
pub(super) enum Task {
    Write(ToWrite),
    /// A snapshot has been written, or not.
    NoteSnapshot(io::Result<u64>),
    /// All shards have ended.
    End,
}

/// The way to a thread that writes. Clones lead to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store(Arc<Way>);

#[derive(Debug, Default)]
struct Way {
    tasks: Mutex<Vec<Task>>,
    bell: Bell,
    mark: Mark,
    numbers: Numbers,
    has_ended: Bell,
}

impl Store {
    /// The way to the thread of these files.
    pub(crate) fn of(files: &Files) -> Store {
        Store(Arc::new(Way { mark: files.folder.mark.clone(), ..Way::default() }))
    }

    /// Hands something over. Never waits for the disk.
    pub(crate) fn write(&self, to_write: ToWrite) {
        if matches!(to_write, ToWrite::Lost) {
            self.0.mark.set();
        }
        self.post(Task::Write(to_write));
    }

    /// All shards have ended: what they have handed over is written, and the files get their end.
    /// Waits for that at most so long.
    pub(crate) fn end(&self, longest: Duration) {
        self.post(Task::End);
        self.0.has_ended.wait(longest);
    }

    /// What the thread tells of itself.
    pub(crate) fn numbers(&self) -> &Numbers {
        &self.0.numbers
    }

    /// Hands that over.
    pub(super) fn post(&self, task: Task) {
        self.0.tasks.lock().push(task);
        self.0.bell.ring();
    }

    /// Nothing more is written.
    pub(super) fn note_end(&self) {
        self.0.has_ended.ring();
    }

    /// Waits until something is handed over, at most so long, and takes all that is.
    pub(super) fn take(&self, longest: Duration) -> Vec<Task> {
        self.0.bell.wait(longest);
        std::mem::take(&mut *self.0.tasks.lock())
    }
}
