//! Opening a state: finding out what a file is before believing it, and making a new one where there is none.
//!
//! A new state is filled under another name and then takes its own, so an empty or half-written file under that name is
//! damage and not a beginning.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use imgc_runtime::error::Result;
use imgc_runtime::fault;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use crate::locks::{self, Locks};
use crate::place;
use crate::schema;
use crate::trouble::{Kind, Trouble};
use crate::writer::{self, Job, Work};

/// Name of the database in the state's directory.
pub const DATABASE: &str = "state.db";
/// Name of the file whose bytes are the locks.
pub const LOCK: &str = "lock";

/// How long another process may keep the database for one transaction.
const PATIENCE: Duration = Duration::from_secs(60);
/// How every SQLite file begins.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// How every log of SQLite begins, but for the last bit.
const LOG_MAGIC: [u8; 3] = [0x37, 0x7f, 0x06];

/// The state in a directory.
pub struct Sqlite {
    path: PathBuf,
    project: Option<PathBuf>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    reader: Option<Mutex<Connection>>,
    pub(crate) locks: Arc<Locks>,
    /// The runs of this process that live, and their locks' bytes.
    pub(crate) own: Arc<Mutex<BTreeMap<String, i64>>>,
    salt: [u8; 32],
    /// Whether something has been handed to the writer that nobody waits for.
    unsaid: AtomicBool,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the state in this directory, which exists; makes it where there is none.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join(DATABASE);
        Self::ready(directory, &path).map_err(|trouble| trouble.error(&path))
    }

    /// Opens a state to look at it only: whatever wants to write fails. For places that cannot be written.
    pub fn look(directory: &Path) -> Result<Self> {
        let path = directory.join(DATABASE);
        Self::seen(directory, &path).map_err(|trouble| trouble.error(&path))
    }

    /// Whether there is a state in this directory.
    pub fn exists(directory: &Path) -> bool {
        directory.join(DATABASE).symlink_metadata().is_ok()
    }

    /// Whether it was opened to look at it only.
    pub fn is_for_looking(&self) -> bool {
        self.jobs.is_none()
    }

    /// The database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The project in which it lies, absolute; `None` where the state is kept elsewhere.
    pub(crate) fn project(&self) -> Option<&Path> {
        self.project.as_deref()
    }

    fn ready(directory: &Path, path: &Path) -> std::result::Result<Self, Trouble> {
        fault::point("state.open")?;
        let locks = Locks::open(&directory.join(LOCK))?;
        if !Self::exists(directory) {
            make(path, &locks)?;
        }
        let unclean = check(path)?;
        let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if db.is_readonly("main")? {
            return Err(Trouble::new(Kind::ReadOnly, "no permission to write"));
        }
        let form = schema::form(&db, schema::FORMS.len())?;
        if unclean {
            quick_check(&db)?;
        }
        if form < schema::FORMS.len() {
            locks.wait(locks::MAKING)?;
            // Another process may have been faster.
            let form = schema::form(&db, schema::FORMS.len())?;
            if form < schema::FORMS.len() {
                schema::migrate(&mut db, path, form, schema::FORMS)?;
            }
            locks.leave(locks::MAKING);
        }
        db.pragma_update(None, "synchronous", "FULL")?;
        let salt = salt(&db)?;
        let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let (jobs, received) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || writer::write(&db, &received))?;
        Ok(Self {
            path: path.to_owned(),
            project: place::project(path),
            jobs: Some(jobs),
            writer: Some(writer),
            reader: Some(Mutex::new(reader)),
            locks: Arc::new(locks),
            own: Arc::default(),
            salt,
            unsaid: AtomicBool::new(false),
        })
    }

    fn seen(directory: &Path, path: &Path) -> std::result::Result<Self, Trouble> {
        check(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let log = path.with_extension("db-wal");
        // Without a log nothing is written by anyone; SQLite would want to make one even to read.
        let db = match log.exists() {
            true => connect(path, flags)?,
            false => connect(&immutable(path), flags)?,
        };
        let form = schema::form(&db, schema::FORMS.len())?;
        if form < schema::FORMS.len() {
            return Err(Trouble::new(
                Kind::ReadOnly,
                "it has an older form, which is brought up to date when it can be written",
            ));
        }
        let salt = salt(&db)?;
        Ok(Self {
            path: path.to_owned(),
            project: place::project(path),
            jobs: None,
            writer: None,
            reader: Some(Mutex::new(db)),
            locks: Arc::new(Locks::open_to_ask(&directory.join(LOCK))?),
            own: Arc::default(),
            salt,
            unsaid: AtomicBool::new(false),
        })
    }

    /// Random bytes of this state.
    pub(crate) fn salt_bytes(&self) -> [u8; 32] {
        self.salt
    }

    /// Has something written and waits until it is on disk.
    pub(crate) async fn write(
        &self,
        work: impl Fn(&Connection) -> std::result::Result<i64, Trouble> + Send + 'static,
    ) -> Result<i64> {
        let answer = self.submit(Box::new(work))?;
        writer::answered(answer.await, &self.path)
    }

    /// The same outside of any async runtime.
    pub(crate) fn write_now(
        &self,
        work: impl Fn(&Connection) -> std::result::Result<i64, Trouble> + Send + 'static,
    ) -> Result<i64> {
        let answer = self.submit(Box::new(work))?;
        writer::answered(answer.blocking_recv(), &self.path)
    }

    /// Has something written that nobody waits for; whoever reads waits for it.
    pub(crate) fn write_soon(
        &self,
        work: impl Fn(&Connection) -> std::result::Result<i64, Trouble> + Send + 'static,
    ) {
        self.unsaid.store(true, Ordering::Release);
        self.write_unread(work);
    }

    /// Has something written that nobody waits for, and that is nothing to this process when it reads.
    pub(crate) fn write_unread(
        &self,
        work: impl Fn(&Connection) -> std::result::Result<i64, Trouble> + Send + 'static,
    ) {
        if let Some(jobs) = &self.jobs {
            // A writer that has ended says so to the next caller that waits.
            let _ = jobs.send(Job {
                work: Box::new(work),
                answer: None,
            });
        }
    }

    fn submit(&self, work: Work) -> Result<oneshot::Receiver<std::result::Result<i64, Trouble>>> {
        let (answer, receiver) = oneshot::channel();
        let job = Job {
            work,
            answer: Some(answer),
        };
        let Some(jobs) = &self.jobs else {
            let trouble = Trouble::new(Kind::ReadOnly, "it was opened to look at");
            return Err(trouble.error(&self.path));
        };
        jobs.send(job)
            .map_err(|_| writer::gone().error(&self.path))?;
        Ok(receiver)
    }

    /// Reads, after all that has been handed to the writer is written.
    pub(crate) async fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> std::result::Result<T, Trouble> + Send,
    ) -> Result<T> {
        if self.unsaid.swap(false, Ordering::AcqRel) {
            self.write(|_| Ok(0)).await?;
        }
        self.read_now(read)
    }

    /// Reads what is written.
    pub(crate) fn read_now<T>(
        &self,
        read: impl FnOnce(&Connection) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        let reader = self
            .reader
            .as_ref()
            .expect("the reader is there until the state is dropped");
        read(&locked(reader)).map_err(|trouble| trouble.error(&self.path))
    }
}

