//! The names a template's expressions may use: `var`, `local`, `data`, `path`, `packer`, `module`,
//! `source`, `build`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imgc_syntax::Span;
use indexmap::IndexMap;
use smol_str::SmolStr;

pub use crate::modules::values::{ModuleOutputs, ModuleValues, Modules};

use crate::artifacts::{BuildRoot, Others};
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval::{Namespace, Reference, Root, Scope};
use crate::late::LateId;
use crate::modules::values::ModulesView;
use crate::types::Type;
use crate::value::Value;

/// Problems with names.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/unknown-variable",
        "a reference to a variable that is not declared",
    ),
    Entry::error(
        "check/unknown-local",
        "a reference to a local that is not declared",
    ),
    Entry::error(
        "check/unknown-data",
        "a reference to a data source that is not declared",
    ),
    Entry::error(
        "check/unknown-build-value",
        "a reference to a value that the running build does not have",
    ),
    Entry::error(
        "check/name-out-of-place",
        "a name that has no meaning at this place",
    ),
];

/// The version of Packer whose language this is; `packer.version`.
pub const PACKER_VERSION: &str = "1.16.0";

/// What is the same for all expressions of a template.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The values of variables.
    pub variables: Variables,
    /// The values of locals.
    pub locals: Locals,
    /// Declared data sources.
    pub data: DataSources,
    /// `path.cwd` and `path.root`.
    pub path: BTreeMap<SmolStr, Value>,
    /// The outputs of modules.
    pub modules: Modules,
    /// The variables and locals that wait for artifacts.
    pub(crate) late: BTreeMap<(Kind, SmolStr), LateId>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A variable.
    Variable,
    /// A local.
    Local,
}

impl Names {
    /// The names of a template in `root`, without variables yet.
    pub fn at(working_directory: &Path, root: &Path) -> Self {
        let text = |path: &Path| Value::string(path.display().to_string());
        Self {
            path: BTreeMap::from([
                ("cwd".into(), text(working_directory)),
                ("root".into(), text(root)),
            ]),
            ..Self::default()
        }
    }

    /// Adds the late values that a reference means, or may mean.
    pub(crate) fn add_lates(&self, reference: &Reference, lates: &mut BTreeSet<LateId>) {
        let kind = match reference.root.as_str() {
            "var" => Kind::Variable,
            "local" => Kind::Local,
            "module" => return self.modules.add_lates(&reference.path, lates),
            _ => return,
        };
        let named = self.late.iter().filter(|((of, name), _)| {
            let first = reference.path.first();
            *of == kind && first.is_none_or(|first| first.text == *name)
        });
        lates.extend(named.map(|(_, id)| *id));
    }
}

/// `var`.
#[derive(Clone, Debug, Default)]
pub struct Variables(pub IndexMap<SmolStr, Value>);

/// `local`.
#[derive(Clone, Debug, Default)]
pub struct Locals(pub IndexMap<SmolStr, Value>);

/// `data`: outputs by type and name; unknown where a data source has not been read.
#[derive(Clone, Debug, Default)]
pub struct DataSources(pub BTreeMap<SmolStr, BTreeMap<SmolStr, Value>>);

/// Where an expression stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    names: &'a Names,
    variables: Lookup<'a>,
    locals: Lookup<'a>,
    modules: ModulesView<'a>,
    allowed: Allowed,
    source: Option<(&'a str, &'a str, Option<&'a Value>)>,
    build: Option<BuildRoot<'a>>,
    /// `each`, `count`, and what `dynamic` blocks call their elements; the innermost of a name comes first.
    elements: &'a [(SmolStr, Value)],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Allowed {
    Variables,
    Defaults,
    Locals,
    Everything,
}

/// The members of `build`.
#[derive(Clone, Copy)]
pub enum BuildValues<'a> {
    /// At plan time: `name` is known, the others at run time.
    Planned {
        /// The build block's name.
        name: &'a str,
        /// Further members of this builder; `*` stands for any.
        extra: &'a [SmolStr],
    },
    /// At run time: all.
    Running(&'a BTreeMap<SmolStr, Value>),
}

/// The members of `build` that every builder has (Packer's "build contextual variables").
pub const BUILD_MEMBERS: &[&str] = &[
    "ConnType",
    "Host",
    "ID",
    "PackerHTTPAddr",
    "PackerHTTPIP",
    "PackerHTTPPort",
    "PackerRunUUID",
    "Password",
    "Port",
    "SSHPrivateKey",
    "SSHPublicKey",
    "User",
    "WinRMPassword",
    "name",
];

