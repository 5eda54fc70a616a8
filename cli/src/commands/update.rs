//! `imgc update`: looks again at everything outside that can move.

use std::sync::Arc;

use imgc_compiler::source::World;
use imgc_runtime::pins;
use imgc_runtime::settings::Settings;

use crate::args::UpdateArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::terminal::{Terminal, harmless, print};
use crate::{components, fetch, lock, state};

use super::{compile, note_ignored, planned};

pub(super) fn run(args: &UpdateArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    let wanted =
        |name: &str| args.name.is_empty() || args.name.iter().any(|part| name.contains(part));
    let mut told = 0;
    for fetched in fetch::all(&args.template.path, wanted, terminal)? {
        let before = fetched.before.filter(|before| *before != fetched.commit);
        if let Some(before) = before {
            told += 1;
            let repository = harmless(&fetched.repository).into_owned();
            print(&format!(
                "{repository}: {} -> {}\n",
                &before[..12],
                &fetched.commit[..12]
            ))?;
        }
    }
    let mut request = args.template.request();
    request.online = true;
    let (compilation, world) = compile(&request);
    let plan = planned(compilation, terminal)?;
    let mut file = lock::read(&plan.root)?;
    let mut settings = Settings::new("");
    settings.known = lock::known(&file);
    settings.known.refresh = true;
    let registry = components::registry();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            let text = format!("cannot begin to look outside: {}", reason(&error));
            Failure::new(Exit::Environment, text)
        })?;
    let world: Arc<dyn World> = Arc::new(world.for_run());
    let looked = runtime.block_on(pins::look(&plan, &registry, &settings, &world));
    let mut found = Vec::new();
    for (_, pins) in looked {
        found.extend(pins.map_err(|error| state::failure(&error))?);
    }
    // What no build has any more is not pinned any more; builds that were not looked at keep theirs.
    let whole = args.name.is_empty() && request.only.is_empty() && request.except.is_empty();
    let gone: Vec<String> = file
        .pins
        .keys()
        .filter(|name| whole && !found.iter().any(|pin| pin.name == **name))
        .cloned()
        .collect();
    for name in &gone {
        file.pins.remove(name);
        print(&format!("{}: no longer used\n", harmless(name)))?;
    }
    found.retain(|pin| wanted(&pin.name));
    let changed = lock::take(&mut file, &found);
    for drift in &changed {
        print(&format!("{}\n", lock::told(drift)))?;
    }
    if !changed.is_empty() || !gone.is_empty() {
        lock::write(&plan.root, &file)?;
    }
    if told + changed.len() + gone.len() == 0 {
        print("Nothing has moved.\n")?;
    }
    Ok(Exit::Done)
}
