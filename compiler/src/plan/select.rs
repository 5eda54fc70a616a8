//! `-only` and `-except`: which builds, and which post-processors.

use globset::{GlobBuilder, GlobMatcher};
use imgc_syntax::Span;

use super::names::{InstanceName, leading_key};
use crate::compile::Request;
use crate::diagnostic::{Diagnostic, nearest};
use crate::source::SourceMap;

/// What the command line selects.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    only: Vec<Pattern>,
    except: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    glob: GlobMatcher,
    /// Whether it says something about keys: then they are not left out of names all at once.
    has_keys: bool,
    span: Span,
}

impl Selection {
    /// Reads the patterns; a malformed one is reported at the flag's text.
    pub(crate) fn new(
        request: &Request,
        sources: &mut SourceMap,
        out: &mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            only: patterns("-only", &request.only, sources, out),
            except: patterns("-except", &request.except, sources, out),
        }
    }

    /// Whether a build of that name (`web.null.base`) is selected.
    pub(crate) fn takes(&self, name: &InstanceName) -> bool {
        let hit = |pattern: &Pattern| pattern.hits(name);
        (self.only.is_empty() || self.only.iter().any(hit)) && !self.except.iter().any(hit)
    }

    /// The `-except` pattern that takes out a build of that name.
    pub(crate) fn excluding(&self, name: &InstanceName) -> Option<Span> {
        let mut patterns = self.except.iter();
        patterns
            .find(|pattern| pattern.hits(name))
            .map(|pattern| pattern.span)
    }

    /// Whether a post-processor is selected: `-except` also takes names and types of post-processors, as in Packer.
    pub(crate) fn takes_post_processor(&self, ty: &str, name: Option<&str>) -> bool {
        !self
            .except
            .iter()
            .any(|pattern| pattern.text == ty || Some(pattern.text.as_str()) == name)
    }

    /// Complains where nothing is selected, or where an `-only` pattern matches nothing.
    pub(crate) fn check(&self, names: &[InstanceName], out: &mut Vec<Diagnostic>) {
        for pattern in &self.only {
            if !names.is_empty() && !names.iter().any(|name| pattern.hits(name)) {
                let shown =
                    crate::module::quoted_list(names.iter().take(8).map(InstanceName::text));
                let more = if names.len() > 8 {
                    format!(" and {} more", names.len() - 8)
                } else {
                    String::new()
                };
                let diagnostic = Diagnostic::error(
                    "plan/no-match",
                    pattern.span,
                    format!("`-only={}` matches no build", pattern.text),
                );
                let forms: Vec<String> = names.iter().flat_map(InstanceName::forms).collect();
                let near = nearest(&pattern.text, forms.iter().map(String::as_str));
                let plain = names[0].plain();
                out.push(diagnostic.help(match near {
                    Some(near) => format!("did you mean `{near}`? the builds are {shown}{more}"),
                    None => format!(
                        "the builds are {shown}{more}; `*` matches any part, as in `-only='*.{}'`",
                        plain.rsplit('.').next().unwrap_or("name")
                    ),
                }));
            }
        }
        let excluded = |name: &InstanceName| self.except.iter().any(|pattern| pattern.hits(name));
        if let Some(first) = self.except.first()
            && self.only.is_empty()
            && !names.is_empty()
            && names.iter().all(excluded)
        {
            out.push(
                Diagnostic::error(
                    "plan/no-match",
                    first.span,
                    "`-except` leaves no build to run",
                )
                .help("take a pattern out"),
            );
        }
    }
}

impl Pattern {
    fn hits(&self, name: &InstanceName) -> bool {
        let typed = without_build(&self.text).unwrap_or(&self.text);
        if name.is(&self.text) || name.is(typed) || self.glob.is_match(name.text()) {
            return true;
        }
        match (name.has_keys(), self.has_keys) {
            (false, _) => false,
            (true, false) => self.glob.is_match(name.plain()),
            (true, true) => name.forms().any(|form| self.glob.is_match(form)),
        }
    }
}

/// A pattern with its keys, `["eu"]` or `[0]`, as they stand: to globs these are sets of characters. `*` and `?` keep
/// their meaning inside of a key.
fn literal_keys(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut has_keys = false;
    while let Some(at) = rest.find('[') {
        let (before, key) = rest.split_at(at);
        out.push_str(before);
        if let Some((_, after)) = leading_key(key) {
            has_keys = true;
            for character in key[..key.len() - after.len()].chars() {
                if matches!(character, '[' | ']' | '{' | '}' | '\\' | '!') {
                    out.push('\\');
                }
                out.push(character);
            }
            rest = after;
        } else {
            out.push('[');
            rest = &key[1..];
        }
    }
    out.push_str(rest);
    (out, has_keys)
}

