//! Go templates inside option strings: `{{ .Path }}`, ``{{ build `ID` }}``, `{{ timestamp }}`.
//!
//! In: a text, the names it may use, the surroundings of the step. Out: the text with every action replaced, or an
//! error that names the option. `gotmpl` parses and runs the templates (`gtmpl` loops forever on some malformed ones); the
//! functions are Packer's.
//!
//! Like Packer, every option string of a component is a template, rendered before the component sees it. The options
//! of `late` are kept as they are: their component renders them itself, with names only it knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use imgc_compiler::components::{ComponentKind, Problem};
use imgc_compiler::diagnostic::nearest;
use imgc_compiler::source::World;
use imgc_compiler::value::{Data, Value};
use smol_str::SmolStr;

use crate::context::Context;
use crate::error::{Class, Error, Result};

mod asked;
mod fields;
mod functions;
mod late;
mod time;

pub use asked::{Asked, asked};
pub use late::late;
pub use time::go_layout;

/// Put after every template, to see that all of it was rendered.
const LAST: char = '\u{1}';
/// A template that repeats more often is stopped.
const MOST_ITERATIONS: u64 = 1_000_000;

/// What functions such as `build` and `user` look at. Cheap to clone.
#[derive(Clone)]
pub struct Surroundings {
    /// `build_name`: the source's name, with the keys of repeated blocks behind it.
    pub source_name: Arc<str>,
    /// `build_type`.
    pub builder_type: Arc<str>,
    /// `template_dir`.
    pub root: PathBuf,
    /// `build`.
    pub build: Arc<BTreeMap<SmolStr, Value>>,
    /// `user`.
    pub variables: Arc<BTreeMap<SmolStr, Value>>,
    /// Clock, environment, random numbers.
    pub world: Arc<dyn World>,
}

impl From<&Context> for Surroundings {
    fn from(cx: &Context) -> Self {
        Self {
            source_name: cx.source_name.clone(),
            builder_type: cx.builder_type.clone(),
            root: cx.root.clone(),
            build: cx.build.clone(),
            variables: cx.variables.clone(),
            world: cx.world.clone(),
        }
    }
}

/// Renders a template. `fields` are the names after a dot; `option` is what an error is about.
pub fn render(
    text: &str,
    fields: &[(&str, &str)],
    surroundings: &Surroundings,
    option: &str,
) -> Result<String> {
    render_with(text, fields, &[], surroundings, option)
}

/// The same with names after a dot that have names of their own: `{{ .Tags.Release }}`, `{{ index .Tags "Release" }}`.
pub fn render_with(
    text: &str,
    fields: &[(&str, &str)],
    maps: &[(&str, &BTreeMap<String, String>)],
    surroundings: &Surroundings,
    option: &str,
) -> Result<String> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let template = parse(&format!("{text}{LAST}"), Some(surroundings))
        .map_err(|error| failure(option, error))?;
    let mut maps: BTreeMap<&str, BTreeMap<String, Option<String>>> = maps
        .iter()
        .map(|(name, map)| {
            let parts = map.iter();
            let parts = parts.map(|(name, value)| (name.clone(), Some(value.clone())));
            (*name, parts.collect())
        })
        .collect();
    let mut rendered = loop {
        let names = names(fields, &maps);
        match template.execute_to_string(&gotmpl::Value::from(names)) {
            Ok(rendered) => break rendered,
            // A name that a map lacks is no mistake to Go: it has no value, and is shown as that.
            Err(gotmpl::TemplateError::MissingKey { key })
                if maps.values().any(|map| !map.contains_key(&*key)) =>
            {
                for map in maps.values_mut() {
                    map.entry(key.to_string()).or_default();
                }
            }
            Err(error) => return Err(failure(option, plain(&error))),
        }
    };
    // The engine takes an `end` that closes nothing for the end of the text.
    if rendered.pop() != Some(LAST) {
        return Err(failure(option, "an `end` closes nothing".to_owned()));
    }
    Ok(rendered)
}

