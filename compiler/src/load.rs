//! From paths to bodies: which files form a template, and reading them.
//!
//! As in Packer, all `*.pkr.hcl` and `*.pkr.json` files of a directory form one template (ours, `*.imgc.hcl` and
//! `*.imgc.toml`, count as well), and its `*.auto.pkrvars.*` files give variables. A path may also name one file, and then
//! nothing else is read. The name of a file says its language.

use std::io;
use std::path::{Path, PathBuf};

use imgc_syntax::FileId;

use crate::compile::Unreadable;
use crate::diagnostic::Diagnostic;
use crate::hir::Body;
use crate::lower;
use crate::lower::structure::{self, Form};
use crate::print::Language;
use crate::source::{EntryKind, ReadAs, SourceMap, Sources};

/// Problems of reading; they have a path instead of a place in a text.
pub const IDS: &[crate::diagnostic::registry::Entry] = &[
    crate::diagnostic::registry::Entry::error("load/not-found", "the path does not exist"),
    crate::diagnostic::registry::Entry::error(
        "load/no-template",
        "a directory without template files, or a file that is none",
    ),
    crate::diagnostic::registry::Entry::error("load/not-text", "a file that is not UTF-8 text"),
    crate::diagnostic::registry::Entry::error("load/unreadable", "a file that cannot be read"),
    crate::diagnostic::registry::Entry::error("load/too-large", "a file larger than any template"),
];

/// The most bytes a template may have; the parser takes no more.
const MAX_LEN: usize = 1 << 30;

/// What the names of a directory's template files end in: those in HCL, in JSON, in TOML.
const TEMPLATES: [&[&str]; 3] = [&[".pkr.hcl", ".imgc.hcl"], &[".pkr.json"], &[".imgc.toml"]];

/// What the names of files end in that give values to variables, and are read without being asked for.
const AUTO_VARIABLES: [&[&str]; 3] = [
    &[".auto.pkrvars.hcl"],
    &[".auto.pkrvars.json"],
    &[".auto.pkrvars.toml"],
];

/// What the names of files end in that give values to variables.
const VARIABLES: [&str; 3] = [".pkrvars.hcl", ".pkrvars.json", ".pkrvars.toml"];

/// The files of a template.
#[derive(Debug, Default)]
pub struct Files {
    /// Template files, in order: those in HCL, in JSON, in TOML, each by name.
    pub templates: Vec<PathBuf>,
    /// `*.auto.pkrvars.*`, in the same order.
    pub auto_variables: Vec<PathBuf>,
    /// The template's directory.
    pub root: PathBuf,
}

/// Whether a file gives values to variables, and whether it does so without being asked for: by its name.
pub fn gives_values(path: &Path) -> Option<bool> {
    let auto = AUTO_VARIABLES.iter().flat_map(|group| group.iter());
    let is_auto = auto.copied().any(|suffix| has_suffix(path, suffix));
    let is_any = VARIABLES.iter().any(|suffix| has_suffix(path, suffix));
    is_any.then_some(is_auto)
}

/// Whether a file belongs to the template of its directory, by its name.
pub fn is_template(path: &Path) -> bool {
    let mut all = TEMPLATES.iter().flat_map(|group| group.iter());
    all.any(|suffix| has_suffix(path, suffix))
}

/// Finds the files `path` stands for.
pub fn find(path: &Path, sources: &dyn Sources) -> Result<Files, Unreadable> {
    match sources.kind(path) {
        Ok(EntryKind::Directory) => directory(path, sources),
        Ok(EntryKind::File) => {
            if VARIABLES.iter().any(|suffix| has_suffix(path, suffix)) {
                return Err(Unreadable {
                    id: "load/no-template",
                    path: path.to_owned(),
                    message: "this file gives values to variables, it is no template".to_owned(),
                    help: Some(format!(
                        "name the template and give this file to it: `-var-file={} .`",
                        path.display()
                    )),
                });
            }
            let root = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            Ok(Files {
                templates: vec![path.to_owned()],
                auto_variables: Vec::new(),
                root: root.to_owned(),
            })
        }
        Ok(EntryKind::Other) => Err(Unreadable {
            id: "load/unreadable",
            path: path.to_owned(),
            message: "this is neither a file nor a directory".to_owned(),
            help: Some("name a template file or a directory of them".to_owned()),
        }),
        Err(error) => Err(io_error(path, &error)),
    }
}

