//! `imgc rollback`: gives the parameters that a run has written the values they had before.
//!
//! In: what the state has recorded of the run's changes. Out: a new version of each parameter, recorded as a run of its own.
//! Every parameter is looked at by itself: one that somebody else has written since, or whose image is gone, is refused and
//! the others go back.

use std::path::Path;

use imgc_aws::{Obstacle, Outlook};
use imgc_runtime::state::{ChangeRecord, Content, NewRun, Run, RunStatus, State as _};
use imgc_state::Sqlite;
use serde_json::json;

use crate::args::RollbackArgs;
use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::run::uuid;
use crate::state::{self, Look, now};
use crate::terminal::{complain, harmless, print};

use super::json_text;

/// Where a path belongs.
const A_TEMPLATE: &str = "a template is named by `-template PATH`; what stands alone is a run, or the address of a build";

/// What these runs are called in the history.
const COMMAND: &str = "rollback";

pub(super) fn run(args: &RollbackArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let (Some(state), changes) = (&look.state, chosen(&look, args)?) else {
        return Err(nothing());
    };
    if !args.dry_run && state.is_for_looking() {
        return Err(Failure::new(
            Exit::Environment,
            "the state cannot be written, so that going back would not be remembered",
        )
        .help("`--dry-run` shows what would be done"));
    }
    let mut rollback = Rollback {
        args,
        state,
        run: None,
        done: Vec::new(),
    };
    look.wait(rollback.all(&changes))?;
    let failed = rollback.done.iter().any(|one| one.fate.is_bad());
    if args.json {
        print(&json_text(&rollback.object()))?;
    } else {
        rollback.say()?;
    }
    Ok(match failed {
        true => Exit::Environment,
        false => Exit::Done,
    })
}

fn nothing() -> Failure {
    Failure::new(
        Exit::Environment,
        "no run is remembered that has written a parameter",
    )
    .help("a post-processor `amazon-ssm-parameter` writes one; `imgc history` lists the runs")
}

/// The changes to take back, the newest first.
fn chosen(look: &Look, args: &RollbackArgs) -> Result<Vec<ChangeRecord>, Failure> {
    let Some(state) = &look.state else {
        return Err(nothing());
    };
    let mut changes = look.wait(state.changes())?;
    changes.retain(imgc_aws::can_be_undone);
    let all = changes.clone();
    let left = |changes: Vec<ChangeRecord>| match args.to {
        None => not_undone(changes),
        Some(_) => Ok(newest_of(&changes, &all)),
    };
    match args.what.as_deref() {
        Some(address) if address.contains('.') => {
            let of = |change: &ChangeRecord| is_below(&change.step, address);
            changes.retain(of);
            if changes.is_empty() {
                return Err(Failure::usage(format!(
                    "no run is remembered in which `{}` has written a parameter",
                    harmless(address)
                ))
                .help(match is_path(address) {
                    true => A_TEMPLATE,
                    false => {
                        "`imgc history` lists the runs, and `imgc show RUN` what one has written"
                    }
                }));
            }
            left(last(changes)?)
        }
        Some(run) => {
            let found = look.run(run);
            let run = match is_path(run) {
                true => found.map_err(|failure| failure.help(A_TEMPLATE)),
                false => found,
            };
            let run = run?.new.id;
            changes.retain(|change| change.run == run);
            match changes.is_empty() {
                true => Err(Failure::usage(format!(
                    "run {} has written no parameter",
                    state::short(&run)
                ))),
                false => left(changes),
            }
        }
        None => left(last(changes)?),
    }
}

/// Whether what is meant as an address is the path of a template or of a directory.
fn is_path(address: &str) -> bool {
    let path = Path::new(address);
    let extension = path.extension().and_then(|extension| extension.to_str());
    path.exists() || matches!(extension, Some("hcl" | "json" | "toml"))
}

