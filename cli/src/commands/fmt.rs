//! `imgc fmt`: files in the canonical layout.
//!
//! In: files, directories, standard input. Out: the files changed, their names on standard output. A file with a syntax
//! error is not touched, and the others are formatted all the same. A file that is named is formatted in its language;
//! of directories, JSON is left out unless it is asked for, since Packer's `fmt` touches none.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use imgc_compiler::compile::Compilation;
use imgc_compiler::layout;

use crate::args::FmtArgs;
use crate::changes::diff;
use crate::diagnostics::render;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::terminal::{Terminal, complain, print, shown_path};

/// What a directory's files end with that are formatted.
const SUFFIXES: &[&str] = &[
    ".pkr.hcl",
    ".pkrvars.hcl",
    ".imgc.hcl",
    ".imgc.toml",
    ".pkrvars.toml",
];
/// Those that are formatted with `-all`. Templates from before HCL have no names by which they could be told.
const JSON_SUFFIXES: &[&str] = &[".pkr.json", ".pkrvars.json"];
/// Where a file's name stands when there is none.
const STDIN: &str = "-";

pub(super) fn run(args: &FmtArgs, terminal: Terminal) -> Outcome {
    let mut formatter = Formatter {
        args,
        terminal,
        problems: Compilation::default(),
        changed: 0,
        worst: None,
    };
    for path in &args.paths {
        let done = match path.as_os_str() == STDIN {
            true => formatter.stdin(),
            false => formatter.path(path),
        };
        if let Err(failure) = done {
            formatter.failed(&failure)?;
        }
    }
    complain(&render(&formatter.problems, terminal.err));
    Ok(match formatter.worst {
        Some(exit) => exit,
        None if formatter.problems.has_errors() => Exit::Template,
        None if args.check && formatter.changed > 0 => Exit::Template,
        None => Exit::Done,
    })
}

struct Formatter<'a> {
    args: &'a FmtArgs,
    terminal: Terminal,
    /// The syntax errors of all files.
    problems: Compilation,
    changed: usize,
    /// What stopped the work on a file.
    worst: Option<Exit>,
}

impl Formatter<'_> {
    /// Says what is wrong with a file; the others are formatted all the same, unless nobody listens any more.
    fn failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        if failure.message.is_empty() {
            return Err(Failure::said(failure.exit));
        }
        complain(&failure.text());
        self.worst.get_or_insert(failure.exit);
        Ok(())
    }

    fn stdin(&mut self) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::file("read", Path::new("standard input"), &error))?;
        let text = self.text(Path::new("standard input"), bytes)?;
        let Some(formatted) = self.formatted(Path::new("<stdin>"), &text) else {
            return Ok(());
        };
        self.changed += usize::from(formatted != text);
        match (self.args.diff, self.args.check || self.args.no_write) {
            (true, _) => print(&diff("<stdin>", &text, &formatted, self.terminal.out)),
            (false, true) => Ok(()),
            (false, false) => print(&formatted),
        }
    }

    fn path(&mut self, path: &Path) -> Result<(), Failure> {
        let metadata = fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?;
        match metadata.is_dir() {
            true => self.directory(path),
            false => self.file(path),
        }
    }

    /// The files of a directory, in the order of their names; what is below it only when asked.
    fn directory(&mut self, directory: &Path) -> Result<(), Failure> {
        let unreadable = |error| Failure::file("read", directory, &error);
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            entries.push(directory.join(entry.map_err(unreadable)?.file_name()));
        }
        entries.sort();
        for path in entries {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            // Links to directories are not followed: they could lead in circles.
            let is_directory = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            let done = match is_directory {
                true if self.args.recursive && !name.starts_with('.') => self.directory(&path),
                false if self.is_wanted(&name) => self.file(&path),
                _ => Ok(()),
            };
            if let Err(failure) = done {
                self.failed(&failure)?;
            }
        }
        Ok(())
    }

    /// Whether a file of a directory is formatted.
    fn is_wanted(&self, name: &str) -> bool {
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        ends(SUFFIXES) || self.args.all && ends(JSON_SUFFIXES)
    }

    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let bytes = fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
        let text = self.text(path, bytes)?;
        let Some(formatted) = self.formatted(path, &text) else {
            return Ok(());
        };
        if formatted == text {
            return Ok(());
        }
        self.changed += 1;
        if !self.args.check && !self.args.no_write {
            files::replace(path, formatted.as_bytes())?;
        }
        let name = shown_path(path);
        print(&format!("{name}\n"))?;
        if self.args.diff {
            print(&diff(&name, &text, &formatted, self.terminal.out))?;
        }
        Ok(())
    }

    fn text(&self, path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
        String::from_utf8(bytes).map_err(|_| {
            let name = shown_path(path);
            Failure::new(Exit::Template, format!("{name} is not text in UTF-8"))
                .help("save the file as UTF-8; a template is text")
        })
    }

    /// The text in canonical layout; `None` where it has errors, which are kept to be shown.
    fn formatted(&mut self, path: &Path, text: &str) -> Option<String> {
        let file = self.problems.sources.add(path, text);
        let language = layout::language(path, text);
        layout::format(language, file, text, &mut self.problems.diagnostics)
    }
}
