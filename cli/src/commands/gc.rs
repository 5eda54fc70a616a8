//! `imgc gc`: removes what runs have left behind that no longer live.
//!
//! First what the state has recorded; then, without any state, what carries the marks of a run: directories in the
//! temporary directories, and processes. What cannot be judged is listed and left, and so is what stands on a machine that
//! nobody here can log in to: `--forget` is for machines and accounts that are gone.
//!
//! `--cloud` looks at a provider instead (`gc/cloud.rs`). A checkpoint is nobody's leftover until it expires, though its run is
//! over (`gc/checkpoints.rs`).

mod checkpoints;
mod cloud;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use imgc_runtime::ledger::{CloudResource, Resource};
use imgc_runtime::mark::{self, Life};
use imgc_runtime::settings::{Remover, Settings};
use imgc_runtime::state::{Owned, Owner, RunStatus, State};
use imgc_runtime::sweep::Unseen;
use imgc_runtime::{Result, process, remove};
use imgc_state::Sqlite;

use crate::args::GcArgs;
use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::state::{self, Look};
use crate::terminal::{harmless, print};

use super::json_text;
use checkpoints::{Standing, things_of};
use report::{Fate, Found};

pub(super) fn run(args: &GcArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let mut settings = Settings::new("");
    components::add_removers(&mut settings);
    let mut gc = Gc {
        dry_run: args.dry_run,
        forget: args.forget.clone(),
        removers: settings.removers,
        host: state::host(),
        live: BTreeSet::new(),
        dead: BTreeSet::new(),
        ended: BTreeSet::new(),
        foreign: BTreeSet::new(),
        in_use: Vec::new(),
        found: Vec::new(),
        unseen: Vec::new(),
    };
    match &args.cloud {
        Some(provider) => gc.at_provider(&look, provider, args)?,
        None => look.wait(async {
            if let Some(state) = &look.state {
                gc.recorded(state).await?;
            }
            gc.marked_directories().await;
            gc.marked_processes().await;
            Ok(())
        })?,
    }
    print(&match args.json {
        true => json_text(&gc.object()),
        false => gc.text(),
    })?;
    gc.unknown_machines()?;
    let failed = gc
        .found
        .iter()
        .any(|one| matches!(one.fate, Fate::Failed(_)));
    Ok(match failed || !gc.unseen.is_empty() {
        true => Exit::Environment,
        false => Exit::Done,
    })
}

struct Gc {
    dry_run: bool,
    /// Machines that are gone.
    forget: Vec<String>,
    removers: Vec<Arc<dyn Remover>>,
    host: String,
    /// Runs that live.
    live: BTreeSet<String>,
    /// Runs that died, or were stopped.
    dead: BTreeSet<String>,
    /// Runs that ended by themselves: what they have left running, they have left on purpose.
    ended: BTreeSet<String>,
    /// Runs that were begun on another host.
    foreign: BTreeSet<String>,
    /// What a run that lives may be starting from, at a provider.
    in_use: Vec<CloudResource>,
    found: Vec<Found>,
    /// What could not be looked at.
    unseen: Vec<Unseen>,
}

impl Gc {
    /// Which runs live and which are over, as the state has it.
    async fn learn(&mut self, state: &Arc<Sqlite>) -> Result<()> {
        if !self.dry_run {
            state.bury(state::now()).await?;
        }
        for run in state.runs(None).await? {
            let kind = match state::status(state, &run).await? {
                RunStatus::Running => &mut self.live,
                RunStatus::Died | RunStatus::Cancelled => &mut self.dead,
                _ => &mut self.ended,
            };
            kind.insert(run.new.id.clone());
            if run.new.host != self.host {
                self.foreign.insert(run.new.id.clone());
            }
        }
        Ok(())
    }

