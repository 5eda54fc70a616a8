//! Names after a dot that a template asks its component for (`{{ .Name }}`), found without rendering it.

use super::asked::{is_name, quoted};

/// The names of `text` that are looked up whenever it is rendered, in order: `Name` of `{{ .Name }}`, `Tags` of
/// `{{ .Tags.Release }}`. What stands behind the first `if`, `range` or `with` depends on it and is not among them, nor is
/// what `and` and `or` may pass over.
pub(super) fn fields(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let action = Action::read(&rest[start + 2..]);
        let first = action.words.first().map(String::as_str);
        let is = |word: &str| action.words.iter().any(|one| one == word);
        if !is("and") && !is("or") && !matches!(first, Some("define" | "block" | "template")) {
            found.extend(action.fields);
        }
        if first.is_some_and(|word| CONTROLS.contains(&word)) {
            break;
        }
        rest = &rest[start + 2 + action.length..];
    }
    found
}

/// What makes the rest of a template depend on something.
const CONTROLS: &[&str] = &["block", "define", "if", "range", "template", "with"];

/// What stands between two braces.
#[derive(Default)]
struct Action {
    /// Functions and key words, in order.
    words: Vec<String>,
    fields: Vec<String>,
    /// Bytes up to the end of the closing braces.
    length: usize,
}

impl Action {
    /// The action that begins with `text`.
    fn read(text: &str) -> Self {
        let mut action = Self::default();
        let inside = text.strip_prefix("- ").unwrap_or(text);
        if inside.trim_start().starts_with("/*") {
            let end = text.find("*/").map_or(text.len(), |end| end + 2);
            action.length = end;
            return action;
        }
        let (mut at, mut before) = (0, ' ');
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("}}") {
                action.length = at + 2;
                return action;
            }
            let name = |from: &str| from.find(|one| !is_name(one)).unwrap_or(from.len());
            let length = match first {
                '"' => quoted(rest),
                '`' => rest[1..].find('`').map_or(rest.len(), |end| end + 2),
                '\'' => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
                '.' => {
                    let length = name(&rest[1..]);
                    // Behind a name or a parenthesis it is a field of what stands there; `$` is where the names are.
                    if length > 0 && !is_name(before) && before != ')' {
                        action.fields.push(rest[1..=length].to_owned());
                    }
                    length + 1
                }
                _ if is_name(first) => {
                    let length = name(rest);
                    action.words.push(rest[..length].to_owned());
                    length
                }
                _ => first.len_utf8(),
            };
            before = rest[..length].chars().next_back().unwrap_or(' ');
            at += length;
        }
        action.length = at;
        action
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surely_looked_up_is_found() {
        let cases: [(&str, &[&str]); 12] = [
            ("no template, .Name", &[]),
            (
                "{{ .SourceAMIx }}-{{.BuildRegion}}",
                &["SourceAMIx", "BuildRegion"],
            ),
            ("{{- .Tags.Release -}}", &["Tags"]),
            (
                "{{ index .Tags `a.B` | upper }}{{ $.Name }}",
                &["Tags", "Name"],
            ),
            ("{{/* .Name }} */}}{{ `.Name` }}{{ \".N\\\".M\" }}", &[]),
            ("{{ (index .A 1).B }}{{ 1.5 }}", &["A"]),
            ("{{ $x := .A }}{{ $x.B }}", &["A"]),
            ("{{ .A }}{{ if .B }}{{ .C }}{{ end }}{{ .D }}", &["A", "B"]),
            ("{{ range .A }}{{ .B }}{{ end }}", &["A"]),
            ("{{ or .A .B }}{{ .C }}", &["C"]),
            ("{{ define `x` }}{{ .A }}{{ end }}", &[]),
            ("{{ .É", &["É"]),
        ];
        for (text, expected) in cases {
            assert_eq!(fields(text), expected, "{text}");
        }
    }
}
