//! Forms that help texts show, in the language of the file a problem is in.
//!
//! In: the texts of a problem, where what stands between backticks and is a block or an attribute is written as HCL:
//! `` `variable "x" { … }` ``, `` `name = …` ``. Out: the same in HCL's JSON form, in TOML, or as legacy templates say it;
//! anything else between backticks stays. `…` stands for what the reader knows.

mod parse;

use self::parse::{Form, Value};
use super::Diagnostic;
use crate::print::Language;

/// Remarks about HCL's own layout, which say nothing elsewhere.
const REMARKS: [&str; 4] = [
    " without `=`",
    ", each on its own line",
    ", on lines of their own",
    ", without quotes",
];

/// Has a problem show its forms in a language; whole blocks in that of the template, which another file may be for.
pub(crate) fn translate(diagnostic: &mut Diagnostic, language: Language, template: Language) {
    // Those who read the other languages speak them.
    let speaks = |family: &&str| diagnostic.id.starts_with(*family);
    let spoken = ["json/", "legacy/", "lower/", "toml/"];
    if (language, template) == (Language::Hcl, Language::Hcl) || spoken.iter().any(speaks) {
        return;
    }
    if let Some(help) = &mut diagnostic.help {
        *help = translated(help, language, template);
    }
}

fn translated(text: &str, language: Language, template: Language) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, code, after)) = code(rest) {
        out.push_str(before);
        let shown = match parse::form(code) {
            Some(form @ Form::Block(..)) => show(&form, template),
            Some(form) => show(&form, language),
            None => variables_file(code, template),
        };
        match shown {
            Some(shown) => out.push_str(&shown),
            None => out.push_str(&rest[before.len()..rest.len() - after.len()]),
        }
        rest = after;
    }
    out.push_str(rest);
    if language != Language::Hcl {
        for remark in REMARKS {
            out = out.replace(remark, "");
        }
    }
    out
}

/// What is before the first code, the code, and what is behind it. Code in double backticks is left alone.
fn code(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find('`')?;
    if text[start..].starts_with("``") {
        let end = start + 2 + text[start + 2..].find("``")? + 2;
        return Some((&text[..start], "", &text[end..]));
    }
    let (code, after) = text[start + 1..].split_once('`')?;
    Some((&text[..start], code, after))
}

/// The name of a file that gives values to variables.
fn variables_file(code: &str, language: Language) -> Option<String> {
    let stem = code.strip_suffix(".pkrvars.hcl")?;
    match language {
        // Theirs have other names.
        Language::Hcl | Language::Legacy => None,
        Language::Json => Some(format!("`{stem}.pkrvars.json`")),
        Language::Toml => Some(format!("`{stem}.pkrvars.toml`")),
    }
}

/// A form with its backticks; `None` where it stays as it is.
fn show(form: &Form<'_>, language: Language) -> Option<String> {
    match language {
        Language::Hcl => None,
        Language::Json => Some(format!("`{}`", json(form))),
        Language::Legacy => Some(format!("`{}`", legacy(form)?)),
        Language::Toml => toml(form),
    }
}

fn json(form: &Form<'_>) -> String {
    match form {
        Form::Gap => "…".to_owned(),
        Form::Attribute(name, value) => format!("\"{name}\": {}", json_value(name, value)),
        Form::Object(members) => json_body(members),
        Form::Block(kind, labels, body) => {
            let open: String = labels
                .iter()
                .map(|label| format!("{{\"{label}\": "))
                .collect();
            let close = "}".repeat(labels.len());
            format!("\"{kind}\": {open}{}{close}", json_body(body))
        }
    }
}

