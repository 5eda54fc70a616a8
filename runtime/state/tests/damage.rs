//! Files that are not what was written: found out, said, and never replaced.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;

use imgc_runtime::ledger::Resource;
use imgc_runtime::state::{Owner, State as _};
use imgc_state::{DATABASE, Sqlite};

/// A state with some hundred records in a directory of its own.
fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let state = Sqlite::open(directory.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        for at in 0..300 {
            let path = format!("/some/where/{at}").into();
            state
                .intend("r", "run", &Resource::File { path })
                .await
                .unwrap();
        }
    });
    directory
}

fn refused(directory: &Path) -> String {
    let before = fs::read(directory.join(DATABASE)).unwrap();
    let error = match Sqlite::open(directory) {
        Err(error) => error,
        Ok(state) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime
                .block_on(state.resources(Owner::All))
                .expect_err("damage is noticed when it is read, at the latest")
        }
    };
    assert_eq!(error.id, "run/state");
    assert!(error.help.is_some());
    assert_eq!(
        fs::read(directory.join(DATABASE)).unwrap(),
        before,
        "it was touched"
    );
    error
        .chain()
        .replace(&directory.display().to_string(), "$STATE")
}

#[test]
fn an_empty_file_is_no_new_state() {
    let directory = filled();
    fs::write(directory.path().join(DATABASE), "").unwrap();
    assert_eq!(
        refused(directory.path()),
        "the state `$STATE/state.db` is damaged: the file is empty"
    );
}

#[test]
fn another_file_is_no_state() {
    let directory = filled();
    fs::write(directory.path().join(DATABASE), "x".repeat(5000)).unwrap();
    assert_eq!(
        refused(directory.path()),
        "the state `$STATE/state.db` is damaged: it is not a database"
    );
}

#[test]
fn a_database_of_another_program_is_no_state() {
    let directory = filled();
    let path = directory.path().join(DATABASE);
    fs::remove_file(&path).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(db);
    assert_eq!(
        refused(directory.path()),
        "the state `$STATE/state.db` is damaged: it is a database, but not one of imgc"
    );
}

#[test]
fn a_file_cut_short_is_refused() {
    let directory = filled();
    let path = directory.path().join(DATABASE);
    let whole = fs::read(&path).unwrap();
    for keep in [50, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        fs::write(&path, &whole[..keep]).unwrap();
        let said = refused(directory.path());
        assert!(said.contains("is damaged"), "{keep}: {said}");
    }
}

#[test]
fn a_page_overwritten_is_noticed_when_it_is_read() {
    let directory = filled();
    let path = directory.path().join(DATABASE);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    for page in (4096..end).step_by(4096) {
        bytes[page..page + 64].fill(0xa5);
    }
    fs::write(&path, bytes).unwrap();
    let said = refused(directory.path());
    assert!(said.contains("is damaged"), "{said}");
}

#[test]
fn a_log_that_was_overwritten_is_refused_and_one_cut_short_loses_its_end_only() {
    let directory = filled();
    let state = Sqlite::open(directory.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        for at in 0..3 {
            let path = format!("/more/{at}").into();
            state
                .intend("r", "run", &Resource::File { path })
                .await
                .unwrap();
        }
    });
    // As a process that was killed leaves it.
    let copy = tempfile::tempdir().unwrap();
    for name in [DATABASE, "state.db-wal"] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    drop(state);
    let log = copy.path().join("state.db-wal");
    let whole = fs::read(&log).unwrap();
    fs::write(&log, "x".repeat(whole.len())).unwrap();
    assert!(refused(copy.path()).contains("its log `state.db-wal` has been overwritten"));
    fs::write(&log, &whole[..whole.len() - 100]).unwrap();
    let state = Sqlite::open(copy.path()).unwrap();
    let left = runtime.block_on(state.resources(Owner::All)).unwrap();
    assert_eq!(left.len(), 302);
}

#[test]
fn a_newer_form_is_refused() {
    let directory = filled();
    let db = rusqlite::Connection::open(directory.path().join(DATABASE)).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert_eq!(
        refused(directory.path()),
        "the state `$STATE/state.db` was written by a newer imgc: it has form 99, and this imgc knows forms up to 4"
    );
}

#[test]
fn a_making_that_was_interrupted_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("state.db.new"), "half").unwrap();
    Sqlite::open(directory.path()).unwrap();
}
