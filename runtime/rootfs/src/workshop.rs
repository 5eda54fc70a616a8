//! A build's directory and namespaces: opened, and removed whatever happens.
//!
//! Where layers are to be kept the directory stands on the cache's shelf and its layers are parts beside it
//! ([`Shelf`]); else it stands in the run's directory for temporary files. Where overlays do not work on the cache's disk it
//! stands there as well, and a directory on the shelf says which parts, copies then, are in use.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use imgc_runtime::Result;
use imgc_runtime::cache::{Cache, Use};
use imgc_runtime::context::{Aside, Context};
use imgc_runtime::ledger::{Ledger, Resource};

use crate::error::{LEFT_BEHIND, NAMESPACES, fail};
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

/// A build's directory and namespaces. Dropped without [`Workshop::close`] it cleans up aside.
pub(crate) struct Workshop {
    pub(crate) session: Arc<Session>,
    /// The build's directory.
    pub(crate) work: PathBuf,
    pub(crate) max_mounted_layers: usize,
    /// Where its layers are kept, if they are.
    pub(crate) shelf: Option<Arc<Shelf>>,
    pub(crate) ledger: Ledger,
    aside: Aside,
    /// Its directories with their records, the one with the mounts first.
    directories: Vec<(u64, PathBuf)>,
    closed: bool,
}

/// Where a build's layers are kept.
struct Keeping<'a> {
    cache: &'a Cache,
    shelf: &'a Path,
    /// They are made somewhere else.
    copies: bool,
}

impl Workshop {
    /// Opens one in the cache, where there is one and overlays work in it, else in the directory for temporary files. Whoever is
    /// stopped meanwhile leaves no half of one.
    pub(crate) async fn open(cx: &Context, grounds: &Grounds) -> Result<Self> {
        let (own, grounds) = (cx.clone(), grounds.clone());
        let opening = async move { Self::open_whole(&own, &grounds).await };
        let unwanted = |opened: Result<Self>| async {
            if let Ok(mut workshop) = opened {
                // Its record stays for whoever looks for leftovers.
                let _ = workshop.close().await;
            }
        };
        let opened = cx.aside.make(opening, unwanted).await;
        opened.unwrap_or_else(|| {
            Err(fail(
                NAMESPACES,
                "making the build's namespaces was interrupted",
            ))
        })
    }

    async fn open_whole(cx: &Context, grounds: &Grounds) -> Result<Self> {
        let Some(place) = cx.cache.as_ref().filter(|_| cx.checkpoints.is_some()) else {
            return Self::open_at(cx, grounds, &cx.scratch, None).await;
        };
        let cache = Cache::new(place);
        let shelf = match cache.shelf(crate::BUILDER_NAME) {
            Ok(shelf) => shelf,
            Err(error) => {
                let workshop = Self::open_at(cx, grounds, &cx.scratch, None).await?;
                if grounds.known(place).is_none() {
                    grounds.learn(place, false);
                    let error = write_error(format!("cannot make {}", place.display()), error);
                    cx.output.warn(format!(
                        "layers are not kept for later runs: {}",
                        error.chain()
                    ));
                }
                return Ok(workshop);
            }
        };
        let keeping = |copies| Keeping {
            cache: &cache,
            shelf: &shelf,
            copies,
        };
        if grounds.known(place) != Some(false) {
            let mut workshop = Self::open_at(cx, grounds, &shelf, Some(keeping(false))).await?;
            if grounds.known(place) == Some(true) {
                return Ok(workshop);
            }
            let Err(error) = workshop.probe().await else {
                grounds.learn(place, true);
                return Ok(workshop);
            };
            workshop.close().await?;
            grounds.learn(place, false);
            cx.output.detail(format!(
                "layers are copied into {}: {}",
                place.display(),
                error.chain()
            ));
        }
        Self::open_at(cx, grounds, &cx.scratch, Some(keeping(true))).await
    }

