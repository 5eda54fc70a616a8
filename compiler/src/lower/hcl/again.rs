//! Lowering again after an edit: only the items at the top around it, where the parser can read them alone.
//!
//! In: what was made of a file before, and its new text. Out: the same as from the whole text; a test makes sure.

use imgc_syntax::hcl::ast::{self, AstNode as _};
use imgc_syntax::hcl::{Parse, Reparse, parse, reparse};
use imgc_syntax::{FileId, Span};

use super::{Lower, Origin, shift};
use crate::diagnostic::Diagnostic;
use crate::hir::Body;
use crate::source::Parsed;

/// Lowers the text of a file that was lowered before. The tree is for the next time: that of a file which nobody edits is
/// not kept.
pub(crate) fn edited(
    file: FileId,
    text: &str,
    before: Option<&Parsed>,
    out: &mut Vec<Diagnostic>,
) -> (Body, Option<Parse>) {
    let Some(before) = before else {
        return (super::file(file, text, out), None);
    };
    if let Some(tree) = before.tree()
        && let Some(reparse) = reparse(tree, before.text(), text)
    {
        #[cfg(test)]
        PARTS.set(PARTS.get() + 1);
        let body = in_part(file, text, before, &reparse, out);
        return (body, Some(reparse.parse));
    }
    let parse = parse(text);
    let body = super::of_parse(file, text, &parse, out);
    (body, Some(parse))
}

fn in_part(
    file: FileId,
    text: &str,
    before: &Parsed,
    reparse: &Reparse,
    out: &mut Vec<Diagnostic>,
) -> Body {
    let Reparse { parse, old, new } = reparse;
    let by = i64::from(new.1) - i64::from(old.1);
    let mut lower = Lower {
        origin: Origin::File(file, 0),
        mistakes: Vec::new(),
        out,
    };
    // All mistakes are in the part, or it would not have been read alone.
    lower.errors(parse);
    let mut body = Body {
        span: Some(Span::new(file, 0, text.len() as u32)),
        ..Body::default()
    };
    let is_before = |span: Span| span.start < old.0;
    let is_behind = |span: Span| span.start >= old.1;
    let known = &before.body;
    let attributes = known.attributes.iter();
    body.attributes.extend(
        attributes
            .filter(|attribute| is_before(attribute.span))
            .cloned(),
    );
    let blocks = known.blocks.iter();
    body.blocks
        .extend(blocks.filter(|block| is_before(block.span)).cloned());
    let items = parse.file().body();
    for item in items.iter().flat_map(ast::Body::items) {
        let (start, _) = item.range();
        if start < new.0 || start >= new.1 {
            continue;
        }
        match item {
            ast::Item::Attribute(attribute) => body.attributes.extend(lower.attribute(&attribute)),
            ast::Item::Block(block) => body.blocks.extend(lower.block(&block)),
        }
    }
    for attribute in known.attributes.iter().filter(|one| is_behind(one.span)) {
        let mut attribute = attribute.clone();
        shift::attribute(&mut attribute, by);
        body.attributes.push(attribute);
    }
    for block in known.blocks.iter().filter(|block| is_behind(block.span)) {
        let mut block = block.clone();
        shift::block(&mut block, by);
        body.blocks.push(block);
    }
    for problem in &before.problems {
        if is_before(problem.span) {
            out.push(problem.clone());
        } else if is_behind(problem.span) {
            let mut problem = problem.clone();
            shift::diagnostic(&mut problem, by);
            out.push(problem);
        }
    }
    body
}

#[cfg(test)]
thread_local! {
    /// How many files were read in part.
    static PARTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::load;
    use crate::source::{Cache, Memory, SourceMap};

    /// What is made of a text with a cache, or without one.
    fn made(text: &str, cache: Option<&Arc<Cache>>) -> String {
        let sources = Memory::new([("a.pkr.hcl", text)]);
        let mut map = match cache {
            Some(cache) => SourceMap::with_cache(Arc::clone(cache)),
            None => SourceMap::default(),
        };
        let mut out = Vec::new();
        let body = load::body(Path::new("a.pkr.hcl"), &sources, &mut map, &mut out).unwrap();
        out.sort_by_key(|problem| (problem.span, problem.id));
        format!("{body:#?}\n{out:#?}")
    }

    #[test]
    fn what_is_read_in_part_is_as_if_read_whole() {
        let block = |at: usize| {
            format!(
                "# c\nsource \"null\" \"s{at}\" {{\n  ssh_host = \"h-${{upper(\"x\")}}\"\n  tags = {{ a.b = 1 }}\n}}\nlocals {{\n  a{at} = [for x in [1] : x if true]\n  b{at} = \"%{{ if true }}a${{1 + 2}}%{{ endif }}\"\n  c = a.*.b[0] ? -1 : (2)\n}}\nx{at} = 1\n\n"
            )
        };
        let mut text: String = (0..12).map(block).collect();
        let cache = Arc::new(Cache::default());
        assert_eq!(made(&text, Some(&cache)), made(&text, None));
        let place = text.find("s6").unwrap();
        let edits = [
            ("host = \"", "more"),
            ("host = \"", ""),
            ("}", "\nlocals {\n  z = b.c == 1e99999\n}\n"),
            ("tags = { ", "\n\n"),
            ("ssh_", " = "),
            ("ssh_", "x"),
            ("x6 = ", "["),
            ("x6 = [", "1]"),
            ("# c\n", "y = {\n  p.q = 2\n}\n"),
        ];
        PARTS.set(0);
        for (before, typed) in edits {
            let at = place + text[place..].find(before).unwrap() + before.len();
            text.insert_str(at, typed);
            assert_eq!(
                made(&text, Some(&cache)),
                made(&text, None),
                "{before}{typed}"
            );
        }
        assert!(PARTS.get() >= 3, "{} were read in part", PARTS.get());
    }
}
