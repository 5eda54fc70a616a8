//! `imgc version`.

use serde_json::json;

use crate::args::{DisplayArgs, VersionArgs};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::terminal::print;
use crate::world::RealWorld;
use crate::{diagnostics, plan_file, plan_json};

use super::json_text;

pub(super) fn run(args: &VersionArgs, display: &DisplayArgs) -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let text = match args.json {
        true => json_text(&json!({
            "imgc": version,
            "formats": {
                "plan": plan_json::VERSION,
                "plan-file": plan_file::VERSION,
                "diagnostics": diagnostics::json::VERSION,
            },
        })),
        false if display.machine_readable => {
            let (now, _) = RealWorld::new().clock();
            format!(
                "{now},,version,{version}\n{now},,version-prelease,\n{now},,version-commit,\n{now},,ui,say,imgc v{version}\n"
            )
        }
        false => format!("imgc v{version}\n"),
    };
    print(&text)?;
    Ok(Exit::Done)
}
