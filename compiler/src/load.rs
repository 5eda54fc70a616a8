//! From paths to bodies: which files form a template, and reading them.
//!
//! As in Packer, all `*.pkr.hcl` files of a directory form one template (ours, `*.imgc.hcl`, count as well), and its
//! `*.auto.pkrvars.hcl` files give variables. A path may also name one file.

use std::io;
use std::path::{Path, PathBuf};

use imgc_syntax::FileId;

use crate::compile::Unreadable;
use crate::diagnostic::Diagnostic;
use crate::hir::Body;
use crate::source::{EntryKind, SourceMap, Sources};

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
    crate::diagnostic::registry::Entry::error(
        "load/unsupported-language",
        "a file in a language this version does not read",
    ),
];

/// The most bytes a template may have; the parser takes no more.
const MAX_LEN: usize = 1 << 30;

/// The files of a template.
#[derive(Debug, Default)]
pub struct Files {
    /// Template files, in order.
    pub templates: Vec<PathBuf>,
    /// `*.auto.pkrvars.hcl`, in order.
    pub auto_variables: Vec<PathBuf>,
    /// The template's directory.
    pub root: PathBuf,
}

/// Finds the files `path` stands for.
pub fn find(path: &Path, sources: &dyn Sources) -> Result<Files, Unreadable> {
    match sources.kind(path) {
        Ok(EntryKind::Directory) => directory(path, sources),
        Ok(EntryKind::File) => {
            if has_suffix(path, ".pkrvars.hcl") {
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

fn unsupported(path: &Path) -> Unreadable {
    Unreadable {
        id: "load/unsupported-language",
        path: path.to_owned(),
        message: "this version reads HCL only".to_owned(),
        help: Some(if has_suffix(path, ".pkrvars.json") {
            "write `name = value` lines into a `.pkrvars.hcl` file".to_owned()
        } else {
            "`packer hcl2_upgrade` converts a JSON template to HCL; name the `.pkr.hcl` file"
                .to_owned()
        }),
    }
}

fn directory(path: &Path, sources: &dyn Sources) -> Result<Files, Unreadable> {
    let names = sources.list(path).map_err(|error| io_error(path, &error))?;
    let with = |suffixes: &[&str]| -> Vec<PathBuf> {
        let wanted = |file: &&PathBuf| suffixes.iter().any(|suffix| has_suffix(file, suffix));
        names.iter().filter(wanted).cloned().collect()
    };
    // Those in JSON belong to the template as well; leaving them out would change what it means.
    let templates = with(&[".pkr.hcl", ".imgc.hcl", ".pkr.json"]);
    let auto_variables = with(&[".auto.pkrvars.hcl", ".auto.pkrvars.json"]);
    if templates.is_empty() {
        let near = with(&[".hcl"]);
        let plain = near.iter().find(|file| !has_suffix(file, ".pkrvars.hcl"));
        let help = if let Some(plain) = plain {
            format!(
                "to use `{}`, name the file itself or let its name end in `.pkr.hcl`",
                plain.display()
            )
        } else {
            "a template's name ends in `.pkr.hcl` or `.imgc.hcl`".to_owned()
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

/// Reads and parses one file, which must be in HCL.
pub fn body(
    path: &Path,
    sources: &dyn Sources,
    map: &mut SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Result<Body, Unreadable> {
    if has_suffix(path, ".json") || has_suffix(path, ".toml") {
        return Err(unsupported(path));
    }
    let file = read(path, sources, map)?;
    Ok(crate::lower::hcl::file(file, &map.file(file).text, out))
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

    use super::{body, find};
    use crate::source::{Memory, SourceMap};

    /// What a user reads when `path` cannot be loaded, or the files that are.
    fn load(names: &[&str], path: &str) -> String {
        let sources = Memory::new(names.iter().map(|name| (*name, "")));
        let (mut map, mut problems) = (SourceMap::default(), Vec::new());
        let loaded = find(Path::new(path), &sources).and_then(|files| {
            let all = files.templates.iter().chain(&files.auto_variables);
            for file in all {
                body(file, &sources, &mut map, &mut problems)?;
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
            "d/x.hcl",
            "d/c.auto.pkrvars.hcl",
            "d/v.pkrvars.hcl",
            "d/e/f.pkr.hcl",
        ];
        assert_eq!(
            load(&names, "d"),
            "d/a.imgc.hcl, d/b.pkr.hcl, d/c.auto.pkrvars.hcl"
        );
        assert_eq!(load(&names, "d/x.hcl"), "d/x.hcl");
    }

    #[test]
    fn a_variables_file_is_no_template() {
        insta::assert_snapshot!(load(&["d/web.auto.pkrvars.hcl"], "d/web.auto.pkrvars.hcl"), @"load/no-template: d/web.auto.pkrvars.hcl: this file gives values to variables, it is no template; name the template and give this file to it: `-var-file=d/web.auto.pkrvars.hcl .`");
        insta::assert_snapshot!(load(&["d/web.auto.pkrvars.hcl"], "d"), @"load/no-template: d: there is no template in this directory; a template's name ends in `.pkr.hcl` or `.imgc.hcl`");
        insta::assert_snapshot!(load(&["d/web.hcl", "d/web.pkrvars.hcl"], "d"), @"load/no-template: d: there is no template in this directory; to use `d/web.hcl`, name the file itself or let its name end in `.pkr.hcl`");
    }

    #[test]
    fn json_is_refused_where_packer_reads_it_and_left_alone_elsewhere() {
        insta::assert_snapshot!(load(&["d/a.pkr.hcl", "d/b.pkr.json"], "d"), @"load/unsupported-language: d/b.pkr.json: this version reads HCL only; `packer hcl2_upgrade` converts a JSON template to HCL; name the `.pkr.hcl` file");
        insta::assert_snapshot!(load(&["d/a.pkr.hcl", "d/b.auto.pkrvars.json"], "d"), @"load/unsupported-language: d/b.auto.pkrvars.json: this version reads HCL only; write `name = value` lines into a `.pkrvars.hcl` file");
        insta::assert_snapshot!(load(&["d/old.json"], "d/old.json"), @"load/unsupported-language: d/old.json: this version reads HCL only; `packer hcl2_upgrade` converts a JSON template to HCL; name the `.pkr.hcl` file");
        assert_eq!(load(&["d/a.pkr.hcl", "d/package.json"], "d"), "d/a.pkr.hcl");
    }
}