fn json_body(body: &[Form<'_>]) -> String {
    match body {
        [] => "{}".to_owned(),
        body => format!("{{ {} }}", joined(body.iter().map(json))),
    }
}

fn json_value(name: &str, value: &Value<'_>) -> String {
    match value {
        Value::Gap => "…".to_owned(),
        Value::Plain(text) => (*text).to_owned(),
        Value::List(elements) => {
            let elements = elements.iter().map(|element| json_value(name, element));
            format!("[{}]", joined(elements))
        }
        Value::Object(members) => json_body(members),
        Value::Expression(text) if is_expression(name) => quoted(text),
        Value::Expression(text) => quoted(&format!("${{{text}}}")),
    }
}

/// As Packer's templates from before HCL say it, where they can.
fn legacy(form: &Form<'_>) -> Option<String> {
    let Form::Block(kind, labels, body) = form else {
        return Some(json(form));
    };
    match (*kind, labels.as_slice()) {
        ("variable", [name]) => Some(format!("\"variables\": {{\"{name}\": \"…\"}}")),
        ("source", [ty, name]) => Some(format!(
            "\"builders\": [{{ \"type\": \"{ty}\", \"name\": \"{name}\", … }}]"
        )),
        (_, []) => Some(format!("\"{kind}\": {}", json_body(body))),
        _ => None,
    }
}

fn toml(form: &Form<'_>) -> Option<String> {
    let Form::Block(kind, labels, body) = form else {
        return Some(format!("`{}`", toml_inner(form)));
    };
    let mut name = (*kind).to_owned();
    for label in labels {
        name.push('.');
        name.push_str(&toml_key(label));
    }
    let table = match *kind {
        "build" => format!("`[[{name}]]`"),
        "data" | "local" | "locals" | "module" | "output" | "packer" | "provisioners"
        | "source" | "variable" | "variables" => format!("`[{name}]`"),
        _ => return Some(format!("`{}`", toml_inner(form))),
    };
    let lines: Vec<String> = body
        .iter()
        .filter(|form| !matches!(form, Form::Gap))
        .map(|form| format!("`{}`", toml_inner(form)))
        .collect();
    Some(match lines.is_empty() {
        true => table,
        false => format!("{table} and in it {}", lines.join(" and ")),
    })
}

fn toml_inner(form: &Form<'_>) -> String {
    match form {
        Form::Gap => "…".to_owned(),
        Form::Attribute(name, value) => {
            format!("{} = {}", toml_key(name), toml_value(name, value))
        }
        Form::Block(kind, labels, body) => {
            let mut name = (*kind).to_owned();
            for label in labels {
                name.push('.');
                name.push_str(&toml_key(label));
            }
            format!("{name} = {}", toml_body(body))
        }
        Form::Object(members) => toml_body(members),
    }
}

fn toml_body(body: &[Form<'_>]) -> String {
    match body {
        [] => "{}".to_owned(),
        body => format!("{{ {} }}", joined(body.iter().map(toml_inner))),
    }
}

fn toml_value(name: &str, value: &Value<'_>) -> String {
    match value {
        Value::Gap => "…".to_owned(),
        // TOML has none.
        Value::Plain("null") => "\"${null}\"".to_owned(),
        Value::Plain(text) => (*text).to_owned(),
        Value::List(elements) => {
            let elements = elements.iter().map(|element| toml_value(name, element));
            format!("[{}]", joined(elements))
        }
        Value::Object(members) => toml_body(members),
        Value::Expression(text) => {
            let text = match is_expression(name) {
                true => (*text).to_owned(),
                false => format!("${{{text}}}"),
            };
            match text.contains('"') && !text.contains('\'') {
                true => format!("'{text}'"),
                false => quoted(&text),
            }
        }
    }
}

fn toml_key(name: &str) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    match !name.is_empty() && name.chars().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// Whether a value is an expression in quotes, rather than a template, in every language but HCL.
fn is_expression(name: &str) -> bool {
    ["type", "extends", "iterator"].contains(&name)
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What help says in HCL, in JSON, in TOML, in legacy templates.
    const ROWS: &[[&str; 4]] = &[
        [
            r#"declare it with `source "null" "a b" { … }`, or not"#,
            r#"declare it with `"source": {"null": {"a b": { … }}}`, or not"#,
            r#"declare it with `[source.null."a b"]`, or not"#,
            r#"declare it with `"builders": [{ "type": "null", "name": "a b", … }]`, or not"#,
        ],
        [
            r#"declare it with `variable "x" { … }`"#,
            r#"declare it with `"variable": {"x": { … }}`"#,
            "declare it with `[variable.x]`",
            r#"declare it with `"variables": {"x": "…"}`"#,
        ],
        [
            r#"declare it with `module "m" { source = … }`"#,
            r#"declare it with `"module": {"m": { "source": … }}`"#,
            "declare it with `[module.m]` and in it `source = …`",
            r#"declare it with `module "m" { source = … }`"#,
        ],
        [
            r#"write `build { … }` with `name = "web"` in it"#,
            r#"write `"build": { … }` with `"name": "web"` in it"#,
            r#"write `[[build]]` with `name = "web"` in it"#,
            r#"write `"build": { … }` with `"name": "web"` in it"#,
        ],
        [
            "write `tag { … }` without `=`, one block for each",
            r#"write `"tag": { … }`, one block for each"#,
            "write `tag = { … }`, one block for each",
            r#"write `"tag": { … }`, one block for each"#,
        ],
        [
            r#"write `dynamic "tag" { for_each = …; content { … } }`, each on its own line"#,
            r#"write `"dynamic": {"tag": { "for_each": …, "content": { … } }}`"#,
            "write `dynamic.tag = { for_each = …, content = { … } }`",
            r#"write `dynamic "tag" { for_each = …; content { … } }`"#,
        ],
        [
            "write `key { inner = … }`, on lines of their own",
            r#"write `"key": { "inner": … }`"#,
            "write `key = { inner = … }`",
            r#"write `"key": { "inner": … }`"#,
        ],
        [
            r#"add `sources = ["source.TYPE.NAME", …]`"#,
            r#"add `"sources": ["source.TYPE.NAME", …]`"#,
            r#"add `sources = ["source.TYPE.NAME", …]`"#,
            r#"add `"sources": ["source.TYPE.NAME", …]`"#,
        ],
        [
            "write `iterator = item`, without quotes",
            r#"write `"iterator": "item"`"#,
            r#"write `iterator = "item"`"#,
            r#"write `"iterator": "item"`"#,
        ],
        [
            r#"with `default = env("NAME")` and `size = var.x + 1`"#,
            r#"with `"default": "${env(\"NAME\")}"` and `"size": "${var.x + 1}"`"#,
            r#"with `default = '${env("NAME")}'` and `size = "${var.x + 1}"`"#,
            r#"with `"default": "${env(\"NAME\")}"` and `"size": "${var.x + 1}"`"#,
        ],
        [
            "write `override = { SOURCE = { option = …, other = null, flag = true } }`",
            r#"write `"override": { "SOURCE": { "option": …, "other": null, "flag": true } }`"#,
            r#"write `override = { SOURCE = { option = …, other = "${null}", flag = true } }`"#,
            r#"write `"override": { "SOURCE": { "option": …, "other": null, "flag": true } }`"#,
        ],
        [
            "names with values: `{ name = … }`, in a `*.auto.pkrvars.hcl` file",
            r#"names with values: `{ "name": … }`, in a `*.auto.pkrvars.json` file"#,
            "names with values: `{ name = … }`, in a `*.auto.pkrvars.toml` file",
            r#"names with values: `{ "name": … }`, in a `*.auto.pkrvars.hcl` file"#,
        ],
        [
            r#"`plugin = { source = "github.com/x/y", version = ">= 1.0.0" }`"#,
            r#"`"plugin": { "source": "github.com/x/y", "version": ">= 1.0.0" }`"#,
            r#"`plugin = { source = "github.com/x/y", version = ">= 1.0.0" }`"#,
            r#"`"plugin": { "source": "github.com/x/y", "version": ">= 1.0.0" }`"#,
        ],
    ];

    #[test]
    fn forms_in_every_language() {
        for [hcl, json, toml, legacy] in ROWS {
            for (language, wanted) in [
                (Language::Hcl, hcl),
                (Language::Json, json),
                (Language::Toml, toml),
                (Language::Legacy, legacy),
            ] {
                let mut problem = Diagnostic::error(
                    "x",
                    imgc_syntax::Span::new(imgc_syntax::FileId(0), 0, 0),
                    "",
                )
                .help(*hcl);
                translate(&mut problem, language, language);
                assert_eq!(problem.help.as_deref(), Some(*wanted), "{language:?}");
            }
        }
    }

    #[test]
    fn what_is_no_form_stays() {
        for text in [
            "did you mean `string`?",
            "write `\"key\": value` or `[[build]]`",
            "like `x == null ? \"\" : x`",
            "such as `object({ name = string })`, `90s`, `{{ .Vars }}` or `` {{user `a = b`}} ``",
            "an open ` stays, `a = ` as well, and `a {`",
            "run `imgc schema null`, give `-var 'a=…'`",
        ] {
            for language in [Language::Json, Language::Toml, Language::Legacy] {
                assert_eq!(translated(text, language, language), text);
            }
        }
    }

    #[test]
    fn a_file_of_variables_speaks_of_blocks_as_its_template_does() {
        let help = "declare it with `variable \"x\" { … }`, or write `x = { … }`";
        assert_eq!(
            translated(help, Language::Json, Language::Hcl),
            "declare it with `variable \"x\" { … }`, or write `\"x\": { … }`"
        );
        assert_eq!(
            translated(help, Language::Hcl, Language::Toml),
            "declare it with `[variable.x]`, or write `x = { … }`"
        );
    }
}