fn directory(path: &Path, sources: &dyn Sources) -> Result<Files, Unreadable> {
    let names = sources.list(path).map_err(|error| io_error(path, &error))?;
    let with = |suffixes: &[&str]| -> Vec<PathBuf> {
        let wanted = |file: &&PathBuf| suffixes.iter().any(|suffix| has_suffix(file, suffix));
        names.iter().filter(wanted).cloned().collect()
    };
    let in_order = |groups: [&[&str]; 3]| groups.iter().flat_map(|group| with(group)).collect();
    let templates: Vec<PathBuf> = in_order(TEMPLATES);
    let auto_variables = in_order(AUTO_VARIABLES);
    if templates.is_empty() {
        let near = with(&[".hcl", ".json", ".toml"]);
        let is_variables = |file: &Path| VARIABLES.iter().any(|suffix| has_suffix(file, suffix));
        let help = match near.iter().find(|file| !is_variables(file)) {
            Some(plain) if has_suffix(plain, ".hcl") => format!(
                "to use `{}`, name the file itself or let its name end in `.pkr.hcl`",
                plain.display()
            ),
            Some(plain) => format!("to use `{}`, name the file itself", plain.display()),
            None => {
                "a template's name ends in `.pkr.hcl`, `.pkr.json`, `.imgc.hcl` or `.imgc.toml`"
                    .to_owned()
            }
        };
        return Err(Unreadable {
            id: "load/no-template",
            path: path.to_owned(),
            message: "there is no template in this directory".to_owned(),
            help: Some(help),
        });
    }
    Ok(Files {
        templates,
        auto_variables,
        root: path.to_owned(),
    })
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().ends_with(suffix))
}

