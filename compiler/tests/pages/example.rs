//! An example of a page as a compilation.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::{Compilation, Request, compile};
use imgc_compiler::components::{ComponentKind, Components, Problem};
use imgc_compiler::source::{EntryKind, FixedWorld, Memory, Sources, World};
use imgc_compiler::value::Value;

use super::Block;

/// What an example says: files and a command.
#[derive(Default)]
pub(crate) struct Example {
    sources: Files,
    world: FixedWorld,
    request: Request,
}

impl Example {
    /// Adds what a fenced block says.
    pub(crate) fn add(&mut self, block: &Block) {
        let option = |name: &str| {
            block
                .words
                .iter()
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        if block.words[0] == "sh" {
            return self.command(block.text.trim());
        }
        let name = PathBuf::from(option("file").unwrap_or(match block.words[0].as_str() {
            "json" => "main.pkr.json",
            "toml" => "main.imgc.toml",
            _ => "main.pkr.hcl",
        }));
        let bytes = match option("size") {
            // Only counted: the bytes are made when somebody reads them.
            Some(size) => {
                self.sources
                    .sizes
                    .insert(name.clone(), size.parse().unwrap());
                Vec::new()
            }
            None => expand(&block.text),
        };
        if block.words.iter().any(|word| word == "denied") {
            self.sources.denied.insert(name.clone());
        }
        self.sources.memory.insert(name.clone(), bytes.clone());
        self.world.files.insert(name, bytes);
    }

    fn command(&mut self, line: &str) {
        let mut words = shell_words(line).into_iter();
        for word in words.by_ref().take_while(|word| word != "imgc") {
            let (name, value) = word.split_once('=').unwrap();
            self.world.env.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(
            words.next().as_deref(),
            Some("plan"),
            "an example is about `imgc plan`"
        );
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=').filter(|_| word.starts_with('-')) {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            let mut value = || value.clone().or_else(|| words.next()).unwrap();
            match flag.as_str() {
                "-var" => self.request.vars.push(value()),
                "-var-file" => self.request.var_files.push(value().into()),
                "-only" => self.request.only.push(value()),
                "-except" => self.request.except.push(value()),
                "-online" => self.request.online = true,
                path => self.request.path = path.into(),
            }
        }
    }

    /// Compiles it.
    pub(crate) fn compile(mut self) -> Compilation {
        self.world.now = 1_700_000_000;
        let world: Arc<dyn World> = Arc::new(self.world);
        compile(&self.request, &self.sources, &world, &MostComponents)
    }
}

/// `⟨( × 300⟩` and `⟨byte E9⟩` written out.
fn expand(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟨') {
        let (short, after) = after.split_once('⟩').unwrap();
        bytes.extend_from_slice(before.as_bytes());
        match short.strip_prefix("byte ") {
            Some(byte) => bytes.push(u8::from_str_radix(byte, 16).unwrap()),
            None => {
                let (what, count) = short.rsplit_once(" × ").unwrap();
                bytes.extend_from_slice(what.repeat(count.parse().unwrap()).as_bytes());
            }
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The words of a command line; quotes keep blanks.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in line.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            None if matches!(character, '\'' | '"') => quote = Some(character),
            None if character == ' ' => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words
}

/// Files in memory, some of which cannot be read or are very large.
#[derive(Default)]
struct Files {
    memory: Memory,
    denied: BTreeSet<PathBuf>,
    sizes: BTreeMap<PathBuf, usize>,
}

impl Sources for Files {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        Sources::kind(&self.memory, path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Sources::list(&self.memory, directory)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if self.denied.contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        match self.sizes.get(path) {
            // Zeroed memory that nobody writes to costs nothing.
            Some(size) => Ok(vec![0; *size]),
            None => Sources::read(&self.memory, path),
        }
    }
}

/// Everything but one builder, with a check that only an implementation can do.
struct MostComponents;

impl Components for MostComponents {
    fn has(&self, kind: ComponentKind, name: &str) -> bool {
        (kind, name) != (ComponentKind::Builder, "oracle-classic")
    }

    fn check(&self, kind: ComponentKind, name: &str, options: &Value) -> Vec<Problem> {
        let variables = options.get("environment_vars").and_then(Value::as_slice);
        let malformed = variables
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .find(|text| {
                (kind, name) == (ComponentKind::Provisioner, "shell") && !text.contains('=')
            });
        let problem = malformed.map(|text| {
            Problem::new(format!("`{text}` is not of the form `NAME=value`"))
                .of("environment_vars")
                .help("names are of letters, digits and `_`")
        });
        problem.into_iter().collect()
    }

    fn read(&self, name: &str, options: &Value) -> Result<Value, Problem> {
        let text = |name: &str| options.get(name).cloned().unwrap_or(Value::string(""));
        let url = text("url");
        if url.as_str().is_some_and(|url| url.contains("missing")) {
            return Err(Problem::new("the server answered 404 (Not Found)")
                .of("url")
                .help("check the address"));
        }
        assert!(matches!(name, "http" | "null"), "no page reads `{name}`");
        Ok(match name {
            "null" => Value::object([("output", text("input"))]),
            _ => Value::object([("url", url), ("body", Value::string("hello"))]),
        })
    }
}
