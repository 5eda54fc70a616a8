//! `-only` and `-except`: which builds, and which post-processors.

use globset::{GlobBuilder, GlobMatcher};
use imgc_syntax::Span;

use crate::compile::Request;
use crate::diagnostic::Diagnostic;
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
    pub(crate) fn takes(&self, name: &str) -> bool {
        let hit = |pattern: &Pattern| pattern.hits(name);
        (self.only.is_empty() || self.only.iter().any(hit)) && !self.except.iter().any(hit)
    }

    /// Whether a post-processor is selected: `-except` also takes names and types of post-processors, as in Packer.
    pub(crate) fn takes_post_processor(&self, ty: &str, name: Option<&str>) -> bool {
        !self
            .except
            .iter()
            .any(|pattern| pattern.text == ty || Some(pattern.text.as_str()) == name)
    }

    /// Complains where nothing is selected, or where an `-only` pattern matches nothing.
    pub(crate) fn check(&self, names: &[String], out: &mut Vec<Diagnostic>) {
        for pattern in &self.only {
            if !names.is_empty() && !names.iter().any(|name| pattern.hits(name)) {
                let shown = crate::module::quoted_list(names.iter().take(8).map(String::as_str));
                let more = if names.len() > 8 {
                    format!(" and {} more", names.len() - 8)
                } else {
                    String::new()
                };
                out.push(
                    Diagnostic::error(
                        "plan/no-match",
                        pattern.span,
                        format!("`-only={}` matches no build", pattern.text),
                    )
                    .help(format!(
                        "the builds are {shown}{more}; `*` matches any part, as in `-only='*.{}'`",
                        { names[0].rsplit('.').next().unwrap_or("name") }
                    )),
                );
            }
        }
        let excluded = |name: &String| self.except.iter().any(|pattern| pattern.hits(name));
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
    fn hits(&self, name: &str) -> bool {
        // Names of legacy builds may have characters that mean something in patterns.
        self.glob.is_match(name)
            || self.text == name
            || self.text.strip_prefix("build.") == Some(name)
    }
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
        match GlobBuilder::new(text).literal_separator(false).build() {
            Ok(glob) => patterns.push(Pattern {
                text: text.clone(),
                glob: glob.compile_matcher(),
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

/// Whether a name in `only`, `except` or `override` of a block means this source: `null.base`, `source.null.base`, or
/// with the build block's name in front.
pub(super) fn names_source(text: &str, short: &str, full: &str) -> bool {
    let text = text.strip_prefix("source.").unwrap_or(text);
    text == short || text == full || text.strip_prefix("build.") == Some(full)
}
