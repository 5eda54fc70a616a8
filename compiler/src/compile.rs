//! The whole road: files in, plan and diagnostics out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_syntax::{FileId, Span};

use crate::components::Components;
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{self, Diagnostic, Severity, forms};
use crate::eval::{self, Context};
use crate::hir::{Attribute, Body, Expr, ExprKind};
use crate::module::Module;
use crate::modules::{self, Calls, Loaded};
use crate::names::{self, Readings};
use crate::plan::select::Selection;
use crate::plan::{self, Plan, Unit};
use crate::print::Language;
use crate::scope::{Fixed, Names, PACKER_VERSION};
use crate::source::{Cache, SourceMap, Sources, World};
use crate::types::Type;
use crate::value::Value;
use crate::{configure, load, module, variables, version};

/// What to compile and how, as the command line or an editor asks for it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A template file or a directory of them (all `*.pkr.hcl` and `*.imgc.hcl` of a directory form one template).
    pub path: PathBuf,
    /// `-var name=value`, in the order given.
    pub vars: Vec<String>,
    /// `-var-file`, in the order given.
    pub var_files: Vec<PathBuf>,
    /// `-only`: globs over build names; empty for all.
    pub only: Vec<String>,
    /// `-except`: globs over build names, and names of post-processors.
    pub except: Vec<String>,
    /// Look at the syntax and go no further (`validate -syntax-only`).
    pub syntax_only: bool,
    /// Find the values of names and go no further: no component is looked at, there is no plan, and nothing is said of
    /// problems. For an editor's completion, which cannot wait for more.
    pub names_only: bool,
    /// Do not look at files that options name (scripts, uploads): for an editor's quick check.
    pub offline_files: bool,
    /// Digest the bytes of files that options name: for plans that are kept or compared. Without it they only have to
    /// exist, which takes no time.
    pub digest_files: bool,
    /// Only check: a component that cannot run here is a warning, not an error (`validate`, editors).
    pub check_only: bool,
    /// Only show (`plan`, `graph`): a component that cannot run here is a warning as well, and what must be known before
    /// anything runs still has to be.
    pub show_only: bool,
    /// Data sources may be read (`apply`, `-online`). Else their outputs are unknown.
    pub online: bool,
    /// Warnings are errors (`-strict`), but for what merely cannot run here.
    pub strict: bool,
    /// Variables files may set variables that no template declares (`-no-warn-undeclared-var`).
    pub undeclared_allowed: bool,
    /// Mistakes in the options of components are warnings: for those who only look (`inspect`).
    pub options_forgiven: bool,
    /// A variable that nobody sets is unknown, not an error: for those who only look (`inspect`, `console`).
    pub unset_allowed: bool,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Compilation {
    /// The texts, for showing diagnostics.
    pub sources: SourceMap,
    /// All problems of all files, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// What the files declare, as far as it could be understood; for editors.
    pub module: Module,
    /// The templates that it uses as modules, directly or through others.
    pub modules: Vec<Loaded>,
    /// Positions in `modules` of the templates that the `module` blocks use, by the block's name.
    pub calls: Calls,
    /// The values of the template's names, as far as they are known; for consoles and editors. `None` where only the
    /// syntax was looked at.
    pub names: Option<Arc<Names>>,
    /// The plan; `None` when there are errors.
    pub plan: Option<Plan>,
    /// The variables, where there is no plan that has them.
    pub variables: Vec<plan::Variable>,
    /// A failure to read the template at all (no such file, a directory without templates, not text): there is no
    /// source text to point into.
    pub unreadable: Option<Unreadable>,
}