const SECRET_MEMBERS: &[&str] = &["Password", "SSHPrivateKey", "WinRMPassword"];

impl<'a> Place<'a> {
    fn new(names: &'a Names, allowed: Allowed) -> Self {
        let lookup = |kind| Lookup {
            names,
            kind,
            others: None,
        };
        Self {
            names,
            variables: lookup(Kind::Variable),
            locals: lookup(Kind::Local),
            modules: ModulesView {
                modules: &names.modules,
                others: None,
            },
            allowed,
            source: None,
            build: None,
            elements: &[],
        }
    }

    /// In a variable's default.
    pub fn default(names: &'a Names) -> Self {
        Self::new(names, Allowed::Defaults)
    }

    /// In a variable's validation.
    pub fn validation(names: &'a Names) -> Self {
        Self::new(names, Allowed::Variables)
    }

    /// In a local.
    pub fn local(names: &'a Names) -> Self {
        Self::new(names, Allowed::Locals)
    }

    /// In a `build` block's own attributes.
    pub fn block(names: &'a Names) -> Self {
        Self::new(names, Allowed::Everything)
    }

    /// In the options of a source.
    pub fn source(names: &'a Names, ty: &'a str, name: &'a str) -> Self {
        Self {
            source: Some((ty, name, None)),
            ..Self::new(names, Allowed::Everything)
        }
    }

    /// In the options of a provisioner or post-processor.
    pub fn build(names: &'a Names, ty: &'a str, name: &'a str, build: BuildValues<'a>) -> Self {
        Self {
            source: Some((ty, name, None)),
            build: Some(BuildRoot {
                own: Some(build),
                others: None,
            }),
            ..Self::new(names, Allowed::Everything)
        }
    }

    /// The same place, from where other builds' artifacts can be seen.
    pub(crate) fn with_builds(mut self, others: Others<'a>) -> Self {
        self.build = Some(BuildRoot {
            own: self.build.and_then(|build| build.own),
            others: Some(others),
        });
        self.variables.others = Some(others);
        self.locals.others = Some(others);
        self.modules.others = Some(others);
        self
    }

    /// In an instance of a repeated block: `elements` are the names it has for what it is repeated over.
    #[must_use]
    pub fn with_elements(mut self, elements: &'a [(SmolStr, Value)]) -> Self {
        self.elements = elements;
        self
    }

    /// Where the source is an instance with that key.
    #[must_use]
    pub fn with_key(mut self, key: Option<&'a Value>) -> Self {
        if let Some(source) = &mut self.source {
            source.2 = key;
        }
        self
    }
}

impl Scope for Place<'_> {
    fn root(&self, name: &str) -> Option<Root<'_>> {
        if let Some((_, value)) = self.elements.iter().find(|(element, _)| element == name) {
            return Some(Root::Value(value.clone()));
        }
        match name {
            "var" => Some(Root::Namespace(&self.variables)),
            "local" if self.allowed > Allowed::Defaults => Some(Root::Namespace(&self.locals)),
            "data" if self.allowed > Allowed::Defaults => Some(Root::Namespace(&self.names.data)),
            "path" if self.allowed != Allowed::Variables => Some(Root::Value(Value::object(
                self.names.path.iter().map(|(k, v)| (k.clone(), v.clone())),
            ))),
            "packer" if self.allowed != Allowed::Variables => {
                let unset = || Value::string("");
                Some(Root::Value(Value::object([
                    ("version", Value::string(PACKER_VERSION)),
                    ("iterationID", unset()),
                    ("versionFingerprint", unset()),
                ])))
            }
            "module" if self.allowed > Allowed::Defaults => Some(Root::Namespace(&self.modules)),
            "source" => self.source.map(|(ty, name, key)| {
                Root::Value(Value::object([
                    ("type", Value::string(ty)),
                    ("name", Value::string(name)),
                    (
                        "key",
                        key.cloned().unwrap_or_else(|| Value::null(Type::String)),
                    ),
                ]))
            }),
            "build" => self
                .build
                .as_ref()
                .map(|build| Root::Namespace(build as &dyn Namespace)),
            _ => None,
        }
    }

    fn root_names(&self) -> Vec<SmolStr> {
        let elements = self.elements.iter().map(|(name, _)| name.clone());
        ROOTS
            .into_iter()
            .filter(|name| self.root(name).is_some())
            .map(SmolStr::from)
            .chain(elements)
            .collect()
    }

    fn unknown_root(&self, name: &str, span: Span) -> Option<Diagnostic> {
        let repeated = |name| self.elements.iter().any(|(element, _)| element == name);
        let (message, help) = match name {
            "build" => (
                "`build` has no meaning here",
                "its values exist while a build runs: use them in provisioners and post-processors",
            ),
            "source" => (
                "`source` has no meaning here",
                "`source.name` and `source.type` can be used in sources, provisioners and post-processors",
            ),
            "local" | "data" | "path" | "packer" | "module" => {
                let help = match self.allowed {
                    Allowed::Defaults => {
                        "a variable's default is read before there are such values; compute with them in `locals`"
                    }
                    _ => "a variable's validation may use `var` only",
                };
                let message = format!("`{name}` cannot be used here");
                return Some(
                    Diagnostic::error("check/name-out-of-place", span, message).help(help),
                );
            }
            "each" if repeated("count") => (
                "`each` has no meaning here: the block is repeated with `count`",
                "write `count.index`",
            ),
            "count" if repeated("each") => (
                "`count` has no meaning here: the block is repeated with `for_each`",
                "write `each.key` or `each.value`",
            ),
            "each" => (
                "nothing is repeated here",
                "give the block `for_each`; in a `dynamic` block the element has the block's name, or what `iterator` says",
            ),
            "count" => ("nothing is repeated here", "give the block `count`"),
            _ if self.names.variables.0.contains_key(name) => {
                return Some(prefix(name, "var", "variable", span));
            }
            _ if self.allowed > Allowed::Defaults && self.names.locals.0.contains_key(name) => {
                return Some(prefix(name, "local", "local", span));
            }
            _ => return None,
        };
        Some(Diagnostic::error("check/name-out-of-place", span, message).help(help))
    }
}

