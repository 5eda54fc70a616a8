//! What a template asks its surroundings for, found without rendering it.

/// Something that decides what a template becomes, besides its own text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The clock: `timestamp`, `isotime`, `strftime`.
    Clock,
    /// Chance: `uuid`.
    Chance,
    /// An environment variable.
    Environment(String),
    /// A variable of the template.
    Variable(String),
    /// A value of the running build, such as `ID`.
    Build(String),
    /// The working directory.
    WorkingDirectory,
    /// The template's directory.
    TemplateDirectory,
    /// A name that is itself computed: `env (printf …)`.
    Anything,
}

/// What a text asks for; nothing where there is no template in it. A word in a text inside of a template is no function,
/// but where in doubt more is found than there is.
pub fn asked(text: &str) -> Vec<Asked> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let words = words(&rest[start + 2..]);
        for (at, word) in words.list.iter().enumerate() {
            let Word::Name(name) = word else { continue };
            let argument = || match words.list.get(at + 1) {
                Some(Word::Text(text)) => Some(text.clone()),
                _ => None,
            };
            let named = |make: fn(String) -> Asked| argument().map_or(Asked::Anything, make);
            found.push(match name.as_str() {
                "timestamp" | "isotime" | "strftime" => Asked::Clock,
                "uuid" => Asked::Chance,
                "env" => named(Asked::Environment),
                "user" => named(Asked::Variable),
                "build" => named(Asked::Build),
                "pwd" => Asked::WorkingDirectory,
                "template_dir" => Asked::TemplateDirectory,
                _ => continue,
            });
        }
        rest = &rest[start + 2 + words.length..];
    }
    found.sort();
    found.dedup();
    found
}

enum Word {
    Name(String),
    Text(String),
    Other,
}

struct Words {
    list: Vec<Word>,
    /// Bytes up to the end of the action.
    length: usize,
}

/// The words of an action, up to its end.
fn words(text: &str) -> Words {
    let mut list = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("}}") {
            return Words {
                list,
                length: at + 2,
            };
        }
        let end = match first {
            '"' => quoted(rest),
            '`' => rest[1..].find('`').map_or(rest.len(), |end| end + 2),
            _ if is_name(first) => rest.find(|c: char| !is_name(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        match first {
            '"' | '`' => {
                let inside = rest.get(1..end.saturating_sub(1)).unwrap_or_default();
                list.push(Word::Text(inside.to_owned()));
            }
            _ if is_name(first) => list.push(Word::Name(rest[..end].to_owned())),
            _ if first.is_whitespace() => {}
            _ => list.push(Word::Other),
        }
        at += end;
    }
    Words { list, length: at }
}

pub(super) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Length of a text in double quotes.
pub(super) fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_and_texts_are_not_taken_for_them() {
        let cases: [(&str, &[Asked]); 9] = [
            ("timestamp without braces", &[]),
            ("x-{{timestamp}}", &[Asked::Clock]),
            (
                "{{ isotime \"2006\" }}{{uuid}}",
                &[Asked::Clock, Asked::Chance],
            ),
            ("{{env `HOME`}}", &[Asked::Environment("HOME".into())]),
            ("{{ `env` }} {{.Path}}", &[]),
            (
                "{{build `ID`}}/{{user \"a\"}}",
                &[Asked::Variable("a".into()), Asked::Build("ID".into())],
            ),
            ("{{ user (printf `a`) }}", &[Asked::Anything]),
            (
                "{{pwd}}{{template_dir}}",
                &[Asked::WorkingDirectory, Asked::TemplateDirectory],
            ),
            ("{{ if eq `}}` uuid", &[Asked::Chance]),
        ];
        for (text, expected) in cases {
            assert_eq!(asked(text), expected, "{text}");
        }
    }
}
