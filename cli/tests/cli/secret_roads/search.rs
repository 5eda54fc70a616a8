//! Marked secrets, what they look like in encoded forms, and looking for them: in texts, in files, on command lines.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What every secret begins with.
pub(super) const MARK: &str = "zq8Marked";
/// What every secret ends with.
pub(super) const TAIL: &str = "Kx4Tail";

/// The secret of a road; with characters that every way of quoting changes.
pub(super) fn secret(road: &str) -> String {
    format!("{MARK}-{road} 'q'\"$x\\&<é>/+{TAIL}")
}

/// One without them, for places that take no others.
pub(super) fn plain(road: &str) -> String {
    format!("{MARK}-{road}-{TAIL}")
}

/// Mark and tail in all forms in which somebody could read them.
pub(super) fn needles() -> Vec<String> {
    let mut needles = Vec::new();
    for text in [MARK, TAIL] {
        needles.push(text.to_owned());
        let hex: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        needles.extend([hex.concat(), hex.concat().to_uppercase(), hex.join(" ")]);
        for before in 0..3 {
            let bytes = [&vec![0; before], text.as_bytes()].concat();
            let encoded = base64(&bytes);
            // The characters at both ends carry bits of the neighbours.
            let start = [0, 2, 3][before];
            needles.push(encoded[start..bytes.len() * 8 / 6].to_owned());
        }
    }
    needles
}

/// Without padding; marks have no characters in which the alphabets differ.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut number = 0_u32;
        for at in 0..3 {
            number = number << 8 | u32::from(group.get(at).copied().unwrap_or(0));
        }
        for at in 0..=group.len() {
            let digit = number >> (18 - 6 * at) & 63;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

/// Where a text holds a secret: the line, or the neighbourhood in a long one.
pub(super) fn leaks(text: &str) -> Vec<String> {
    leaks_of(&needles(), text)
}

fn leaks_of(needles: &[String], text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for needle in needles {
        if let Some(at) = text.find(needle) {
            let start = text.floor_char_boundary(at.saturating_sub(100));
            let end = text.ceil_char_boundary(at + needle.len() + 60);
            found.push(format!("`{needle}` in … {} …", &text[start..end]));
        }
    }
    found
}

/// Fails with what is there to be read.
pub(super) fn assert_clean(what: &str, text: &str) {
    let leaks = leaks(text);
    assert!(leaks.is_empty(), "{what}\n{}\n{text}", leaks.join("\n"));
}

/// Fails where one of the files holds a secret, or is called by one; `ours` are what the test has written, and what the
/// template was asked to put a secret into.
pub(super) fn assert_clean_files(files: &[(PathBuf, Vec<u8>)], ours: &[&str]) {
    let mut found = Vec::new();
    for (path, bytes) in files {
        if ours.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let text = String::from_utf8_lossy(bytes);
        let leaks = leaks(&format!("{}\n{text}", path.display()));
        found.extend(
            leaks
                .into_iter()
                .map(|leak| format!("{}: {leak}", path.display())),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What was seen while programs ran.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Command lines with a secret in them.
    pub(super) commands: BTreeSet<String>,
    /// Temporary files with a secret in them: their name, without what is new in every run, and their mode.
    pub(super) files: BTreeMap<PathBuf, u32>,
    /// Files of the state with a secret in them.
    pub(super) state: BTreeSet<String>,
}

impl Seen {
    /// No secret on a command line or in the state, and no file with one that others may read.
    pub(super) fn assert_private(&self) {
        assert!(
            self.commands.is_empty(),
            "on command lines: {:#?}",
            self.commands
        );
        assert!(self.state.is_empty(), "in the state: {:#?}", self.state);
        for (path, mode) in &self.files {
            // `chmod +x` of an `execute_command` lets others start what they cannot read.
            assert_eq!(mode & 0o066, 0, "{} has mode {mode:o}", path.display());
        }
    }
}

/// Looks again and again until it is stopped.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

impl Watch {
    /// At all command lines, at the directories of runs and the state in `directory`, and at the files in `others`.
    pub(super) fn start(directory: PathBuf, others: Vec<PathBuf>) -> Self {
        Self::of(needles(), directory, others)
    }

    /// The same with another secret.
    pub(super) fn of(needles: Vec<String>, directory: PathBuf, others: Vec<PathBuf>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                look_at_processes(&needles, &mut seen.commands);
                for entry in entries(&directory) {
                    let name = entry.file_name().unwrap_or_default().to_string_lossy();
                    if name.starts_with("imgc-") {
                        look_at_files(&needles, &entry, &mut seen.files);
                    } else if name == ".imgc" {
                        let mut files = BTreeMap::new();
                        look_at_files(&needles, &entry, &mut files);
                        let names = files.into_keys().map(|path| path.display().to_string());
                        seen.state.extend(names);
                    }
                }
                for other in &others {
                    look_at_files(&needles, other, &mut seen.files);
                }
                std::thread::sleep(Duration::from_millis(3));
            }
            seen
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// What was seen.
    pub(super) fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn look_at_processes(needles: &[String], found: &mut BTreeSet<String>) {
    let own = std::process::id().to_string();
    for entry in entries(Path::new("/proc")) {
        if entry.ends_with(&own) {
            continue;
        }
        let line = std::fs::read(entry.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        // What the user types is on the command line of the program itself.
        if !leaks_of(needles, &line).is_empty() && !line.contains(" -var ") {
            found.insert(line);
        }
    }
}

fn look_at_files(needles: &[String], directory: &Path, found: &mut BTreeMap<PathBuf, u32>) {
    for path in entries(directory) {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            look_at_files(needles, &path, found);
        } else if metadata.is_file() {
            let text = std::fs::read(&path).unwrap_or_default();
            if !leaks_of(needles, &String::from_utf8_lossy(&text)).is_empty() {
                found.insert(path, metadata.permissions().mode());
            }
        }
    }
}
