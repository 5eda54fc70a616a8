//! What the builder asks of its helper process, and what the helper answers.
//!
//! A job is one line of JSON on the helper's standard input; what follows on it belongs to the job (a command's input, a
//! tar stream). A job that gives an answer writes one line of JSON to standard output at its end. A failure is a line
//! on standard error that begins with the job's token, so that nothing a command prints can be taken for one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A job with what identifies its failures.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// Random text; begins the line of a failure.
    pub(crate) token: String,
    /// What to do.
    pub(crate) job: Job,
}

/// Exit code of a helper that has written a failure.
pub(crate) const FAILED: u8 = 125;

/// Work inside the namespaces of a build.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Job {
    /// Tries what a build needs of the kernel: an overlay in this directory.
    Probe {
        /// An existing directory in which two more may be made.
        directory: PathBuf,
    },
    /// Mounts the root file system, its devices and its temporary directories, to stay until the next `Mount`.
    Mount(MountPlan),
    /// Makes a directory visible under another name, read-only, until the end of the build.
    Bind {
        /// What is shown.
        source: PathBuf,
        /// An existing directory.
        target: PathBuf,
    },
    /// Runs mmdebstrap. Answers [`Scanned`].
    Bootstrap(Bootstrap),
    /// Finds the newest file. Answers [`Scanned`].
    Scan {
        /// Where.
        directory: PathBuf,
    },
    /// Looks at every file of a directory without reading any. Answers [`Stamped`].
    Stamp {
        /// Where.
        directory: PathBuf,
    },
    /// Unpacks archives into one directory, one after the other. Answers [`Scanned`].
    Unpack(Unpack),
    /// Packs a directory. Answers [`Packed`].
    Pack(Pack),
    /// Copies the root file system as it is seen now into a directory, for fewer layers in the mount.
    Collapse {
        /// The build's directory.
        work: PathBuf,
        /// Directories of layers, topmost first, relative to it.
        lowers: Vec<String>,
        /// An existing empty directory.
        target: PathBuf,
    },
    /// Makes an ext4 image of a directory. Answers [`DiskImage`].
    Ext4(Ext4),
    /// Removes directories with all they hold, whoever owns it.
    Remove {
        /// Which; missing ones are no error.
        paths: Vec<PathBuf>,
    },
    /// Runs a command in the root file system. The helper's exit code is the command's.
    Run(Run),
    /// Writes standard input to a file in the root file system.
    PutFile(Put),
    /// Unpacks a tar stream from standard input into a directory in the root file system.
    PutTree(Put),
    /// Copies a file of the root file system to standard output.
    GetFile {
        /// The build's directory.
        work: PathBuf,
        /// Which.
        path: PathBuf,
    },
    /// Writes a directory of the root file system to standard output as a tar stream.
    GetTree {
        /// The build's directory.
        work: PathBuf,
        /// Which.
        path: PathBuf,
    },
}

/// Which namespaces of its own a job gets besides those of the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// None: what it mounts stays for the build.
    Shared,
    /// Its mounts and its processes end with it.
    Own,
    /// As a command of the template: also its own IPC and host name; the machine's network.
    Command,
    /// The same with a network of its own that has a loopback device only.
    Offline,
}

impl Isolation {
    /// The word for it on the helper's command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Own => "own",
            Self::Command => "command",
            Self::Offline => "offline",
        }
    }

    /// The reverse of [`Isolation::word`].
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Shared, Self::Own, Self::Command, Self::Offline]
            .into_iter()
            .find(|isolation| isolation.word() == word)
    }
}

/// How the root file system is put together. Paths are relative to `work`, short because the kernel takes only a page of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MountPlan {
    /// The build's directory; the root file system appears at `m` in it.
    pub(crate) work: PathBuf,
    /// Directories of layers, topmost first.
    pub(crate) lowers: Vec<String>,
    /// Where changes go.
    pub(crate) upper: String,
    /// Work directory of the overlay.
    pub(crate) scratch: String,
    /// Files to be seen in the root file system without being part of it: path there (relative), file here.
    pub(crate) files: Vec<(String, String)>,
}

/// A bootstrap of Debian or Ubuntu.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bootstrap {
    /// `bookworm`.
    pub(crate) suite: String,
    /// File with package sources, deb822.
    pub(crate) sources: PathBuf,
    /// mmdebstrap's variant.
    pub(crate) variant: String,
    /// Debian architecture.
    pub(crate) architecture: String,
    /// Extra packages.
    pub(crate) packages: Vec<String>,
    /// Components for sources that do not name theirs.
    pub(crate) components: Vec<String>,
    /// Keyring files.
    pub(crate) keyrings: Vec<String>,
    /// An existing empty directory.
    pub(crate) target: PathBuf,
    /// Directory for mmdebstrap's temporary files.
    pub(crate) scratch: PathBuf,
    /// `SOURCE_DATE_EPOCH` for the packages' scripts.
    pub(crate) time: Option<i64>,
    /// When the build began, seconds since 1970.
    pub(crate) started: i64,
}

