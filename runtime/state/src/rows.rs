//! The calls of [`State`] as statements.

use std::path::Path;

use async_trait::async_trait;
use imgc_runtime::error::Result;
use imgc_runtime::ledger::{Record, Resource};
use imgc_runtime::mark::{self, Life};
use imgc_runtime::state::{
    ArtifactRecord, ChangeRecord, CheckpointRecord, FingerprintInput, MachineRecord, Moment,
    NewRun, Owned, Owner, Run, RunStatus, State, StepRecord, StepStatus,
};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hold::text;
use crate::locks;
use crate::open::{Sqlite, locked};
use crate::place;
use crate::trouble::{Kind, Trouble};

/// In how many runs one after the other a step may have been left out, or have been another directory's, until nothing is
/// known of it.
const SKIPPED_AT_MOST: u32 = 200;

type Read<T> = std::result::Result<T, Trouble>;

impl Sqlite {
    /// Runs that have not said how they ended.
    pub(crate) async fn running(&self) -> Result<Vec<Run>> {
        self.read(|db| {
            list(
                db,
                "SELECT record, status, ended FROM runs WHERE status = '\"running\"' ORDER BY number DESC",
                (),
                run,
            )
        })
        .await
    }

    async fn artifact_list(
        &self,
        statement: &'static str,
        values: impl Params + Send,
    ) -> Result<Vec<ArtifactRecord>> {
        let found = self
            .read(|db| list(db, statement, values, artifact))
            .await?;
        let found = found.into_iter();
        Ok(found
            .map(|record| place::outside(record, self.project()))
            .collect())
    }

    /// Writes one row.
    async fn put(
        &self,
        statement: &'static str,
        values: impl Params + Clone + Send + 'static,
    ) -> Result<()> {
        self.write(move |db| execute(db, statement, values.clone()))
            .await
            .map(drop)
    }

    fn encode(&self, value: &impl Serialize) -> Result<String> {
        serde_json::to_string(value)
            .map_err(|error| Trouble::new(Kind::Other, error.to_string()).error(self.path()))
    }

    fn encode_resource(&self, resource: &Resource) -> Result<String> {
        self.encode(&place::resource_inside(resource, self.project()))
    }
}

fn execute(db: &Connection, statement: &str, values: impl Params) -> Read<i64> {
    db.prepare_cached(statement)?.execute(values)?;
    Ok(db.last_insert_rowid())
}

fn decode<T: DeserializeOwned>(text: &str) -> Read<T> {
    serde_json::from_str(text)
        .map_err(|error| Trouble::new(Kind::Damaged, format!("a record of it: {error}")))
}

fn list<T>(
    db: &Connection,
    statement: &str,
    values: impl Params,
    take: impl Fn(&Row<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    let mut statement = db.prepare_cached(statement)?;
    let mut rows = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(take(row)?);
    }
    Ok(all)
}