/// Whether a step is the one of an address, or of the build of that address, with or without the word `build`.
fn is_below(step: &str, address: &str) -> bool {
    let is = |address: &str| match step.strip_prefix(address) {
        Some(rest) => rest.is_empty() || rest.starts_with(['.', '[']),
        None => false,
    };
    is(address) || is(&format!("build.{address}"))
}

/// Those of the last run that has changed something and is no rollback.
fn last(mut changes: Vec<ChangeRecord>) -> Result<Vec<ChangeRecord>, Failure> {
    changes.retain(|change| change.undoes.is_none());
    let Some(run) = changes.first().map(|change| change.run.clone()) else {
        return Err(nothing());
    };
    changes.retain(|change| change.run == run);
    Ok(changes)
}

/// What these changes have come to: one that was taken back is followed to what took it back. The parameters then stand as
/// the last of them has left them, and from there another version may be gone to.
fn newest_of(changes: &[ChangeRecord], all: &[ChangeRecord]) -> Vec<ChangeRecord> {
    let sure = changes.iter().filter(|one| !is_superseded(one, changes));
    sure.map(|change| {
        let mut newest = change;
        while let Some(by) = &newest.undone_by {
            let took_back =
                |other: &&ChangeRecord| other.undoes == Some(newest.id) && other.run == *by;
            match all.iter().find(took_back) {
                Some(next) => newest = next,
                None => break,
            }
        }
        newest.clone()
    })
    .collect()
}

fn not_undone(changes: Vec<ChangeRecord>) -> Result<Vec<ChangeRecord>, Failure> {
    let run = changes
        .first()
        .map(|change| change.run.clone())
        .unwrap_or_default();
    let by = changes.iter().find_map(|change| change.undone_by.clone());
    let left: Vec<ChangeRecord> = changes
        .iter()
        .filter(|change| change.undone_by.is_none() && !is_superseded(change, &changes))
        .cloned()
        .collect();
    match (left.is_empty(), by) {
        (true, Some(by)) => Err(Failure::new(
            Exit::Environment,
            format!(
                "run {} has been rolled back already, by run {}",
                state::short(&run),
                state::short(&by)
            ),
        )
        .help(
            "to go further back name an earlier run, `imgc rollback RUN`, or a version of the parameters, `imgc rollback --to VERSION`",
        )),
        _ => Ok(left),
    }
}

/// Whether it may not have taken place, and the same run has written the parameter for sure.
fn is_superseded(change: &ChangeRecord, all: &[ChangeRecord]) -> bool {
    let known = |other: &ChangeRecord| other.after.version.is_some();
    let same = |other: &ChangeRecord| {
        (&other.thing.place, &other.thing.id) == (&change.thing.place, &change.thing.id)
    };
    !known(change) && all.iter().any(|other| known(other) && same(other))
}

/// What has become of a parameter.
enum Fate {
    /// It has the value again, with this version.
    Written(i64),
    /// It would have.
    WouldBe,
    /// It had the value already.
    Same,
    /// Something speaks against it: why, and the way out.
    Refused(String, &'static str),
    /// It could not be looked at or written.
    Failed(String, Option<String>),
}

impl Fate {
    fn is_bad(&self) -> bool {
        matches!(self, Self::Refused(..) | Self::Failed(..))
    }
}

struct Done {
    change: ChangeRecord,
    outlook: Option<Outlook>,
    fate: Fate,
}

struct Rollback<'a> {
    args: &'a RollbackArgs,
    state: &'a Sqlite,
    /// The run that this is in the history, once something is to be written.
    run: Option<NewRun>,
    done: Vec<Done>,
}

