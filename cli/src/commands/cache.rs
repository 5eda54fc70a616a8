//! `imgc cache`: what builds can be gone on with, how much room it takes, and making room.

use std::sync::Arc;
use std::time::Duration;

use imgc_runtime::cache::Cache;
use imgc_runtime::cache::prune::{Entry, Inventory, Limits, Pruned, list, prune};
use imgc_runtime::settings::Settings;
use imgc_runtime::state::{CheckpointRecord, Memory, State};
use serde_json::json;

use crate::args::{CacheAction, CacheArgs};
use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
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
    let note = match (entry.whole, entry.in_use) {
        (false, _) => "damaged",
        (true, true) => "in use",
        (true, false) => "",
    };
    [
        harmless(&entry.record.step).into_owned(),
        bytes_text(entry.bytes),
        bytes_text(entry.own_bytes),
        state::time(entry.record.made),
        state::time(entry.record.used),
        note.to_owned(),
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
            print(&format!("{}\n", harmless(&record.step)))?;
        }
        let verb = match args.dry_run {
            true => "would be removed",
            false => "removed",
        };
        print(&format!(
            "{} {verb}, {} kept\n",
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
    json!({ "build": record.build, "step": record.step, "fingerprint": record.fingerprint })
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
    if !cache.root().is_dir() {
        return;
    }
    let limits = Limits {
        bytes: Some(size_after_runs()),
        ..Limits::default()
    };
    let pruning = prune(cache, &*settings.state, limits, &settings.removers, false);
    // What it does not get to is done after the next run.
    match tokio::time::timeout(Duration::from_secs(60), pruning).await {
        // What is forgotten because somebody has removed it makes no room.
        Ok(Ok(pruned)) if pruned.bytes == 0 => {}
        Ok(Ok(pruned)) => complain(&format!(
            "note: {} removed from the cache, {} kept: the limit is {} (IMGC_CACHE_SIZE)\n",
            bytes_text(pruned.bytes),
            bytes_text(pruned.kept_bytes),
            bytes_text(size_after_runs())
        )),
        Ok(Err(error)) => complain(&format!(
            "note: the cache is not cleaned up: {}\n",
            error.chain()
        )),
        Err(_) => {}
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