/// What a template sees after a dot.
fn names(
    fields: &[(&str, &str)],
    maps: &BTreeMap<&str, BTreeMap<String, Option<String>>>,
) -> BTreeMap<Arc<str>, gotmpl::Value> {
    let mut names: BTreeMap<Arc<str>, gotmpl::Value> = fields
        .iter()
        .map(|(name, value)| (Arc::from(*name), gotmpl::Value::from(*value)))
        .collect();
    names.extend(maps.iter().map(|(name, map)| {
        let map: BTreeMap<Arc<str>, gotmpl::Value> = map
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Some(value) => gotmpl::Value::from(value.as_str()),
                    None => gotmpl::Value::Nil,
                };
                (Arc::from(name.as_str()), value)
            })
            .collect();
        (Arc::from(*name), gotmpl::Value::from(map))
    }));
    names
}

/// Whether a text is a template that can be parsed; the message of the problem if not.
pub fn check(text: &str) -> std::result::Result<(), String> {
    if text.contains("{{") {
        parse(text, None)?;
    }
    Ok(())
}

/// Renders all strings of a component's options but the `late` ones. Marks stay.
pub fn render_options(
    options: &Value,
    late: &[&str],
    surroundings: &Surroundings,
) -> Result<Value> {
    let Data::Object(entries) = options.data() else {
        return Ok(options.clone());
    };
    if !entries.values().any(has_template) {
        return Ok(options.clone());
    }
    let mut rendered = BTreeMap::new();
    for (name, value) in entries.iter() {
        let value = if late.contains(&name.as_str()) {
            value.clone()
        } else {
            render_value(value, name, surroundings)?
        };
        rendered.insert(name.clone(), value);
    }
    Ok(Value::from_data(Data::Object(Arc::new(rendered))).mark_like(options))
}

/// Options as they are known before anything runs: of those that hold a template nothing but the type is, save for `late`
/// ones, whose templates are the component's own.
pub(crate) fn open_options(options: &Value, late: &[&str]) -> Value {
    let Data::Object(entries) = options.data() else {
        return options.clone();
    };
    if !entries.values().any(has_template) {
        return options.clone();
    }
    let open = entries.iter().map(|(name, value)| {
        let value = match has_template(value) && !late.contains(&name.as_str()) {
            true => Value::unknown(value.ty()).mark_like(value),
            false => value.clone(),
        };
        (name.clone(), value)
    });
    Value::from_data(Data::Object(Arc::new(open.collect()))).mark_like(options)
}

/// The templates of a component's options that cannot be parsed, with the option's name.
pub fn check_options(options: &Value) -> Vec<(String, String)> {
    let Data::Object(entries) = options.data() else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for (name, value) in entries.iter() {
        check_value(value, name, &mut problems);
    }
    problems
}

fn check_value(value: &Value, name: &str, problems: &mut Vec<(String, String)>) {
    match value.data() {
        Data::String(text) => {
            if let Err(message) = check(text) {
                problems.push((name.to_owned(), message));
            }
        }
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            for part in parts.iter() {
                check_value(part, name, problems);
            }
        }
        Data::Map(_, parts) | Data::Object(parts) => {
            for part in parts.values() {
                check_value(part, name, problems);
            }
        }
        _ => {}
    }
}

