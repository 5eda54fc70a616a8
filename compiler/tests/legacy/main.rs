//! Legacy templates get the verdict that Debian's `packer validate` gives them; where they do not, the row says why.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
#![expect(
    clippy::disallowed_methods,
    reason = "the other program is what is compared with"
)]

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
        let sources = Memory::new([("t.json", template.as_str()), ("values.json", rows::VALUES)]);
        let mut world = FixedWorld::default();
        world.env.insert("HOME".into(), "/h".into());
        let world: Arc<dyn World> = Arc::new(world);
        let request = Request {
            path: "t.json".into(),
            vars: row.vars().map(str::to_owned).collect(),
            var_files: row.files().map(Into::into).collect(),
            check_only: true,
            ..Request::default()
        };
        let compilation = compile(&request, &sources, &world, &Everything);
        let taken = !compilation.has_errors();
        let wanted = row.packer ^ matches!(row.same, Same::No(_));
        if taken != wanted {
            let said = plain::render(&compilation.sources, &compilation.diagnostics);
            wrong.push(format!("{template}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damaged_templates_are_read_as_far_as_they_go() {
    for row in ROWS {
        let text = row.template();
        let ends = text.char_indices().map(|(at, _)| at);
        for at in ends.step_by(3) {
            let next = text[at..].chars().next().map_or(0, char::len_utf8);
            for damaged in [
                text[..at].to_owned(),
                format!("{}{}", &text[..at], &text[at + next..]),
            ] {
                let mut out = Vec::new();
                let file = imgc_compiler::FileId(0);
                let body = imgc_compiler::lower::legacy::file(file, &damaged, &mut out);
                assert!(body.weak);
                let len = damaged.len() as u32;
                let inside = out.iter().all(|problem| problem.span.end <= len);
                assert!(inside, "{damaged}\n{out:?}");
            }
        }
    }
}

#[test]
fn the_table_says_what_packer_says() {
    let directory = tempfile::tempdir().unwrap();
    let verdicts = std::thread::scope(|scope| {
        let parts = ROWS.chunks(ROWS.len().div_ceil(4)).enumerate();
        let threads: Vec<_> = parts
            .map(|(at, rows)| {
                let place = directory.path().join(at.to_string());
                scope.spawn(move || {
                    std::fs::create_dir(&place).unwrap();
                    rows.iter().map(|row| ask(&place, row)).collect::<Vec<_>>()
                })
            })
            .collect();
        let answers = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        answers.collect::<Vec<_>>()
    });
    let wrong: Vec<_> = ROWS
        .iter()
        .zip(verdicts)
        .filter(|(row, (taken, _))| row.packer != *taken)
        .map(|(row, (_, said))| format!("{}\n{said}", row.template()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether Packer takes a template, and what it says.
fn ask(place: &Path, row: &Row) -> (bool, String) {
    std::fs::write(place.join("t.json"), row.template()).unwrap();
    std::fs::write(place.join("values.json"), rows::VALUES).unwrap();
    let mut command = Command::new("packer");
    command.current_dir(place).arg("validate");
    for variable in row.vars() {
        command.args(["-var", variable]);
    }
    for file in row.files() {
        command.arg(format!("-var-file={file}"));
    }
    let output = command
        .arg("t.json")
        .env("CHECKPOINT_DISABLE", "1")
        .env("HOME", place)
        .output()
        .expect("packer is installed; xtask/setup.sh does that");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}
