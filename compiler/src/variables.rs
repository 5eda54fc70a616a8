//! The values of variables: from defaults, the environment, files and flags, in Packer's order of precedence.
//!
//! A default may use other variables. In a legacy template a value that is given may use the template functions of
//! variables as well, and one may be given that is not declared.
//!
//! Later ones win: `default`, `PKR_VAR_x` and `IMGC_VAR_x`, `*.auto.pkrvars.hcl` in order of their names, `-var-file` in
//! the order given, `-var` in the order given.

use std::collections::BTreeMap;

use imgc_syntax::{FileId, Span};
use indexmap::IndexMap;
use smol_str::SmolStr;

use crate::convert::convert;
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::{self, Context};
use crate::hir::{Body, Expr, ExprKind};
use crate::module::{Module, Variable};
use crate::scope::{Fixed, Names, Place};
use crate::source::SourceMap;
use crate::types::{Type, parse_type};
use crate::value::Value;

mod legacy;
mod order;
mod spent;
mod text;

pub(crate) use spent::hide_used_as_secrets;
use text::Text;

/// Problems with variables.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/missing-variable",
        "a variable without default has no value",
    ),
    Entry::error(
        "check/undeclared-flag-variable",
        "`-var` sets a variable that is not declared",
    ),
    Entry::warning(
        "check/undeclared-variable",
        "a variables file sets a variable that is not declared",
    ),
    Entry::error(
        "check/invalid-variable",
        "a variable's value does not fit its declaration",
    ),
    Entry::error(
        "check/failed-validation",
        "a variable's value breaks a rule of its own",
    ),
    Entry::error(
        "check/malformed-flag",
        "`-var` is not of the form name=value",
    ),
];

const DECLARATION: Fixed = Fixed {
    what: "a variable's block",
};
const GIVEN: Fixed = Fixed {
    what: "a value for a variable",
};

/// A value with its origin.
#[derive(Debug)]
pub struct Given {
    /// The value, converted and marked.
    pub value: Value,
    /// Where it came from, for people.
    pub origin: String,
    /// Where a file says so, or the default.
    pub written: Option<Span>,
}

/// What was given for variables, besides defaults, lowest precedence first.
#[derive(Debug, Default)]
pub struct Inputs {
    /// `(variable, raw text, origin)` of the environment.
    pub environment: Vec<(String, String, String)>,
    /// Bodies of variables files with their names.
    pub files: Vec<(String, Body)>,
    /// `name=value` of `-var`.
    pub flags: Vec<String>,
}

/// Where a value comes from, before it is looked at.
enum Raw<'a> {
    Text {
        text: &'a str,
        origin: String,
    },
    Expr {
        expr: &'a Expr,
        origin: String,
    },
    /// A text of a legacy template with functions in it.
    Template {
        expr: Expr,
        origin: String,
    },
    /// Of a `module` block: evaluated where that stands.
    Given {
        value: Value,
        place: Span,
    },
}

impl Raw<'_> {
    /// The expression, if it is one.
    fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Text { .. } | Self::Given { .. } => None,
            Self::Expr { expr, .. } => Some(expr),
            Self::Template { expr, .. } => Some(expr),
        }
    }
}

/// Determines the value of each declared variable; `names` has what else defaults may use.
pub fn resolve(
    module: &Module,
    inputs: &Inputs,
    names: &Names,
    sources: &mut SourceMap,
    cx: &mut Context<'_>,
) -> Vec<(SmolStr, Given)> {
    let mut raw: BTreeMap<&str, Raw<'_>> = BTreeMap::new();
    for (name, text, origin) in &inputs.environment {
        if module.variables.contains_key(name.as_str()) {
            raw.insert(
                name,
                Raw::Text {
                    text,
                    origin: origin.clone(),
                },
            );
        }
    }
    for (path, body) in &inputs.files {
        from_file(path, body, module, &mut raw, cx);
        hide(body, module, sources);
    }
    // Values may be secrets and these lines are shown with problems: names only.
    let shown = |flag: &String| {
        flag.split_once('=')
            .map_or(flag.clone(), |(name, _)| format!("{name}=…"))
    };
    let lines: Vec<String> = inputs.flags.iter().map(shown).collect();
    let flags = sources.add("-var", lines.join("\n"));
    let mut offset = 0;
    for (flag, line) in inputs.flags.iter().zip(&lines) {
        from_flag(flag, flags, offset, module, &mut raw, cx);
        offset += line.len() as u32 + 1;
    }
    if module.weak {
        legacy::check_names(module, inputs, &raw, cx);
        for (name, raw) in &mut raw {
            legacy::undeclared(&module.variables[*name], cx);
            let secret = module.variables[*name].sensitive.is_some();
            raw.read_template(name, secret, sources, cx);
        }
    }
    in_order(module, raw, names, sources, cx)
}

