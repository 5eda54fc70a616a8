//! Whether a template and its conversion make the same plan.
//!
//! In: the request for the template and the converted files, which need not be on the disk. Out: the number of steps, the
//! differences, or why nobody can tell. Variables that must be set and are not get values of their type, for what is
//! compared is the template.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::{self, Compilation, Request};
use imgc_compiler::hir::{Expr, ExprKind};
use imgc_compiler::plan::compare;
use imgc_compiler::source::{EntryKind, Sources, World};

use crate::components;
use crate::world::{Disk, RealWorld};

/// What came out.
pub(super) enum Verdict {
    /// Both make a plan of so many steps.
    Same(usize),
    /// Both make a plan, and these are the differences.
    Different(Vec<String>),
    /// The conversion has errors, and the template has none.
    Broken(Box<Compilation>),
    /// The template itself has so many errors.
    Unknown(usize),
}

/// Files that are not on the disk, and such that are to be overlooked.
#[derive(Default)]
pub(super) struct Overlay {
    pub(super) added: BTreeMap<PathBuf, String>,
    pub(super) hidden: BTreeSet<PathBuf>,
    /// Variables of the template that are none in the conversion.
    pub(super) variables: BTreeSet<String>,
}

impl Sources for Overlay {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        match (self.added.contains_key(path), self.hidden.contains(path)) {
            (true, _) => Ok(EntryKind::File),
            (false, true) => Err(io::ErrorKind::NotFound.into()),
            (false, false) => Disk.kind(path),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names: BTreeSet<PathBuf> = Disk.list(directory)?.into_iter().collect();
        let is_here = |path: &&PathBuf| {
            let parent = path.parent().unwrap_or(Path::new(""));
            parent == directory || parent == Path::new("") && directory == Path::new(".")
        };
        names.retain(|name| !self.hidden.contains(name));
        let added = self.added.keys().filter(is_here);
        // As the directory's own names are given.
        names.extend(added.map(|path| directory.join(path.file_name().unwrap_or_default())));
        Ok(names.into_iter().collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.added.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None if self.hidden.contains(path) => Err(io::ErrorKind::NotFound.into()),
            None => Disk.read(path),
        }
    }
}

/// Compares what `request` means on the disk with what it means at `path` in `overlay`.
pub(super) fn check(mut request: Request, path: &Path, overlay: &Overlay) -> Verdict {
    request.check_only = true;
    request.digest_files = true;
    let world = RealWorld::new();
    let (now, seed) = (world.clock(), world.seed());
    let compile = |request: &Request, sources: &dyn Sources| {
        // The same moment and the same random numbers for each.
        let world: Arc<dyn World> = Arc::new(RealWorld::at(now, seed));
        compile::compile(request, sources, &world, &components::registry())
    };
    let mut before = compile(&request, &Disk);
    let unset = unset_variables(&before);
    if !unset.is_empty() {
        request.vars.extend(unset);
        before = compile(&request, &Disk);
    }
    let Some(mut old) = before.plan.take().filter(|_| !before.has_errors()) else {
        let errors = before
            .diagnostics
            .iter()
            .filter(|problem| problem.is_error());
        return Verdict::Unknown(errors.count() + usize::from(before.unreadable.is_some()));
    };
    request.path = path.to_owned();
    // What was said about variables is no difference.
    let is_kept = |name: &str| !overlay.variables.contains(name);
    old.variables.retain(|variable| is_kept(&variable.name));
    request.vars.retain(|flag| {
        flag.split_once('=')
            .is_none_or(|(name, _)| is_kept(name.trim()))
    });
    let mut after = compile(&request, overlay);
    let Some(mut new) = after.plan.take().filter(|_| !after.has_errors()) else {
        return Verdict::Broken(Box::new(after));
    };
    if !overlay.variables.is_empty() {
        let known: BTreeSet<_> = old
            .variables
            .iter()
            .map(|variable| variable.name.clone())
            .collect();
        new.variables
            .retain(|variable| known.contains(&variable.name));
    }
    match compare::differences(&old, &new) {
        differences if differences.is_empty() => Verdict::Same(old.steps.len()),
        differences => Verdict::Different(differences),
    }
}

/// `NAME=VALUE` for each variable that was complained about for having no value.
fn unset_variables(compilation: &Compilation) -> Vec<String> {
    let missing = compilation.diagnostics.iter();
    let missing = missing.filter(|problem| problem.id == "check/missing-variable");
    let places: BTreeSet<_> = missing.map(|problem| problem.span).collect();
    let variables = compilation.module.variables.values();
    variables
        .filter(|variable| places.contains(&variable.name.span))
        .map(|variable| format!("{}={}", variable.name.text, example(variable.ty.as_ref())))
        .collect()
}

/// A value of a type.
fn example(ty: Option<&Expr>) -> &'static str {
    let word = match ty.map(|ty| &ty.kind) {
        Some(ExprKind::Variable(name)) => name.as_str(),
        Some(ExprKind::Call(call)) => call.name.text.as_str(),
        _ => "string",
    };
    match word {
        "number" => "1",
        "bool" => "true",
        "list" | "set" | "tuple" => "[]",
        "map" | "object" => "{}",
        _ => "value",
    }
}
