//! Templates in HCL get the verdict that Debian's `packer validate` gives them; where they do not, the row says why.
#![allow(clippy::unwrap_used)]
#![expect(
    clippy::disallowed_methods,
    reason = "the other program is what is compared with"
)]

#[path = "verdicts/rows.rs"]
mod rows;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::source::{FixedWorld, Memory, World};
use rows::{ROWS, Row, Same};

#[test]
fn templates_get_the_verdict_of_the_table() {
    let mut wrong = Vec::new();
    for row in ROWS {
        let template = row.template();
        let sources = Memory::new([("t.pkr.hcl", template.as_str())]);
        let world: Arc<dyn World> = Arc::new(FixedWorld::default());
        let request = Request {
            path: "t.pkr.hcl".into(),
            check_only: true,
            ..Request::default()
        };
        let compilation = compile(&request, &sources, &world, &Everything);
        let wanted = row.packer ^ matches!(row.same, Same::No(_));
        if compilation.has_errors() == wanted {
            let said = plain::render(&compilation.sources, &compilation.diagnostics);
            wrong.push(format!("{template}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_says_what_packer_says() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = std::thread::scope(|scope| {
        let parts = ROWS.chunks(ROWS.len().div_ceil(4)).enumerate();
        let threads: Vec<_> = parts
            .map(|(at, rows)| {
                let place = directory.path().join(at.to_string());
                scope.spawn(move || {
                    std::fs::create_dir(&place).unwrap();
                    rows.iter().filter_map(|row| differs(&place, row)).collect()
                })
            })
            .collect();
        let answers = threads.into_iter().map(|thread| thread.join().unwrap());
        answers.collect::<Vec<Vec<String>>>().concat()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What Packer says of a template, where it is not what the table says.
fn differs(place: &Path, row: &Row) -> Option<String> {
    std::fs::write(place.join("t.pkr.hcl"), row.template()).unwrap();
    let output = Command::new("packer")
        .current_dir(place)
        .args(["validate", "t.pkr.hcl"])
        .env("CHECKPOINT_DISABLE", "1")
        .env("HOME", place)
        .output()
        .expect("packer is installed; xtask/setup.sh does that");
    if output.status.success() == row.packer {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Some(format!("{}\n{said}", row.template()))
}