impl Rollback<'_> {
    async fn all(&mut self, changes: &[ChangeRecord]) -> imgc_runtime::Result<()> {
        for change in changes {
            let looked = components::aws().outlook(change, self.args.to).await;
            let (outlook, fate) = match looked {
                Ok(outlook) => {
                    let fate = self.one(change, &outlook).await?;
                    (Some(outlook), fate)
                }
                Err(error) => (None, Fate::Failed(error.chain(), error.help)),
            };
            self.done.push(Done {
                change: change.clone(),
                outlook,
                fate,
            });
        }
        if let Some(run) = &self.run {
            let status = match self.done.iter().any(|one| one.fate.is_bad()) {
                true => RunStatus::Failed,
                false => RunStatus::Succeeded,
            };
            self.state.end(&run.id, status, now()).await?;
        }
        Ok(())
    }

    async fn one(
        &mut self,
        change: &ChangeRecord,
        outlook: &Outlook,
    ) -> imgc_runtime::Result<Fate> {
        match &outlook.obstacle {
            Some(Obstacle::AlreadyThere) => return Ok(Fate::Same),
            Some(obstacle) if !self.args.force => {
                return Ok(refusal(obstacle, change, outlook));
            }
            _ => {}
        }
        if self.args.dry_run {
            return Ok(Fate::WouldBe);
        }
        let run = self.begun(change).await?;
        let mut own = ChangeRecord {
            id: 0,
            run: run.clone(),
            at: now(),
            before: Some(Content {
                version: Some(outlook.now.version),
                value: outlook.now.value.clone(),
            }),
            after: Content {
                version: None,
                value: outlook.back_to.value.clone(),
            },
            undoes: Some(change.id),
            undone_by: None,
            ..change.clone()
        };
        own.id = self.state.change(&own).await?;
        match outlook.go_back(&run).await {
            Ok(version) => {
                own.after.version = Some(version);
                self.state.change(&own).await?;
                let undone = ChangeRecord {
                    undone_by: Some(run),
                    ..change.clone()
                };
                self.state.change(&undone).await?;
                Ok(Fate::Written(version))
            }
            Err(error) => Ok(Fate::Failed(error.chain(), error.help)),
        }
    }

    /// The id of the run that this is; recorded with the first thing to write.
    async fn begun(&mut self, change: &ChangeRecord) -> imgc_runtime::Result<String> {
        if let Some(run) = &self.run {
            return Ok(run.id.clone());
        }
        let runs = self.state.runs(None).await?;
        let of = runs.into_iter().find(|run| run.new.id == change.run);
        let run = new_run(of, change);
        self.state.begin(&run).await?;
        let id = run.id.clone();
        self.run = Some(run);
        Ok(id)
    }

    fn say(&self) -> Result<(), Failure> {
        let mut text = String::new();
        for one in &self.done {
            let what = called(&one.change);
            match (&one.fate, &one.outlook) {
                (Fate::Refused(why, help), _) => complain(&format!(
                    "error[run/aws-parameter]: refused {what}: {}\n  help: {help}\n",
                    harmless(why)
                )),
                (Fate::Failed(why, help), _) => {
                    complain(&format!("error: {what}: {}\n", harmless(why)));
                    if let Some(help) = help {
                        complain(&format!("  help: {}\n", harmless(help)));
                    }
                }
                (Fate::Same, Some(outlook)) => text.push_str(&format!(
                    "{what} is {} already (version {})\n",
                    harmless(&outlook.now.value),
                    outlook.now.version
                )),
                (Fate::WouldBe, Some(outlook)) => {
                    text.push_str(&format!("{what} would go back {}\n", road(outlook)));
                }
                (Fate::Written(version), Some(outlook)) => text.push_str(&format!(
                    "{what} went back {}, now version {version}\n",
                    road(outlook)
                )),
                (Fate::Same | Fate::WouldBe | Fate::Written(_), None) => {}
            }
        }
        if let Some(run) = &self.run {
            text.push_str(&format!("recorded as run {}\n", state::short(&run.id)));
        }
        print(&text)
    }

    fn object(&self) -> serde_json::Value {
        let parameters: Vec<serde_json::Value> = self
            .done
            .iter()
            .map(|one| {
                let outlook = one.outlook.as_ref();
                let (fate, version, why) = match &one.fate {
                    Fate::Written(version) => ("rolled back", Some(*version), None),
                    Fate::WouldBe => ("would be rolled back", None, None),
                    Fate::Same => ("unchanged", None, None),
                    Fate::Refused(why, _) => ("refused", None, Some(why)),
                    Fate::Failed(why, _) => ("failed", None, Some(why)),
                };
                json!({
                    "name": one.change.thing.id,
                    "region": one.change.thing.place,
                    "build": one.change.build,
                    "status": fate,
                    "why": why,
                    "from": outlook.map(|outlook| json!({
                        "version": outlook.now.version, "value": outlook.now.value,
                    })),
                    "to": outlook.map(|outlook| json!({
                        "version": outlook.back_to.version, "value": outlook.back_to.value,
                    })),
                    "written_as": version,
                })
            })
            .collect();
        json!({
            "dry_run": self.args.dry_run,
            "run": self.run.as_ref().map(|run| &run.id),
            "undoes": self.done.first().map(|one| &one.change.run),
            "parameters": parameters,
        })
    }
}