/// Determines the values, each after those it depends on.
fn in_order(
    module: &Module,
    mut raw: BTreeMap<&str, Raw<'_>>,
    names: &Names,
    sources: &mut SourceMap,
    cx: &mut Context<'_>,
) -> Vec<(SmolStr, Given)> {
    let mut known = Names {
        path: names.path.clone(),
        ..Names::default()
    };
    let mut values = BTreeMap::new();
    let order = order::order(module, &raw, cx);
    for (variable, circular) in order {
        let name = &variable.name.text;
        let given = if circular {
            Given {
                value: Value::error(),
                origin: "nothing".to_owned(),
                written: None,
            }
        } else {
            value_of(
                module,
                variable,
                raw.remove(name.as_str()),
                &known,
                sources,
                cx,
            )
        };
        known.variables.0.insert(name.clone(), given.value.clone());
        values.insert(name.clone(), given);
    }
    let in_order = module.variables.keys();
    in_order
        .filter_map(|name| values.remove_entry(name))
        .collect()
}

/// The type that a variable's value is converted to.
pub(crate) fn target_type(variable: &Variable) -> Type {
    match &variable.ty {
        Some(ty) => parse_type(ty, &mut Vec::new()),
        None => Type::Any,
    }
}

/// The values of a module's variables, from those its `module` block gives with their places; the block is named at
/// `call`.
pub(crate) fn of_call(
    module: &Module,
    mut given: BTreeMap<SmolStr, (Value, Span)>,
    call: &crate::hir::Name,
    names: &Names,
    cx: &mut Context<'_>,
) -> IndexMap<SmolStr, Value> {
    let mut raw: BTreeMap<&str, Raw<'_>> = BTreeMap::new();
    for (name, variable) in &module.variables {
        let (value, place) = match given.remove(name) {
            Some(given) => given,
            None if variable.default.is_some() => continue,
            None => {
                cx.report(
                    Diagnostic::error(
                        "check/missing-input",
                        call.span,
                        format!("the module `{}` needs a value for `{name}`", call.text),
                    )
                    .label(variable.name.span, "this variable has no default")
                    .help(format!("add `{name} = …`")),
                );
                (Value::error(), call.span)
            }
        };
        raw.insert(name, Raw::Given { value, place });
    }
    // No value is a text of the command line, which would be added to them.
    let sources = &mut SourceMap::default();
    let values = in_order(module, raw, names, sources, cx).into_iter();
    values.map(|(name, given)| (name, given.value)).collect()
}

/// Checks the rules of all variables; `names` has their values.
pub fn validate(module: &Module, names: &Names, cx: &mut Context<'_>) {
    for variable in module.variables.values() {
        for rule in &variable.validations {
            let Some(condition) = &rule.condition else {
                continue;
            };
            let place = Place::validation(names);
            let held = eval::evaluate_as(condition, &Type::Bool, &place, cx, "condition");
            if held.as_bool() != Some(false) {
                continue;
            }
            let message = rule
                .error_message
                .as_ref()
                .map(|expr| eval::evaluate_as(expr, &Type::String, &place, cx, "error_message"))
                .and_then(|message| {
                    message
                        .as_str()
                        .filter(|_| !message.contains_sensitive())
                        .map(str::to_owned)
                })
                .map_or_else(String::new, |message| format!(": {message}"));
            cx.report(
                Diagnostic::error(
                    "check/failed-validation",
                    variable.name.span,
                    format!(
                        "the value of variable `{}` is not allowed{message}",
                        variable.name.text
                    ),
                )
                .label(condition.span, "this condition does not hold")
                .help("give another value, or change the rule"),
            );
        }
    }
}

/// Hides the values of a variables file that are secrets, or may be some: those of sensitive variables, and of names that
/// nobody declared, which may be misspelt.
fn hide(body: &Body, module: &Module, sources: &mut SourceMap) {
    for attribute in &body.attributes {
        let variable = module.variables.get(attribute.name.text.as_str());
        if variable.is_none_or(|variable| variable.sensitive.is_some()) {
            let is_open = matches!(attribute.value.kind, ExprKind::Error);
            sources.hide(attribute.value.span, is_open);
        }
    }
}

