//! Tests as an input and an answer: files in one text, with `$0` where the cursor is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::components::Everything;
use imgc_compiler::source::{FixedWorld, Memory, World};

use crate::{Analysis, AnalysisHost, Outside, TextRange};

/// A parsed fixture.
pub(crate) struct Fixture {
    pub(crate) host: AnalysisHost,
    pub(crate) analysis: Analysis,
    /// The file with the cursor; the first where there is none.
    pub(crate) path: PathBuf,
    pub(crate) offset: u32,
    /// From the first `$0` to the second.
    pub(crate) range: TextRange,
    pub(crate) files: Vec<(PathBuf, String)>,
}

/// Files from a text: `//- main.pkr.hcl` begins another file; without one, all of it is `main.pkr.hcl`. They stand in
/// `/t`. Those whose names are not of templates are only on the disk.
pub(crate) fn fixture(text: &str) -> Fixture {
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("//- ") {
            Some(name) => files.push((Path::new("/t").join(name.trim()), String::new())),
            None => {
                if files.is_empty() {
                    files.push((PathBuf::from("/t/main.pkr.hcl"), String::new()));
                }
                let last = files.len() - 1;
                files[last].1.push_str(line);
            }
        }
    }
    let (mut path, mut marks) = (files[0].0.clone(), Vec::new());
    for (file, text) in &mut files {
        while let Some(at) = text.find("$0") {
            text.replace_range(at..at + 2, "");
            path.clone_from(file);
            marks.push(at as u32);
        }
    }
    let disk = Memory::new(
        files
            .iter()
            .map(|(path, text)| (path.clone(), text.clone())),
    );
    let world_files = disk.clone();
    let mut host = AnalysisHost::new(Outside {
        sources: Arc::new(disk),
        world: Arc::new(move || {
            let files = world_files.clone();
            let mut world = FixedWorld::default();
            world.files = files;
            Arc::new(world) as Arc<dyn World>
        }),
        components: Arc::new(Everything),
    });
    for (path, text) in &files {
        let name = path.to_string_lossy();
        if [".hcl", ".json", ".toml"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            host.set_text(path, text.as_str());
        }
    }
    let offset = marks.first().copied().unwrap_or(0);
    Fixture {
        analysis: host.analysis(),
        host,
        path,
        offset,
        range: TextRange::new(offset, marks.get(1).copied().unwrap_or(offset)),
        files,
    }
}

/// The name of a file of a fixture.
pub(crate) fn name(path: &Path) -> String {
    let inside = path.strip_prefix("/t").unwrap_or(path);
    inside.display().to_string()
}

/// Inputs and answers of one test, shown together.
#[derive(Default)]
pub(crate) struct Seen(String);

impl Seen {
    pub(crate) fn add(&mut self, input: &str, answer: &str) {
        self.0.push_str(input.trim_end());
        self.0.push_str("\n=> ");
        self.0.push_str(if answer.is_empty() {
            "nothing"
        } else {
            answer.trim_end()
        });
        self.0.push_str("\n----\n");
    }

    /// Compares with the snapshot of that name, which is in `src/snapshots`.
    pub(crate) fn check(self, name: &str) {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, self.0);
        });
    }
}
