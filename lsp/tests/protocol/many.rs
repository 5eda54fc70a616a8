//! A workspace of a thousand directories: only what is asked about is read, and asking again costs little.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imgc_compiler::source::{EntryKind, Sources};
use serde_json::{Value, json};

use crate::harness::{Disk, Session, modern};

/// So many directories with a template.
const MANY: usize = 1000;

/// Every so many-th template has a mistake in it.
const WRONG: usize = 50;

/// Every so many-th uses the module that is shared.
const SHARED: usize = 10;

/// The disk, with a note of the files that were read since the note was taken last.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<PathBuf>>>);

impl Noted {
    fn take(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Sources for Noted {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        Disk.kind(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        Disk.list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.lock().unwrap().push(path.to_owned());
        Disk.read(path)
    }

    fn stamp(&self, path: &Path) -> Option<u64> {
        Disk.stamp(path)
    }
}

fn template(at: usize) -> String {
    let shared = match at % SHARED {
        0 => "module \"common\" {\n  source = \"../common\"\n  team   = var.team\n}\n",
        _ => "",
    };
    let name = if at.is_multiple_of(WRONG) {
        "nmae"
    } else {
        "name"
    };
    format!(
        "variable \"name\" {{\n  default = \"image-{at}\"\n}}\n\n{shared}\nsource \"null\" \"machine_{at}\" {{\n  communicator = \"none\"\n}}\n\n\
         build {{\n  sources = [\"source.null.machine_{at}\"]\n\n  provisioner \"shell-local\" {{\n    inline = [\"echo ${{var.{name}}} ${{var.team}}\"]\n  }}\n}}\n"
    )
}

/// Directories with templates, all of which share a file of variables; some use one as a module.
fn workspace() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "shared.pkr.hcl.txt",
        "variable \"team\" {\n  default = \"x\"\n}\n",
    );
    write(
        "common/main.pkr.hcl",
        "variable \"team\" {\n  default = \"z\"\n}\noutput \"o\" {\n  value = var.team\n}\n",
    );
    for at in 0..MANY {
        write(&format!("d{at}/main.pkr.hcl"), &template(at));
        write(&format!("d{at}/team.auto.pkrvars.hcl"), "team = \"y\"\n");
        let link = root.path().join(format!("d{at}/shared.pkr.hcl"));
        std::os::unix::fs::symlink("../shared.pkr.hcl.txt", link).unwrap();
    }
    root
}