    /// What the state has recorded for runs that do not live: newest first, processes before what they may write to.
    async fn recorded(&mut self, state: &Arc<Sqlite>) -> Result<()> {
        self.learn(state).await?;
        let all = state.resources(Owner::All).await?;
        let checkpoints = state.checkpoints().await?.into_iter();
        let kept: BTreeSet<String> = checkpoints
            .flat_map(|known| known.checkpoint.parts)
            .collect();
        let mut things = cloud::kept_things(state).await?;
        // What has expired as well: its checkpoint is what keeps it, and is let go as a whole.
        let standing = Standing::look(state).await?;
        things.extend(things_of(standing.all()));
        let mut finished = BTreeSet::new();
        for owned in &all {
            if remove::is_finished(&**state, &owned.record.resource).await? {
                finished.insert(owned.record.id);
            }
        }
        let (settled, all): (Vec<Owned>, Vec<Owned>) = all.into_iter().partition(|owned| {
            let resource = &owned.record.resource;
            !self.live.contains(&owned.run)
                && (is_part(resource, &kept)
                    || is_one(resource, &things)
                    || finished.contains(&owned.record.id))
        });
        // A run that died just after a checkpoint or an artifact was recorded could not strike its parts off the list.
        if !self.dry_run {
            settled
                .iter()
                .for_each(|owned| state.forget(owned.record.id));
        }
        let (at_work, mut left): (Vec<Owned>, Vec<Owned>) = all
            .into_iter()
            .partition(|owned| self.live.contains(&owned.run));
        left.sort_by_key(|owned| {
            let resource = &owned.record.resource;
            let turns = self.removers.iter().map(|remover| remover.turn(resource));
            // A machine that goes takes with it what was put on it.
            (!runs(resource), place(resource).is_some(), turns.max())
        });
        let mut gone: Vec<Resource> = Vec::new();
        // Builds whose machine has gone, and whether it is only said to be.
        let mut machines: BTreeMap<(String, String), bool> = BTreeMap::new();
        for owned in left {
            let resource = &owned.record.resource;
            // Builds that have a thing in common have a record of it each.
            if gone.iter().any(|other| is_same(other, resource)) {
                if !self.dry_run {
                    state.forget(owned.record.id);
                }
                continue;
            }
            let same = |other: &Owned| place(&other.record.resource) == place(resource);
            // Whoever goes on with a machine has taken it over, and drops the old record a moment later.
            if at_work
                .iter()
                .any(|other| is_same(&other.record.resource, resource))
            {
                continue;
            }
            let build = (owned.run.clone(), build_of(&owned.record.owner).to_owned());
            let machine = machines.get(&build).filter(|_| place(resource).is_some());
            let fate = if self.is_forgotten(resource) || machine == Some(&true) {
                Fate::Forgotten
            } else if machine.is_some() {
                Fate::Removed
            } else if self.foreign.contains(&owned.run) {
                Fate::Left("it was made on another host: run `imgc gc` there".to_owned())
            } else if place(resource).is_some() && at_work.iter().any(same) {
                Fate::Left("a run that is at work has a file of this name there".to_owned())
            } else if !self.dry_run && remove::put_back(&**state, resource).await? {
                Fate::Removed
            } else {
                self.remove(resource).await
            };
            if matches!(fate, Fate::Removed) {
                gone.push(resource.clone());
            }
            if matches!(fate, Fate::Removed | Fate::Forgotten) {
                if matches!(resource, Resource::Cloud(thing) if thing.kind == "instance") {
                    machines.insert(build, matches!(fate, Fate::Forgotten));
                }
                if !self.dry_run {
                    state.forget(owned.record.id);
                }
            }
            self.note(owned, fate);
        }
        self.expired(state, &standing).await;
        Ok(())
    }

    fn note(&mut self, owned: Owned, fate: Fate) {
        // That processes were started is no thing by itself.
        let intent = matches!(owned.record.resource, Resource::Processes { .. });
        if intent && matches!(fate, Fate::Removed) {
            return;
        }
        self.found.push(Found {
            machine: whereabouts(&owned.record.resource).map(str::to_owned),
            what: owned.record.resource.describe(),
            run: owned.run,
            owner: Some(owned.record.owner),
            fate,
        });
    }

    /// Runs that live on this machine, whatever state they have: their marks say so.
    fn learn_who_lives_here(&mut self) {
        // Runs with other ideas of where temporary files belong are recognised if they live, and left alone if not.
        let elsewhere = process::of_runs().into_iter().filter_map(|one| {
            Some((
                one.temporary?.join(format!("{}{}", mark::PREFIX, one.run)),
                one.run,
            ))
        });
        let places = places();
        let here = places.iter().flat_map(|place| mark::directories(place));
        for (path, run) in elsewhere.chain(here) {
            if mark::life(&path) == Life::Lives {
                self.live.insert(run);
            }
        }
    }

    /// Scratch directories of runs that no state here knows of.
    async fn marked_directories(&mut self) {
        self.learn_who_lives_here();
        let places = places();
        let recorded: BTreeSet<String> = self.found.iter().map(|one| one.what.clone()).collect();
        for (path, run) in places.iter().flat_map(|place| mark::directories(place)) {
            let directory = Resource::Directory { path: path.clone() };
            if self.live.contains(&run) || recorded.contains(&directory.describe()) {
                continue;
            }
            let fate = match mark::life(&path) {
                Life::Lives => {
                    self.live.insert(run);
                    continue;
                }
                Life::Unknown(why) => Fate::Left(why),
                Life::Gone(mark) if mark.host != self.host && mark.expires > state::now() => {
                    Fate::Left(format!("its run was on the host {}", harmless(&mark.host)))
                }
                Life::Gone(mark) => {
                    self.dead.insert(mark.run.clone());
                    let marker = process::marker(&run);
                    match self.remove(&Resource::Processes { marker }).await {
                        Fate::Removed => self.remove_directory(path).await,
                        fate => fate,
                    }
                }
            };
            self.found.push(Found {
                machine: None,
                what: directory.describe(),
                run,
                owner: None,
                fate,
            });
        }
    }

