//! Unsaved text over saved files.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::source::{EntryKind, Sources};

/// Saved files with the texts of open documents in front.
#[derive(Clone)]
pub(crate) struct Overlay {
    saved: Arc<dyn Sources>,
    open: BTreeMap<PathBuf, Arc<str>>,
}

impl Overlay {
    pub(crate) fn new(saved: Arc<dyn Sources>) -> Self {
        Self {
            saved,
            open: BTreeMap::new(),
        }
    }

    pub(crate) fn set(&mut self, path: PathBuf, text: Arc<str>) {
        self.open.insert(path, text);
    }

    pub(crate) fn close(&mut self, path: &Path) {
        self.open.remove(path);
    }

    /// The text of an open document.
    pub(crate) fn text(&self, path: &Path) -> Option<&Arc<str>> {
        self.open.get(path)
    }

    /// Whether a document of a template is open: the file itself, or one in the directory.
    pub(crate) fn has_open_at(&self, path: &Path) -> bool {
        self.open.contains_key(path) || self.open_in(path).next().is_some()
    }

    fn open_in<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        let after = self.open.range(directory.to_owned()..);
        after
            .map(|(path, _)| path)
            .take_while(move |path| path.starts_with(directory))
            .filter(move |path| path.parent() == Some(directory))
    }
}

impl Sources for Overlay {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        if self.open.contains_key(path) {
            return Ok(EntryKind::File);
        }
        match self.saved.kind(path) {
            Err(_) if self.open_in(path).next().is_some() => Ok(EntryKind::Directory),
            kind => kind,
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries = match self.saved.list(directory) {
            Err(_) if self.open_in(directory).next().is_some() => Vec::new(),
            entries => entries?,
        };
        entries.extend(self.open_in(directory).cloned());
        entries.sort();
        entries.dedup();
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.open.get(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => self.saved.read(path),
        }
    }

    fn stamp(&self, path: &Path) -> Option<u64> {
        match self.open.get(path) {
            Some(text) => Some(number(text)),
            None => self.saved.stamp(path),
        }
    }
}

/// A number for a text: the same for the same one.
pub(crate) fn number(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
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