/// The directories in which files were read.
fn directories(reads: &[PathBuf]) -> BTreeSet<String> {
    let names = reads.iter().filter_map(|path| path.parent()?.file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

fn start(root: &Path, capabilities: Value) -> (Session, Noted) {
    let noted = Noted::default();
    let folders = json!([{ "uri": format!("file://{}", root.display()), "name": "w" }]);
    let patient = json!({ "requestLimitMs": 60_000 });
    let params = json!({ "capabilities": capabilities, "workspaceFolders": folders, "initializationOptions": patient });
    (Session::start(noted.clone(), params), noted)
}

fn uri(root: &Path, path: &str) -> String {
    format!("file://{}", root.join(path).display())
}

/// The answer to a question that may take long on a busy machine.
fn patiently(session: &mut Session, id: i64) -> Result<Value, Value> {
    let mut tries = (0..6).filter_map(|_| session.answer_in_time(id));
    tries.next().unwrap()
}

fn symbols(session: &mut Session, query: &str) -> Vec<String> {
    let found = session.ask("workspace/symbol", json!({ "query": query }));
    let found = found.unwrap();
    let names = found.as_array().unwrap().iter();
    names
        .map(|symbol| symbol["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn opening_a_file_reads_its_template_and_no_other() {
    let root = workspace();
    let (mut session, noted) = start(root.path(), modern());
    let uri = uri(root.path(), "d50/main.pkr.hcl");
    session.open(&uri, &template(50));
    assert_eq!(
        session.ids(&uri),
        ["editor/unused", "check/unknown-variable"]
    );
    let expected = ["common", "d50"].map(str::to_owned);
    assert_eq!(directories(&noted.take()), BTreeSet::from(expected));
    session.end().unwrap();
}

#[test]
fn symbols_of_the_workspace_are_found_in_what_was_read_before() {
    let root = workspace();
    let (mut session, noted) = start(root.path(), modern());
    assert_eq!(symbols(&mut session, "machine_777"), ["null.machine_777"]);
    assert!(noted.take().len() >= MANY);
    // From now on only the files that are named in the answer are read.
    assert_eq!(symbols(&mut session, "machine_778"), ["null.machine_778"]);
    assert_eq!(
        directories(&noted.take()),
        BTreeSet::from(["d778".to_owned()])
    );
    assert_eq!(symbols(&mut session, "name").len(), 1000);
    noted.take();
    // A file that changes is read again, with or without a word of it from the editor.
    for told in [true, false] {
        let name = if told { "told" } else { "untold" };
        let path = root.path().join("d5/main.pkr.hcl");
        let text = format!("source \"null\" \"{name}\" {{\n}}\n");
        std::fs::write(&path, text).unwrap();
        if told {
            let change = json!([{ "uri": uri(root.path(), "d5/main.pkr.hcl"), "type": 2 }]);
            session.tell(
                "workspace/didChangeWatchedFiles",
                json!({ "changes": change }),
            );
        }
        let found = symbols(&mut session, name);
        assert!(found.contains(&format!("null.{name}")), "{found:?}");
        assert_eq!(
            directories(&noted.take()),
            BTreeSet::from(["d5".to_owned()])
        );
    }
    // Unsaved text counts, and so do files that are gone.
    let open = uri(root.path(), "d6/main.pkr.hcl");
    session.open(&open, "variable \"unsaved\" {}\n");
    assert_eq!(symbols(&mut session, "unsaved"), ["unsaved"]);
    std::fs::remove_dir_all(root.path().join("d7")).unwrap();
    assert!(!symbols(&mut session, "machine_7").contains(&"null.machine_7".to_owned()));
    session.end().unwrap();
}

#[test]
fn problems_of_the_workspace_come_in_parts_and_are_not_looked_for_again() {
    let root = workspace();
    let mut capabilities = modern();
    capabilities["textDocument"]["diagnostic"] = json!({});
    let (mut session, noted) = start(root.path(), capabilities);
    // All are wrong in the variables that they share: so every template has problems.
    std::fs::write(
        root.path().join("shared.pkr.hcl.txt"),
        "variable \"team\" {\n  defualt = 1\n}\n",
    )
    .unwrap();
    let ask = json!({ "previousResultIds": [], "partialResultToken": "parts" });
    let id = session.begin("workspace/diagnostic", ask.clone());
    let mut parts = Vec::new();
    let last = patiently(&mut session, id).unwrap();
    while let Some(part) = session.notice("$/progress", Duration::ZERO) {
        assert_eq!(part["token"], "parts");
        parts.push(part["value"].clone());
    }
    assert!(parts.len() >= 10, "{} parts", parts.len());
    parts.push(last);
    let items: Vec<&Value> = parts
        .iter()
        .flat_map(|part| part["items"].as_array().unwrap())
        .collect();
    let shared = items
        .iter()
        .filter(|item| item["uri"].as_str().unwrap().ends_with("/shared.pkr.hcl"));
    assert_eq!(shared.count(), MANY);
    let wrong = items
        .iter()
        .filter(|item| item["uri"].as_str().unwrap().ends_with("/main.pkr.hcl"));
    assert_eq!(wrong.count(), MANY / WRONG);
    noted.take();
    // Once more: nothing is compiled, and nothing said again. Texts are read for the lines of what is said.
    let known: Vec<Value> = items
        .iter()
        .map(|item| json!({ "uri": item["uri"], "value": item["resultId"] }))
        .collect();
    let again = json!({ "previousResultIds": known });
    let id = session.begin("workspace/diagnostic", again);
    let report = patiently(&mut session, id).unwrap();
    let items = report["items"].as_array().unwrap();
    assert_eq!(items.len(), known.len());
    assert!(items.iter().all(|item| item["kind"] == "unchanged"));
    let values = noted
        .take()
        .into_iter()
        .filter(|path| path.ends_with("team.auto.pkrvars.hcl"));
    assert_eq!(values.count(), 0);
    session.end().unwrap();
}

#[test]
fn a_look_at_the_workspace_can_be_taken_back() {
    let root = workspace();
    let mut capabilities = modern();
    capabilities["textDocument"]["diagnostic"] = json!({});
    let (mut session, noted) = start(root.path(), capabilities);
    let ask = json!({ "previousResultIds": [], "partialResultToken": 1 });
    let id = session.begin("workspace/diagnostic", ask);
    // In the middle of it.
    let end = Instant::now() + Duration::from_secs(60);
    while noted.0.lock().unwrap().is_empty() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(1));
    }
    session.tell("$/cancelRequest", json!({ "id": id }));
    assert_eq!(session.answer(id).unwrap_err()["code"], -32800);
    // The reader is free again long before all would have been read.
    session.open("file:///elsewhere/a.pkr.hcl", &template(1));
    let params = json!({ "textDocument": { "uri": "file:///elsewhere/a.pkr.hcl" } });
    assert!(session.ask("textDocument/diagnostic", params).is_ok());
    let read = directories(&noted.take()).len();
    assert!(read < MANY, "{read} directories");
    session.end().unwrap();
}
