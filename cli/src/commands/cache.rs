//! `imgc cache`: what builds can be gone on with, how much room it takes, and making room.

use std::sync::Arc;
use std::time::Duration;

use imgc_runtime::cache::Cache;
use imgc_runtime::cache::prune::{Entry, Inventory, Limits, Pruned, list, prune};
use imgc_runtime::ledger::CloudResource;
use imgc_runtime::settings::Settings;
use imgc_runtime::state::{CheckpointRecord, Memory, State};
use serde_json::json;

use crate::args::{CacheAction, CacheArgs};
use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::plan_text::counted;
use crate::state::{self, Look};
use crate::table;
use crate::terminal::{complain, harmless, print, shown_path};
use crate::world::RealWorld;

use super::json_text;

/// What stays after a run unless `IMGC_CACHE_SIZE` says otherwise.
const SIZE_AFTER_RUNS: u64 = 20 << 30;

pub(super) fn run(args: &CacheArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let cache = Cache::new(state::absolute(&look.directory.join("cache")));
    // Without a state nobody knows what is there, so that it is nobody's.
    let state: Arc<dyn State> = match &look.state {
        Some(state) => state.clone(),
        None => Arc::new(Memory::new()),
    };
    match args.action {
        CacheAction::Ls => {
            let limits = args.all || args.keep_size.is_some() || args.older_than.is_some();
            if limits || args.dry_run {
                return Err(Failure::usage("limits are for `imgc cache prune`"));
            }
            let inventory = look.wait(list(&cache, &*state))?;
            show(args, &cache, &inventory)
        }
        CacheAction::Prune => {
            let mut settings = Settings::new("");
            components::add_removers(&mut settings);
            let limits = limits(args);
            let pruning = prune(&cache, &*state, limits, &settings.removers, args.dry_run);
            tell(args, &look.wait(pruning)?)
        }
    }
}

fn limits(args: &CacheArgs) -> Limits {
    let now = state::moment(RealWorld::new().clock());
    let since = args.older_than.map(|age| {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        now.saturating_sub(age)
    });
    let given = args.all || args.keep_size.is_some() || since.is_some();
    Limits {
        nothing: args.all,
        bytes: args.keep_size.or((!given).then(size_after_runs)),
        since,
        now,
    }
}

fn show(args: &CacheArgs, cache: &Cache, inventory: &Inventory) -> Outcome {
    if args.json {
        let entries: Vec<_> = inventory.entries.iter().map(object).collect();
        let all = json!({
            "directory": cache.root(),
            "bytes": inventory.bytes,
            "orphaned_bytes": inventory.orphaned_bytes,
            "entries": entries,
        });
        print(&json_text(&all))?;
        return Ok(Exit::Done);
    }
    let place = shown_path(cache.root());
    if inventory.entries.is_empty() && inventory.bytes == 0 {
        print(&format!("nothing is kept in {place}\n"))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 6]> = inventory.entries.iter().map(row).collect();
    if !rows.is_empty() {
        let heading = ["AFTER STEP", "SIZE", "OWN", "MADE", "USED", ""];
        print(&table::columns(heading, &rows))?;
    }
    let mut records = inventory.entries.iter().map(|entry| &entry.record);
    if inventory.bytes == 0 && records.all(|record| record.checkpoint.parts.is_empty()) {
        // All of it is elsewhere.
        return Ok(Exit::Done);
    }
    let orphaned = match inventory.orphaned_bytes {
        0 => String::new(),
        bytes => format!(
            ", {} of it nobody's (`imgc cache prune` removes that)",
            bytes_text(bytes)
        ),
    };
    print(&format!(
        "{} in {place}{orphaned}\n",
        bytes_text(inventory.bytes)
    ))?;
    Ok(Exit::Done)
}

fn row(entry: &Entry) -> [String; 6] {
    let record = &entry.record;
    let checkpoint = &record.checkpoint;
    let (mut size, mut own) = (Vec::new(), String::new());
    if !checkpoint.parts.is_empty() {
        size.push(bytes_text(entry.bytes));
        own = bytes_text(entry.own_bytes);
    }
    let mut notes = Vec::new();
    // The first thing uses the others: it is what they are kept for.
    if let Some(thing) = checkpoint.things.first() {
        size.push(format!("at {} {}", thing.provider, thing.place));
        notes.push(thing.id.clone().unwrap_or_else(|| thing.name.clone()));
    }
    match checkpoint.expires {
        Some(_) if !checkpoint.is_valid(state::now()) => notes.push("expired".to_owned()),
        Some(expires) => notes.push(format!("until {}", state::time(expires))),
        None => {}
    }
    match (entry.whole, entry.in_use) {
        (false, _) => notes.push("damaged".to_owned()),
        (true, true) => notes.push("in use".to_owned()),
        (true, false) => {}
    }
    [
        harmless(&record.step).into_owned(),
        harmless(&size.join(", ")).into_owned(),
        own,
        state::time(record.made),
        state::time(record.used),
        harmless(&notes.join(", ")).into_owned(),
    ]
}