/// Why a template could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Id of the problem, `load/…`.
    pub id: &'static str,
    /// The path it is about.
    pub path: PathBuf,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Compilation {
    /// The variables with their values and where these came from, by name; there where there is no plan, too.
    pub fn variables(&self) -> &[plan::Variable] {
        match &self.plan {
            Some(plan) => &plan.variables,
            None => &self.variables,
        }
    }

    /// Whether anything stops the work.
    pub fn has_errors(&self) -> bool {
        self.unreadable.is_some() || self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a template.
///
/// `components` says what can run; pass [`crate::components::Everything`] where that does not matter.
pub fn compile(
    request: &Request,
    sources: &dyn Sources,
    world: &Arc<dyn World>,
    components: &dyn Components,
) -> Compilation {
    compile_into(Compilation::default(), request, sources, world, components)
}

/// Compiles a template, taking from a cache what was parsed before: for editors, who compile again after every change.
pub fn compile_cached(
    request: &Request,
    sources: &dyn Sources,
    world: &Arc<dyn World>,
    components: &dyn Components,
    cache: &Arc<Cache>,
) -> Compilation {
    let compilation = Compilation {
        sources: SourceMap::with_cache(Arc::clone(cache)),
        ..Compilation::default()
    };
    compile_into(compilation, request, sources, world, components)
}

fn compile_into(
    mut compilation: Compilation,
    request: &Request,
    sources: &dyn Sources,
    world: &Arc<dyn World>,
    components: &dyn Components,
) -> Compilation {
    let legacy = run(request, sources, world, components, &mut compilation);
    let legacy = legacy.unwrap_or_else(|unreadable| {
        compilation.unreadable = Some(unreadable);
        false
    });
    if request.names_only {
        compilation.diagnostics.clear();
    }
    drop_unfit_fixes(&mut compilation);
    translate_forms(&mut compilation, legacy);
    judge(request, &mut compilation.diagnostics);
    diagnostic::sort(&mut compilation.diagnostics);
    if (compilation.has_errors() || request.names_only)
        && let Some(plan) = compilation.plan.take()
    {
        compilation.variables = plan.variables;
    }
    compilation
}

/// Fixes are written for HCL; those that would break JSON or TOML are not offered there.
fn drop_unfit_fixes(compilation: &mut Compilation) {
    let sources = &compilation.sources;
    for diagnostic in &mut compilation.diagnostics {
        if diagnostic.id.starts_with("json/") || diagnostic.id.starts_with("toml/") {
            continue;
        }
        diagnostic.fixes.retain(|fix| {
            fix.edits.iter().all(|edit| {
                let path = &sources.file(edit.span.file).path;
                load::can_insert(path, sources.text(edit.span), &edit.text)
            })
        });
    }
}

/// Help shows how to write something in the language of the file it is about.
fn translate_forms(compilation: &mut Compilation, legacy: bool) {
    let sources = &compilation.sources;
    // The files of the template come first.
    let first = FileId(0);
    let language = |file: FileId| match load::language(&sources.file(file).path) {
        Language::Json if legacy && file == first => Language::Legacy,
        language => language,
    };
    for diagnostic in &mut compilation.diagnostics {
        let file = diagnostic.span.file;
        let template = match load::is_template(&sources.file(file).path) {
            true => file,
            false => first,
        };
        forms::translate(diagnostic, language(file), language(template));
    }
}

/// Makes variables that nobody sets unknown.
fn forgive_unset(
    given: &mut [(smol_str::SmolStr, variables::Given)],
    problems: &mut Vec<Diagnostic>,
) {
    problems.retain(|problem| problem.id != "check/missing-variable");
    for (_, given) in given {
        if given.value.is_error() && given.origin == "nothing" {
            given.value = Value::unknown(Type::Any).mark(given.value.is_sensitive());
        }
    }
}

/// Makes problems as grave as the request takes them.
fn judge(request: &Request, diagnostics: &mut Vec<Diagnostic>) {
    if request.undeclared_allowed {
        diagnostics.retain(|problem| problem.id != "check/undeclared-variable");
    }
    if request.options_forgiven {
        for problem in diagnostics.iter_mut() {
            if configure::IDS.iter().any(|entry| entry.id == problem.id) {
                problem.severity = problem.severity.max(Severity::Warning);
            }
        }
    }
    if !request.strict {
        return;
    }
    let entries = diagnostic::registry::all();
    for problem in diagnostics {
        // Those that are errors by themselves were found while only checking, and stop no check.
        let warning = |entry: &Entry| entry.id == problem.id && entry.severity == Severity::Warning;
        if problem.severity == Severity::Warning && entries.iter().any(warning) {
            problem.severity = Severity::Error;
        }
    }
}

/// Reads, checks and plans; says whether the template is one from before HCL.
fn run(
    request: &Request,
    sources: &dyn Sources,
    world: &Arc<dyn World>,
    components: &dyn Components,
    compilation: &mut Compilation,
) -> Result<bool, Unreadable> {
    let Compilation {
        module,
        sources: map,
        diagnostics: out,
        plan,
        names: shown,
        modules: loaded,
        calls,
        ..
    } = compilation;
    let files = load::find(&request.path, sources)?;
    let mut bodies = Vec::with_capacity(files.templates.len());
    for path in &files.templates {
        bodies.push(load::body(path, sources, map, out)?);
    }
    let legacy = bodies.iter().any(|body| body.weak);
    if request.syntax_only {
        return Ok(legacy);
    }
    let damaged = damaged(&bodies, out);
    *module = module::collect(bodies, out);
    (*loaded, *calls) = modules::load(module, &files.root, sources, map, out);
    variables::hide_declared(module, map);
    for loaded in loaded.iter() {
        variables::hide_declared(&loaded.module, map);
    }
    let mut damaged = damaged;
    damaged.extend(
        loaded
            .iter()
            .flat_map(|loaded| loaded.damaged.iter().copied()),
    );
    damaged.sort();
    let inputs = inputs(request, &files, legacy, sources, world.as_ref(), map, out)?;

    let mut cx = Context::new(world.as_ref(), &files.root);
    cx.diagnostics = std::mem::take(out);
    check_settings(module, &mut cx);
    for loaded in loaded.iter() {
        check_settings(&loaded.module, &mut cx);
    }
    let mut names = Names::at(&world.working_directory(), &files.root);
    let mut given = variables::resolve(module, &inputs, &names, map, &mut cx);
    if request.unset_allowed {
        forgive_unset(&mut given, &mut cx.diagnostics);
    }
    names.variables.0 = given
        .iter()
        .map(|(name, given)| (name.clone(), given.value.clone()))
        .collect();
    variables::validate(module, &names, &mut cx);
    let selection = Selection::new(request, map, &mut cx.diagnostics);
    cx.texts = Some(map);
    let tree = Templates {
        module,
        loaded: &*loaded,
        calls,
        root: &files.root,
    };
    let (mut made, secrets, names) =
        plan_with_data(&tree, names, request, components, &selection, &mut cx);
    *shown = Some(names);
    made.root = files.root.clone();
    made.secrets = secrets;
    made.secrets
        .extend(std::mem::take(&mut cx.secrets).into_values());
    variables::hide_used_as_secrets(&mut given, module, &cx.secret_uses);
    made.set_variables(given);
    *out = cx.diagnostics;
    out.retain(|diagnostic| !is_consequence(diagnostic, &damaged));
    *plan = Some(made);
    Ok(legacy)
}

/// Makes the plan. Where data sources may be read, those that the plan turns out to use are, and it is made again with
/// what they say, until nothing new is needed.
fn plan_with_data(
    tree: &Templates<'_>,
    mut names: Names,
    request: &Request,
    components: &dyn Components,
    selection: &Selection,
    cx: &mut Context<'_>,
) -> (Plan, Vec<Value>, Arc<Names>) {
    let loaded = tree.loaded.iter().map(|loaded| &loaded.module);
    let mut all = loaded.chain([tree.module]);
    let has_data = all.any(|module| !module.data.is_empty());
    let reads = request.online && has_data;
    let mut readings = Readings::default();
    let mark = cx.diagnostics.len();
    let drawn = cx.world.drawn();
    loop {
        cx.diagnostics.truncate(mark);
        cx.world.rewind(drawn);
        let mut resolver = names::Resolver {
            loaded: tree.loaded,
            readings: &mut readings,
            components,
            check_only: request.check_only,
            cx,
            units: Vec::new(),
            lates: Vec::new(),
        };
        resolver.template(tree.module, tree.calls, tree.root, names);
        let (resolved, lates) = (resolver.units, resolver.lates);
        if request.names_only {
            let names = resolved.into_iter().next().map(|unit| unit.names);
            return (
                Plan::default(),
                Vec::new(),
                Arc::new(names.unwrap_or_default()),
            );
        }
        let secrets = secrets(&resolved);
        cx.uses = has_data.then(Vec::new);
        let plan_tree = Arc::default();
        let units: Vec<Unit<'_>> = resolved
            .into_iter()
            .zip(0..)
            .map(|(unit, index)| Unit {
                index,
                prefix: unit.prefix,
                module: unit.module,
                calls: unit.calls,
                loaded: tree.loaded,
                names: Arc::new(unit.names),
                root: unit.root.to_owned(),
                tree: Arc::clone(&plan_tree),
            })
            .collect();
        let shared = Arc::clone(&units[0].names);
        let mut made = plan::make(&units, lates, request, components, selection, cx);
        let uses = cx.uses.take();
        // A mistake that no reading mends: there is no reason to ask anybody.
        let hopeless = cx.diagnostics[mark..]
            .iter()
            .any(|problem| problem.is_error() && problem.id != "check/unknown-at-plan-time");
        let needed = uses.map(|uses| names::needed(tree.module, tree.loaded, &uses));
        if let Some(needed) = &needed {
            made.data = readings.used(needed);
        }
        let more = match needed {
            Some(needed) if reads && !hopeless => needed,
            _ => return (made, secrets, shared),
        };
        if !readings.want(more) {
            return (made, secrets, shared);
        }
        drop((made, units, plan_tree));
        names = Arc::unwrap_or_clone(shared);
    }
}

/// A template with the modules it uses.
struct Templates<'a> {
    module: &'a Module,
    loaded: &'a [Loaded],
    calls: &'a Calls,
    root: &'a Path,
}

/// What must not be shown, of the values that are no variables of the template.
fn secrets(units: &[names::Resolved<'_>]) -> Vec<Value> {
    let mut secrets: Vec<Value> = Vec::new();
    for (at, unit) in units.iter().enumerate() {
        let locals = unit.names.locals.0.values();
        let data = unit.names.data.0.values().flat_map(BTreeMap::values);
        let inputs = unit.names.variables.0.values().filter(|_| at > 0);
        let all = locals.chain(data).chain(inputs);
        secrets.extend(all.filter(|value| value.contains_sensitive()).cloned());
    }
    secrets
}

/// The headers of blocks in which the parser did not understand something.
pub(crate) fn damaged(bodies: &[Body], problems: &[Diagnostic]) -> Vec<Span> {
    let mut headers = Vec::new();
    for problem in problems {
        let place = problem.span;
        let mut body = bodies
            .iter()
            .find(|body| body.span.is_some_and(|span| span.file == place.file));
        while let Some(around) = body {
            // Blocks stand in the order of the text.
            let at = around
                .blocks
                .partition_point(|block| block.span.end < place.start);
            let block = around
                .blocks
                .get(at)
                .filter(|block| block.span.start <= place.start);
            headers.extend(block.map(|block| block.header));
            body = block.map(|block| &block.body);
        }
    }
    headers.sort();
    headers
}

/// Whether something only seems to be missing because the parser did not understand the block it belongs into.
fn is_consequence(diagnostic: &Diagnostic, damaged: &[Span]) -> bool {
    const MISSING: &[&str] = &[
        "check/build-without-source",
        "check/invalid-dynamic",
        "check/invalid-option",
        "check/missing-attribute",
        "check/missing-option",
        "check/missing-variable",
    ];
    let place = diagnostic.span;
    let before =
        damaged.partition_point(|header| (header.file, header.start) <= (place.file, place.start));
    MISSING.contains(&diagnostic.id)
        && damaged[..before]
            .last()
            .is_some_and(|header| header.file == place.file && place.end <= header.end)
}

/// What sets variables: environment, files, flags.
fn inputs(
    request: &Request,
    files: &load::Files,
    legacy: bool,
    sources: &dyn Sources,
    world: &dyn World,
    map: &mut SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Result<variables::Inputs, Unreadable> {
    let mut inputs = variables::Inputs {
        flags: request.vars.clone(),
        ..variables::Inputs::default()
    };
    for prefix in ["PKR_VAR_", "IMGC_VAR_"] {
        for (name, text) in world.env_with_prefix(prefix) {
            let variable = name[prefix.len()..].to_owned();
            inputs
                .environment
                .push((variable, text, format!("environment {name}")));
        }
    }
    for path in files.auto_variables.iter().chain(&request.var_files) {
        let body = load::variables(path, legacy, sources, map, out)?;
        inputs.files.push((path.display().to_string(), body));
    }
    Ok(inputs)
}

const SETTINGS: Fixed = Fixed {
    what: "the `packer` block",
};

/// `required_version` and `required_plugins` are read and checked for form; nothing needs installing here.
fn check_settings(module: &module::Module, cx: &mut Context<'_>) {
    for settings in &module.settings {
        if let Some(expr) = &settings.required_version {
            let value = eval::evaluate_as(expr, &Type::String, &SETTINGS, cx, "required_version");
            if let Some(text) = value.as_str() {
                check_version(text, expr, cx);
            }
        }
        for plugin in &settings.required_plugins {
            check_plugin(plugin, cx);
        }
    }
}

/// A plugin is asked for as `{ source = …, version = … }`.
fn check_plugin(plugin: &Attribute, cx: &mut Context<'_>) {
    let name = &plugin.name.text;
    let ExprKind::Object(entries) = &plugin.value.kind else {
        let value = eval::evaluate(&plugin.value, &SETTINGS, cx);
        if !value.is_error() {
            cx.report(
                Diagnostic::error(
                    "eval/wrong-type",
                    plugin.value.span,
                    format!("`{name}` is an object with the plugin's source and version"),
                )
                .help(format!(
                    "write `{name} = {{ source = \"github.com/OWNER/{name}\", version = \">= 1.0.0\" }}`"
                )),
            );
        }
        return;
    };
    for (key, expr) in entries {
        let key_value = eval::evaluate(key, &SETTINGS, cx);
        match key_value.as_str() {
            Some("source") => {
                eval::evaluate_as(expr, &Type::String, &SETTINGS, cx, "source");
            }
            Some("version") => {
                let value = eval::evaluate_as(expr, &Type::String, &SETTINGS, cx, "version");
                if let Some(text) = value.as_str()
                    && version::satisfies("0.0.0", text).is_none()
                {
                    cx.report(not_a_constraint(text, expr));
                }
            }
            other => {
                let message = match other {
                    Some(other) => format!("a plugin has no `{other}`"),
                    None => "a plugin has only a source and a version".to_owned(),
                };
                cx.report(
                    Diagnostic::error("check/unexpected-attribute", key.span, message)
                        .help("write `source = …` and `version = …`"),
                );
            }
        }
    }
}

fn not_a_constraint(text: &str, expr: &Expr) -> Diagnostic {
    Diagnostic::error(
        "check/invalid-version",
        expr.span,
        format!("`{text}` is not a version constraint"),
    )
    .help("write one such as `>= 1.7.0` or `~> 1.8`")
}

fn check_version(text: &str, expr: &Expr, cx: &mut Context<'_>) {
    match version::satisfies(PACKER_VERSION, text) {
        Some(true) => {}
        Some(false) => {
            let message = format!(
                "this template asks for Packer `{text}`, and imgc speaks the language of Packer {PACKER_VERSION}"
            );
            let mut diagnostic = Diagnostic::error("check/unsupported-version", expr.span, message);
            if version::some_satisfies(1, 5..16, text) {
                // It works where it is used; what it says is in the language still.
                diagnostic.severity = Severity::Warning;
            }
            cx.report(diagnostic.help("loosen the constraint"));
        }
        None => cx.report(not_a_constraint(text, expr)),
    }
}

/// The problems this module reports.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/unsupported-version",
        "the template asks for another version of the language",
    ),
    Entry::error("check/invalid-version", "a version constraint that is none"),
];
