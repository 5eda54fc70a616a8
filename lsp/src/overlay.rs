//! Unsaved text over saved files, for commands that compile by themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::source::{EntryKind, Sources};

use crate::documents::Documents;

/// Saved files with the texts of open documents in front.
pub(crate) struct Overlay {
    pub(crate) saved: Arc<dyn Sources>,
    pub(crate) documents: Documents,
    /// A file that is not there, with its text.
    pub(crate) added: Option<(PathBuf, String)>,
    /// A file that is overlooked.
    pub(crate) hidden: Option<PathBuf>,
}

impl Overlay {
    fn text(&self, path: &Path) -> Option<&str> {
        match &self.added {
            Some((added, text)) if added == path => Some(text),
            _ => Some(&self.documents.get(path)?.text),
        }
    }

    fn is_hidden(&self, path: &Path) -> bool {
        self.hidden.as_deref() == Some(path)
    }

    fn unsaved_in(&self, directory: &Path) -> impl Iterator<Item = &PathBuf> {
        let open = self.documents.iter().map(|(path, _)| path);
        let added = self.added.iter().map(|(path, _)| path);
        open.chain(added)
            .filter(move |path| path.parent() == Some(directory))
    }
}

impl Sources for Overlay {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        if self.is_hidden(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.text(path).is_some() {
            return Ok(EntryKind::File);
        }
        match self.saved.kind(path) {
            Err(_) if self.unsaved_in(path).next().is_some() => Ok(EntryKind::Directory),
            kind => kind,
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries = match self.saved.list(directory) {
            Err(_) if self.unsaved_in(directory).next().is_some() => Vec::new(),
            entries => entries?,
        };
        entries.extend(self.unsaved_in(directory).cloned());
        entries.retain(|entry| !self.is_hidden(entry));
        entries.sort();
        entries.dedup();
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.is_hidden(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        match self.text(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => self.saved.read(path),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use gen_lsp_types::Uri;
    use imgc_compiler::source::Memory;

    use super::*;

    #[test]
    fn open_text_is_in_front_and_new_files_are_listed() {
        let mut documents = Documents::default();
        for (path, text) in [
            ("/t/a.pkr.hcl", "open"),
            ("/t/b.pkr.hcl", "new"),
            ("/u/c.pkr.hcl", ""),
        ] {
            let uri = Uri(format!("file://{path}"));
            documents.open(path.into(), uri, 1, text.to_owned());
        }
        let overlay = Overlay {
            saved: Arc::new(Memory::new([
                ("/t/a.pkr.hcl", "saved"),
                ("/t/z.json", "{}"),
            ])),
            documents,
            added: Some(("/t/z.pkr.hcl".into(), "added".to_owned())),
            hidden: Some("/t/z.json".into()),
        };
        assert_eq!(overlay.read(Path::new("/t/a.pkr.hcl")).unwrap(), b"open");
        let names = overlay.list(Path::new("/t")).unwrap();
        let expected = ["/t/a.pkr.hcl", "/t/b.pkr.hcl", "/t/z.pkr.hcl"];
        assert_eq!(names, expected.map(PathBuf::from));
        assert_eq!(overlay.kind(Path::new("/u")).unwrap(), EntryKind::Directory);
        assert!(overlay.read(Path::new("/t/z.json")).is_err());
    }
}
