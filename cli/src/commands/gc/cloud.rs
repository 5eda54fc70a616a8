//! `imgc gc --cloud PROVIDER`: what carries the marks of runs there, from any machine.
//!
//! What has no expiry is finished and never seen here. Of the rest goes what is past its expiry, what belongs to a run that
//! this state knows to be over, or everything of the run that `--run` names. What a run at work on this machine owns stays, and so
//! does what it may be starting from; a checkpoint that this state knows stays until it expires or `--run` names its run.

use std::collections::BTreeSet;
use std::sync::Arc;

use imgc_runtime::ledger::{CloudResource, Resource};
use imgc_runtime::remove::remove_marked;
use imgc_runtime::reuse::{is_unchecked, mark_unchecked};
use imgc_runtime::settings::Remover;
use imgc_runtime::state::{Owner, State as _};
use imgc_runtime::sweep::{Area, Marked, Sweep};
use imgc_state::Sqlite;

use crate::args::GcArgs;
use crate::failure::Failure;
use crate::state::{self, Look};
use crate::terminal::harmless;

use super::{Fate, Found, Gc, Standing, things_of};

/// How often it is looked again: what was made a moment ago may not be seen at once.
const LOOKS: usize = 3;
/// What is said of a thing that is not as it was a moment ago.
const MEANWHILE: &str = "meanwhile its run has finished it, or marked it as still in use";
/// What is said of a thing that neither its expiry nor its run's name takes away.
const IN_USE: &str = "a run that is at work may be starting from it";
/// A run's id is given with at least this many characters: others use the account as well.
const LEAST: usize = 8;