fn object(entry: &Entry) -> serde_json::Value {
    let record = &entry.record;
    json!({
        "build": record.build,
        "step": record.step,
        "builder": record.builder,
        "fingerprint": record.fingerprint,
        "run": record.run,
        "made": record.made,
        "used": record.used,
        "bytes": entry.bytes,
        "own_bytes": entry.own_bytes,
        "in_use": entry.in_use,
        "whole": entry.whole,
        "things": things(record),
        "expires": record.checkpoint.expires,
    })
}

fn tell(args: &CacheArgs, pruned: &Pruned) -> Outcome {
    if args.json {
        let entries: Vec<_> = pruned.entries.iter().map(removed).collect();
        let all = json!({
            "dry_run": args.dry_run,
            "bytes": pruned.bytes,
            "kept_bytes": pruned.kept_bytes,
            "entries": entries,
            "left": pruned.left,
        });
        print(&json_text(&all))?;
    } else {
        for record in &pruned.entries {
            print(&format!("{}\n", harmless(&line(record))))?;
        }
        let verb = match args.dry_run {
            true => "would be removed",
            false => "removed",
        };
        let things = pruned
            .entries
            .iter()
            .map(|record| &record.checkpoint.things);
        let elsewhere = match things.flatten().count() {
            0 => String::new(),
            count => format!(" and {} elsewhere", counted(count, "thing")),
        };
        print(&format!(
            "{}{elsewhere} {verb}, {} kept\n",
            bytes_text(pruned.bytes),
            bytes_text(pruned.kept_bytes)
        ))?;
    }
    match pruned.left.is_empty() {
        true => Ok(Exit::Done),
        false => {
            let mut failure =
                Failure::new(Exit::Environment, "some of it could not be removed").id("run/cache");
            failure.details.clone_from(&pruned.left);
            Err(failure)
        }
    }
}

fn removed(record: &CheckpointRecord) -> serde_json::Value {
    json!({
        "build": record.build,
        "step": record.step,
        "fingerprint": record.fingerprint,
        "things": things(record),
    })
}

/// What it consists of at a provider.
fn things(record: &CheckpointRecord) -> Vec<serde_json::Value> {
    let object = |thing: &CloudResource| {
        json!({
            "provider": thing.provider,
            "kind": thing.kind,
            "place": thing.place,
            "id": thing.id,
        })
    };
    record.checkpoint.things.iter().map(object).collect()
}

/// Its step, and what it consists of at a provider.
fn line(record: &CheckpointRecord) -> String {
    let things = record.checkpoint.things.iter();
    let things: Vec<String> = things.map(CloudResource::describe).collect();
    match things.is_empty() {
        true => record.step.clone(),
        false => format!("{}: {}", record.step, things.join(", ")),
    }
}

/// What stays after a run.
fn size_after_runs() -> u64 {
    let said = std::env::var("IMGC_CACHE_SIZE").ok();
    let size = said.as_deref().filter(|text| !text.is_empty());
    match size.map(crate::args::size) {
        None => SIZE_AFTER_RUNS,
        Some(Ok(size)) => size,
        Some(Err(why)) => {
            complain(&format!("note: IMGC_CACHE_SIZE: {why}\n"));
            SIZE_AFTER_RUNS
        }
    }
}

/// After a run: makes room for the next one. What cannot be done is said and fails nothing.
pub(crate) async fn limit_after_run(cache: &Cache, settings: &Settings) {
    let limits = Limits {
        bytes: Some(size_after_runs()),
        now: state::now(),
        ..Limits::default()
    };
    let pruning = prune(cache, &*settings.state, limits, &settings.removers, false);
    // What it does not get to is done after the next run.
    match tokio::time::timeout(Duration::from_secs(60), pruning).await {
        Ok(Ok(pruned)) => say_after_run(&pruned),
        Ok(Err(error)) => complain(&format!(
            "note: the cache is not cleaned up: {}\n",
            error.chain()
        )),
        Err(_) => {}
    }
}

fn say_after_run(pruned: &Pruned) {
    // What is forgotten because somebody has removed it makes no room.
    if pruned.bytes > 0 {
        complain(&format!(
            "note: {} removed from the cache, {} kept: the limit is {} (IMGC_CACHE_SIZE)\n",
            bytes_text(pruned.bytes),
            bytes_text(pruned.kept_bytes),
            bytes_text(size_after_runs())
        ));
    }
    let elsewhere = |record: &&CheckpointRecord| !record.checkpoint.things.is_empty();
    for record in pruned.entries.iter().filter(elsewhere) {
        complain(&format!(
            "note: what could be gone on with has expired and is removed: {}\n",
            harmless(&line(record))
        ));
    }
    for left in &pruned.left {
        complain(&format!(
            "note: not removed from the cache: {}\n",
            harmless(left)
        ));
    }
}

/// A number of bytes for people.
fn bytes_text(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            return match unit {
                "bytes" => format!("{bytes} bytes"),
                unit => format!("{number:.1} {unit}"),
            };
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}