/// Answer about files found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scanned {
    /// Change time of the newest file that was not made by the build; 0 when there is none.
    pub(crate) newest: i64,
    /// Number of files of all kinds.
    pub(crate) entries: u64,
    /// Bytes in regular files.
    pub(crate) bytes: u64,
    /// Device nodes that were left out because the user namespace cannot have them.
    pub(crate) skipped_devices: u64,
}

/// Answer about a directory as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamped {
    /// SHA-256 over names, inodes, modes, owners, sizes and times: every change changes it.
    pub(crate) stamp: String,
    /// The directory's own inode and time of change, which tell a copy from it at a glance, whoever looks; empty where an
    /// earlier version has not noted them.
    #[serde(default)]
    pub(crate) top: String,
    /// Number of files of all kinds.
    pub(crate) entries: u64,
    /// What it takes on the disk.
    pub(crate) bytes: u64,
}

/// How the content of a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// xz (reading only).
    Xz,
}

/// Archives to unpack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unpack {
    /// Which, in order.
    pub(crate) archives: Vec<ArchiveFile>,
    /// An existing directory.
    pub(crate) target: PathBuf,
    /// What whiteouts mean.
    pub(crate) whiteouts: Whiteouts,
    /// Change time for the target itself.
    pub(crate) root_time: Option<i64>,
    /// The archives are copies of layers ([`Pack::exact`]).
    pub(crate) exact: bool,
}

/// An archive on this machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ArchiveFile {
    /// The tar file.
    pub(crate) path: PathBuf,
    /// Expected SHA-256 of the file, in hexadecimal.
    pub(crate) sha256: Option<String>,
}

/// What entries named `.wh.…` in an archive mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Whiteouts {
    /// Files like others.
    Plain,
    /// Deletions, carried out.
    Apply,
    /// Deletions, kept in the form overlayfs understands.
    Overlay,
}

/// A directory to pack into a tar archive.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pack {
    /// What is packed.
    pub(crate) directory: PathBuf,
    /// The file to write.
    pub(crate) target: PathBuf,
    /// How.
    pub(crate) compression: Compression,
    /// No file is younger than this (seconds since 1970).
    pub(crate) clamp: Option<i64>,
    /// Leave out what differs from one build to the next.
    pub(crate) tidy: bool,
    /// The directory is the upper one of an overlay.
    pub(crate) overlay: bool,
    /// Begin with an entry for the root itself.
    pub(crate) root_entry: bool,
    /// A copy of a layer to go on from: with what images do not have, times to the nanosecond and access control lists.
    pub(crate) exact: bool,
}

/// Answer about a packed directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Packed {
    /// SHA-256 of the file, hexadecimal.
    pub(crate) sha256: String,
    /// SHA-256 of the archive before compression, hexadecimal.
    pub(crate) diff_sha256: String,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// Bytes before compression.
    pub(crate) raw_size: u64,
    /// Entries without the root's own.
    pub(crate) entries: u64,
    /// Private host keys of ssh among the files.
    pub(crate) host_keys: u64,
}

/// An ext4 image to make.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ext4 {
    /// Content.
    pub(crate) directory: PathBuf,
    /// The file to write.
    pub(crate) target: PathBuf,
    /// Size in bytes; `None` for as large as the content needs, and some room.
    pub(crate) size: Option<u64>,
    /// Text from which the file system's identity is derived.
    pub(crate) identity: String,
    /// File system label.
    pub(crate) label: String,
    /// Time of everything in it that is no file's change time; `None` for now.
    pub(crate) time: Option<i64>,
    /// Directory for small files of the tools.
    pub(crate) scratch: PathBuf,
}

/// Answer about a disk image.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DiskImage {
    /// Bytes it shows.
    pub(crate) size: u64,
    /// SHA-256, hexadecimal.
    pub(crate) sha256: String,
    /// File system UUID.
    pub(crate) uuid: String,
}

/// A command in the root file system.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The build's directory.
    pub(crate) work: PathBuf,
    /// For `/bin/sh -c`.
    pub(crate) line: String,
    /// Its whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Host name it sees.
    pub(crate) hostname: String,
    /// Whether it uses the machine's own network.
    pub(crate) host_network: bool,
}

/// Something to put into the root file system.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Put {
    /// The build's directory.
    pub(crate) work: PathBuf,
    /// Destination.
    pub(crate) path: PathBuf,
    /// User name or number.
    pub(crate) owner: Option<String>,
    /// Group name or number.
    pub(crate) group: Option<String>,
    /// Permission bits.
    pub(crate) mode: Option<u32>,
}
