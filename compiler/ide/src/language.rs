//! Which language a file is in, and what it is to its directory: by its name, and where that says nothing, by its text.

use std::path::Path;

use imgc_compiler::load;

/// The languages of templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// HCL's native syntax.
    Hcl,
    /// HCL's JSON form (`*.pkr.json`, `*.pkrvars.json`).
    Json,
    /// imgc's TOML form.
    Toml,
    /// Packer's JSON templates from before HCL.
    Legacy,
}

/// What a file is to the template of its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of the directory's template files.
    Part,
    /// A template of its own, which is used by its name.
    Alone,
    /// It gives values to variables without being asked for.
    AutoValues,
    /// It gives values to variables where it is named.
    Values,
}

/// What a file of this name and text is; `None` for one that has nothing to do with templates.
pub(crate) fn role(path: &Path, text: &str) -> Option<(Role, Language)> {
    let name = path.file_name()?.to_string_lossy();
    let language = match name.rsplit('.').next() {
        Some("hcl") => Language::Hcl,
        Some("toml") => Language::Toml,
        Some("json") => Language::Json,
        _ => return None,
    };
    if let Some(auto) = load::gives_values(path) {
        let role = if auto { Role::AutoValues } else { Role::Values };
        return Some((role, language));
    }
    if load::is_template(path) {
        return Some((Role::Part, language));
    }
    match language {
        // Other programs have files of these names as well: only what looks like a template is one.
        Language::Hcl => has_line(text, &["source ", "build ", "build{", "packer ", "packer{"])
            .then_some((Role::Alone, Language::Hcl)),
        Language::Json | Language::Legacy => {
            if has_builders(text) {
                Some((Role::Alone, Language::Legacy))
            } else {
                let hcl = has_key(text, "build") && has_key(text, "source");
                hcl.then_some((Role::Alone, Language::Json))
            }
        }
        Language::Toml => None,
    }
}

fn has_line(text: &str, starts: &[&str]) -> bool {
    text.lines()
        .any(|line| starts.iter().any(|start| line.starts_with(start)))
}

/// Whether a JSON text has builders as legacy templates have them: a list, and not one of texts. Angular and others have a
/// key of that name too, for something else.
fn has_builders(text: &str) -> bool {
    let mut values = text.split("\"builders\"").skip(1).filter_map(|rest| {
        let list = rest.trim_start().strip_prefix(':')?.trim_start();
        list.strip_prefix('[').map(str::trim_start)
    });
    values.any(|list| !list.starts_with('"'))
}

/// Whether a JSON text has a key of that name; near enough, for it only decides whether to look closer.
fn has_key(text: &str, key: &str) -> bool {
    let quoted = format!("\"{key}\"");
    text.match_indices(&quoted).any(|(at, _)| {
        let rest = text[at + quoted.len()..].trim_start();
        rest.starts_with(':')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_legacy(text: &str) -> bool {
        role(Path::new("x.json"), text) == Some((Role::Alone, Language::Legacy))
    }

    #[test]
    fn a_list_of_builders_makes_a_legacy_template() {
        assert!(is_legacy(r#"{ "builders": [{ "type": "null" }] }"#));
        assert!(is_legacy(r#"{ "builders" :  [ ] }"#));
        assert!(is_legacy("{ \"x\": \"builders\", \"builders\": ["));
    }

    #[test]
    fn builders_of_other_programs_do_not() {
        assert_eq!(
            role(
                Path::new("builders.json"),
                r#"{ "builders": { "run": {} } }"#
            ),
            None
        );
        assert_eq!(
            role(Path::new("x.json"), r#"{ "builders": ["make"] }"#),
            None
        );
        assert_eq!(role(Path::new("x.json"), r#"{ "kind": "builders" }"#), None);
    }
}