/// The names after a dot that the templates of a component's options ask for and that it does not have, each once for an
/// option; only of components of which their names are known.
pub(crate) fn check_fields(kind: ComponentKind, name: &str, options: &Value) -> Vec<Problem> {
    let Data::Object(entries) = options.data() else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for (option, value) in entries.iter() {
        let Some((own, common)) = late::fields(kind, name, option) else {
            continue;
        };
        let mut known: Vec<&str> = own.iter().chain(common).copied().collect();
        known.sort_unstable();
        let mut asked = Vec::new();
        texts(value, &mut asked);
        let mut unknown: Vec<String> = asked.iter().flat_map(|text| fields::fields(text)).collect();
        unknown.retain(|field| !known.contains(&field.as_str()));
        unknown.sort();
        unknown.dedup();
        for field in unknown {
            let help = match nearest(&field, known.iter().copied()) {
                Some(near) => format!("there is one with a similar name: `{{{{ .{near} }}}}`"),
                None if known.is_empty() => format!(
                    "`{option}` is rendered before anything runs: functions such as `{{{{ timestamp }}}}` can be used in it"
                ),
                None => format!("there are .{}", known.join(", .")),
            };
            let message = format!("the templates in `{option}` know no `.{field}`");
            problems.push(Problem::new(message).of(option.as_str()).help(help));
        }
    }
    problems
}

/// The texts of a value that are templates, names of entries included.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value.data() {
        Data::String(text) if text.contains("{{") => found.push(text),
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            parts.iter().for_each(|part| texts(part, found));
        }
        Data::Map(_, parts) | Data::Object(parts) => {
            for (name, part) in parts.iter() {
                if name.contains("{{") {
                    found.push(name);
                }
                texts(part, found);
            }
        }
        _ => {}
    }
}

fn has_template(value: &Value) -> bool {
    match value.data() {
        Data::String(text) => text.contains("{{"),
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            parts.iter().any(has_template)
        }
        Data::Map(_, parts) | Data::Object(parts) => parts.values().any(has_template),
        _ => false,
    }
}

fn render_value(value: &Value, option: &str, surroundings: &Surroundings) -> Result<Value> {
    if !has_template(value) {
        return Ok(value.clone());
    }
    let list = |parts: &Arc<[Value]>| -> Result<Arc<[Value]>> {
        parts
            .iter()
            .map(|part| render_value(part, option, surroundings))
            .collect()
    };
    let map = |parts: &Arc<BTreeMap<SmolStr, Value>>| -> Result<Arc<BTreeMap<SmolStr, Value>>> {
        parts
            .iter()
            .map(|(key, part)| Ok((key.clone(), render_value(part, option, surroundings)?)))
            .collect::<Result<BTreeMap<_, _>>>()
            .map(Arc::new)
    };
    let mut sensitive = false;
    let data = match value.data() {
        Data::String(text) => {
            sensitive = asks_for_secret(text, surroundings);
            Data::String(render(text, &[], surroundings, option)?.into())
        }
        Data::List(ty, parts) => Data::List(ty.clone(), list(parts)?),
        Data::Set(ty, parts) => Data::Set(ty.clone(), list(parts)?),
        Data::Tuple(parts) => Data::Tuple(list(parts)?),
        Data::Map(ty, parts) => Data::Map(ty.clone(), map(parts)?),
        Data::Object(parts) => Data::Object(map(parts)?),
        other => other.clone(),
    };
    Ok(Value::from_data(data).mark(sensitive).mark_like(value))
}

/// Whether a template asks for something that is secret, or may do so.
pub(crate) fn asks_for_secret(text: &str, surroundings: &Surroundings) -> bool {
    let variables = |name: &str| {
        let value = surroundings.variables.get(name);
        value.is_some_and(Value::contains_declared_sensitive)
    };
    let build = |name: &str| {
        let value = surroundings.build.get(name);
        value.is_some_and(Value::contains_sensitive)
    };
    asked(text).iter().any(|asked| match asked {
        Asked::Variable(name) => variables(name),
        Asked::Build(name) => build(name),
        Asked::Anything => {
            surroundings.variables.keys().any(|name| variables(name))
                || surroundings.build.keys().any(|name| build(name))
        }
        _ => false,
    })
}