/// The scope of values that are fixed before there are any names: what sets variables, and the `packer` block.
pub struct Fixed {
    /// What the value is, for messages: `a variable's default`.
    pub what: &'static str,
}

impl Scope for Fixed {
    fn root(&self, _: &str) -> Option<Root<'_>> {
        None
    }

    fn root_names(&self) -> Vec<SmolStr> {
        Vec::new()
    }

    fn unknown_root(&self, name: &str, span: Span) -> Option<Diagnostic> {
        if !ROOTS.contains(&name) {
            return None;
        }
        let message = format!("`{name}` cannot be used here");
        Some(
            Diagnostic::error("check/name-out-of-place", span, message).help(format!(
                "{} is read before there are other values; compute with them in `locals`",
                self.what
            )),
        )
    }
}

/// All names an expression can begin with, somewhere.
pub(crate) const ROOTS: [&str; 8] = [
    "var", "local", "data", "path", "packer", "source", "build", "module",
];

fn prefix(name: &str, root: &str, what: &str, span: Span) -> Diagnostic {
    let right = format!("{root}.{name}");
    Diagnostic::error(
        "check/name-out-of-place",
        span,
        format!("a {what} is not written as the bare name `{name}`"),
    )
    .help(format!("write `{right}`"))
    .guess(
        format!("change `{name}` to `{right}`"),
        Edit::replace(span, right),
    )
}

fn unknown<'n>(
    id: &'static str,
    message: String,
    member: &str,
    span: Span,
    names: impl Iterator<Item = &'n str>,
    otherwise: &str,
) -> Box<Diagnostic> {
    let diagnostic = Diagnostic::error(id, span, message);
    Box::new(match nearest(member, names) {
        Some(near) => diagnostic
            .help(format!("there is one with a similar name: `{near}`"))
            .guess(
                format!("change `{member}` to `{near}`"),
                Edit::replace(span, near),
            ),
        None => diagnostic.help(otherwise),
    })
}

/// The declared value of a name, or what is said when there is none; `form` is how it would be declared.
fn declared(
    values: &IndexMap<SmolStr, Value>,
    (id, what): (&'static str, &str),
    form: impl FnOnce() -> String,
    member: &str,
    span: Span,
) -> Result<Value, Box<Diagnostic>> {
    values.get(member).cloned().ok_or_else(|| {
        unknown(
            id,
            format!("there is no {what} `{member}`"),
            member,
            span,
            values.keys().map(SmolStr::as_str),
            &format!("declare it with `{}`", form()),
        )
    })
}

fn object(values: &IndexMap<SmolStr, Value>) -> Value {
    Value::object(
        values
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    )
}

/// `var` or `local` where some values wait for artifacts.
#[derive(Clone, Copy)]
struct Lookup<'a> {
    names: &'a Names,
    kind: Kind,
    others: Option<Others<'a>>,
}

