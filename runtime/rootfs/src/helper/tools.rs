//! The programs of the machine that a build uses inside its namespaces: mmdebstrap and mke2fs.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::files::scan;
use super::quiet;
use crate::error::{
    Attempt, BOOTSTRAP, DISK_FULL, DISK_SIZE, Failure, IMAGE_TOOL, Outcome, PROGRAM,
};
use crate::job::{Bootstrap, DiskImage, Ext4, Scanned};
use crate::layer::compress::{digest, digest_file};
use crate::layer::unpack::{remove, set_time};
use crate::output::ext4_times;

/// Settings of this machine that decide how it reaches package sources.
const PROXIES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
];

/// Bootstraps a distribution into a directory.
pub(super) fn bootstrap(bootstrap: &Bootstrap) -> Outcome<Scanned> {
    let mut command = quiet("mmdebstrap");
    command.args(["--mode=root", "--format=directory"]);
    command.arg(format!("--variant={}", bootstrap.variant));
    command.arg(format!("--architectures={}", bootstrap.architecture));
    if !bootstrap.packages.is_empty() {
        command.arg(format!("--include={}", bootstrap.packages.join(",")));
    }
    if !bootstrap.components.is_empty() {
        command.arg(format!("--components={}", bootstrap.components.join(",")));
    }
    for keyring in &bootstrap.keyrings {
        command.arg(format!("--keyring={keyring}"));
    }
    command
        .arg(&bootstrap.suite)
        .arg(&bootstrap.target)
        .arg(&bootstrap.sources);
    for name in PROXIES {
        if let Ok(value) = std::env::var(name) {
            command.env(name, value);
        }
    }
    // Its temporary files must be where the build's clean-up finds them.
    command.env("TMPDIR", &bootstrap.scratch);
    if let Some(time) = bootstrap.time {
        command.env("SOURCE_DATE_EPOCH", time.to_string());
    }
    let (status, last) = watch(command, "mmdebstrap", "mmdebstrap")?;
    if !status.success() {
        return Err(bootstrap_failure(&last));
    }
    // Copies of this machine's own.
    for name in ["etc/hostname", "etc/resolv.conf"] {
        let path = bootstrap.target.join(name);
        if path
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
        {
            fs::remove_file(&path)
                .attempt(BOOTSTRAP, || format!("cannot remove {}", path.display()))?;
        }
    }
    let scanned = scan(&bootstrap.target, Some(bootstrap.started))?;
    empty_dev(&bootstrap.target.join("dev"), scanned.newest)
        .attempt(BOOTSTRAP, || "cannot empty /dev of the bootstrapped system")?;
    Ok(scanned)
}

/// Containers and machines bring their own devices, and an ordinary user cannot make any.
fn empty_dev(dev: &Path, time: i64) -> std::io::Result<()> {
    for entry in fs::read_dir(dev)? {
        remove(&entry?.path())?;
    }
    set_time(dev, time)
}

fn bootstrap_failure(last: &VecDeque<String>) -> Failure {
    if last
        .iter()
        .any(|line| line.contains("No space left on device"))
    {
        return Failure::new(
            DISK_FULL,
            "the distribution does not fit: no space left on the disk",
        )
        .help("free some space, or set TMPDIR to a directory on a larger disk");
    }
    let errors: Vec<&str> = last
        .iter()
        .filter_map(|line| line.strip_prefix("E: "))
        .collect();
    let reason = match errors.first() {
        Some(first) => (*first).to_owned(),
        None => last
            .back()
            .cloned()
            .unwrap_or_else(|| "it gave no reason".to_owned()),
    };
    let failure = Failure::new(BOOTSTRAP, format!("mmdebstrap failed: {reason}"));
    let text = last
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    if text.contains("Unable to locate package") {
        failure.help("look for a typing mistake in `packages`; packages outside `main` need their component in `components`")
    } else if text.contains("NO_PUBKEY") || text.contains("is not signed") {
        failure.help("install the distribution's archive keyring (debian-archive-keyring, ubuntu-keyring) or name it in `keyrings`")
    } else {
        failure.help("look at the package sources in /etc/apt, or name others in `mirror`; is the network reachable?")
    }
}

