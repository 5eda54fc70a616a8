//! Corrections that the compiler knows, put into the texts.
//!
//! In: a request. Out: the texts of the files after all corrections that can be made without a person, and what was done.
//! A round takes corrections that do not touch each other; the corrected texts are compiled again, until nothing is left
//! to correct. Nothing is written here.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::FileId;
use imgc_compiler::compile::{Compilation, Request};
use imgc_compiler::diagnostic::{Certainty, Diagnostic, Edit, Fix};
use imgc_compiler::source::{EntryKind, SourceMap, Sources};

use crate::world::{Disk, RealWorld};

/// Rounds until we stop wondering why there is always something left.
const ROUNDS: usize = 20;

/// A file that changes.
pub(crate) struct Changed {
    /// The text on the disk.
    pub(crate) old: String,
    /// The text after all corrections.
    pub(crate) new: String,
}

/// One correction that was made.
pub(crate) struct Done {
    /// The file.
    pub(crate) path: PathBuf,
    /// The line in the text it was made in, from 1.
    pub(crate) line: u32,
    /// The problem it was for.
    pub(crate) id: &'static str,
    /// What it does, as a short imperative.
    pub(crate) title: String,
}

/// What came out.
pub(crate) struct Fixed {
    /// The files that change, by path.
    pub(crate) files: BTreeMap<PathBuf, Changed>,
    /// The corrections, in the order in which they were made.
    pub(crate) done: Vec<Done>,
}

/// Corrects until nothing is left to correct. `compile` compiles the texts it is given.
pub(crate) fn fix<C: std::ops::Deref<Target = Compilation>>(
    request: &Request,
    world: &Arc<RealWorld>,
    compile: impl Fn(&Request, &dyn Sources, &Arc<RealWorld>) -> C,
) -> (C, Fixed) {
    let mut overlay = Overlay::default();
    let mut done = Vec::new();
    let mut compilation = compile(request, &overlay, world);
    for _ in 0..ROUNDS {
        let mut round = Round::new(&compilation.diagnostics, &compilation.sources, &overlay);
        if round.taken.is_empty() {
            break;
        }
        let before = compilation;
        let next = round.texts(&before.sources, &overlay);
        compilation = compile(request, &next, world);
        // A correction that breaks the text was none: it is found out which.
        if worse(&before, &compilation) {
            let all = std::mem::take(&mut round.taken);
            let mut best: Option<(Overlay, C)> = None;
            for one in all {
                round.taken.push(one);
                let next = round.texts(&before.sources, &overlay);
                let after = compile(request, &next, world);
                let kept: &C = best.as_ref().map_or(&before, |(_, kept)| kept);
                if worse(kept, &after) {
                    round.taken.pop();
                } else {
                    best = Some((next, after));
                }
            }
            let Some((next, after)) = best else {
                compilation = before;
                break;
            };
            done.extend(round.taken.into_iter().map(|(_, done)| done));
            (overlay, compilation) = (next, after);
            continue;
        }
        done.extend(round.taken.into_iter().map(|(_, done)| done));
        overlay = next;
    }
    let files = overlay
        .texts
        .into_iter()
        .filter_map(|(path, new)| {
            let old = String::from_utf8(Sources::read(&Disk, &path).ok()?).ok()?;
            (old != new).then_some((path, Changed { old, new }))
        })
        .collect();
    (compilation, Fixed { files, done })
}

fn broken(compilation: &Compilation) -> usize {
    let problems = compilation.diagnostics.iter();
    let syntax = problems.filter(|problem| problem.is_error() && problem.id.starts_with("syntax/"));
    syntax.count() + usize::from(compilation.unreadable.is_some())
}

/// Whether corrections have made a text worse: it cannot be read, or says something twice.
///
/// What can be read again shows repetitions that were always there.
fn worse(before: &Compilation, after: &Compilation) -> bool {
    let (was, is) = (broken(before), broken(after));
    is > was || (is == was && repeated(after) > repeated(before))
}

fn repeated(compilation: &Compilation) -> usize {
    let names = compilation.diagnostics.iter().map(|problem| problem.id);
    let names = names.filter_map(|id| id.split_once('/'));
    names
        .filter(|(_, name)| name.starts_with("repeated-") || name.starts_with("duplicate-"))
        .count()
}

/// The corrections of one round.
struct Round {
    taken: Vec<(Fix, Done)>,
}

impl Round {
    fn new(problems: &[Diagnostic], sources: &SourceMap, overlay: &Overlay) -> Self {
        let mut round = Self { taken: Vec::new() };
        // Several corrections are a choice, and that is a person's; so is what may be meant.
        let single = problems
            .iter()
            .filter_map(|problem| match problem.fixes.as_slice() {
                [fix] if fix.certainty == Certainty::Certain => Some((problem, fix)),
                _ => None,
            });
        for (problem, fix) in single {
            let in_files = fix.edits.iter().all(|edit| {
                let file = sources.file(edit.span.file);
                overlay.holds(&file.path, &file.text)
            });
            if in_files && round.free(fix) {
                round.take(problem, fix, sources);
            }
        }
        round
    }

    /// Whether no correction taken so far touches the same place.
    fn free(&self, fix: &Fix) -> bool {
        let taken = || self.taken.iter().flat_map(|(fix, _)| &fix.edits);
        fix.edits.iter().all(|edit| {
            taken().all(|other| {
                other.span.file != edit.span.file
                    || other.span.end < edit.span.start
                    || edit.span.end < other.span.start
            })
        })
    }

    fn take(&mut self, problem: &Diagnostic, fix: &Fix, sources: &SourceMap) {
        let Some(first) = fix.edits.first() else {
            return;
        };
        let file = sources.file(first.span.file);
        let done = Done {
            path: file.path.clone(),
            line: file.position(first.span.start).0,
            id: problem.id,
            title: fix.title.clone(),
        };
        self.taken.push((fix.clone(), done));
    }

    /// The texts after this round.
    fn texts(&self, sources: &SourceMap, before: &Overlay) -> Overlay {
        let mut overlay = before.clone();
        let mut by_file: BTreeMap<FileId, Vec<&Edit>> = BTreeMap::new();
        for edit in self.taken.iter().flat_map(|(fix, _)| &fix.edits) {
            by_file.entry(edit.span.file).or_default().push(edit);
        }
        for (file, mut edits) in by_file {
            let file = sources.file(file);
            edits.sort_by_key(|edit| edit.span);
            let mut text = file.text.to_string();
            for edit in edits.into_iter().rev() {
                text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
            }
            overlay.texts.insert(file.path.clone(), text);
        }
        overlay
    }
}

/// The disk, with other texts for some files.
#[derive(Clone, Default)]
struct Overlay {
    texts: BTreeMap<PathBuf, String>,
}

impl Overlay {
    /// Whether this is a file with this text, not one that stands for the command line or the environment.
    fn holds(&self, path: &Path, text: &str) -> bool {
        self.read(path).is_ok_and(|bytes| bytes == text.as_bytes())
    }
}

impl Sources for Overlay {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        Sources::kind(&Disk, path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Sources::list(&Disk, directory)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.texts.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Sources::read(&Disk, path),
        }
    }
}
