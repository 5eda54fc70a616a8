//! The documents the editor has open.
//!
//! In: texts and edits as the protocol sends them. Out: each document's text with its lines, shared with the snapshots
//! that workers read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gen_lsp_types::{TextDocumentContentChangeEvent, Uri};

use crate::text::{Encoding, Lines};

/// An open document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// As the editor writes it: the same file has many spellings.
    pub(crate) uri: Uri,
    /// The editor's number of this text.
    pub(crate) version: i32,
    /// The text.
    pub(crate) text: String,
    /// Its lines.
    pub(crate) lines: Lines,
}

impl Document {
    fn change(&mut self, change: TextDocumentContentChangeEvent, encoding: Encoding) {
        match change {
            TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
                self.lines = Lines::new(&whole.text);
                self.text = whole.text;
            }
            TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
                let range = self.lines.text_range(&self.text, part.range, encoding);
                let (start, end) = (range.start as usize, range.end as usize);
                self.text.replace_range(start..end, &part.text);
                self.lines.changed(&self.text, start);
            }
        }
    }
}

/// All open documents, by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    by_path: Arc<BTreeMap<PathBuf, Arc<Document>>>,
}

impl Documents {
    /// A document is opened.
    pub(crate) fn open(&mut self, path: PathBuf, uri: Uri, version: i32, text: String) {
        let lines = Lines::new(&text);
        let document = Document {
            uri,
            version,
            text,
            lines,
        };
        Arc::make_mut(&mut self.by_path).insert(path, Arc::new(document));
    }

    /// Applies edits one after the other; `false` where the document is not open.
    pub(crate) fn change(
        &mut self,
        path: &Path,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
        encoding: Encoding,
    ) -> bool {
        let Some(document) = Arc::make_mut(&mut self.by_path).get_mut(path) else {
            return false;
        };
        let document = Arc::make_mut(document);
        document.version = version;
        for change in changes {
            document.change(change, encoding);
        }
        true
    }

    /// A document is closed; whether it was open.
    pub(crate) fn close(&mut self, path: &Path) -> bool {
        Arc::make_mut(&mut self.by_path).remove(path).is_some()
    }

    /// An open document.
    pub(crate) fn get(&self, path: &Path) -> Option<&Arc<Document>> {
        self.by_path.get(path)
    }

    /// All of them, by path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PathBuf, &Arc<Document>)> {
        self.by_path.iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn changed(text: &str, changes: serde_json::Value, encoding: Encoding) -> String {
        let mut documents = Documents::default();
        let path = Path::new("/a");
        documents.open(
            path.to_owned(),
            Uri("file:///a".to_owned()),
            1,
            text.to_owned(),
        );
        let changes = serde_json::from_value(changes).unwrap();
        assert!(documents.change(path, 2, changes, encoding));
        documents.get(path).unwrap().text.clone()
    }

    #[test]
    fn edits_are_applied_in_order() {
        let range = |line, from, to| json!({ "start": { "line": line, "character": from }, "end": { "line": line, "character": to } });
        let changes = json!([
            { "range": range(0, 0, 0), "text": "x\n" },
            { "range": range(1, 2, 4), "text": "" },
        ]);
        assert_eq!(changed("ü😀b", changes.clone(), Encoding::Utf32), "x\nü😀");
        let changes = json!([{ "range": range(0, 1, 3), "text": "-" }, { "text": "whole" }, { "range": range(0, 5, 9), "text": "!" }]);
        assert_eq!(changed("ü😀b", changes, Encoding::Utf16), "whole!");
    }
}
