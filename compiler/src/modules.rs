//! Modules: other templates that a template uses.
//!
//! In: the `module` blocks of a template. Out: the declarations of all templates that are used, directly or by modules,
//! each once however often it is used. Nothing is fetched: what is in a git repository must be there already, at the
//! commit that `imgc.lock` names.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::compile::Unreadable;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::eval;
use crate::load;
use crate::module::{self, Module, ModuleCall};
use crate::source::{SourceMap, Sources};

pub mod address;
pub mod lock;
pub(crate) mod values;

use address::{Address, Git};
use lock::{FILE_NAME, Lock};

/// Problems with modules.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/invalid-module-source",
        "the source of a module is neither a path nor a git repository",
    ),
    Entry::error(
        "check/module-not-found",
        "the source of a module is no template that can be read",
    ),
    Entry::error(
        "check/module-not-fetched",
        "a module of a git repository that is not here, or not at the locked commit",
    ),
    Entry::error("check/invalid-lock", "the lock file of modules is damaged"),
    Entry::error(
        "check/unknown-module",
        "a reference to a module that is not declared",
    ),
    Entry::error(
        "check/unknown-output",
        "a reference to an output that a module does not have",
    ),
    Entry::error(
        "check/unknown-input",
        "a module is given a value for a variable it does not have",
    ),
    Entry::error(
        "check/missing-input",
        "a module is not given a value for a variable that needs one",
    ),
    Entry::error(
        "check/too-many-modules",
        "modules are nested too deeply, or used too often",
    ),
];

/// Modules inside of modules, at most.
const DEPTH: usize = 32;

/// Uses of modules in one template, at most, repetitions counted.
pub(crate) const MOST_USES: usize = 10_000;

/// The template that each `module` block uses, by the block's name; `None` where it cannot be used.
pub type Calls = BTreeMap<SmolStr, usize>;

/// A template that is used as a module.
#[derive(Debug)]
pub struct Loaded {
    /// What it declares.
    pub module: Module,
    /// Its directory.
    pub root: PathBuf,
    /// Positions among the loaded of the modules it uses itself.
    pub calls: Calls,
    /// Headers of blocks in which the parser did not understand something.
    pub(crate) damaged: Vec<Span>,
}

/// Reads the modules that a template in `root` uses.
pub(crate) fn load(
    module: &Module,
    root: &Path,
    sources: &dyn Sources,
    map: &mut SourceMap,
    out: &mut Vec<Diagnostic>,
) -> (Vec<Loaded>, Calls) {
    let mut loader = Loader {
        sources,
        map,
        out,
        base: root,
        lock: None,
        repositories: Vec::new(),
        loaded: Vec::new(),
        known: HashMap::new(),
        open: vec![(identity(root), String::new())],
    };
    let calls = loader.calls(module, root);
    (loader.loaded, calls)
}

/// What a template needs from git repositories.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The template's directory, where the lock file is.
    pub root: PathBuf,
    /// Each repository at a reference, as far as modules could be read: those inside of modules that are not here yet are
    /// unknown.
    pub repositories: Vec<Git>,
    /// What is wrong with the lock file.
    pub problems: Vec<Diagnostic>,
}

/// Looks for the git repositories that the template at `path` and its modules use.
pub fn wanted(
    path: &Path,
    sources: &dyn Sources,
    map: &mut SourceMap,
) -> Result<Wanted, Unreadable> {
    let files = load::find(path, sources)?;
    let mut ignored = Vec::new();
    let mut bodies = Vec::with_capacity(files.templates.len());
    for file in &files.templates {
        bodies.push(load::body(file, sources, map, &mut ignored)?);
    }
    let module = module::collect(bodies, &mut ignored);
    let mut out = Vec::new();
    let mut loader = Loader {
        sources,
        map,
        out: &mut out,
        base: &files.root,
        lock: None,
        repositories: Vec::new(),
        loaded: Vec::new(),
        known: HashMap::new(),
        open: vec![(identity(&files.root), String::new())],
    };
    loader.calls(&module, &files.root);
    let repositories = loader.repositories;
    out.retain(|problem| problem.id == "check/invalid-lock");
    Ok(Wanted {
        repositories,
        problems: out,
        root: files.root,
    })
}

struct Loader<'l> {
    sources: &'l dyn Sources,
    map: &'l mut SourceMap,
    out: &'l mut Vec<Diagnostic>,
    /// The template's directory, where the lock file is.
    base: &'l Path,
    lock: Option<Lock>,
    /// The repositories that were asked for.
    repositories: Vec<Git>,
    loaded: Vec<Loaded>,
    /// By identity of the path.
    known: HashMap<PathBuf, Option<usize>>,
    /// The templates around, with the names of the blocks that use them.
    open: Vec<(PathBuf, String)>,
}

