//! A build's directory and namespaces: opened, and removed whatever happens.
//!
//! Where layers are to be kept the directory stands on the cache's shelf and its layers are parts beside it
//! ([`Shelf`]); else it stands in the run's directory for temporary files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use imgc_runtime::Result;
use imgc_runtime::cache::Cache;
use imgc_runtime::context::Context;
use imgc_runtime::ledger::Ledger;

use crate::error::{LEFT_BEHIND, fail};
use crate::job::Job;
use crate::layer::compress::hex;
use crate::output::place::write_error;
use crate::session::Session;
use crate::shelf::{Shelf, directory_resource};

/// Where workshops are, and what is known of the places.
#[derive(Clone, Debug)]
pub(crate) struct Grounds {
    /// The program that becomes the helper.
    pub(crate) helper: PathBuf,
    pub(crate) max_mounted_layers: usize,
    /// Directories of caches by whether overlays work there.
    overlays: Arc<Mutex<BTreeMap<PathBuf, bool>>>,
}

impl Grounds {
    pub(crate) fn new(helper: PathBuf, max_mounted_layers: usize) -> Self {
        Self {
            helper,
            max_mounted_layers,
            overlays: Arc::default(),
        }
    }

    fn known(&self, place: &Path) -> Option<bool> {
        let overlays = self.overlays.lock().unwrap_or_else(PoisonError::into_inner);
        overlays.get(place).copied()
    }

    fn learn(&self, place: &Path, works: bool) {
        let mut overlays = self.overlays.lock().unwrap_or_else(PoisonError::into_inner);
        overlays.insert(place.to_owned(), works);
    }
}

/// A build's directory and namespaces. Dropped without [`Workshop::close`] it cleans up in the background.
pub(crate) struct Workshop {
    pub(crate) session: Arc<Session>,
    /// The build's directory.
    pub(crate) work: PathBuf,
    pub(crate) max_mounted_layers: usize,
    /// Where its layers are kept, if they are.
    pub(crate) shelf: Option<Arc<Shelf>>,
    pub(crate) ledger: Ledger,
    record: u64,
    closed: bool,
}

impl Workshop {
    /// Opens one in the cache, where there is one and overlays work in it, else in the directory for temporary files.
    pub(crate) async fn open(cx: &Context, grounds: &Grounds) -> Result<Self> {
        let Some(place) = cx.cache.as_ref().filter(|_| cx.checkpoints.is_some()) else {
            return Self::open_at(cx, grounds, &cx.scratch, None).await;
        };
        if grounds.known(place) == Some(false) {
            return Self::open_at(cx, grounds, &cx.scratch, None).await;
        }
        let cache = Cache::new(place);
        let refused = match cache.shelf(crate::BUILDER_NAME) {
            Err(error) => write_error(format!("cannot make {}", place.display()), error),
            Ok(shelf) => {
                let mut workshop = Self::open_at(cx, grounds, &shelf, Some(&cache)).await?;
                if grounds.known(place) == Some(true) {
                    return Ok(workshop);
                }
                match workshop.probe().await {
                    Ok(()) => {
                        grounds.learn(place, true);
                        return Ok(workshop);
                    }
                    Err(error) => {
                        workshop.close().await?;
                        error
                    }
                }
            }
        };
        let workshop = Self::open_at(cx, grounds, &cx.scratch, None).await?;
        if grounds.known(place).is_none() {
            grounds.learn(place, false);
            cx.output.warn(format!(
                "layers are not kept for later runs: {}",
                refused.chain()
            ));
        }
        Ok(workshop)
    }

    async fn open_at(
        cx: &Context,
        grounds: &Grounds,
        directory: &Path,
        cache: Option<&Cache>,
    ) -> Result<Self> {
        let random = hex(&cx.world.random());
        let work = directory.join(format!("rootfs-{}", &random[random.len() - 12..]));
        let make = async {
            let made = || {
                // Until the use is begun nobody may take the directory for an abandoned one.
                let entered = cache.map(Cache::enter).transpose()?;
                furnish(&work)?;
                entered
                    .map(|entered| Shelf::begin(cx, directory, &work, &entered))
                    .transpose()
            };
            made().map_err(|error| write_error(format!("cannot write {}", work.display()), error))
        };
        let (record, shelf) = cx
            .ledger
            .create(&cx.address, directory_resource(&work), make)
            .await?;
        let mut furnished = Furnished {
            work: &work,
            ledger: &cx.ledger,
            record: Some(record),
        };
        let token = hex(&cx.world.random());
        let session = Session::start(&grounds.helper, token, cx.run_id.clone()).await?;
        let session = Arc::new(session);
        furnished.record = None;
        drop(furnished);
        Ok(Self {
            session,
            work,
            max_mounted_layers: grounds.max_mounted_layers,
            shelf: shelf.map(Arc::new),
            ledger: cx.ledger.clone(),
            record,
            closed: false,
        })
    }