fn one<T>(
    db: &Connection,
    statement: &str,
    values: impl Params,
    take: impl Fn(&Row<'_>) -> Read<T>,
) -> Read<Option<T>> {
    Ok(list(db, statement, values, take)?.into_iter().next())
}

fn step_values(step: &StepRecord, record: String) -> (String, String, u32, bool, String) {
    let done = step.fingerprint.is_some()
        && matches!(step.status, StepStatus::Finished | StepStatus::Reused);
    (
        step.run.clone(),
        step.step.clone(),
        step.position,
        done,
        record,
    )
}

/// The record in the first column.
fn record<T: DeserializeOwned>(row: &Row<'_>) -> Read<T> {
    decode(row.get_ref(0)?.as_str().map_err(wrong)?)
}

fn wrong(error: rusqlite::types::FromSqlError) -> Trouble {
    Trouble::new(Kind::Damaged, error.to_string())
}

fn run(row: &Row<'_>) -> Read<Run> {
    Ok(Run {
        new: record(row)?,
        status: decode(row.get_ref(1)?.as_str().map_err(wrong)?)?,
        ended: row.get(2)?,
    })
}

fn artifact(row: &Row<'_>) -> Read<ArtifactRecord> {
    let found: ArtifactRecord = record(row)?;
    Ok(ArtifactRecord {
        id: row.get::<_, i64>(1)?.cast_unsigned(),
        kept: row.get(2)?,
        ..found
    })
}

fn owned(row: &Row<'_>) -> Read<Owned> {
    Ok(Owned {
        record: Record {
            resource: record(row)?,
            id: row.get::<_, i64>(1)?.cast_unsigned(),
            owner: row.get(2)?,
            made: row.get(3)?,
        },
        run: row.get(4)?,
        expires: row.get(5)?,
    })
}

const INTEND: &str = "INSERT INTO resources (run, owner, made, resource) VALUES (?1, ?2, 0, ?3)";

/// A step in place of what is known of it.
const STEP: &str = "
INSERT INTO steps (run, step, run_number, position, done, record)
VALUES (?1, ?2, COALESCE((SELECT number FROM runs WHERE id = ?1), 0), ?3, ?4, ?5)
ON CONFLICT (run, step) DO UPDATE
SET position = excluded.position, done = excluded.done, record = excluded.record";

/// What is known of a run.
const FORGET: [&str; 6] = [
    "DELETE FROM steps WHERE run = ?1",
    "DELETE FROM artifacts WHERE json_extract(record, '$.run') = ?1",
    "DELETE FROM changes WHERE run = ?1",
    "DELETE FROM machines WHERE run = ?1",
    "DELETE FROM shells WHERE run = ?1",
    "DELETE FROM runs WHERE id = ?1",
];

/// What fingerprints are made from that no step has any more.
const FORGET_INPUTS: &str = "
DELETE FROM inputs WHERE fingerprint NOT IN (
    SELECT json_extract(record, '$.fingerprint') FROM steps
    WHERE json_extract(record, '$.fingerprint') IS NOT NULL
)";

#[async_trait]
impl State for Sqlite {
    async fn begin(&self, run: &NewRun) -> Result<()> {
        self.begin_with(run, "", &[]).await.map(drop)
    }

    async fn begin_with(
        &self,
        run: &NewRun,
        owner: &str,
        intents: &[Resource],
    ) -> Result<Vec<u64>> {
        let (id, template, expires) = (run.id.clone(), text(&run.template), run.expires);
        let (record, status) = (self.encode(run)?, self.encode(&RunStatus::Running)?);
        let resources = intents.iter().map(|intent| self.encode_resource(intent));
        let resources = resources.collect::<Result<Vec<String>>>()?;
        let owner = owner.to_owned();
        let (locks, own) = (self.locks.clone(), self.own.clone());
        let count = intents.len();
        let last = self
            .write(move |db| {
                let number = execute(
                    db,
                    "INSERT INTO runs (id, template, status, expires, record) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (&id, &template, &status, expires, &record),
                )?;
                // Before anybody else can see the run, so that nobody takes it for dead. Done again where the transaction is.
                let byte = locks::run(number);
                if !locks.take(byte)? {
                    return Err(Trouble::new(Kind::Damaged, "a new run is locked already"));
                }
                locked(&own).insert(id.clone(), byte);
                let mut last = 0;
                for resource in &resources {
                    last = execute(db, INTEND, (&id, &owner, resource))?;
                }
                Ok(last)
            })
            .await?
            .cast_unsigned();
        // Numbers of one transaction follow each other.
        Ok((0..count as u64).rev().map(|back| last - back).collect())
    }

    async fn end(&self, run: &str, status: RunStatus, at: Moment) -> Result<()> {
        let status = self.encode(&status)?;
        self.put(
            "UPDATE runs SET status = ?2, ended = ?3 WHERE id = ?1",
            (run.to_owned(), status, at),
        )
        .await?;
        if let Some(byte) = locked(&self.own).remove(run) {
            self.locks.leave(byte);
        }
        Ok(())
    }

    async fn is_live(&self, run: &str) -> Result<bool> {
        if locked(&self.own).contains_key(run) {
            return Ok(true);
        }
        let number: Option<i64> = self
            .read(|db| {
                Ok(db
                    .prepare_cached("SELECT number FROM runs WHERE id = ?1")?
                    .query_row([run], |row| row.get(0))
                    .optional()?)
            })
            .await?;
        let Some(number) = number else {
            return Ok(false);
        };
        let taken = self.locks.taken_elsewhere(locks::run(number));
        if taken.map_err(|error| Trouble::from(error).error(self.path()))? {
            return Ok(true);
        }
        // This may be a copy of the state that the run has, whose locks nobody holds; the run's own mark was not copied.
        let known = {
            let statement = "SELECT record, status, ended FROM runs WHERE id = ?1";
            self.read(|db| one(db, statement, [run], self::run)).await?
        };
        Ok(known.is_some_and(|known| mark::life(&known.new.scratch) == Life::Lives))
    }

    async fn runs(&self, template: Option<&Path>) -> Result<Vec<Run>> {
        self.read(|db| match template {
            None => list(
                db,
                "SELECT record, status, ended FROM runs ORDER BY number DESC",
                (),
                run,
            ),
            Some(template) => list(
                db,
                "SELECT record, status, ended FROM runs WHERE template = ?1 ORDER BY number DESC",
                [text(template)],
                run,
            ),
        })
        .await
    }

    async fn count(&self) -> Result<usize> {
        let count: i64 = self
            .read_now(|db| Ok(db.query_row("SELECT count(*) FROM runs", (), |row| row.get(0))?))?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    async fn forget_runs(&self, runs: &[String]) -> Result<()> {
        let runs = runs.to_vec();
        self.write(move |db| {
            for run in &runs {
                for statement in FORGET {
                    execute(db, statement, [run])?;
                }
            }
            execute(db, FORGET_INPUTS, ())
        })
        .await
        .map(drop)
    }

    async fn step(&self, step: &StepRecord) -> Result<()> {
        self.put(STEP, step_values(step, self.encode(step)?)).await
    }

    fn note_step(&self, step: &StepRecord) {
        // What cannot be written down is said by the next call that waits.
        if let Ok(record) = self.encode(step) {
            let values = step_values(step, record);
            self.write_unread(move |db| execute(db, STEP, values.clone()));
        }
    }

    async fn steps(&self, run: &str) -> Result<Vec<StepRecord>> {
        self.read(|db| {
            list(
                db,
                "SELECT record FROM steps WHERE run = ?1 ORDER BY position, step",
                [run],
                record,
            )
        })
        .await
    }

    async fn keep_inputs(&self, fingerprint: &str, inputs: &[FingerprintInput]) -> Result<()> {
        let record = self.encode(&inputs)?;
        self.put(
            "INSERT INTO inputs (fingerprint, record) VALUES (?1, ?2)
             ON CONFLICT (fingerprint) DO UPDATE SET record = excluded.record",
            (fingerprint.to_owned(), record),
        )
        .await
    }

    async fn inputs(&self, fingerprint: &str) -> Result<Vec<FingerprintInput>> {
        let statement = "SELECT record FROM inputs WHERE fingerprint = ?1";
        let found = self
            .read(|db| one(db, statement, [fingerprint], record))
            .await?;
        Ok(found.unwrap_or_default())
    }

    async fn done(&self, step: &str, limit: u32) -> Result<Vec<StepRecord>> {
        self.read(|db| {
            list(
                db,
                "SELECT record FROM steps WHERE step = ?1 AND done ORDER BY run_number DESC, rowid DESC LIMIT ?2",
                (step, limit),
                record,
            )
        })
        .await
    }

    async fn last(&self, step: &str, root: Option<&Path>) -> Result<Option<StepRecord>> {
        let known: Vec<(StepRecord, NewRun)> = self
            .read(|db| {
                list(
                    db,
                    "SELECT steps.record, runs.record FROM steps JOIN runs ON runs.number = steps.run_number \
                     WHERE step = ?1 ORDER BY run_number DESC, steps.rowid DESC LIMIT ?2",
                    (step, SKIPPED_AT_MOST),
                    |row| Ok((record(row)?, decode(row.get_ref(1)?.as_str().map_err(wrong)?)?)),
                )
            })
            .await?;
        let is_of = |run: &NewRun| root.is_none_or(|root| run.template.starts_with(root));
        let mut known = known.into_iter();
        let last = known.find(|(step, run)| step.status.has_begun() && is_of(run));
        Ok(last.map(|(step, _)| step))
    }

    fn is_of(&self, root: &Path) -> bool {
        self.project() == Some(root)
    }

    async fn intend(&self, run: &str, owner: &str, resource: &Resource) -> Result<u64> {
        let resource = self.encode_resource(resource)?;
        let values = (run.to_owned(), owner.to_owned(), resource);
        self.write(move |db| execute(db, INTEND, (&values.0, &values.1, &values.2)))
            .await
            .map(i64::cast_unsigned)
    }

    async fn made(&self, id: u64, resource: &Resource) -> Result<()> {
        let resource = self.encode_resource(resource)?;
        self.put(
            "UPDATE resources SET made = 1, resource = ?2 WHERE id = ?1",
            (id.cast_signed(), resource),
        )
        .await
    }

    fn forget(&self, id: u64) {
        self.write_soon(move |db| {
            execute(
                db,
                "DELETE FROM resources WHERE id = ?1",
                [id.cast_signed()],
            )
        });
    }

    async fn resources(&self, owner: Owner<'_>) -> Result<Vec<Owned>> {
        const COLUMNS: &str = "resource, resources.id, owner, made, run, COALESCE(expires, 0)";
        let from = "FROM resources LEFT JOIN runs ON runs.id = resources.run";
        let order = "ORDER BY resources.id DESC";
        let read = self.read(|db| match owner {
            Owner::All => list(db, &format!("SELECT {COLUMNS} {from} {order}"), (), owned),
            Owner::Run(run) => {
                let statement = format!("SELECT {COLUMNS} {from} WHERE run = ?1 {order}");
                list(db, &statement, [run], owned)
            }
        });
        let mut all: Vec<Owned> = read.await?;
        for owned in &mut all {
            let resource = owned.record.resource.clone();
            owned.record.resource = place::resource_outside(resource, self.project());
        }
        Ok(all)
    }

    async fn artifact(&self, artifact: &ArtifactRecord) -> Result<u64> {
        let values = (
            artifact.fingerprint.clone(),
            artifact.kept,
            self.encode(&place::inside(artifact, self.project()))?,
        );
        self.write(move |db| {
            execute(
                db,
                "INSERT INTO artifacts (fingerprint, kept, record) VALUES (?1, ?2, ?3)",
                (&values.0, values.1, &values.2),
            )
        })
        .await
        .map(i64::cast_unsigned)
    }

    async fn drop_artifact(&self, id: u64) -> Result<()> {
        let statement = "UPDATE artifacts SET kept = 0 WHERE id = ?1";
        self.put(statement, [id.cast_signed()]).await
    }

    async fn artifacts(&self, fingerprint: &str) -> Result<Vec<ArtifactRecord>> {
        let statement =
            "SELECT record, id, kept FROM artifacts WHERE fingerprint = ?1 ORDER BY id DESC";
        self.artifact_list(statement, [fingerprint.to_owned()])
            .await
    }

    async fn images(&self) -> Result<Vec<ArtifactRecord>> {
        let statement = "SELECT record, id, kept FROM artifacts WHERE kept ORDER BY id DESC";
        self.artifact_list(statement, ()).await
    }

    async fn checkpoint(&self, checkpoint: &CheckpointRecord) -> Result<()> {
        let record = self.encode(checkpoint)?;
        self.put(
            "INSERT OR REPLACE INTO checkpoints (fingerprint, used, record) VALUES (?1, ?2, ?3)",
            (checkpoint.fingerprint.clone(), checkpoint.used, record),
        )
        .await
    }

    async fn find_checkpoint(&self, fingerprint: &str) -> Result<Option<CheckpointRecord>> {
        let statement = "SELECT record, used FROM checkpoints WHERE fingerprint = ?1";
        self.read(|db| one(db, statement, [fingerprint], checkpoint))
            .await
    }

    async fn use_checkpoint(&self, fingerprint: &str, at: Moment) -> Result<()> {
        let statement = "UPDATE checkpoints SET used = ?2 WHERE fingerprint = ?1";
        self.put(statement, (fingerprint.to_owned(), at)).await
    }

    async fn forget_checkpoint(&self, fingerprint: &str) -> Result<()> {
        let statement = "DELETE FROM checkpoints WHERE fingerprint = ?1";
        self.put(statement, [fingerprint.to_owned()]).await
    }

    async fn checkpoints(&self) -> Result<Vec<CheckpointRecord>> {
        let statement = "SELECT record, used FROM checkpoints ORDER BY used, rowid";
        self.read(|db| list(db, statement, (), checkpoint)).await
    }

    async fn change(&self, change: &ChangeRecord) -> Result<u64> {
        let (run, record) = (change.run.clone(), self.encode(change)?);
        if change.id != 0 {
            let statement = "UPDATE changes SET record = ?2 WHERE id = ?1";
            self.put(statement, (change.id.cast_signed(), record))
                .await?;
            return Ok(change.id);
        }
        let statement = "INSERT INTO changes (run, record) VALUES (?1, ?2)";
        self.write(move |db| execute(db, statement, (&run, &record)))
            .await
            .map(i64::cast_unsigned)
    }

    async fn changes(&self) -> Result<Vec<ChangeRecord>> {
        let statement = "SELECT record, id FROM changes ORDER BY id DESC";
        self.read(|db| list(db, statement, (), change)).await
    }

    async fn machine(&self, machine: &MachineRecord) -> Result<()> {
        let record = self.encode(machine)?;
        self.put(
            "INSERT OR REPLACE INTO machines (run, build, record) VALUES (?1, ?2, ?3)",
            (machine.run.clone(), machine.build.clone(), record),
        )
        .await
    }

    async fn forget_machine(&self, run: &str, build: &str) -> Result<()> {
        let statement = "DELETE FROM machines WHERE run = ?1 AND build = ?2";
        self.put(statement, (run.to_owned(), build.to_owned()))
            .await
    }

    async fn machines(&self, run: &str) -> Result<Vec<MachineRecord>> {
        let statement = "SELECT record FROM machines WHERE run = ?1 ORDER BY rowid";
        self.read(|db| list(db, statement, [run], record)).await
    }

    async fn enter(&self, run: &str, build: &str, at: Moment) -> Result<()> {
        let statement = "INSERT OR IGNORE INTO shells (run, build, at) VALUES (?1, ?2, ?3)";
        self.put(statement, (run.to_owned(), build.to_owned(), at))
            .await
    }

    async fn entered(&self, run: &str, build: &str) -> Result<bool> {
        let statement = "SELECT 1 FROM shells WHERE run = ?1 AND build = ?2";
        // Written by another process: nothing of this one has to be written before.
        self.read_now(|db| {
            let found = db.prepare_cached(statement)?.exists((run, build))?;
            Ok(found)
        })
    }

    fn salt(&self) -> [u8; 32] {
        self.salt_bytes()
    }
}

fn change(row: &Row<'_>) -> Read<ChangeRecord> {
    let found: ChangeRecord = record(row)?;
    Ok(ChangeRecord {
        id: row.get::<_, i64>(1)?.cast_unsigned(),
        ..found
    })
}

fn checkpoint(row: &Row<'_>) -> Read<CheckpointRecord> {
    let found: CheckpointRecord = record(row)?;
    Ok(CheckpointRecord {
        used: row.get(1)?,
        ..found
    })
}