fn called(change: &ChangeRecord) -> String {
    let name = change.thing.id.as_deref().unwrap_or_default();
    format!("{}: {}", harmless(&change.thing.place), harmless(name))
}

/// `from ami-2 (version 4) to ami-1 (that of version 3)`.
fn road(outlook: &Outlook) -> String {
    format!(
        "from {} (version {}) to {} (that of version {})",
        harmless(&outlook.now.value),
        outlook.now.version,
        harmless(&outlook.back_to.value),
        outlook.back_to.version
    )
}

fn refusal(obstacle: &Obstacle, change: &ChangeRecord, outlook: &Outlook) -> Fate {
    match obstacle {
        Obstacle::WrittenSince => {
            let now = &outlook.now;
            let who = now.by.as_deref().unwrap_or("somebody");
            let when = now
                .written
                .map_or_else(String::new, |at| format!(" at {}", state::time(at)));
            let wrote = match change.after.version {
                Some(version) => format!("{} (version {version})", change.after.value),
                None => change.after.value.clone(),
            };
            Fate::Refused(
                format!(
                    "{who} has written {} (version {}){when}, after run {} wrote {wrote}",
                    now.value,
                    now.version,
                    state::short(&change.run)
                ),
                "see who needs that value; `--force` goes back all the same",
            )
        }
        Obstacle::ImageGone => Fate::Refused(
            format!(
                "{}, which it would go back to, does not exist any more or is disabled",
                outlook.back_to.value
            ),
            "`--to VERSION` goes to another version, `--force` goes back all the same",
        ),
        Obstacle::AlreadyThere => Fate::Same,
    }
}

fn new_run(of: Option<Run>, change: &ChangeRecord) -> NewRun {
    let started = now();
    NewRun {
        id: uuid(imgc_compiler::source::World::random(
            &crate::world::RealWorld::new().for_run(),
        )),
        command: COMMAND.to_owned(),
        template: of.map(|run| run.new.template).unwrap_or_default(),
        only: Vec::new(),
        except: Vec::new(),
        var_files: Vec::new(),
        vars: Vec::new(),
        clock: (started / 1000, 0),
        seed: String::new(),
        started,
        expires: started,
        logs: None,
        scratch: std::env::temp_dir(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        host: state::host(),
        resumes: None,
        builds: vec![change.build.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_step_or_of_what_it_is_in() {
        let step = "build.amazon-ebs.web.post-processor[0][1]";
        for address in [step, "build.amazon-ebs.web", "amazon-ebs.web"] {
            assert!(is_below(step, address), "{address}");
        }
        for address in ["build.amazon-ebs.we", "amazon-ebs.web.post", "ebs.web"] {
            assert!(!is_below(step, address), "{address}");
        }
    }
}