/// Reads one file into the map.
pub fn read(path: &Path, sources: &dyn Sources, map: &mut SourceMap) -> Result<FileId, Unreadable> {
    let bytes = sources.read(path).map_err(|error| io_error(path, &error))?;
    let unreadable = |id, message, help: &str| Unreadable {
        id,
        path: path.to_owned(),
        message,
        help: Some(help.to_owned()),
    };
    if bytes.len() > MAX_LEN {
        return Err(unreadable(
            "load/too-large",
            "this file is larger than 1 GiB".to_owned(),
            "name a template, not an image",
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(map.add(path, text)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..good]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count()
                + 1;
            Err(unreadable(
                "load/not-text",
                format!(
                    "this is not a text file: the byte at offset {good} (line {line}) is not UTF-8"
                ),
                "save the file as UTF-8; a template is text",
            ))
        }
    }
}

/// Reads and parses one file of a template, in the language its name says.
pub fn body(
    path: &Path,
    sources: &dyn Sources,
    map: &mut SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Result<Body, Unreadable> {
    let file = read(path, sources, map)?;
    Ok(
        map.parsed(file, ReadAs::Template, out, |text, before, out| {
            match has_suffix(path, ".toml") || is_json(path, text) {
                true => (template_body(path, file, text, out), None),
                false => lower::hcl::edited(file, text, before, out),
            }
        }),
    )
}

/// A template in JSON or TOML.
fn template_body(path: &Path, file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Body {
    if has_suffix(path, ".toml") {
        let root = lower::toml::parse(file, text, out);
        return structure::template(&root, text, Form::Toml, out);
    }
    let root = lower::json::parse(file, text, out);
    if !has_suffix(path, ".pkr.json") && !structure::is_template(&root) {
        let span = imgc_syntax::Span::new(file, 0, text.len() as u32);
        return lower::legacy::template(&root, span, out);
    }
    structure::template(&root, text, Form::Json, out)
}

/// Whether a file is in JSON: by its name, or, where that says nothing, by its first character.
pub(crate) fn is_json(path: &Path, text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    has_suffix(path, ".json") || !has_suffix(path, ".hcl") && text.starts_with('{')
}

/// Reads and parses one file that gives values to variables, in the language its name says. For a legacy template that
/// is JSON unless the name says otherwise.
pub fn variables(
    path: &Path,
    legacy: bool,
    sources: &dyn Sources,
    map: &mut SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Result<Body, Unreadable> {
    let file = read(path, sources, map)?;
    map.set_gives_values(file);
    let key = ReadAs::Values { legacy };
    Ok(map.parsed(file, key, out, |text, _, out| {
        (variables_body(path, file, legacy, text, out), None)
    }))
}

fn variables_body(
    path: &Path,
    file: FileId,
    legacy: bool,
    text: &str,
    out: &mut Vec<Diagnostic>,
) -> Body {
    if has_suffix(path, ".toml") {
        let root = lower::toml::parse(file, text, out);
        return structure::variables(&root, text, Form::Toml, out);
    }
    if !is_json(path, text) && (has_suffix(path, ".hcl") || !legacy) {
        return lower::hcl::file(file, text, out);
    }
    if legacy {
        return lower::legacy::variables_file(file, text, out);
    }
    let root = lower::json::parse(file, text, out);
    structure::variables(&root, text, Form::Json, out)
}

/// The language of a file of this name; that of templates from before HCL cannot be told by the name.
pub(crate) fn language(path: &Path) -> Language {
    match () {
        () if has_suffix(path, ".json") => Language::Json,
        () if has_suffix(path, ".toml") => Language::Toml,
        () => Language::Hcl,
    }
}

/// Whether a fix still makes sense in a file of this name: what it inserts must not need other escapes there.
pub(crate) fn can_insert(path: &Path, replaced: &str, text: &str) -> bool {
    let hcl = !has_suffix(path, ".json") && !has_suffix(path, ".toml");
    hcl || replaced.starts_with(['"', '\'']) || !text.contains(['"', '\\', '\n'])
}

fn io_error(path: &Path, error: &io::Error) -> Unreadable {
    let (id, message, help) = match error.kind() {
        io::ErrorKind::NotFound => (
            "load/not-found",
            "there is no such file or directory".to_owned(),
            Some("check the path"),
        ),
        io::ErrorKind::PermissionDenied => (
            "load/unreadable",
            "this file cannot be read: permission denied".to_owned(),
            Some("check its permissions and its owner"),
        ),
        _ => (
            "load/unreadable",
            format!("this file cannot be read: {error}"),
            None,
        ),
    };
    Unreadable {
        id,
        path: path.to_owned(),
        message,
        help: help.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::{body, find, variables};
    use crate::source::{Memory, SourceMap};

    /// What a user reads when `path` cannot be loaded, or the files that are.
    fn load(names: &[&str], path: &str) -> String {
        let sources = Memory::new(names.iter().map(|name| (*name, "")));
        let (mut map, mut problems) = (SourceMap::default(), Vec::new());
        let loaded = find(Path::new(path), &sources).and_then(|files| {
            for file in &files.templates {
                body(file, &sources, &mut map, &mut problems)?;
            }
            for file in &files.auto_variables {
                variables(file, false, &sources, &mut map, &mut problems)?;
            }
            Ok(())
        });
        match loaded {
            Ok(()) => {
                let paths = map.files().map(|(_, file)| file.path.display().to_string());
                paths.collect::<Vec<_>>().join(", ")
            }
            Err(problem) => format!(
                "{}: {}: {}; {}",
                problem.id,
                problem.path.display(),
                problem.message,
                problem.help.unwrap_or_default()
            ),
        }
    }

    #[test]
    fn a_directory_is_its_templates_and_variables() {
        let names = [
            "d/b.pkr.hcl",
            "d/a.imgc.hcl",
            "d/a.pkr.json",
            "d/x.hcl",
            "d/y.json",
            "d/a.auto.pkrvars.json",
            "d/c.auto.pkrvars.hcl",
            "d/v.pkrvars.hcl",
            "d/e/f.pkr.hcl",
        ];
        assert_eq!(
            load(&names, "d"),
            "d/a.imgc.hcl, d/b.pkr.hcl, d/a.pkr.json, d/c.auto.pkrvars.hcl, d/a.auto.pkrvars.json"
        );
        assert_eq!(load(&names, "d/x.hcl"), "d/x.hcl");
        assert_eq!(load(&names, "d/a.pkr.json"), "d/a.pkr.json");
    }

    #[test]
    fn what_a_file_holds_decides_where_its_name_does_not() {
        let languages = [
            ("a.json", r#"{"builders": []}"#, "legacy/no-builder"),
            (
                "a.json",
                r#"{"source": 1, "build": {}}"#,
                "lower/not-a-block",
            ),
            (
                "a.json",
                r#"{"provisioners": {"a": 1}}"#,
                "lower/not-a-block",
            ),
            ("a.json", r#"{"builders": [], "build": {}}"#, "legacy/"),
            ("a.pkr.json", r#"{"builders": []}"#, "lower/legacy-template"),
            ("template", r#" {"builders": []}"#, "legacy/no-builder"),
            ("template", "a =", "syntax/expected-expression"),
            ("a.hcl", "{}", "syntax/"),
            ("a.toml", "a =", "toml/expected-value"),
        ];
        for (name, text, id) in languages {
            let sources = Memory::new([(name, text)]);
            let (mut map, mut problems) = (SourceMap::default(), Vec::new());
            body(Path::new(name), &sources, &mut map, &mut problems).unwrap();
            let first = problems.first().map_or("nothing", |problem| problem.id);
            assert!(first.starts_with(id), "{name} {text}: {first}");
        }
    }

    #[test]
    fn a_variables_file_is_no_template() {
        insta::assert_snapshot!(load(&["d/web.auto.pkrvars.hcl"], "d/web.auto.pkrvars.hcl"), @"load/no-template: d/web.auto.pkrvars.hcl: this file gives values to variables, it is no template; name the template and give this file to it: `-var-file=d/web.auto.pkrvars.hcl .`");
        insta::assert_snapshot!(load(&["d/v.pkrvars.toml"], "d/v.pkrvars.toml"), @"load/no-template: d/v.pkrvars.toml: this file gives values to variables, it is no template; name the template and give this file to it: `-var-file=d/v.pkrvars.toml .`");
        insta::assert_snapshot!(load(&["d/web.auto.pkrvars.json"], "d"), @"load/no-template: d: there is no template in this directory; a template's name ends in `.pkr.hcl`, `.pkr.json`, `.imgc.hcl` or `.imgc.toml`");
        insta::assert_snapshot!(load(&["d/web.hcl", "d/web.pkrvars.hcl"], "d"), @"load/no-template: d: there is no template in this directory; to use `d/web.hcl`, name the file itself or let its name end in `.pkr.hcl`");
        insta::assert_snapshot!(load(&["d/web.json"], "d"), @"load/no-template: d: there is no template in this directory; to use `d/web.json`, name the file itself");
    }
}
