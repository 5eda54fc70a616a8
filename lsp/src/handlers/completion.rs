//! Completion.

use std::sync::Arc;

use gen_lsp_types::{
    Command, CompletionItem, CompletionItemKind, CompletionItemTag, CompletionList,
    CompletionParams, CompletionResponse, Documentation, InsertTextFormat, TextEdit,
};
use imgc_ide::{Completion, CompletionKind};
use serde_json::json;

use super::markup;
use crate::snapshot::{Answer, File, Snapshot};

/// What can be written at a place.
pub(crate) fn complete(
    snapshot: &Snapshot,
    params: CompletionParams,
) -> Answer<Option<CompletionResponse>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let list = snapshot.analysis.completions(&place.path, place.offset)?;
    let list = Arc::new(list);
    let resolves = snapshot.client.completion_resolves_documentation;
    let number = resolves.then(|| snapshot.memory.keep_completions(Arc::clone(&list)));
    let items = list.iter().enumerate().map(|(at, completion)| {
        let mut item = item(completion, &place.file, snapshot);
        if let Some(number) = number.filter(|_| item.documentation.take().is_some()) {
            item.data = Some(json!([number, at]));
        }
        item
    });
    let list = CompletionList {
        is_incomplete: false,
        items: items.collect(),
        ..CompletionList::default()
    };
    Ok(Some(CompletionResponse::CompletionList(list)))
}

/// The same item, with what there is to read about it.
pub(crate) fn resolve(snapshot: &Snapshot, mut item: CompletionItem) -> Answer<CompletionItem> {
    let place = item.data.as_ref().and_then(|data| {
        let number = data.get(0)?.as_u64()?;
        Some((number, usize::try_from(data.get(1)?.as_u64()?).ok()?))
    });
    // Of a list that is no longer the last, nobody looks at anything.
    if let Some((number, at)) = place
        && let Some(list) = snapshot.memory.completions(number)
        && let Some(completion) = list.get(at)
    {
        item.documentation = documentation(completion, snapshot);
    }
    Ok(item)
}

fn documentation(completion: &Completion, snapshot: &Snapshot) -> Option<Documentation> {
    let text = completion.documentation.clone()?;
    Some(markup(text, snapshot.client.markdown_completion).into())
}

fn item(completion: &Completion, file: &File, snapshot: &Snapshot) -> CompletionItem {
    let snippet = completion.snippet && snapshot.client.snippets;
    let text = match completion.snippet && !snippet {
        true => without_places(&completion.edit.text),
        false => completion.edit.text.clone(),
    };
    let again = || Command {
        title: "Suggest".to_owned(),
        command: "editor.action.triggerSuggest".to_owned(),
        tooltip: None,
        arguments: None,
    };
    CompletionItem {
        label: completion.label.clone(),
        kind: Some(kind(completion.kind)),
        tags: completion
            .deprecated
            .then(|| vec![CompletionItemTag::Deprecated]),
        detail: completion.detail.clone(),
        documentation: documentation(completion, snapshot),
        sort_text: Some(completion.sort.clone()),
        filter_text: completion.filter.clone(),
        insert_text_format: snippet.then_some(InsertTextFormat::Snippet),
        text_edit: Some(TextEdit::new(file.range(completion.edit.range), text).into()),
        command: (completion.again && snapshot.client.suggests_again).then(again),
        ..CompletionItem::default()
    }
}

fn kind(kind: CompletionKind) -> CompletionItemKind {
    match kind {
        CompletionKind::Block => CompletionItemKind::Struct,
        CompletionKind::Component => CompletionItemKind::Class,
        CompletionKind::Option => CompletionItemKind::Field,
        CompletionKind::Value => CompletionItemKind::EnumMember,
        CompletionKind::Keyword => CompletionItemKind::Keyword,
        CompletionKind::Variable | CompletionKind::TemplateVariable => CompletionItemKind::Variable,
        CompletionKind::Local => CompletionItemKind::Constant,
        CompletionKind::Source => CompletionItemKind::Class,
        CompletionKind::Data => CompletionItemKind::Interface,
        CompletionKind::Build => CompletionItemKind::Event,
        CompletionKind::Module => CompletionItemKind::Module,
        CompletionKind::Member => CompletionItemKind::Property,
        CompletionKind::Function => CompletionItemKind::Function,
        CompletionKind::File => CompletionItemKind::File,
        CompletionKind::Directory => CompletionItemKind::Folder,
    }
}

/// A snippet as plain text: places become what stands in them.
fn without_places(snippet: &str) -> String {
    let mut out = String::with_capacity(snippet.len());
    let mut rest = snippet.chars().peekable();
    // How many places with a text are open.
    let mut open = 0_u32;
    while let Some(character) = rest.next() {
        match character {
            '\\' => out.extend(rest.next()),
            '}' if open > 0 => open -= 1,
            '$' if rest.peek().is_some_and(char::is_ascii_digit) => {
                while rest.next_if(char::is_ascii_digit).is_some() {}
            }
            '$' if rest.peek() == Some(&'{') => {
                rest.next();
                while rest.next_if(char::is_ascii_digit).is_some() {}
                match rest.next_if_eq(&':') {
                    Some(_) => open += 1,
                    None => {
                        rest.next_if_eq(&'}');
                    }
                }
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_become_plain_texts() {
        let plain =
            without_places("source \"${1:type}\" \"$2\" {\n  a = \"\\${var.x\\}\" ${3}$0\n}");
        assert_eq!(plain, "source \"type\" \"\" {\n  a = \"${var.x}\" \n}");
    }
}