impl Loader<'_> {
    fn calls(&mut self, module: &Module, root: &Path) -> Calls {
        module
            .modules
            .iter()
            .filter_map(|(name, call)| Some((name.clone(), self.call(call, root)?)))
            .collect()
    }

    fn call(&mut self, call: &ModuleCall, root: &Path) -> Option<usize> {
        let expr = call.source.as_ref()?;
        let value = eval::constant(expr, self.out);
        if value.is_error() {
            return None;
        }
        let address = match value.as_str().map(Address::parse) {
            Some(Ok(address)) => address,
            Some(Err((message, help))) => {
                self.out.push(
                    Diagnostic::error("check/invalid-module-source", expr.span, message).help(help),
                );
                return None;
            }
            None => {
                self.out.push(
                    Diagnostic::error(
                        "check/invalid-module-source",
                        expr.span,
                        "the source of a module is a text",
                    )
                    .help("write `source = \"./DIRECTORY\"`"),
                );
                return None;
            }
        };
        let path = match &address {
            Address::Path(path) => joined(root, path),
            Address::Git(git) => self.checkout(git, expr.span)?,
        };
        self.module(&path, &call.name.text, expr.span)
    }

    /// Where the locked commit of a repository is, if it is there.
    fn checkout(&mut self, git: &Git, place: Span) -> Option<PathBuf> {
        let not_fetched =
            |message: String| Diagnostic::error("check/module-not-fetched", place, message);
        let repository = git.repository();
        if !self
            .repositories
            .iter()
            .any(|known| known.repository() == repository)
        {
            self.repositories.push(git.clone());
        }
        let Some(commit) = self.lock(place)?.commits.get(&repository).cloned() else {
            self.out.push(
                not_fetched(format!("`{repository}` has not been fetched"))
                    .help("run `imgc init`: it fetches modules, and writes their commits into `imgc.lock`"),
            );
            return None;
        };
        let checkout = self.base.join(git.checkout(&commit));
        let head = self.sources.read(&checkout.join(".git/HEAD"));
        let head = head.unwrap_or_default();
        if head.is_empty() {
            self.out.push(
                not_fetched(format!(
                    "`{repository}` is locked at commit {}, which is not here",
                    &commit[..12]
                ))
                .help("run `imgc init`: it fetches what `imgc.lock` names"),
            );
            return None;
        }
        if String::from_utf8_lossy(&head).trim() != commit {
            self.out.push(
                not_fetched(format!(
                    "what is here of `{repository}` is not the locked commit {}",
                    &commit[..12]
                ))
                .help(format!(
                    "remove `{}` and run `imgc init`",
                    checkout.display()
                )),
            );
            return None;
        }
        Some(checkout.join(&git.directory))
    }

    /// The lock file, read once; a damaged one is reported, and nothing is locked.
    fn lock(&mut self, place: Span) -> Option<&Lock> {
        if self.lock.is_none() {
            let path = self.base.join(FILE_NAME);
            let text = match self.sources.read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(_) => String::new(),
            };
            let lock = match text.is_empty() {
                true => Lock::default(),
                false => match Lock::parse(&text) {
                    Ok(lock) => lock,
                    Err(error) => {
                        let end = text.len();
                        let file = self.map.add(path, text);
                        let (from, to) = (error.place.start.min(end), error.place.end.min(end));
                        self.out.push(
                            Diagnostic::error(
                                "check/invalid-lock",
                                Span::new(file, from as u32, to as u32),
                                format!("this lock file {}", error.message),
                            )
                            .label(place, "the module is used here")
                            .help(error.help),
                        );
                        return None;
                    }
                },
            };
            self.lock = Some(lock);
        }
        self.lock.as_ref()
    }

    fn module(&mut self, path: &Path, name: &str, place: Span) -> Option<usize> {
        let identity = identity(path);
        if let Some(at) = self.open.iter().position(|(open, _)| *open == identity) {
            let mut names: Vec<&str> = self.open[at + 1..]
                .iter()
                .map(|(_, name)| name.as_str())
                .collect();
            names.push(name);
            let shown: Vec<String> = names.iter().map(|name| format!("module.{name}")).collect();
            let what = match at {
                0 => "the template",
                _ => "a module",
            };
            self.out.push(
                Diagnostic::error(
                    "check/cycle",
                    place,
                    format!("{what} uses itself: {}", shown.join(" → ")),
                )
                .help("take one of these `module` blocks out"),
            );
            return None;
        }
        if let Some(known) = self.known.get(&identity) {
            return *known;
        }
        if self.open.len() > DEPTH {
            self.out.push(
                Diagnostic::error(
                    "check/too-many-modules",
                    place,
                    format!("modules are inside of modules more than {DEPTH} times"),
                )
                .help("use modules side by side, and give outputs of one to another"),
            );
            return None;
        }
        self.open.push((identity.clone(), name.to_owned()));
        let read = self.read(path);
        self.open.pop();
        let found = match read {
            Ok(loaded) => {
                self.loaded.push(loaded);
                Some(self.loaded.len() - 1)
            }
            Err(problem) => {
                let mut diagnostic = Diagnostic::error(
                    "check/module-not-found",
                    place,
                    format!(
                        "this module cannot be read: `{}`: {}",
                        problem.path.display(),
                        problem.message
                    ),
                );
                diagnostic.help = problem.help;
                self.out.push(diagnostic);
                None
            }
        };
        self.known.insert(identity, found);
        found
    }

    fn read(&mut self, path: &Path) -> Result<Loaded, Unreadable> {
        let files = load::find(path, self.sources)?;
        let mark = self.out.len();
        let mut bodies = Vec::with_capacity(files.templates.len());
        for file in &files.templates {
            bodies.push(load::body(file, self.sources, self.map, self.out)?);
        }
        let damaged = crate::compile::damaged(&bodies, &self.out[mark..]);
        let module = module::collect(bodies, self.out);
        let calls = self.calls(&module, &files.root);
        Ok(Loaded {
            module,
            root: files.root,
            calls,
            damaged,
        })
    }
}

/// A path of a `module` block from the directory of its template; `./x` in `.` is `x`, `../y` in `x` is `y`.
fn joined(root: &Path, path: &Path) -> PathBuf {
    let joined = identity(&root.join(path));
    match joined.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => joined,
    }
}

/// What two paths to one directory have in common, as far as their texts say.
fn identity(path: &Path) -> PathBuf {
    let mut identity = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(
                    identity.components().next_back(),
                    Some(Component::Normal(_))
                ) =>
            {
                identity.pop();
            }
            other => identity.push(other),
        }
    }
    identity
}
