//! Diagnostics as they are pushed: after a moment of quiet, of all templates with open documents, and only for files
//! whose problems have changed. A client that asks for them itself is left to it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gen_lsp_types::{Diagnostic, PublishDiagnosticsParams, Uri};

use super::{Outcome, Server};
use crate::handlers::diagnostics;
use crate::snapshot::Snapshot;

/// How long the problems of all templates may take to be found.
const LIMIT: Duration = Duration::from_secs(60);

/// What is due, under way, and known to the client.
#[derive(Default)]
pub(super) struct Diagnoses {
    due: Option<Instant>,
    running: Option<Running>,
    /// What the client was told last; files without problems are not in it.
    published: BTreeMap<PathBuf, (Uri, Vec<Diagnostic>)>,
    /// The client asks itself.
    pulled: bool,
    /// What the client shows in other documents may be outdated.
    refresh: bool,
}

struct Running {
    number: u64,
    limit: Instant,
    cancel: Arc<AtomicBool>,
}

/// The problems of all templates with open documents, by file; `None` where the text changed meanwhile.
pub(super) struct Found(Option<BTreeMap<PathBuf, OfFile>>);

/// The problems of a file.
struct OfFile {
    uri: Uri,
    version: Option<i32>,
    diagnostics: Vec<Diagnostic>,
}

impl Diagnoses {
    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        // One at a time: what is due meanwhile follows.
        self.running
            .as_ref()
            .map_or(self.due, |running| Some(running.limit))
    }

    /// Whether this is the number of the job under way.
    pub(super) fn is(&self, number: u64) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.number == number)
    }

    /// More than the text of a document has changed.
    pub(super) fn refresh_views(&mut self) {
        self.refresh = true;
    }
}

impl Server<'_> {
    /// Something has changed: problems are to be found after this long, unless it changes again.
    pub(super) fn diagnose_in(&mut self, quiet: Duration) {
        if let Some(running) = &self.diagnoses.running {
            running.cancel.store(true, Ordering::Relaxed);
        }
        self.diagnoses.due = Some(Instant::now() + quiet);
    }

    /// Starts looking for problems where it is time to, and gives up where it takes too long.
    pub(super) fn diagnose_if_due(&mut self, now: Instant) {
        if let Some(running) = self
            .diagnoses
            .running
            .take_if(|running| running.limit <= now)
        {
            running.cancel.store(true, Ordering::Relaxed);
            self.pool.leave_behind(running.number);
            log::error!("finding problems took longer than {LIMIT:?}");
        }
        if self.diagnoses.running.is_some() || self.diagnoses.due.is_none_or(|due| due > now) {
            return;
        }
        self.diagnoses.due = None;
        if self.diagnoses.pulled {
            return self.look_again();
        }
        let cancel = Arc::new(AtomicBool::new(false));
        let snapshot = self.snapshot(&cancel);
        let number = self.job();
        self.diagnoses.running = Some(Running {
            number,
            limit: now + LIMIT,
            cancel,
        });
        self.pool
            .send(number, move || Outcome::Problems(Found(find(&snapshot))));
    }

    /// The problems were looked for.
    pub(super) fn diagnosed(&mut self, number: u64, found: Option<Found>) {
        let Some(running) = self
            .diagnoses
            .running
            .take_if(|running| running.number == number)
        else {
            return;
        };
        let outdated = running.cancel.load(Ordering::Relaxed);
        match found {
            Some(Found(Some(found))) if !outdated && !self.diagnoses.pulled => {
                self.publish(found);
                self.look_again();
            }
            // Cancelled by something that is no edit of a document.
            Some(_) if !outdated && !self.diagnoses.pulled => {
                self.diagnoses.due.get_or_insert_with(Instant::now);
            }
            _ => {}
        }
    }

    /// Tells the client about files whose problems are not those it knows.
    fn publish(&mut self, found: BTreeMap<PathBuf, OfFile>) {
        let mut known = std::mem::take(&mut self.diagnoses.published);
        for (path, file) in found {
            let before = known.remove(&path);
            let same = match &before {
                Some((uri, before)) => *uri == file.uri && *before == file.diagnostics,
                None => file.diagnostics.is_empty(),
            };
            if !same {
                self.tell(file.uri.clone(), file.version, file.diagnostics.clone());
            }
            if !file.diagnostics.is_empty() {
                let entry = (file.uri, file.diagnostics);
                self.diagnoses.published.insert(path, entry);
            }
        }
        for (uri, _) in known.into_values() {
            self.tell(uri, None, Vec::new());
        }
    }

    fn tell(&self, uri: Uri, version: Option<i32>, diagnostics: Vec<Diagnostic>) {
        let params = PublishDiagnosticsParams::new(uri, version, diagnostics);
        self.notify("textDocument/publishDiagnostics", params);
    }

    /// The client asks for diagnostics itself: what it was told is withdrawn, or it would show everything twice.
    pub(super) fn stop_pushing(&mut self) {
        if self.diagnoses.pulled {
            return;
        }
        self.diagnoses.pulled = true;
        for (uri, _) in std::mem::take(&mut self.diagnoses.published).into_values() {
            self.tell(uri, None, Vec::new());
        }
    }

    /// Has the client ask again for what an edit of another document, or a file on the disk, may have changed.
    fn look_again(&mut self) {
        if std::mem::take(&mut self.diagnoses.refresh) {
            self.refresh_all();
        } else if self.documents.iter().nth(1).is_some() {
            self.refresh_hints_and_lenses();
        }
    }
}

/// The problems of all templates with open documents.
fn find(snapshot: &Snapshot) -> Option<BTreeMap<PathBuf, OfFile>> {
    let open = snapshot.documents.iter();
    let templates = open.filter_map(|(path, _)| snapshot.analysis.template_of(path));
    let templates: BTreeSet<_> = templates.collect();
    let mut found: BTreeMap<PathBuf, OfFile> = BTreeMap::new();
    for template in &templates {
        for file in snapshot.analysis.diagnostics(template).ok()? {
            let Some(uri) = snapshot.uri(&file.path) else {
                continue;
            };
            let diagnostics = diagnostics::of_file(&file, snapshot);
            let version = snapshot
                .documents
                .get(&file.path)
                .map(|document| document.version);
            match found.entry(file.path) {
                Entry::Vacant(entry) => {
                    entry.insert(OfFile {
                        uri,
                        version,
                        diagnostics,
                    });
                }
                // A module's file belongs to several templates.
                Entry::Occupied(mut entry) => {
                    let known = &mut entry.get_mut().diagnostics;
                    for diagnostic in diagnostics {
                        if !known.contains(&diagnostic) {
                            known.push(diagnostic);
                        }
                    }
                }
            }
        }
    }
    Some(found)
}