/// Hides what a template itself writes down of secrets: defaults of sensitive variables, and texts that are the whole value
/// of a sensitive local.
pub fn hide_declared(module: &Module, sources: &mut SourceMap) {
    let variables = module.variables.values();
    let variables = variables.filter(|variable| variable.sensitive.is_some());
    for default in variables.filter_map(|variable| variable.default.as_ref()) {
        sources.hide(default.span, matches!(default.kind, ExprKind::Error));
    }
    let locals = module.locals.values();
    for local in locals.filter(|local| local.sensitive.is_some()) {
        if let ExprKind::Literal(_) = local.value.kind {
            sources.hide(local.value.span, false);
        }
    }
}

fn from_file<'a>(
    path: &str,
    body: &'a Body,
    module: &Module,
    raw: &mut BTreeMap<&'a str, Raw<'a>>,
    cx: &mut Context<'_>,
) {
    for block in &body.blocks {
        cx.report(
            Diagnostic::error(
                "check/unknown-block",
                block.kind.span,
                "a variables file has no blocks",
            )
            .help(match block.kind.text.as_str() {
                "variable" | "variables" | "local" | "locals" | "source" | "data" | "build"
                | "packer" => "move the block into a template".to_owned(),
                name => format!("write `{name} = {{ … }}`"),
            }),
        );
    }
    let mut seen: BTreeMap<&str, &crate::hir::Attribute> = BTreeMap::new();
    for attribute in &body.attributes {
        let name = attribute.name.text.as_str();
        if let Some(first) = seen.insert(name, attribute) {
            cx.report(crate::module::duplicate(attribute, first));
            continue;
        }
        if module.variables.contains_key(name) {
            raw.insert(
                name,
                Raw::Expr {
                    expr: &attribute.value,
                    origin: format!("file {path}"),
                },
            );
        } else if !module.weak {
            let diagnostic = Diagnostic::warning(
                "check/undeclared-variable",
                attribute.name.span,
                format!("no template here declares the variable `{name}`"),
            );
            cx.report(
                match nearest(name, module.variables.keys().map(SmolStr::as_str)) {
                    Some(near) => {
                        diagnostic.help(format!("there is one with a similar name: `{near}`"))
                    }
                    None => diagnostic.help(format!(
                        "declare it with `variable \"{name}\" {{ … }}`, or remove the line"
                    )),
                },
            );
        }
    }
}

fn from_flag<'a>(
    flag: &'a str,
    file: FileId,
    offset: u32,
    module: &Module,
    raw: &mut BTreeMap<&'a str, Raw<'a>>,
    cx: &mut Context<'_>,
) {
    let Some((name, text)) = flag.split_once('=') else {
        let span = Span::new(file, offset, offset + flag.len() as u32);
        cx.report(
            Diagnostic::error(
                "check/malformed-flag",
                span,
                format!("`-var {flag}` has no `=`"),
            )
            .help(format!("write `-var '{flag}=VALUE'`")),
        );
        return;
    };
    let name = name.trim();
    if module.variables.contains_key(name) {
        raw.insert(
            name,
            Raw::Text {
                text,
                origin: "-var".to_owned(),
            },
        );
        return;
    }
    let span = Span::new(file, offset, offset + name.len() as u32);
    let message = format!("`-var` sets `{name}`, and no template here declares this variable");
    let diagnostic = if module.weak {
        // Packer lets a flag set any name for a legacy template.
        Diagnostic::warning("check/undeclared-variable", span, message)
    } else {
        Diagnostic::error("check/undeclared-flag-variable", span, message)
    };
    cx.report(
        match nearest(name, module.variables.keys().map(SmolStr::as_str)) {
            Some(near) => diagnostic.help(format!("there is one with a similar name: `{near}`")),
            None if module.weak => diagnostic.help("declare it under `variables`"),
            None => diagnostic.help(format!("declare it with `variable \"{name}\" {{ … }}`")),
        },
    );
}

