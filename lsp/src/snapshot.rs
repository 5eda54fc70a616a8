//! Everything a request may read, as it was when the request came.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gen_lsp_types::{
    Location, Position, ProgressToken, Range, TextDocumentIdentifier, TextDocumentPositionParams,
    TextEdit, Uri,
};
use imgc_ide::{Analysis, Cancelled, TextRange};
use serde_json::Value;

use crate::Host;
use crate::client::{Client, Settings};
use crate::convert;
use crate::documents::{Document, Documents};
use crate::memory::Memory;
use crate::text::{Encoding, Lines};

/// Why a request has no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The parameters are not what the protocol says.
    Params(String),
    /// The text has changed, or the client takes the request back.
    Cancelled,
    /// It cannot be done; the user reads why.
    Failed(String),
    /// There is nothing to say about such a document.
    Nothing,
}

impl From<Cancelled> for Refused {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// The result of a request.
pub(crate) type Answer<T> = Result<T, Refused>;

/// What a request reads.
pub(crate) struct Snapshot {
    pub(crate) analysis: Analysis,
    pub(crate) documents: Documents,
    pub(crate) client: Arc<Client>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) folders: Arc<Vec<PathBuf>>,
    pub(crate) host: Arc<Host>,
    pub(crate) memory: Arc<Memory>,
    /// Takes parts of the answer before all of it is there.
    pub(crate) tells: Option<Box<dyn Fn(Part) + Send + Sync>>,
    files: Mutex<BTreeMap<PathBuf, Option<Arc<File>>>>,
}

/// A part of an answer, as the client wants it: with the token it gave.
pub(crate) struct Part {
    pub(crate) token: ProgressToken,
    pub(crate) value: Value,
}

impl Snapshot {
    /// A snapshot of these.
    pub(crate) fn new(
        analysis: Analysis,
        documents: Documents,
        client: Arc<Client>,
        settings: Arc<Settings>,
        folders: Arc<Vec<PathBuf>>,
        host: Arc<Host>,
        memory: Arc<Memory>,
    ) -> Self {
        Self {
            analysis,
            documents,
            client,
            settings,
            folders,
            host,
            memory,
            tells: None,
            files: Mutex::default(),
        }
    }

    /// Tells the client a part of the answer.
    pub(crate) fn tell(&self, token: &ProgressToken, part: impl serde::Serialize) -> Answer<()> {
        self.analysis.check()?;
        let value = serde_json::to_value(part);
        let value = value.map_err(|error| Refused::Failed(error.to_string()))?;
        if let Some(tells) = &self.tells {
            tells(Part {
                token: token.clone(),
                value,
            });
        }
        Ok(())
    }

    /// Forgets the lines of files that were looked at.
    pub(crate) fn forget_files(&self) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.clear();
    }

    /// A file with its lines: as it is open, or as it is saved.
    pub(crate) fn file(&self, path: &Path) -> Option<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path) {
            return file.clone();
        }
        let encoding = self.client.encoding;
        let file = match self.documents.get(path) {
            Some(document) => Some(File::open(Arc::clone(document), encoding)),
            None => self
                .analysis
                .text(path)
                .map(|text| File::saved(text, encoding)),
        };
        let file = file.map(Arc::new);
        files.insert(path.to_owned(), file.clone());
        file
    }

    /// The path and the text of the document a request is about.
    pub(crate) fn document(
        &self,
        document: &TextDocumentIdentifier,
    ) -> Answer<(PathBuf, Arc<File>)> {
        let path = convert::path(&document.uri).ok_or(Refused::Nothing)?;
        let file = self.file(&path).ok_or(Refused::Nothing)?;
        Ok((path, file))
    }

    /// The same with a place in it.
    pub(crate) fn place(&self, params: &TextDocumentPositionParams) -> Answer<Place> {
        let (path, file) = self.document(&params.text_document)?;
        let offset = file.offset(params.position);
        Ok(Place { path, file, offset })
    }

    /// A file as the client names it.
    pub(crate) fn uri(&self, path: &Path) -> Option<Uri> {
        match self.documents.get(path) {
            Some(document) => Some(document.uri.clone()),
            None => convert::uri(path),
        }
    }

    /// A place in the protocol's words; `None` in a file that cannot be read any more.
    pub(crate) fn location(&self, location: &imgc_ide::Location) -> Option<Location> {
        let range = self.file(&location.path)?.range(location.range);
        Some(Location::new(self.uri(&location.path)?, range))
    }

    /// Places in the protocol's words.
    pub(crate) fn locations(&self, locations: &[imgc_ide::Location]) -> Vec<Location> {
        let known = locations
            .iter()
            .filter_map(|location| self.location(location));
        known.collect()
    }
}

