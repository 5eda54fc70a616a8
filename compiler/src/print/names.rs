//! How converted files are called, and which files of a directory are converted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Document, Language};

/// What the names of templates end in.
const TEMPLATES: &[(&str, Language)] = &[
    (".pkr.hcl", Language::Hcl),
    (".imgc.hcl", Language::Hcl),
    (".pkr.json", Language::Json),
    (".imgc.toml", Language::Toml),
];

/// What the names of files that give values to variables end in.
const VARIABLES: &[(&str, Language)] = &[
    (".pkrvars.hcl", Language::Hcl),
    (".pkrvars.json", Language::Json),
    (".pkrvars.toml", Language::Toml),
];

/// The language a name says, where it says one for sure.
pub fn language(path: &Path) -> Option<Language> {
    let name = path.file_name()?.to_string_lossy();
    let known = TEMPLATES.iter().chain(VARIABLES);
    let mut found = known.filter(|(suffix, _)| name.ends_with(suffix));
    found.next().map(|(_, language)| *language)
}

/// The language the name of an output file asks for.
pub fn wanted(path: &Path) -> Option<Language> {
    match path.extension()?.to_str()? {
        "hcl" => Some(Language::Hcl),
        "json" => Some(Language::Json),
        "toml" => Some(Language::Toml),
        _ => None,
    }
}

/// What the name of a file in a language ends in.
fn suffix(document: &Document, language: Language) -> &'static str {
    match (language, document.is_variables) {
        (Language::Hcl, true) => ".pkrvars.hcl",
        (Language::Toml, true) => ".pkrvars.toml",
        (_, true) => ".pkrvars.json",
        // Packer reads all `*.pkr.hcl` of a directory, and would stumble over this one.
        (Language::Hcl, false) if !document.beyond_packer().is_empty() => ".imgc.hcl",
        (Language::Hcl, false) => ".pkr.hcl",
        (Language::Toml, false) => ".imgc.toml",
        (_, false) => ".pkr.json",
    }
}

/// The output file beside a file.
pub fn output(path: &Path, document: &Document, language: Language) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let known = TEMPLATES.iter().chain(VARIABLES).map(|(suffix, _)| *suffix);
    let endings = known.chain([".hcl", ".json", ".toml"]);
    let is_upgrade = document.language == Language::Legacy
        && language == Language::Hcl
        && !document.is_variables;
    let stem = match endings
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
    {
        // As Packer names it.
        _ if is_upgrade => name.as_ref(),
        Some(stem) => stem,
        None => name.as_ref(),
    };
    let mut file = OsString::from(stem);
    file.push(suffix(document, language));
    path.with_file_name(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_syntax::FileId;

    use super::*;

    fn name(path: &str, text: &str, language: Language) -> String {
        let text = text.into();
        let document = Document::read(Path::new(path), FileId(0), &text, &mut Vec::new());
        output(Path::new(path), &document, language)
            .display()
            .to_string()
    }

    #[test]
    fn names_say_language_and_purpose() {
        let hcl = "source \"null\" \"x\" {}";
        assert_eq!(name("d/x.pkr.hcl", hcl, Language::Toml), "d/x.imgc.toml");
        assert_eq!(name("d/x.hcl", hcl, Language::Json), "d/x.pkr.json");
        assert_eq!(
            name("x.pkr.json", r#"{"source": {}}"#, Language::Hcl),
            "x.pkr.hcl"
        );
        assert_eq!(
            name(
                "x.pkr.json",
                r#"{"output": {"a": {"value": 1}}}"#,
                Language::Hcl
            ),
            "x.imgc.hcl"
        );
        assert_eq!(
            name("x.auto.pkrvars.hcl", "a = 1", Language::Json),
            "x.auto.pkrvars.json"
        );
        assert_eq!(
            name("vars.hcl", "a = 1", Language::Toml),
            "vars.pkrvars.toml"
        );
    }

    #[test]
    fn legacy_templates_are_named_as_packer_does() {
        let text = r#"{"builders": [{"type": "null"}]}"#;
        assert_eq!(name("x.json", text, Language::Hcl), "x.json.pkr.hcl");
        assert_eq!(name("x.json", text, Language::Toml), "x.imgc.toml");
        assert_eq!(
            name("vars.json", r#"{"a": "1"}"#, Language::Hcl),
            "vars.pkrvars.hcl"
        );
    }
}