    async fn open_at(
        cx: &Context,
        grounds: &Grounds,
        directory: &Path,
        keeping: Option<Keeping<'_>>,
    ) -> Result<Self> {
        let random = hex(&cx.world.random());
        let name = &random[random.len() - 12..];
        let work = directory.join(format!("rootfs-{name}"));
        let mut furnished = Furnished {
            directories: Vec::new(),
            ledger: &cx.ledger,
        };
        let used = match &keeping {
            Some(keeping) => {
                let place = match keeping.copies {
                    true => keeping.shelf.join(format!("uses-{name}")),
                    false => work.clone(),
                };
                let used = begin_use(cx, keeping, &place).await?;
                furnished.directories.push((used.0, place));
                Some(used.1)
            }
            None => None,
        };
        let shelf = used
            .zip(keeping.as_ref())
            .map(|(used, keeping)| Shelf::new(cx, keeping.shelf, &work, keeping.copies, used));
        if furnished.directories.iter().all(|(_, path)| *path != work) {
            let make = async { furnish(&work).map_err(|error| unwritable(&work, error)) };
            let resource = directory_resource(&work);
            let (record, ()) = cx.ledger.create(&cx.address, resource, make).await?;
            furnished.directories.insert(0, (record, work.clone()));
        }
        let token = hex(&cx.world.random());
        let session = Session::start(&grounds.helper, token, cx.run_id.clone()).await?;
        Ok(Self {
            session: Arc::new(session),
            work,
            max_mounted_layers: grounds.max_mounted_layers,
            shelf: shelf.map(Arc::new),
            ledger: cx.ledger.clone(),
            aside: cx.aside.clone(),
            directories: std::mem::take(&mut furnished.directories),
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
        // It goes on when whoever waits for it is given up.
        let closed = self.aside.make(self.dismantling(), |_| async {}).await;
        closed.unwrap_or_else(|| Err(fail(LEFT_BEHIND, "cleaning up was interrupted")))
    }

    /// From now on nothing removes the directory; the namespaces still end with this process.
    pub(crate) fn leave(&mut self) {
        self.closed = true;
    }

    fn dismantling(&self) -> impl Future<Output = Result<()>> + Send + 'static {
        let mut directories = self.directories.clone();
        if let Some(shelf) = &self.shelf {
            directories.extend(shelf.unfinished());
        }
        dismantle(self.session.clone(), directories, self.ledger.clone())
    }
}

/// Makes the directory that says which parts a build uses: the build's own, or one for that alone.
async fn begin_use(cx: &Context, keeping: &Keeping<'_>, place: &Path) -> Result<(u64, Use)> {
    let make = async {
        let made = || {
            // Until the use is begun nobody may take the directory for an abandoned one.
            let entered = keeping.cache.enter()?;
            match keeping.copies {
                true => fs::create_dir(place)?,
                false => furnish(place)?,
            }
            Use::begin(place, &entered)
        };
        made().map_err(|error| unwritable(place, error))
    };
    let resource = match keeping.copies {
        true => Resource::Directory {
            path: place.to_owned(),
        },
        false => directory_resource(place),
    };
    cx.ledger.create(&cx.address, resource, make).await
}

fn unwritable(path: &Path, error: std::io::Error) -> imgc_runtime::Error {
    write_error(format!("cannot write {}", path.display()), error)
}

/// A build's directories before it has namespaces; dropped with their records it removes them.
struct Furnished<'a> {
    directories: Vec<(u64, PathBuf)>,
    ledger: &'a Ledger,
}

impl Drop for Furnished<'_> {
    fn drop(&mut self) {
        for (record, path) in &self.directories {
            // Nothing in them belongs to mapped users yet.
            if fs::remove_dir_all(path).is_ok() {
                self.ledger.forget(*record);
            }
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // Launching was given up halfway. The ledger's record stays for others if there is no time left for this.
        let dismantling = self.dismantling();
        self.aside.begin(async {
            let _ = dismantling.await;
        });
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