/// A place in a document.
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    pub(crate) offset: u32,
}

/// A text with its lines.
pub(crate) struct File {
    content: Content,
    encoding: Encoding,
}

enum Content {
    Open(Arc<Document>),
    Saved { text: Arc<str>, lines: Lines },
}

/// The mark at the beginning of some files, which editors do not show as a character.
const MARK: char = '\u{feff}';

impl File {
    fn open(document: Arc<Document>, encoding: Encoding) -> Self {
        Self {
            content: Content::Open(document),
            encoding,
        }
    }

    fn saved(text: Arc<str>, encoding: Encoding) -> Self {
        let lines = Lines::new(&text);
        Self {
            content: Content::Saved { text, lines },
            encoding,
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        match &self.content {
            Content::Open(document) => &document.text,
            Content::Saved { text, .. } => text,
        }
    }

    fn lines(&self) -> &Lines {
        match &self.content {
            Content::Open(document) => &document.lines,
            Content::Saved { lines, .. } => lines,
        }
    }

    /// The editor's number of the text, where it is open.
    pub(crate) fn version(&self) -> Option<i32> {
        match &self.content {
            Content::Open(document) => Some(document.version),
            Content::Saved { .. } => None,
        }
    }

    /// How many units the mark takes that the client does not see.
    fn unseen(&self) -> u32 {
        match &self.content {
            Content::Saved { text, .. } if text.starts_with(MARK) => {
                self.encoding.units(&text[..MARK.len_utf8()])
            }
            _ => 0,
        }
    }

    /// The position of an offset.
    pub(crate) fn position(&self, offset: u32) -> Position {
        let mut position = self.lines().position(self.text(), offset, self.encoding);
        if position.line == 0 {
            position.character = position.character.saturating_sub(self.unseen());
        }
        position
    }

    /// The offset of a position.
    pub(crate) fn offset(&self, mut position: Position) -> u32 {
        if position.line == 0 {
            position.character = position.character.saturating_add(self.unseen());
        }
        self.lines().offset(self.text(), position, self.encoding)
    }

    /// A range in the protocol's words.
    pub(crate) fn range(&self, range: TextRange) -> Range {
        Range::new(self.position(range.start), self.position(range.end))
    }

    /// A range in bytes; one that is the wrong way round is turned.
    pub(crate) fn text_range(&self, range: Range) -> TextRange {
        let (start, end) = (self.offset(range.start), self.offset(range.end));
        TextRange::new(start.min(end), start.max(end))
    }

    /// The length of a part of the text in the client's units.
    pub(crate) fn units(&self, range: TextRange) -> u32 {
        self.encoding.units(range.of(self.text()))
    }

    /// Edits in the protocol's words.
    pub(crate) fn edits(&self, edits: &[imgc_ide::TextEdit]) -> Vec<TextEdit> {
        let edit =
            |edit: &imgc_ide::TextEdit| TextEdit::new(self.range(edit.range), edit.text.clone());
        edits.iter().map(edit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_saved_file_takes_no_column() {
        let text = "\u{feff}ab\nc";
        for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
            let file = File::saved(text.into(), encoding);
            assert_eq!(file.position(4), Position::new(0, 1));
            assert_eq!(file.offset(Position::new(0, 1)), 4);
            assert_eq!(file.position(0), Position::new(0, 0));
            assert_eq!(file.offset(Position::new(1, 1)), 7);
        }
    }
}
