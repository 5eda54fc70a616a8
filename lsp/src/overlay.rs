//! Unsaved text over saved files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::source::{EntryKind, Sources};

/// Saved files with the text of open documents in front.
pub(crate) struct Overlay {
    saved: Arc<dyn Sources>,
    open: BTreeMap<PathBuf, String>,
}

impl Overlay {
    pub(crate) fn new(saved: Arc<dyn Sources>) -> Self {
        Self {
            saved,
            open: BTreeMap::new(),
        }
    }

    /// The text of a document, opened or changed.
    pub(crate) fn set(&mut self, path: PathBuf, text: String) {
        self.open.insert(path, text);
    }

    /// The document is closed: the saved file counts again.
    pub(crate) fn close(&mut self, path: &Path) {
        self.open.remove(path);
    }

    /// Whether a document of this directory is open.
    pub(crate) fn has_open_in(&self, directory: &Path) -> bool {
        self.open
            .keys()
            .any(|path| path.parent() == Some(directory))
    }
}

impl Sources for Overlay {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        if self.open.contains_key(path) {
            return Ok(EntryKind::File);
        }
        match self.saved.kind(path) {
            Err(_) if self.has_open_in(path) => Ok(EntryKind::Directory),
            kind => kind,
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let new = self
            .open
            .keys()
            .filter(|path| path.parent() == Some(directory));
        let mut entries = match self.saved.list(directory) {
            Err(_) if self.has_open_in(directory) => Vec::new(),
            entries => entries?,
        };
        entries.extend(new.cloned());
        entries.sort();
        entries.dedup();
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.open.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.saved.read(path),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::source::Memory;

    use super::*;

    #[test]
    fn open_text_is_in_front_and_new_files_are_listed() {
        let mut overlay = Overlay::new(Arc::new(Memory::new([("/t/a.pkr.hcl", "saved")])));
        overlay.set("/t/a.pkr.hcl".into(), "open".into());
        overlay.set("/t/b.pkr.hcl".into(), "new".into());
        overlay.set("/u/c.pkr.hcl".into(), "elsewhere".into());
        assert_eq!(overlay.read(Path::new("/t/a.pkr.hcl")).unwrap(), b"open");
        let names = overlay.list(Path::new("/t")).unwrap();
        assert_eq!(names, ["/t/a.pkr.hcl", "/t/b.pkr.hcl"].map(PathBuf::from));
        assert_eq!(overlay.kind(Path::new("/u")).unwrap(), EntryKind::Directory);
        overlay.close(Path::new("/t/a.pkr.hcl"));
        assert_eq!(overlay.read(Path::new("/t/a.pkr.hcl")).unwrap(), b"saved");
    }
}
