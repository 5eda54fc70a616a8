//! The tables of the state, and how older forms become the newest.
//!
//! What is looked for is a column; everything else of a record is JSON beside it, so that a new field needs no new form.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::trouble::{Kind, Trouble};

/// `imgc` in ASCII: tells our files from other programs' databases.
pub(crate) const APPLICATION: i32 = 0x696d_6763;

/// Form 1, then what makes each later form of the one before it.
pub(crate) const FORMS: &[&str] = &[FIRST, SHELLS, CHANGES, LAST];

const FIRST: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    template TEXT NOT NULL,
    status TEXT NOT NULL,
    ended INTEGER,
    expires INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX runs_of_template ON runs (template, number);
CREATE TABLE steps (
    run TEXT NOT NULL,
    step TEXT NOT NULL,
    run_number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    done INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (run, step)
);
CREATE INDEX steps_done ON steps (step, run_number) WHERE done;
CREATE TABLE inputs (fingerprint TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE resources (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    owner TEXT NOT NULL,
    made INTEGER NOT NULL,
    resource TEXT NOT NULL
);
CREATE INDEX resources_of_run ON resources (run);
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint TEXT,
    kept INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX artifacts_by_fingerprint ON artifacts (fingerprint);
CREATE TABLE checkpoints (
    fingerprint TEXT PRIMARY KEY,
    used INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE TABLE machines (
    run TEXT NOT NULL,
    build TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (run, build)
);
CREATE TABLE builds (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    template TEXT NOT NULL,
    address TEXT NOT NULL,
    holder TEXT,
    UNIQUE (template, address)
);
";

/// Who has had a shell on which machine.
const SHELLS: &str = "
CREATE TABLE shells (
    run TEXT NOT NULL,
    build TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (run, build)
) WITHOUT ROWID;
";

/// What was changed outside and can be changed back.
const CHANGES: &str = "
CREATE TABLE changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    record TEXT NOT NULL
);
";

/// What a step has done last, however it ended.
const LAST: &str = "
CREATE INDEX steps_by_address ON steps (step, run_number);
DROP INDEX steps_done;
";

/// Fills a new, empty file.
pub(crate) fn fill(db: &Connection, salt: [u8; 32]) -> Result<(), Trouble> {
    db.pragma_update(None, "application_id", APPLICATION)?;
    db.execute_batch("BEGIN")?;
    for form in FORMS {
        db.execute_batch(form)?;
    }
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('salt', ?1)",
        [salt.as_slice()],
    )?;
    db.pragma_update(None, "user_version", FORMS.len() as i64)?;
    db.execute_batch("COMMIT")?;
    Ok(())
}

/// The form of a file, which is refused if it is another program's or of a newer imgc.
pub(crate) fn form(db: &Connection, newest: usize) -> Result<usize, Trouble> {
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let form: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application != APPLICATION || form < 1 {
        return Err(Trouble::new(
            Kind::Damaged,
            "it is a database, but not one of imgc",
        ));
    }
    let form = form as usize;
    if form > newest {
        return Err(Trouble::new(
            Kind::Newer,
            format!("it has form {form}, and this imgc knows forms up to {newest}"),
        ));
    }
    Ok(form)
}

/// Brings a file to the newest form, in one transaction, after a copy has been put beside it. Gives the copy's path.
pub(crate) fn migrate(
    db: &mut Connection,
    path: &Path,
    from: usize,
    forms: &[&str],
) -> Result<PathBuf, Trouble> {
    let copy = path.with_extension(format!("db.form-{from}"));
    let unfinished = path.with_extension("db.copy");
    let _ = std::fs::remove_file(&unfinished);
    db.execute(
        "VACUUM INTO ?1",
        [unfinished.to_string_lossy().into_owned()],
    )?;
    std::fs::File::open(&unfinished)?.sync_all()?;
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&unfinished, &copy)?;
    imgc_runtime::fault::point("state.migrate")?;
    let change = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for form in &forms[from..] {
        change.execute_batch(form)?;
    }
    change.pragma_update(None, "user_version", forms.len() as i64)?;
    change.commit()?;
    imgc_runtime::fault::point("state.migrated")?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A file of the first form.
    fn first(db: &Connection) {
        db.pragma_update(None, "application_id", APPLICATION)
            .unwrap();
        db.execute_batch(FIRST).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
    }

    #[test]
    fn an_older_form_becomes_the_newest_with_a_copy_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let mut db = Connection::open(&path).unwrap();
        first(&db);
        let forms = [FIRST, SHELLS, "ALTER TABLE runs ADD COLUMN more TEXT"];
        let copy = migrate(&mut db, &path, 1, &forms).unwrap();
        assert_eq!(form(&db, 3).unwrap(), 3);
        assert_eq!(form(&Connection::open(copy).unwrap(), 3).unwrap(), 1);
        db.prepare("SELECT at FROM shells").unwrap();
        db.prepare("SELECT more FROM runs").unwrap();
    }

    #[test]
    fn a_change_that_fails_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let mut db = Connection::open(&path).unwrap();
        first(&db);
        let forms = [
            FIRST,
            "ALTER TABLE runs ADD COLUMN more TEXT; SELECT broken",
        ];
        migrate(&mut db, &path, 1, &forms).unwrap_err();
        assert_eq!(form(&db, 2).unwrap(), 1);
        db.prepare("SELECT more FROM runs").unwrap_err();
    }
}