impl Gc {
    /// All of it.
    pub(super) fn at_provider(
        &mut self,
        look: &Look,
        provider: &str,
        args: &GcArgs,
    ) -> Result<(), Failure> {
        let remover = self.remover_of(provider)?;
        let mut kept: Vec<CloudResource> = Vec::new();
        // What has to pass its checks yet stays until it expires.
        let mut unchecked: Vec<CloudResource> = Vec::new();
        let mut known = None;
        if let Some(state) = &look.state {
            look.wait(self.learn(state))?;
            let mut images = look.wait(state.images())?;
            mark_unchecked(&mut images);
            let (open, finished): (Vec<_>, Vec<_>) = images.into_iter().partition(is_unchecked);
            kept.extend(
                finished
                    .into_iter()
                    .flat_map(|record| record.artifact.things),
            );
            unchecked.extend(open.into_iter().flat_map(|record| record.artifact.things));
            let standing = look.wait(Standing::look(state))?;
            if args.run.is_none() {
                kept.extend(things_of(&standing.valid));
            }
            self.in_use.clone_from(&standing.in_use);
            known = Some((state, standing));
        }
        self.learn_who_lives_here();
        let area = Area {
            regions: args.region.clone(),
        };
        let mut done = BTreeSet::new();
        let mut named = self.named(args.run.as_deref())?;
        for round in 0..LOOKS {
            let mut sweep = look.wait(remover.sweep(&area))?;
            sweep.things.retain(|one| {
                let is_open = || unchecked.iter().any(|open| open.is(&one.thing));
                let stays = args.run.is_none() && one.expires > state::now() && is_open();
                !stays
                    && !kept.iter().any(|kept| kept.is(&one.thing))
                    && !done.contains(&one.thing.describe())
            });
            if round > 0 && sweep.things.is_empty() {
                break;
            }
            if let Some(part) = &named {
                named = Some(whole(part, &sweep)?);
            }
            done.extend(sweep.things.iter().map(|one| one.thing.describe()));
            let state = look.state.as_ref();
            look.wait(self.take(&*remover, state, sweep, named.as_deref()))?;
            if self.dry_run {
                break;
            }
        }
        if let Some((state, standing)) = known {
            look.wait(async {
                self.taken(state, &standing).await;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn remover_of(&self, provider: &str) -> Result<Arc<dyn Remover>, Failure> {
        let known = || self.removers.iter().filter_map(|one| one.provider());
        let mut removers = self.removers.iter();
        match removers.find(|one| one.provider() == Some(provider)) {
            Some(remover) => Ok(remover.clone()),
            None => {
                let names: Vec<String> = known().map(|name| format!("`{name}`")).collect();
                let help = match names.is_empty() {
                    true => "this imgc was built without any".to_owned(),
                    false => format!("known here: {}", names.join(", ")),
                };
                let provider = harmless(provider);
                Err(Failure::usage(format!("there is no provider `{provider}`")).help(help))
            }
        }
    }

    /// The run that is named, which must not be at work here.
    fn named(&self, run: Option<&str>) -> Result<Option<String>, Failure> {
        let Some(run) = run else {
            return Ok(None);
        };
        if run.len() < LEAST {
            let text = format!("`{}` is too short for a run's id", harmless(run));
            return Err(Failure::usage(text).help(format!(
                "give at least {LEAST} characters of it: other people's runs may be in the same account"
            )));
        }
        match self.live.iter().find(|live| live.starts_with(run)) {
            Some(live) => Err(Failure::usage(format!(
                "the run {} is still at work",
                state::short(live)
            ))
            .help("wait for its end, or stop it")),
            None => Ok(Some(run.to_owned())),
        }
    }

    /// Removes what may go, in its turn.
    async fn take(
        &mut self,
        remover: &dyn Remover,
        state: Option<&Arc<Sqlite>>,
        sweep: Sweep,
        named: Option<&str>,
    ) -> imgc_runtime::Result<()> {
        for unseen in sweep.unseen {
            if !self.unseen.contains(&unseen) {
                self.unseen.push(unseen);
            }
        }
        let mut going: Vec<Marked> = Vec::new();
        for one in sweep.things {
            match self.verdict(&one, named) {
                Verdict::Goes => going.push(one),
                Verdict::Stays(why) => self.found.push(found(one, Fate::Left(why))),
                Verdict::Silent => {}
            }
        }
        while let Some(turn) = going.iter().map(|one| one.turn).min() {
            let (now, later): (Vec<Marked>, Vec<Marked>) =
                going.into_iter().partition(|one| one.turn == turn);
            going = later;
            let fates = self.remove_at_once(remover, &now).await;
            for (one, fate) in now.into_iter().zip(fates) {
                if let (Some(state), Fate::Removed, false) = (state, &fate, self.dry_run) {
                    strike(state, &one.thing).await?;
                }
                self.found.push(found(one, fate));
            }
        }
        Ok(())
    }

    /// Each is looked at once more: it may have been finished, or renewed by its run, on another machine.
    async fn remove_at_once(&self, remover: &dyn Remover, things: &[Marked]) -> Vec<Fate> {
        if self.dry_run {
            return things.iter().map(|_| Fate::Removed).collect();
        }
        let results = remove_marked(remover, things).await.into_iter();
        results
            .map(|result| match result {
                Ok(false) => Fate::Left(MEANWHILE.to_owned()),
                result => super::fate(result.map(|_| ())),
            })
            .collect()
    }

    fn verdict(&self, one: &Marked, named: Option<&str>) -> Verdict {
        if self.live.contains(&one.run) {
            return Verdict::Silent;
        }
        if named.is_some_and(|run| run != one.run) {
            return Verdict::Silent;
        }
        if self.in_use.iter().any(|used| used.is(&one.thing)) {
            return Verdict::Stays(IN_USE.to_owned());
        }
        if named.is_some() || one.expires <= state::now() {
            return Verdict::Goes;
        }
        if self.foreign.contains(&one.run) && self.dead.contains(&one.run) {
            return Verdict::Stays(format!(
                "it was made on another host, where its run may be at work: {}",
                way_out(one)
            ));
        }
        match self.dead.contains(&one.run) || self.ended.contains(&one.run) {
            true => Verdict::Goes,
            false => Verdict::Stays(format!(
                "nothing here tells whether its run lives: {}",
                way_out(one)
            )),
        }
    }
}

enum Verdict {
    Goes,
    Stays(String),
    /// It is nobody's question.
    Silent,
}

fn way_out(one: &Marked) -> String {
    format!(
        "it may go after {}, or now with `-run {}`",
        state::time(one.expires),
        harmless(&one.run)
    )
}

fn found(one: Marked, fate: Fate) -> Found {
    Found {
        what: one.thing.describe(),
        machine: None,
        run: one.run,
        owner: one.owner,
        fate,
    }
}

/// The whole id of the run that a beginning means, as far as anything of it is there.
fn whole(part: &str, sweep: &Sweep) -> Result<String, Failure> {
    let runs = sweep.things.iter().map(|one| one.run.as_str());
    let runs: BTreeSet<&str> = runs.filter(|run| run.starts_with(part)).collect();
    if runs.len() > 1 {
        let text = format!("several runs begin with `{}`", harmless(part));
        return Err(Failure::usage(text).help("write more of the run's id"));
    }
    let only = runs.into_iter().next();
    Ok(only.unwrap_or(part).to_owned())
}

/// What artifacts consist of that somebody keeps.
pub(super) async fn kept_things(state: &Arc<Sqlite>) -> imgc_runtime::Result<Vec<CloudResource>> {
    let images = state.images().await?.into_iter();
    Ok(images.flat_map(|record| record.artifact.things).collect())
}

/// Drops the records of something that is gone.
async fn strike(state: &Arc<Sqlite>, thing: &CloudResource) -> imgc_runtime::Result<()> {
    for owned in state.resources(Owner::All).await? {
        if matches!(&owned.record.resource, Resource::Cloud(known) if known.is(thing)) {
            state.forget(owned.record.id);
        }
    }
    let mut images = state.images().await?;
    mark_unchecked(&mut images);
    for record in images.iter().filter(|record| is_unchecked(record)) {
        if record.artifact.things.iter().any(|known| known.is(thing)) {
            state.drop_artifact(record.id).await?;
        }
    }
    Ok(())
}
