//! The arguments of the function call around the cursor.

use std::path::Path;

use imgc_compiler::functions::{self, Function};
use imgc_syntax::hcl::{SyntaxKind, SyntaxNode};

use crate::analysis::{Analysis, Cancellable};
use crate::facts;
use crate::language::{self, Language};
use crate::place::{floor, open_expression};
use crate::text::TextRange;

/// A function's parameters while its call is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureHelp {
    /// The whole signature: `join(separator: string, lists: list(string)...) -> string`.
    pub label: String,
    /// Where in `label` each parameter stands.
    pub parameters: Vec<TextRange>,
    /// The parameter that is being written, if there is one.
    pub active: Option<u32>,
    /// One sentence about the function and an example, in Markdown.
    pub documentation: String,
}

pub(crate) fn of(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
) -> Cancellable<Option<SignatureHelp>> {
    analysis.check()?;
    let Some(text) = analysis.text(path) else {
        return Ok(None);
    };
    let offset = floor(&text, offset);
    let call = match language::role(path, &text) {
        Some((_, Language::Hcl)) => in_tree(analysis, path, &text, offset),
        Some(_) => {
            let before = &text[..offset as usize];
            let line = before.rfind('\n').map_or(0, |at| at + 1);
            open_expression(&before[line..]).and_then(in_text)
        }
        None => None,
    };
    let Some((name, argument)) = call else {
        return Ok(None);
    };
    let function = functions::TABLE.iter().find(|found| found.name == name);
    Ok(function.map(|function| help(function, argument)))
}

/// The innermost call around an offset of an HCL text, with the position of the argument.
fn in_tree(analysis: &Analysis, path: &Path, text: &str, offset: u32) -> Option<(String, u32)> {
    let root = analysis.tree(path, text).syntax();
    let mut token = root.token_at_offset(offset.into()).left_biased()?;
    while token.kind().is_trivia() {
        token = token.prev_token()?;
    }
    let lists = token
        .parent_ancestors()
        .filter(|node| node.kind() == SyntaxKind::ArgList);
    for list in lists {
        if !is_inside(&list, offset) {
            continue;
        }
        let name = list.parent()?.first_child()?.text().to_string();
        let commas = list
            .children_with_tokens()
            .filter(|child| child.kind() == SyntaxKind::Comma)
            .filter(|comma| u32::from(comma.text_range().end()) <= offset);
        return Some((name, commas.count() as u32));
    }
    None
}

fn is_inside(list: &SyntaxNode, offset: u32) -> bool {
    let range = list.text_range();
    let closed = list
        .last_token()
        .is_some_and(|token| token.kind() == SyntaxKind::RParen);
    // One that is not closed ends at its last token; blanks before the cursor are behind it.
    u32::from(range.start()) < offset && (!closed || offset < u32::from(range.end()))
}

/// The call that is open at the end of a text.
fn in_text(text: &str) -> Option<(String, u32)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut open: Vec<(String, u32)> = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => open.push((std::mem::take(&mut word), 0)),
            ')' | ']' | '}' => {
                open.pop();
            }
            ',' => {
                if let Some((_, commas)) = open.last_mut() {
                    *commas += 1;
                }
            }
            _ => {}
        }
        match is_word(c) {
            true => word.push(c),
            false => word.clear(),
        }
    }
    open.pop().filter(|(name, _)| !name.is_empty())
}

fn help(function: &Function, argument: u32) -> SignatureHelp {
    let label = functions::signature(function);
    let inside = label.find('(').map_or(0, |at| at + 1);
    let end = label.rfind(") -> ").unwrap_or(label.len());
    let mut parameters = Vec::new();
    let (mut start, mut depth) = (inside, 0);
    for (at, c) in label[inside..end].char_indices() {
        let at = inside + at;
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parameters.push(TextRange::new(start as u32, at as u32));
                start = at + 2;
            }
            _ => {}
        }
    }
    if start < end {
        parameters.push(TextRange::new(start as u32, end as u32));
    }
    let last = parameters.len().checked_sub(1).map(|last| last as u32);
    let active = match last {
        // Further arguments belong to the last parameter, where it takes more than one.
        Some(last) if argument > last && function.variadic.is_some() => Some(last),
        Some(last) if argument <= last => Some(argument),
        _ => None,
    };
    SignatureHelp {
        label,
        parameters,
        active,
        documentation: facts::function(function),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::fixture::{Seen, fixture};

    #[test]
    fn the_parameter_at_hand_is_known() {
        let mut seen = Seen::default();
        let cases = [
            "locals { x = join($0) }",
            "locals { x = join(\",\", $0) }",
            "locals {\n  x = join(\",\", [1], $0\n}",
            "locals { x = join(upper($0\"a\"), []) }",
            "locals { x = join(upper(\"a\"), $0[]) }",
            "locals { x = \"${join($0\" }",
            "locals { x = join(\",\", [])$0 }",
            "locals { x = nothing($0) }",
            "//- a.pkr.json\n{\"locals\": {\"x\": \"${join(\\\",\\\", $0)}\"}}",
            "//- a.imgc.toml\n[locals]\nx = '${join(upper(1), $0)}'\n",
        ];
        for case in cases {
            let f = fixture(case);
            let help = f.analysis.signature_help(&f.path, f.offset).unwrap();
            let shown = help.map_or_else(String::new, |help| {
                let active = help.active.map(|at| help.parameters[at as usize]);
                format!(
                    "{} [{}]",
                    help.label,
                    active.unwrap_or_default().of(&help.label)
                )
            });
            seen.add(case, &shown);
        }
        seen.check("the_parameter_at_hand_is_known");
    }
}