    /// Processes that bear the id of a run.
    async fn marked_processes(&mut self) {
        let mut runs: BTreeSet<String> = process::of_runs()
            .into_iter()
            .map(|process| process.run)
            .collect();
        runs.retain(|run| !self.live.contains(run) && !self.ended.contains(run));
        for run in runs {
            let marker = process::marker(&run);
            let resource = Resource::Processes { marker };
            let fate = match self.dead.contains(&run) {
                true => self.remove(&resource).await,
                false => Fate::Left("nothing here tells whether their run lives".to_owned()),
            };
            self.found.push(Found {
                machine: None,
                what: resource.describe(),
                run,
                owner: None,
                fate,
            });
        }
    }

    /// A directory that may have files of mapped users in it.
    async fn remove_directory(&self, path: PathBuf) -> Fate {
        match self
            .remove(&Resource::Directory { path: path.clone() })
            .await
        {
            Fate::Failed(_) => self.remove(&Resource::MappedDirectory { path }).await,
            fate => fate,
        }
    }

    async fn remove(&self, resource: &Resource) -> Fate {
        if let Resource::RemoteFile {
            machine, access, ..
        } = resource
        {
            let out = format!(
                "remove it there, then `imgc gc --forget {}`",
                harmless(machine)
            );
            if access.is_none() {
                return Fate::Left(format!("nobody here can log in there: {out}"));
            }
            if self.dry_run {
                return Fate::Removed;
            }
            return match fate(remove::remove(&self.removers, resource).await) {
                Fate::Failed(why) => Fate::Failed(format!("{why}; or {out}")),
                fate => fate,
            };
        }
        if self.dry_run {
            return Fate::Removed;
        }
        fate(remove::remove(&self.removers, resource).await)
    }

    /// Whether it is on a machine, or in an account, that is to be forgotten.
    fn is_forgotten(&self, resource: &Resource) -> bool {
        whereabouts(resource)
            .is_some_and(|place| self.forget.iter().any(|name| is_called(place, name)))
    }

    /// A machine or an account of `--forget` that nothing is recorded of is a slip.
    fn unknown_machines(&self) -> Result<(), Failure> {
        let known = |name: &&String| {
            let mut forgotten = self
                .found
                .iter()
                .filter(|one| matches!(one.fate, Fate::Forgotten | Fate::Left(_)));
            forgotten.any(|one| {
                one.machine
                    .as_deref()
                    .is_some_and(|machine| is_called(machine, name))
            })
        };
        match self.forget.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => Err(Failure::usage(format!(
                "nothing is recorded to be left on `{}`",
                harmless(name)
            ))
            .help("`imgc gc --dry-run` lists what is left, and where")),
        }
    }
}

/// Where runs have their directories.
fn places() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = vec![std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()];
    places.sort();
    places.dedup();
    places
}

fn fate(result: Result<()>) -> Fate {
    match result {
        Ok(()) => Fate::Removed,
        Err(error) => Fate::Failed(error.chain()),
    }
}

/// The machine and the path of what stands on another one.
fn place(resource: &Resource) -> Option<(&str, &str)> {
    match resource {
        Resource::RemoteFile { machine, path, .. } => Some((machine, path)),
        _ => None,
    }
}

/// The build that a step belongs to, by their addresses.
fn build_of(owner: &str) -> &str {
    owner.rsplit_once('.').map_or(owner, |(build, _)| build)
}

/// Whether it is one of these things at a provider.
fn is_one(resource: &Resource, things: &[CloudResource]) -> bool {
    matches!(resource, Resource::Cloud(thing) if things.iter().any(|known| known.is(thing)))
}

/// Whether both are one thing at a provider.
fn is_same(one: &Resource, other: &Resource) -> bool {
    match (one, other) {
        (Resource::Cloud(one), Resource::Cloud(other)) => one.is(other),
        _ => false,
    }
}

/// Whether `user@host:port` is meant by a name: itself, or the host.
fn is_called(machine: &str, name: &str) -> bool {
    let host = machine.rsplit_once('@').map_or(machine, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    machine == name || host == name
}

/// The machine that something is on, or the account that it is in.
fn whereabouts(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::Cloud(thing) => thing.account(),
        resource => place(resource).map(|(machine, _)| machine),
    }
}

/// Whether it is a part of the cache that a checkpoint consists of.
fn is_part(resource: &Resource, kept: &BTreeSet<String>) -> bool {
    match resource {
        Resource::Directory { path } | Resource::MappedDirectory { path } => path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| kept.contains(name)),
        _ => false,
    }
}

/// Whether it does something by itself and must end before what it works on is removed.
fn runs(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::Process { .. } | Resource::Processes { .. }
    )
}
