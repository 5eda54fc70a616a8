//! Directories of the build: scanned, packed, unpacked, removed by whoever owns the files.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{chdir, chroot};

use super::mounts::{self, MERGED, overlay};
use crate::error::{Attempt, BASE_INVALID, Failure, LAYER, LEFT_BEHIND, Outcome};
use crate::job::{Pack, Packed, Scanned, Unpack, Whiteouts};
use crate::layer::compress::{
    Compressor, Digesting, DigestingReader, decompress, detect, first_bytes,
};
use crate::layer::pack::{PackOptions, pack as pack_stream};
use crate::layer::unpack::{
    UnpackOptions, remove as remove_path, set_time, unpack as unpack_stream,
};

/// Finds the newest file, of those that are older than `before` where something has just been made here, and counts.
pub(super) fn scan(directory: &Path, before: Option<i64>) -> Outcome<Scanned> {
    let mut scanned = Scanned::default();
    scan_into(directory, before, &mut scanned)?;
    Ok(scanned)
}

fn scan_into(directory: &Path, before: Option<i64>, scanned: &mut Scanned) -> Outcome<()> {
    let what = || format!("cannot read {}", directory.display());
    for entry in fs::read_dir(directory).attempt(LAYER, what)? {
        let entry = entry.attempt(LAYER, what)?;
        let metadata = entry.metadata().attempt(LAYER, what)?;
        scanned.entries += 1;
        // A directory's time is that of its last entry, often the unpacking's.
        let counts = before.is_none_or(|before| metadata.mtime() < before);
        if counts && !metadata.is_dir() {
            scanned.newest = scanned.newest.max(metadata.mtime());
        }
        if metadata.is_file() {
            scanned.bytes += metadata.len();
        } else if metadata.is_dir() {
            scan_into(&entry.path(), before, scanned)?;
        }
    }
    Ok(())
}

/// Unpacks archives; the process's root becomes the target, so that no name in an archive leads out of it.
pub(super) fn unpack(unpack: Unpack) -> Outcome<Scanned> {
    let mut archives = Vec::new();
    for archive in unpack.archives {
        let what = || format!("cannot read {}", archive.path.display());
        let compression = detect(&first_bytes(&archive.path).attempt(BASE_INVALID, what)?);
        let file = File::open(&archive.path).attempt(BASE_INVALID, what)?;
        archives.push((archive, compression, file));
    }
    chroot(&unpack.target)
        .and_then(|()| chdir("/"))
        .attempt(LAYER, || unpack.target.display().to_string())?;
    let options = UnpackOptions {
        whiteouts: unpack.whiteouts,
        owner: None,
        mode: None,
        times: true,
        plain: false,
        exact: unpack.exact,
    };
    let mut all = Scanned::default();
    for (archive, compression, file) in archives {
        let what = || format!("cannot unpack {}", archive.path.display());
        let mut reader = DigestingReader::new(BufReader::with_capacity(1 << 17, file));
        let content = decompress(&mut reader, compression).attempt(BASE_INVALID, what)?;
        let scanned = unpack_stream(content, Path::new("/"), &options)
            .attempt(BASE_INVALID, what)
            .map_err(|failure| match failure.help {
                None => failure.help(
                    "it must be a whole tar archive, as it is or compressed with gzip, zstd or xz",
                ),
                Some(_) => failure,
            })?;
        let sha256 = reader.finish().attempt(BASE_INVALID, what)?;
        if archive
            .sha256
            .as_ref()
            .is_some_and(|expected| *expected != sha256)
        {
            return Err(Failure::new(
                BASE_INVALID,
                format!(
                    "{} has the digest sha256:{sha256}, not the one it is named by",
                    archive.path.display()
                ),
            )
            .help("the image is damaged: copy it again"));
        }
        all.newest = all.newest.max(scanned.newest);
        all.entries += scanned.entries;
        all.bytes += scanned.bytes;
        all.skipped_devices += scanned.skipped_devices;
    }
    if let Some(time) = unpack.root_time {
        set_time(Path::new("/"), time).attempt(LAYER, || unpack.target.display().to_string())?;
    }
    Ok(all)
}

/// Packs a directory into a file.
pub(super) fn pack(pack: &Pack) -> Outcome<Packed> {
    let what = || format!("cannot write {}", pack.target.display());
    let file = File::create(&pack.target).attempt(LAYER, what)?;
    let file = BufWriter::with_capacity(1 << 18, file);
    let compressor =
        Compressor::new(Digesting::new(file), pack.compression).attempt(LAYER, what)?;
    let mut archive = BufWriter::with_capacity(1 << 18, Digesting::new(compressor));
    let options = PackOptions {
        clamp: pack.clamp,
        tidy: pack.tidy,
        overlay: pack.overlay,
        root_entry: pack.root_entry,
        exact: pack.exact,
    };
    let stats = pack_stream(&pack.directory, &mut archive, &options)
        .attempt(LAYER, || "cannot pack the layer")?;
    let archive = archive
        .into_inner()
        .map_err(|error| error.into_error())
        .attempt(LAYER, what)?;
    let (compressor, diff_sha256, raw_size) = archive.finish();
    let (file, sha256, size) = compressor.finish().attempt(LAYER, what)?.finish();
    file.into_inner()
        .map_err(|error| error.into_error())
        .attempt(LAYER, what)?;
    Ok(Packed {
        sha256,
        diff_sha256,
        size,
        raw_size,
        entries: stats.entries,
        host_keys: stats.host_keys,
    })
}

/// Copies the view of several layers into one directory.
pub(super) fn collapse(work: &Path, lowers: &[String], target: &Path) -> Outcome<()> {
    let what = || "cannot merge the layers";
    chdir(work).attempt(LAYER, what)?;
    overlay(lowers, None)?;
    let (reader, writer) = std::io::pipe().attempt(LAYER, what)?;
    let options = UnpackOptions {
        whiteouts: Whiteouts::Plain,
        owner: None,
        mode: None,
        times: true,
        plain: false,
        exact: true,
    };
    let (packed, unpacked) = std::thread::scope(|scope| {
        let packing = scope.spawn(move || {
            let mut writer = BufWriter::with_capacity(1 << 18, writer);
            let options = PackOptions {
                root_entry: true,
                exact: true,
                ..PackOptions::default()
            };
            pack_stream(Path::new(MERGED), &mut writer, &options).and_then(|_| writer.flush())
        });
        let unpacked = unpack_stream(BufReader::with_capacity(1 << 18, reader), target, &options);
        (packing.join(), unpacked)
    });
    unpacked.attempt(LAYER, what)?;
    match packed {
        Ok(result) => result.attempt(LAYER, what),
        Err(_) => Err(Failure::new(
            LAYER,
            "cannot merge the layers: the packing thread ended early",
        )),
    }
}

/// Removes directories; goes on past failures and reports the first.
///
/// Whatever is mounted below them is unmounted first: a base directory of the user may be among it, which must not be emptied.
pub(super) fn remove(paths: &[PathBuf]) -> Outcome<()> {
    let mut first = Ok(());
    for path in paths {
        let result = mounts::detach_below(path).and_then(|()| {
            remove_path(path).attempt(LEFT_BEHIND, || format!("cannot remove {}", path.display()))
        });
        first = first.and(result);
    }
    first
}