fn parse(
    text: &str,
    surroundings: Option<&Surroundings>,
) -> std::result::Result<gotmpl::Template, String> {
    gotmpl::Template::new("")
        .missing_key(gotmpl::MissingKey::Error)
        .max_range_iters(MOST_ITERATIONS)
        .funcs(functions::all(surroundings))
        .parse(text)
        .map_err(|error| plain(&error))
}

/// The message without the library's own words around it.
fn plain(error: &gotmpl::TemplateError) -> String {
    use gotmpl::TemplateError as E;
    match error {
        E::Parse { message, .. } | E::Lex { message, .. } | E::Exec(message) => message.clone(),
        E::MissingKey { key } => format!("there is no `.{key}` here"),
        other => other.to_string(),
    }
    .replace('\n', " ")
}

fn failure(option: &str, message: String) -> Error {
    Error::new(
        Class::Template,
        "run/template",
        format!("the template in `{option}` cannot be rendered: {message}"),
    )
    .help("`{{` begins a Go template; for two braces as they are write {{ `{{` }}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::{object, surroundings};

    fn shown(text: &str) -> String {
        match render(
            text,
            &[("Path", "/tmp/x.sh"), ("Vars", "A='1' ")],
            &surroundings(),
            "execute_command",
        ) {
            Ok(text) => text,
            Err(error) => format!("ERROR {}", error.message),
        }
    }

    #[test]
    fn fields_and_text() {
        assert_eq!(
            shown("chmod +x {{.Path}}; {{ .Vars }} {{- .Path }}"),
            "chmod +x /tmp/x.sh; A='1' /tmp/x.sh"
        );
        assert_eq!(shown("no template"), "no template");
        assert_eq!(shown("{{/* a comment */}}x"), "x");
        assert_eq!(shown("a {{ `{{.Id}}` }} b"), "a {{.Id}} b");
    }

    #[test]
    fn what_a_map_lacks_is_empty_as_in_go() {
        let tags = BTreeMap::from([("Release".to_owned(), "9".to_owned())]);
        let shown = |text| {
            let maps = [("Tags", &tags)];
            render_with(text, &[], &maps, &surroundings(), "tags").unwrap()
        };
        assert_eq!(shown("{{ index .Tags `Release` }}"), "9");
        assert_eq!(shown("<{{ index .Tags `other` }}>"), "<>");
        assert_eq!(
            shown("{{ .Tags.Release }} {{ .Tags.Other }}"),
            "9 <no value>"
        );
        let either = "{{ if .Tags.Other }}{{ .Tags.Other }}{{ else }}none{{ end }}";
        assert_eq!(shown(either), "none");
        let maps = [("Tags", &tags)];
        let misspelt = render_with("{{ .Tag.Release }}", &[], &maps, &surroundings(), "tags");
        assert!(misspelt.is_err(), "{misspelt:?}");
    }

    #[test]
    fn functions_of_packer() {
        let cases = [
            ("{{timestamp}}", "1700000000"),
            ("{{isotime}}", "2023-11-14T22:13:20Z"),
            ("{{isotime \"2006-01-02-15-04-05\"}}", "2023-11-14-22-13-20"),
            ("{{strftime `%Y%m%d`}}", "20231114"),
            ("{{upper `abc`}} {{lower `ABC`}}", "ABC abc"),
            ("{{ `abc` | upper }}", "ABC"),
            ("{{split `a-b-c` `-` 1}}", "b"),
            (
                "{{replace `a` `b` 1 `aac`}} {{replace_all `a` `b` `aac`}}",
                "bac bbc",
            ),
            ("{{build_name}} {{build_type}}", "base null"),
            ("{{build `ID`}}", "i-1234"),
            ("{{user `color`}}", "blue"),
            ("{{env `HOME_OF_TEST`}}", "/h"),
            ("{{clean_resource_name `a b:c/d`}}", "a b-c/d"),
            ("{{template_dir}}|{{pwd}}", "/project/images|/project"),
            ("{{packer_version}}", imgc_compiler::scope::PACKER_VERSION),
            ("{{if eq build_type `null`}}n{{else}}o{{end}}", "n"),
            ("{{printf `%s-%d` `x` 3}}", "x-3"),
        ];
        for (text, answer) in cases {
            assert_eq!(shown(text), answer, "{text}");
        }
        let uuid = shown("{{uuid}}");
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
    }

    #[test]
    fn errors_name_the_option() {
        for text in [
            "{{ foo }}",
            "{{ .Nothing }}",
            "{{",
            "{{ build `Nothing` }}",
            "{{ user `nobody` }}",
            "{{ split `a` `-` 7 }}",
            "{{ if }}",
            "{{ upper }}",
            "{{ end }}",
        ] {
            let message = shown(text);
            assert!(
                message.starts_with("ERROR the template in `execute_command` cannot be rendered: "),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn garbage_never_panics() {
        let pieces = [
            "{{", "}}", "-", " ", "`", "\"", "(", ")", "|", ".", "$x", ":=", "if", "range", "end",
            "with", "else", "é", "1", "upper", "\n", "/*", "*/",
        ];
        let mut seed = 1u64;
        for _ in 0..2000 {
            let mut text = String::from("{{");
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            let _ = shown(&text);
        }
    }

    #[test]
    fn options_are_rendered_but_late_ones() {
        let options = object([
            ("inline", Value::string("echo {{build_name}}").mark(true)),
            ("execute_command", Value::string("{{.Path}}")),
        ]);
        let rendered = render_options(&options, &["execute_command"], &surroundings()).unwrap();
        assert_eq!(
            rendered,
            object([
                ("inline", Value::string("echo base").mark(true)),
                ("execute_command", Value::string("{{.Path}}")),
            ])
        );
        let bad = object([("inline", Value::string("{{ if }}"))]);
        assert_eq!(check_options(&bad)[0].0, "inline");
    }

    #[test]
    fn a_name_that_no_template_of_the_option_has_is_said_with_the_one_that_is_meant() {
        let said = |kind: ComponentKind, name: &str, option: &str, value: Value| -> Vec<String> {
            let found = check_fields(kind, name, &object([(option, value)])).into_iter();
            let line = |problem: Problem| {
                let help = problem.help.unwrap_or_default();
                format!("{}: {}; {help}", problem.options.join(","), problem.message)
            };
            found.map(line).collect()
        };
        let builder =
            |option: &str, value| said(ComponentKind::Builder, "amazon-ebs", option, value);
        let tag = |text: &str| object([("a", Value::string(text))]);
        assert_eq!(
            builder("tags", tag("{{ .SourceAMIx }}")),
            [
                "tags: the templates in `tags` know no `.SourceAMIx`; there is one with a similar name: `{{ .SourceAMI }}`"
            ]
        );
        assert_eq!(
            said(
                ComponentKind::PostProcessor,
                "amazon-ssm-parameter",
                "parameter",
                Value::string("/{{ .Nane }}/{{ .Region }}")
            ),
            [
                "parameter: the templates in `parameter` know no `.Nane`; there are .BuildRegion, .ImageID, .Region"
            ]
        );
        let early = builder("ami_name", Value::string("web-{{ .SourceAMIName }}"));
        assert!(
            early[0].contains("rendered before anything runs"),
            "{early:?}"
        );
        // What is known, what nobody knows yet, and what may be somebody else's.
        let unknown = Value::unknown(imgc_compiler::types::Type::String);
        for (option, value) in [
            (
                "run_tags",
                tag("{{ .SourceAMITags.Release }} {{ .BuildRegion }}"),
            ),
            ("tags", object([("a", unknown)])),
            (
                "user_data",
                Value::string("docker ps --format '{{ .Names }}'"),
            ),
        ] {
            assert_eq!(builder(option, value), [""; 0], "{option}");
        }
    }
}
