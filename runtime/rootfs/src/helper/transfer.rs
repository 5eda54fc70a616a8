//! Files and trees into and out of the root file system. No program of the image is needed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use super::command::enter_root;
use super::{unbuffered_stdin, unbuffered_stdout};
use crate::error::{Attempt, Failure, Outcome, TRANSFER};
use crate::job::{Put, Whiteouts};
use crate::layer::pack::{self, PackOptions};
use crate::layer::unpack::{self, UnpackOptions};

/// Writes standard input to a file: beside it first, then moved into place.
pub(super) fn put_file(put: &Put) -> Outcome<()> {
    let mut input = unbuffered_stdin()?;
    enter_root(&put.work, false)?;
    let path = absolute(&put.path);
    let what = || format!("cannot write {} in the root file system", path.display());
    let (owner, group) = ids(put)?;
    if path.is_dir() {
        return Err(Failure::new(
            TRANSFER,
            format!("{} is a directory in the root file system", path.display()),
        )
        .help("name the file in the destination"));
    }
    make_parents(&path)?;
    // Through a link, as a shell's redirection would.
    let path = fs::canonicalize(&path).unwrap_or(path.clone());
    let beside = beside(&path);
    let result = (|| {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        copy(&mut input, &mut file)?;
        let old = fs::metadata(&path).ok();
        lchown(
            &beside,
            owner.or(old.as_ref().map(MetadataExt::uid)),
            group.or(old.as_ref().map(MetadataExt::gid)),
        )?;
        let mode = put.mode.or(old.map(|old| old.mode())).unwrap_or(0o644);
        file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
        fs::rename(&beside, &path)
    })();
    if result.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    result.attempt(TRANSFER, what)
}

/// Unpacks a tar stream into a directory.
pub(super) fn put_tree(put: &Put) -> Outcome<()> {
    let input = unbuffered_stdin()?;
    enter_root(&put.work, false)?;
    let path = absolute(&put.path);
    let (owner, group) = ids(put)?;
    make_parents(&path.join("x"))?;
    let options = UnpackOptions {
        whiteouts: Whiteouts::Plain,
        owner: Some((owner.unwrap_or(0), group.unwrap_or(0))),
        mode: put.mode,
        times: false,
        plain: false,
        exact: false,
    };
    unpack::unpack(
        io::BufReader::with_capacity(1 << 16, input),
        &path,
        &options,
    )
    .attempt(TRANSFER, || {
        format!(
            "cannot write below {} in the root file system",
            path.display()
        )
    })?;
    Ok(())
}

/// Copies a file to standard output.
pub(super) fn get_file(work: &Path, path: &Path) -> Outcome<()> {
    let mut output = unbuffered_stdout()?;
    enter_root(work, false)?;
    let path = absolute(path);
    let what = || format!("cannot read {} in the root file system", path.display());
    let mut file = File::open(&path).attempt(TRANSFER, what)?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::new(
            TRANSFER,
            format!("{} is a directory in the root file system", path.display()),
        )
        .help("end the source with a slash to copy a directory's content"));
    }
    copy(&mut file, &mut output).attempt(TRANSFER, what)
}

/// Writes a directory to standard output as a tar stream.
pub(super) fn get_tree(work: &Path, path: &Path) -> Outcome<()> {
    let output = unbuffered_stdout()?;
    enter_root(work, false)?;
    let path = absolute(path);
    let what = || format!("cannot read {} in the root file system", path.display());
    if !fs::metadata(&path).attempt(TRANSFER, what)?.is_dir() {
        return Err(Failure::new(
            TRANSFER,
            format!(
                "{} is not a directory in the root file system",
                path.display()
            ),
        ));
    }
    let mut output = io::BufWriter::with_capacity(1 << 16, output);
    pack::pack(&path, &mut output, &PackOptions::default()).attempt(TRANSFER, what)?;
    output.flush().attempt(TRANSFER, what)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A relative path is below the home directory, as over ssh.
fn absolute(path: &Path) -> PathBuf {
    let path = match path.strip_prefix("~") {
        Ok(rest) => rest,
        Err(_) => path,
    };
    let home = Path::new("/root");
    let base = if home.is_dir() { home } else { Path::new("/") };
    base.join(path)
}

/// Makes the directories above a file. A root file system from scratch has no other way to get them.
fn make_parents(path: &Path) -> Outcome<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent)
        .attempt(TRANSFER, || {
            format!("cannot make {} in the root file system", parent.display())
        })
}

/// A name for the unfinished file, not taken by another transfer to the same directory.
fn beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    path.with_file_name(format!(".{name}.imgc-{:x}", time.as_nanos()))
}

/// Owner and group as numbers, looked up in the image.
fn ids(put: &Put) -> Outcome<(Option<u32>, Option<u32>)> {
    let find = |name: &Option<String>, file: &str, kind: &str| match name {
        None => Ok(None),
        Some(name) => match name.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => look_up(name, file).map(Some).ok_or_else(|| {
                Failure::new(
                    TRANSFER,
                    format!("the root file system has no {kind} `{name}`"),
                )
                .help(format!(
                    "create the {kind} in an earlier provisioner, or give its number"
                ))
            }),
        },
    };
    Ok((
        find(&put.owner, "/etc/passwd", "user")?,
        find(&put.group, "/etc/group", "group")?,
    ))
}

fn look_up(name: &str, file: &str) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        (fields.next() == Some(name))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    })
}