impl Namespace for Lookup<'_> {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        let value = match self.kind {
            Kind::Variable => self.names.variables.member(member, span)?,
            Kind::Local => self.names.locals.member(member, span)?,
        };
        let Some(others) = self.others.filter(|_| !self.names.late.is_empty()) else {
            return Ok(value);
        };
        let late = self.names.late.get(&(self.kind, SmolStr::from(member)));
        Ok(match late {
            Some(id) => others.late(*id, value),
            None => value,
        })
    }

    fn all(&self) -> Value {
        let values = match self.kind {
            Kind::Variable => &self.names.variables.0,
            Kind::Local => &self.names.locals.0,
        };
        let late = |name: &SmolStr, value: &Value| {
            let id = self.names.late.get(&(self.kind, name.clone()))?;
            Some(self.others?.late(*id, value.clone()))
        };
        Value::object(values.iter().map(|(name, value)| {
            let value = late(name, value).unwrap_or_else(|| value.clone());
            (name.clone(), value)
        }))
    }
}

impl Namespace for Variables {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        let form = || format!("variable \"{member}\" {{ … }}");
        let what = ("check/unknown-variable", "variable");
        declared(&self.0, what, form, member, span)
    }

    fn all(&self) -> Value {
        object(&self.0)
    }
}

impl Namespace for Locals {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        let form = || format!("locals {{ {member} = … }}");
        let what = ("check/unknown-local", "local");
        declared(&self.0, what, form, member, span)
    }

    fn all(&self) -> Value {
        object(&self.0)
    }
}

impl Namespace for DataSources {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        match self.0.get(member) {
            Some(names) => Ok(Self::of_type(names)),
            None => Err(unknown(
                "check/unknown-data",
                format!("this template declares no data source of type `{member}`"),
                member,
                span,
                self.0.keys().map(SmolStr::as_str),
                &format!("declare it with `data \"{member}\" \"NAME\" {{ … }}`"),
            )),
        }
    }

    fn all(&self) -> Value {
        Value::object(
            self.0
                .iter()
                .map(|(ty, names)| (ty.clone(), Self::of_type(names))),
        )
    }
}

impl DataSources {
    fn of_type(names: &BTreeMap<SmolStr, Value>) -> Value {
        Value::object(
            names
                .iter()
                .map(|(name, outputs)| (name.clone(), outputs.clone())),
        )
    }
}

impl BuildValues<'_> {
    /// All members there are.
    pub(crate) fn names(&self) -> Vec<SmolStr> {
        match self {
            Self::Planned { extra, .. } => BUILD_MEMBERS
                .iter()
                .map(|name| SmolStr::new_static(name))
                .chain(extra.iter().cloned())
                .collect(),
            Self::Running(values) => values.keys().cloned().collect(),
        }
    }

    /// Whether there is a member of that name.
    pub(crate) fn has(&self, member: &str) -> bool {
        BUILD_MEMBERS.contains(&member)
            || match self {
                Self::Planned { extra, .. } => extra.iter().any(|known| known == member),
                Self::Running(values) => values.contains_key(member),
            }
    }
}

impl Namespace for BuildValues<'_> {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        let names: Vec<&str> = match self {
            Self::Planned { name, extra } => {
                if member == "name" {
                    return Ok(Value::string(*name));
                }
                let known = |known: &SmolStr| known == member || known == "*";
                if BUILD_MEMBERS.contains(&member) || extra.iter().any(known) {
                    return Ok(Value::unknown(Type::String).mark(SECRET_MEMBERS.contains(&member)));
                }
                BUILD_MEMBERS
                    .iter()
                    .copied()
                    .chain(extra.iter().map(SmolStr::as_str))
                    .collect()
            }
            Self::Running(values) => match values.get(member) {
                Some(value) => return Ok(value.clone()),
                // Known to the language, but this builder or communicator has none.
                None if BUILD_MEMBERS.contains(&member) => return Ok(Value::string("")),
                None => values.keys().map(SmolStr::as_str).collect(),
            },
        };
        Err(unknown(
            "check/unknown-build-value",
            format!("`build` has no value `{member}`"),
            member,
            span,
            names.iter().copied(),
            &format!(
                "it has {}",
                crate::module::quoted_list(names.iter().copied())
            ),
        ))
    }

    fn all(&self) -> Value {
        match self {
            Self::Planned { .. } => Value::unknown(Type::Any),
            Self::Running(values) => Value::object(
                values
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone())),
            ),
        }
    }
}