/// Runs a program, passes its output on line by line, and keeps the last lines.
fn watch(
    mut command: Command,
    program: &str,
    package: &str,
) -> Outcome<(ExitStatus, VecDeque<String>)> {
    let what = || format!("{program} cannot be run");
    let (reader, writer) = std::io::pipe().attempt(IMAGE_TOOL, what)?;
    let second = writer.try_clone().attempt(IMAGE_TOOL, what)?;
    let mut child = command
        .stdout(Stdio::from(second))
        .stderr(Stdio::from(writer))
        .spawn()
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                Failure::new(PROGRAM, format!("`{program}` is not installed"))
                    .help(format!("apt-get install {package}"))
            } else {
                Failure::io(IMAGE_TOOL, what(), &error)
            }
        })?;
    // The command holds copies of the pipe's end.
    drop(command);
    let mut last = VecDeque::new();
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines
        .read_until(b'\n', &mut line)
        .attempt(IMAGE_TOOL, what)?
        > 0
    {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        // Nobody is left to read it when this fails.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes());
        if last.len() == 40 {
            last.pop_front();
        }
        last.push_back(text);
    }
    Ok((child.wait().attempt(IMAGE_TOOL, what)?, last))
}

/// mke2fs's own configuration would let the image depend on the machine.
const MKE2FS_CONF: &str = "[defaults]
base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
default_mntopts = acl,user_xattr
enable_periodic_fsck = 0
blocksize = 4096
inode_size = 256
inode_ratio = 16384
[fs_types]
ext4 = {
features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
}
floppy = {
inode_ratio = 16384
}
small = {
inode_ratio = 16384
}
big = {
inode_ratio = 16384
}
huge = {
inode_ratio = 16384
}
";

const BLOCK: u64 = 4096;
const MIB: u64 = 1 << 20;

/// Makes an ext4 image: the same bytes for the same content.
pub(super) fn ext4(ext4: &Ext4) -> Outcome<DiskImage> {
    let mut need = Need::default();
    need.add(&ext4.directory)?;
    let seed = digest(ext4.identity.as_bytes());
    let uuid = uuid(&seed[..32]);
    let hash_seed = self::uuid(&seed[32..]);
    let mut size = ext4.size.unwrap_or_else(|| need.size());
    for attempt in 0.. {
        match make(ext4, size, need.inodes, &uuid, &hash_seed)? {
            None => break,
            Some(reason) if ext4.size.is_some() || attempt == 4 => {
                return Err(Failure::new(
                    DISK_SIZE,
                    format!(
                        "the content does not fit into a disk of {} MiB: {reason}",
                        size / MIB
                    ),
                )
                .help(format!(
                    "set `disk_size` to \"{}M\" or more, or leave it out",
                    need.size() / MIB
                )));
            }
            Some(_) => size = (size + size / 2).next_multiple_of(16 * MIB),
        }
    }
    if let Some(time) = ext4.time {
        ext4_times::settle(&ext4.target, time).attempt(IMAGE_TOOL, || {
            format!("cannot settle the times in {}", ext4.target.display())
        })?;
    }
    let sha256 =
        digest_file(&ext4.target).attempt(IMAGE_TOOL, || ext4.target.display().to_string())?;
    Ok(DiskImage { size, sha256, uuid })
}