impl Drop for Sqlite {
    /// Writes what is still to be written; the last one out folds SQLite's log into the database.
    fn drop(&mut self) {
        self.reader = None;
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, flags: OpenFlags) -> std::result::Result<Connection, Trouble> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// The path as an address that says that nobody writes.
fn immutable(path: &Path) -> PathBuf {
    let mut address = "file:".to_owned();
    for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                address.push(char::from(*byte));
            }
            _ => address.push_str(&format!("%{byte:02x}")),
        }
    }
    PathBuf::from(address + "?immutable=1")
}

/// Looks at a file before SQLite does, which takes an empty file for a new database and a log it does not understand for
/// none. Says whether the last process that had it open did not close it.
fn check(path: &Path) -> std::result::Result<bool, Trouble> {
    let begins = beginning(path)?;
    if !begins.starts_with(MAGIC) {
        let text = match begins.is_empty() {
            true => "the file is empty",
            false => "it is not a database",
        };
        return Err(Trouble::new(Kind::Damaged, text));
    }
    let log = match beginning(&path.with_extension("db-wal")) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    // Its first bytes are written before anything that has been answered for.
    if log.len() == HEADER && !log.starts_with(&LOG_MAGIC) {
        return Err(Trouble::new(
            Kind::Damaged,
            format!("its log `{DATABASE}-wal` has been overwritten"),
        ));
    }
    Ok(!log.is_empty())
}

/// Bytes that are looked at.
const HEADER: usize = 32;

fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut begins = Vec::with_capacity(HEADER);
    File::open(path)?
        .take(HEADER as u64)
        .read_to_end(&mut begins)?;
    Ok(begins)
}

fn quick_check(db: &Connection) -> std::result::Result<(), Trouble> {
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(Trouble::new(Kind::Damaged, found)),
    }
}

fn salt(db: &Connection) -> std::result::Result<[u8; 32], Trouble> {
    let salt: Vec<u8> = db.query_row("SELECT value FROM meta WHERE name = 'salt'", [], |row| {
        row.get(0)
    })?;
    salt.try_into()
        .map_err(|_| Trouble::new(Kind::Damaged, "its salt has the wrong length"))
}

/// Makes a new state under another name, and gives it its own when it is whole.
fn make(path: &Path, locks: &Locks) -> std::result::Result<(), Trouble> {
    locks.wait(locks::MAKING)?;
    let made = match path.symlink_metadata() {
        // Another process was faster.
        Ok(_) => Ok(()),
        Err(_) => fill(path),
    };
    locks.leave(locks::MAKING);
    made
}

fn fill(path: &Path) -> std::result::Result<(), Trouble> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let unfinished = path.with_extension("db.new");
    for rest in ["db.new", "db.new-wal", "db.new-shm", "db.new-journal"] {
        let _ = fs::remove_file(path.with_extension(rest));
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| Trouble::new(Kind::Other, error.to_string()))?;
    let db = connect(&unfinished, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::fill(&db, salt)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.close().map_err(|(_, error)| error)?;
    File::open(&unfinished)?.sync_all()?;
    fault::point("state.made")?;
    fs::rename(&unfinished, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