    /// Tries the namespaces and an overlay where the build will have them.
    pub(crate) async fn probe(&self) -> Result<()> {
        let directory = self.work.join("p");
        self.session.tell(Job::Probe { directory }).await
    }

    /// Removes the directory and ends the namespaces.
    pub(crate) async fn close(&mut self) -> Result<()> {
        if self.closed {
            return Ok(());
        }
        self.closed = true;
        // A task of its own: it goes on when whoever waits for it is given up.
        match tokio::spawn(self.dismantling()).await {
            Ok(result) => result,
            Err(error) => Err(fail(LEFT_BEHIND, "cleaning up was interrupted").because(error)),
        }
    }

    /// From now on nothing removes the directory; the namespaces still end with this process.
    pub(crate) fn leave(&mut self) {
        self.closed = true;
    }

    fn dismantling(&self) -> impl Future<Output = Result<()>> + Send + 'static {
        let mut directories = vec![(self.record, self.work.clone())];
        if let Some(shelf) = &self.shelf {
            directories.extend(shelf.unfinished());
        }
        dismantle(self.session.clone(), directories, self.ledger.clone())
    }
}

/// A build's directory before it has namespaces; dropped with its record it removes the directory.
struct Furnished<'a> {
    work: &'a Path,
    ledger: &'a Ledger,
    record: Option<u64>,
}

impl Drop for Furnished<'_> {
    fn drop(&mut self) {
        // Nothing in it belongs to mapped users yet.
        if let Some(record) = self
            .record
            .filter(|_| fs::remove_dir_all(self.work).is_ok())
        {
            self.ledger.forget(record);
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // Launching was given up halfway. The ledger's record stays for others if there is no time left for this.
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            handle.spawn(self.dismantling());
        }
    }
}

/// Removes directories, the first of which holds the mounts, and ends the namespaces.
async fn dismantle(
    session: Arc<Session>,
    directories: Vec<(u64, PathBuf)>,
    ledger: Ledger,
) -> Result<()> {
    let paths = directories.iter().map(|(_, path)| path.clone()).collect();
    let inside = session.tell(Job::Remove { paths }).await;
    let stopped = session.stop().await;
    let mut removed = Ok(());
    for (record, path) in directories {
        // When the namespaces have gone before, whoever owns everything in it can still remove it.
        let gone = match &inside {
            Ok(()) => true,
            Err(_) => fs::remove_dir_all(&path).is_ok() || !path.exists(),
        };
        if gone {
            ledger.forget(record);
        } else if removed.is_ok() {
            removed = Err(
                fail(LEFT_BEHIND, format!("cannot remove {}", path.display()))
                    .help("remove it by hand"),
            );
        }
    }
    match (removed, inside) {
        (Err(left), Err(error)) => Err(left.because(error)),
        (removed, _) => removed.and(stopped),
    }
}

/// Directories that must exist to be mounted upon; in the lowest layer of the mount, not in the image.
const SKELETON: [&str; 8] = ["dev", "proc", "sys", "tmp", "run", "etc", "usr", "usr/sbin"];
/// Files likewise.
const SKELETON_FILES: [&str; 3] = ["etc/resolv.conf", "etc/hosts", "usr/sbin/policy-rc.d"];

/// Makes the build's directory. Short names: the kernel takes only a page of mount options.
fn furnish(work: &Path) -> std::io::Result<()> {
    let directory = |path: &str, mode: u32| {
        let path = work.join(path);
        fs::create_dir_all(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
    };
    directory("", 0o755)?;
    for path in ["l", "w", "m", "b", "f", "p", "s", "t", "k", "t/run"] {
        directory(path, 0o755)?;
    }
    directory("t/tmp", 0o1777)?;
    directory("t/run/lock", 0o1777)?;
    for path in SKELETON {
        directory(
            &format!("k/{path}"),
            if path == "tmp" { 0o1777 } else { 0o755 },
        )?;
    }
    for path in SKELETON_FILES {
        let path = work.join("k").join(path);
        fs::write(&path, "")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