/// Runs mke2fs; the reason if the content did not fit.
fn make(
    ext4: &Ext4,
    size: u64,
    inodes: u64,
    uuid: &str,
    hash_seed: &str,
) -> Outcome<Option<String>> {
    let what = || format!("cannot write {}", ext4.target.display());
    let file = fs::File::create(&ext4.target).attempt(IMAGE_TOOL, what)?;
    file.set_len(size).attempt(IMAGE_TOOL, what)?;
    let configuration = ext4.scratch.join("mke2fs.conf");
    fs::write(&configuration, MKE2FS_CONF)
        .attempt(IMAGE_TOOL, || configuration.display().to_string())?;
    let mut command = quiet("mke2fs");
    command
        .env("MKE2FS_CONFIG", &configuration)
        .env("MKE2FS_SYNC", "0")
        .env("LC_ALL", "C");
    if let Some(time) = ext4.time {
        command.env("E2FSPROGS_FAKE_TIME", time.max(1).to_string());
    }
    // As many inodes as the size would give, but never fewer than the content needs with some room.
    let inodes = (size / 16384).max(inodes + inodes / 4 + 256);
    command.args([
        "-q",
        "-F",
        "-t",
        "ext4",
        "-m",
        "1",
        "-U",
        uuid,
        "-N",
        &inodes.to_string(),
    ]);
    command.args([
        "-E",
        &format!(
            "hash_seed={hash_seed},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
        ),
    ]);
    command.args(["-L", &ext4.label]);
    command.arg("-d").arg(&ext4.directory).arg(&ext4.target);
    let (status, last) = watch(command, "mke2fs", "e2fsprogs")?;
    if status.success() {
        return Ok(None);
    }
    let reason = last
        .back()
        .cloned()
        .unwrap_or_else(|| "mke2fs gave no reason".to_owned());
    let full = [
        "Could not allocate",
        "No space left",
        "too small",
        "ext2_dir_find_free",
        "no free",
    ];
    if last
        .iter()
        .any(|line| line.contains("No space left on device") && !line.contains("while populating"))
    {
        return Err(Failure::new(
            DISK_FULL,
            "the disk image does not fit: no space left on the disk",
        )
        .help("free some space, or set TMPDIR to a directory on a larger disk"));
    }
    if last
        .iter()
        .any(|line| full.iter().any(|word| line.contains(word)))
    {
        return Ok(Some(reason));
    }
    Err(Failure::new(IMAGE_TOOL, format!("mke2fs failed: {reason}")))
}

/// What a tree takes on a disk.
#[derive(Default)]
struct Need {
    inodes: u64,
    bytes: u64,
}

impl Need {
    fn add(&mut self, directory: &Path) -> Outcome<()> {
        let what = || format!("cannot read {}", directory.display());
        let mut names = 0;
        for entry in fs::read_dir(directory).attempt(IMAGE_TOOL, what)? {
            let entry = entry.attempt(IMAGE_TOOL, what)?;
            let metadata = entry.metadata().attempt(IMAGE_TOOL, what)?;
            names += entry.file_name().len() as u64 + 12;
            self.inodes += 1;
            if metadata.is_dir() {
                self.add(&entry.path())?;
            } else if metadata.is_file() {
                self.bytes += metadata.size().next_multiple_of(BLOCK);
            } else if metadata.size() > 59 {
                self.bytes += BLOCK;
            }
        }
        self.bytes += (names + names / 3 + 64).next_multiple_of(BLOCK);
        Ok(())
    }

    /// Content, tables and journal with a quarter of room and 32 MiB.
    fn size(&self) -> u64 {
        let tables = self.inodes * 256 + self.bytes / 32;
        let content = self.bytes + tables;
        let journal = if content > 900 * MIB {
            72 * MIB
        } else {
            20 * MIB
        };
        let need = content + journal + 4 * MIB;
        (need + need / 4 + 32 * MIB).next_multiple_of(16 * MIB)
    }
}

/// 32 hexadecimal digits as a UUID of version 8 (RFC 9562: content of one's own).
fn uuid(digits: &str) -> String {
    let variant = match digits.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    format!(
        "{}-{}-8{}-{variant}{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..32]
    )
}