fn value_of(
    module: &Module,
    variable: &Variable,
    raw: Option<Raw<'_>>,
    names: &Names,
    sources: &mut SourceMap,
    cx: &mut Context<'_>,
) -> Given {
    let sensitive = flag_of(variable.sensitive.as_ref(), false, "sensitive", cx);
    let nullable = flag_of(variable.nullable.as_ref(), true, "nullable", cx);
    if let Some(description) = &variable.description {
        eval::evaluate_as(description, &Type::String, &DECLARATION, cx, "description");
    }
    let declared = variable
        .ty
        .as_ref()
        .map(|ty| parse_type(ty, &mut cx.diagnostics));
    let place = Place::default(names);
    // Packer does not look at the default of a variable of a legacy template that is given another value.
    let unused = module.weak && raw.is_some();
    let default = variable.default.as_ref().filter(|_| !unused);
    let default = default.map(|expr| {
        cx.env_allowed = true;
        let value = eval::evaluate(expr, &place, cx).mark(sensitive);
        cx.env_allowed = false;
        match &declared {
            Some(ty) => fit(&value, ty, expr.span, variable, cx),
            None => value,
        }
    });
    let (ty, target) = match declared {
        Some(ty) => (ty.clone(), ty),
        None => {
            let ty = match &default {
                Some(value) if !value.is_null() => value.ty(),
                _ => Type::Any,
            };
            let target = loosened(&ty);
            (ty, target)
        }
    };
    let written = match &raw {
        Some(Raw::Expr { expr, .. }) => Some(expr.span),
        Some(_) => None,
        None => variable.default.as_ref().map(|default| default.span),
    };
    let (value, origin, place) = match raw {
        Some(Raw::Expr { expr, origin }) => {
            let value = legacy::given_value(module, expr, &place, cx).mark(sensitive);
            // The line of a secret is not shown.
            let place = if sensitive {
                variable.name.span
            } else {
                expr.span
            };
            (fit(&value, &target, place, variable, cx), origin, place)
        }
        Some(Raw::Template { expr, origin }) => {
            let value = legacy::given_value(module, &expr, &place, cx).mark(sensitive);
            (
                fit(&value, &target, variable.name.span, variable, cx),
                origin,
                variable.name.span,
            )
        }
        Some(Raw::Text { text, origin }) => {
            let given = Text {
                text,
                origin: &origin,
                sensitive,
            };
            let (value, place) = given.value(&ty, &target, variable, sources, cx);
            (value, origin, place)
        }
        Some(Raw::Given { value, place }) => {
            let value = value.mark(sensitive);
            let value = fit(&value, &target, place, variable, cx);
            (value, "module".to_owned(), place)
        }
        None => match default {
            Some(value) => (value, "default".to_owned(), variable.span),
            None => {
                let mut diagnostic = no_value(variable);
                if let Some(undeclared) = legacy::undeclared(variable, cx) {
                    diagnostic.help = undeclared.help;
                    diagnostic.fixes = undeclared.fixes;
                }
                cx.report(diagnostic);
                (Value::error(), "nothing".to_owned(), variable.span)
            }
        },
    };
    if value.is_null() && !nullable {
        cx.report(
            Diagnostic::error(
                "check/invalid-variable",
                place,
                format!("the variable `{}` must not be null", variable.name.text),
            )
            .label(variable.name.span, "declared with `nullable = false`")
            .help("give it a value"),
        );
    }
    Given {
        value: value.mark(sensitive),
        origin,
        written,
    }
}

/// A type taken from a default is a guess: positions and attributes may differ in what is given.
fn loosened(ty: &Type) -> Type {
    match ty {
        Type::Tuple(_) | Type::Object(_) => Type::Any,
        other => other.clone(),
    }
}

fn no_value(variable: &Variable) -> Diagnostic {
    let name = &variable.name.text;
    Diagnostic::error("check/missing-variable", variable.name.span, format!("the variable `{name}` has no value"))
        .here("it has no default, and nothing sets it")
        .help(format!(
            "set it with `-var '{name}=…'`, in a `*.auto.pkrvars.hcl` file or one given by `-var-file`, or by the \
             environment variable `PKR_VAR_{name}`"
        ))
}

fn flag_of(expr: Option<&Expr>, otherwise: bool, name: &str, cx: &mut Context<'_>) -> bool {
    expr.map(|expr| eval::evaluate_as(expr, &Type::Bool, &DECLARATION, cx, name))
        .and_then(|value| value.as_bool())
        .unwrap_or(otherwise)
}

fn fit(value: &Value, ty: &Type, span: Span, variable: &Variable, cx: &mut Context<'_>) -> Value {
    convert(value, ty).unwrap_or_else(|error| {
        let path: String = error.steps.iter().map(ToString::to_string).collect();
        let mut diagnostic = Diagnostic::error(
            "check/invalid-variable",
            span,
            format!(
                "this value does not fit variable `{}{path}`: {}",
                variable.name.text, error.message
            ),
        )
        .label(
            variable
                .ty
                .as_ref()
                .map_or(variable.name.span, |ty| ty.span),
            "the type is declared here",
        );
        if *ty == Type::Bool {
            diagnostic = diagnostic.help("write `true` or `false`");
        }
        cx.report(diagnostic);
        Value::error()
    })
}