fn patterns(
    flag: &str,
    texts: &[String],
    sources: &mut SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Vec<Pattern> {
    if texts.is_empty() {
        return Vec::new();
    }
    let file = sources.add(flag, texts.join("\n"));
    let mut offset = 0;
    let mut patterns = Vec::with_capacity(texts.len());
    for text in texts {
        let span = Span::new(file, offset, offset + text.len() as u32);
        offset += text.len() as u32 + 1;
        let (glob, has_keys) = literal_keys(text);
        match GlobBuilder::new(&glob)
            .literal_separator(false)
            .backslash_escape(true)
            .build()
        {
            Ok(glob) => patterns.push(Pattern {
                text: text.clone(),
                glob: glob.compile_matcher(),
                has_keys,
                span,
            }),
            Err(error) => out.push(
                Diagnostic::error(
                    "plan/no-match",
                    span,
                    format!("`{flag}={text}` is not a pattern: {}", error.kind()),
                )
                .help("write a build's name; `*` matches any part"),
            ),
        }
    }
    patterns
}

/// Whether a name in `only`, `except` or `override` of a block means one of these: as it is, or with `build.` in front as in
/// addresses; keys may be left out. `source.` in front is no part of such a name, as in Packer.
pub(super) fn names_source(text: &str, names: &[&InstanceName]) -> bool {
    let is = |text: &str| names.iter().any(|name| name.is(text));
    is(text) || without_build(text).is_some_and(is)
}

/// The name in an address: `web.null.base` of `build.web.null.base`, `[0].null.base` of `build[0].null.base`.
fn without_build(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("build")?;
    match rest.strip_prefix('.') {
        Some(name) => Some(name),
        None => rest.starts_with('[').then_some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::names::Key;

    fn takes(pattern: &str, name: &InstanceName) -> bool {
        let mut problems = Vec::new();
        let request = Request {
            only: vec![pattern.to_owned()],
            ..Request::default()
        };
        let selection = Selection::new(&request, &mut SourceMap::default(), &mut problems);
        assert!(problems.is_empty(), "{pattern}: {problems:?}");
        selection.takes(name)
    }

    #[test]
    fn patterns_with_and_without_keys() {
        let mut name = InstanceName::default();
        name.push("web");
        name.push_key(&Key::Text("eu".into()));
        name.push(".null.base");
        name.push_key(&Key::Index(10));
        for pattern in [
            r#"web["eu"].null.base[10]"#,
            r#"build.web["eu"].null.base[10]"#,
            "web.null.base",
            "web.*",
            "*.base",
            "[vw]eb.null.{base,other}",
            r#"web["eu"].*"#,
            r#"*["eu"].*"#,
            r#"web["e*"].null.base"#,
            "web.*.base[10]",
            "*[10]",
            "*eu*",
        ] {
            assert!(takes(pattern, &name), "{pattern}");
        }
        for pattern in [
            r#"web["us"].*"#,
            r#"web["e"].*"#,
            "web.null.base[1]",
            "*[0]",
            "web",
            "we.null.base",
            r#"web["eu"]"#,
        ] {
            assert!(!takes(pattern, &name), "{pattern}");
        }
        let mut plain = InstanceName::default();
        plain.push("webe.null.base");
        assert!(!takes(r#"web["eu"].*"#, &plain));
        assert!(takes("web[d-f].*", &plain));
        let mut nameless = InstanceName::default();
        nameless.push_key(&Key::Index(3));
        nameless.push(".null.base");
        for pattern in ["[3].null.base", "build[3].null.base", "*.base", "[3].*"] {
            assert!(takes(pattern, &nameless), "{pattern}");
        }
        assert!(!takes("build[4].null.base", &nameless));
    }

    #[test]
    fn keys_with_special_characters() {
        for key in ["a]b", "a\"b", "a\\b", "a{b,c}", "[x]", "*", "!", "ä.ö"] {
            let mut name = InstanceName::default();
            name.push("null.base");
            name.push_key(&Key::Text(key.into()));
            let exact = name.text().to_owned();
            assert!(takes(&exact, &name), "{exact}");
            let glob = exact.replacen("null", "*", 1);
            assert!(takes(&glob, &name), "{glob}");
        }
    }
}
