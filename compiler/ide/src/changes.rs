//! Which files have changed, and when: by it one tells whether an answer about one template is still right after an edit
//! in another.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// So many changes are remembered; what is older counts as changed.
const REMEMBERED: usize = 4096;

/// The changes of a session, numbered from 1.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    last: u64,
    recent: VecDeque<PathBuf>,
}

impl Changes {
    /// Files have changed; the number of the last change.
    pub(crate) fn add(&mut self, paths: &[PathBuf]) -> u64 {
        self.recent.extend(paths.iter().cloned());
        self.last += paths.len() as u64;
        let forgotten = self.recent.len().saturating_sub(REMEMBERED);
        self.recent.drain(..forgotten);
        self.last
    }

    /// Whether something that `concerns` changed after the change `since`, and not after the change `until`.
    pub(crate) fn any(&self, since: u64, until: u64, concerns: impl Fn(&Path) -> bool) -> bool {
        let before = self.last - self.recent.len() as u64;
        if until <= since {
            return false;
        }
        let skipped = since.saturating_sub(before) as usize;
        let wanted = (until.min(self.last) - since) as usize;
        let mut recent = self.recent.iter().skip(skipped).take(wanted);
        since < before || recent.any(|path| concerns(path))
    }

    /// The same up to now.
    pub(crate) fn any_since(&self, since: u64, concerns: impl Fn(&Path) -> bool) -> bool {
        self.any(since, self.last, concerns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_found_by_their_time() {
        let mut changes = Changes::default();
        let path = |name: &str| PathBuf::from(name);
        let first = changes.add(&[path("a"), path("b")]);
        let second = changes.add(&[path("c")]);
        let is = |name: &'static str| move |path: &Path| path == Path::new(name);
        assert!(changes.any_since(0, is("a")));
        assert!(!changes.any_since(first, is("a")));
        assert!(changes.any_since(first, is("c")));
        assert!(!changes.any(0, first, is("c")));
        assert!(changes.any(first, second, is("c")));
        assert!(!changes.any_since(second, |_| true));
    }

    #[test]
    fn what_is_forgotten_counts_as_changed() {
        let mut changes = Changes::default();
        changes.add(&[PathBuf::from("a")]);
        let since = changes.add(&[PathBuf::from("b")]);
        for _ in 0..REMEMBERED {
            changes.add(&[PathBuf::from("c")]);
        }
        assert!(changes.any_since(0, |_| false));
        assert!(!changes.any_since(since, |path| path == Path::new("a")));
    }
}
