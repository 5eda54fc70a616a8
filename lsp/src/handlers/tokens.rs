//! Semantic tokens: whole, of a part, and what has changed since.

use std::sync::Arc;

use gen_lsp_types::{
    SemanticToken as Packed, SemanticTokens as Tokens, SemanticTokensDelta,
    SemanticTokensDeltaParams, SemanticTokensDeltaResponse, SemanticTokensEdit,
    SemanticTokensParams, SemanticTokensRangeParams,
};
use imgc_ide::{SemanticToken, TokenKind, TokenModifiers};
use serde_json::{Value, json};

use crate::snapshot::{Answer, File, Snapshot};

/// The names of the modifiers, in the order of their bits.
const MODIFIERS: [&str; 4] = ["declaration", "readonly", "deprecated", "defaultLibrary"];

/// The names behind the numbers.
pub(crate) fn legend() -> Value {
    let types = TokenKind::ALL.map(name);
    json!({ "tokenTypes": types, "tokenModifiers": MODIFIERS })
}

fn name(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Block => "struct",
        TokenKind::Component => "class",
        TokenKind::Option => "property",
        TokenKind::Keyword => "keyword",
        TokenKind::Type => "type",
        TokenKind::Variable => "variable",
        TokenKind::Parameter => "parameter",
        TokenKind::Property => "enumMember",
        TokenKind::Function => "function",
        TokenKind::String => "string",
        TokenKind::Number => "number",
        TokenKind::Macro => "macro",
        TokenKind::Comment => "comment",
        TokenKind::Operator => "operator",
    }
}

/// Those of a document.
pub(crate) fn full(snapshot: &Snapshot, params: SemanticTokensParams) -> Answer<Option<Tokens>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let tokens = snapshot.analysis.semantic_tokens(&path, None)?;
    let data = Arc::new(packed(&tokens, &file));
    let number = snapshot.memory.keep_tokens(&path, Arc::clone(&data));
    Ok(Some(answer(Some(number), &data)))
}

/// Those of a part of a document.
pub(crate) fn range(
    snapshot: &Snapshot,
    params: SemanticTokensRangeParams,
) -> Answer<Option<Tokens>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let range = file.text_range(params.range);
    let tokens = snapshot.analysis.semantic_tokens(&path, Some(range))?;
    Ok(Some(answer(None, &packed(&tokens, &file))))
}

/// What has changed since an answer, or all of them where that is forgotten.
pub(crate) fn delta(
    snapshot: &Snapshot,
    params: SemanticTokensDeltaParams,
) -> Answer<Option<SemanticTokensDeltaResponse>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let before = snapshot.memory.tokens(&path, &params.previous_result_id);
    let tokens = snapshot.analysis.semantic_tokens(&path, None)?;
    let data = Arc::new(packed(&tokens, &file));
    let number = snapshot.memory.keep_tokens(&path, Arc::clone(&data));
    Ok(Some(match before {
        Some(before) => SemanticTokensDeltaResponse::SemanticTokensDelta(SemanticTokensDelta {
            result_id: Some(number),
            edits: difference(&before, &data),
        }),
        None => SemanticTokensDeltaResponse::SemanticTokens(answer(Some(number), &data)),
    }))
}

fn answer(number: Option<String>, data: &[u32]) -> Tokens {
    let tokens = data.chunks_exact(5).map(|token| Packed {
        delta_line: token[0],
        delta_start: token[1],
        length: token[2],
        token_type: token[3],
        token_modifiers_bitset: token[4],
    });
    Tokens {
        result_id: number,
        data: tokens.collect(),
    }
}

/// Five numbers for each: lines and columns since the one before, length, kind, modifiers.
fn packed(tokens: &[SemanticToken], file: &File) -> Vec<u32> {
    let mut data = Vec::with_capacity(tokens.len() * 5);
    let (mut line, mut column) = (0, 0);
    for token in tokens {
        let start = file.position(token.range.start);
        let length = file.units(token.range);
        // Some clients lose all of them over one that is empty or out of order.
        if length == 0 || (start.line, start.character) < (line, column) {
            continue;
        }
        if start.line != line {
            column = 0;
        }
        data.extend([
            start.line - line,
            start.character - column,
            length,
            number(token.kind),
            bits(token.modifiers),
        ]);
        (line, column) = (start.line, start.character);
    }
    data
}

fn number(kind: TokenKind) -> u32 {
    let mut all = TokenKind::ALL.iter();
    all.position(|known| *known == kind).unwrap_or_default() as u32
}

fn bits(modifiers: TokenModifiers) -> u32 {
    let bits = [
        modifiers.declaration,
        modifiers.readonly,
        modifiers.deprecated,
        modifiers.default_library,
    ];
    let set = bits.iter().enumerate().filter(|(_, set)| **set);
    set.map(|(at, _)| 1 << at).sum()
}

/// The one stretch that differs, in whole tokens.
fn difference(before: &[u32], after: &[u32]) -> Vec<SemanticTokensEdit> {
    if before == after {
        return Vec::new();
    }
    let same = |pairs: &mut dyn Iterator<Item = (&u32, &u32)>| {
        pairs.take_while(|(one, other)| one == other).count() / 5 * 5
    };
    let start = same(&mut before.iter().zip(after));
    let (before, after) = (&before[start..], &after[start..]);
    let end = same(&mut before.iter().rev().zip(after.iter().rev()));
    vec![SemanticTokensEdit {
        start: start as u32,
        delete_count: (before.len() - end) as u32,
        data: Some(after[..after.len() - end].to_vec()),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(kinds: &[u32]) -> Vec<u32> {
        kinds.iter().flat_map(|kind| [1, 2, 3, *kind, 0]).collect()
    }

    #[test]
    fn a_difference_leads_from_one_to_the_other() {
        let lists: [&[u32]; 7] = [&[], &[1], &[1, 2], &[1, 3, 2], &[3, 2], &[1, 1, 1], &[1, 1]];
        for before in lists {
            for after in lists {
                let (before, after) = (tokens(before), tokens(after));
                let mut patched = before.clone();
                for edit in difference(&before, &after) {
                    let start = edit.start as usize;
                    let end = start + edit.delete_count as usize;
                    patched.splice(start..end, edit.data.unwrap_or_default());
                }
                assert_eq!(patched, after);
            }
        }
    }
}
