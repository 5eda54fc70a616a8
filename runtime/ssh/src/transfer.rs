//! Files to the machine and back.
//!
//! One file: the open file itself is handed to the master as the input of `cat`, beside the destination, then moved into
//! place; the number of bytes is checked there, so that a cut connection leaves the old file and no half of a new one.
//! A tree: one tar stream into `tar` on the machine. Nothing is compressed where the machine is near: on a fast line
//! compressing costs more than it saves. Where it is far and a sample shrinks, `zstd` is used if the machine has it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::machine::Attributes;

use crate::connection::{Ended, Input, disconnected};
use crate::ending::Errand;
use crate::machine::{Outcome, Shared, feed, pipe};
use crate::pack::{Kind, Tree, unreadable};
use crate::shell;

/// From this round trip on a machine is far.
const FAR: Duration = Duration::from_millis(10);
/// Bytes looked at to decide about compression.
const SAMPLE: usize = 256 * 1024;
/// How large the pieces are in which a stream is written.
const BUFFER: usize = 256 * 1024;

/// Takes standard input into a file. Arguments: destination, bytes (empty: unknown), mode (empty: as it is), owner (empty:
/// as it is), a name for the file beside, a decoder.
const PUT: &str = r#"
dst=$1 size=$2 mode=$3 owner=$4 name=$5 decode=$6
if [ -d "$dst" ]; then exit 80; fi
case $dst in */*) dir=${dst%/*}; [ -n "$dir" ] || dir=/ ;; *) dir=. ;; esac
[ -d "$dir" ] || exit 81
take() { if [ -n "$decode" ]; then $decode; else cat; fi; }
complete() { [ ! -f "$1" ] || [ "$(wc -c < "$1")" -eq "$size" ] || exit 83; }
attributes() {
  if [ -n "$owner" ]; then chown "$owner" "$1" || exit 84; fi
  if [ -n "$mode" ]; then chmod "$mode" "$1" || exit 84; fi
}
if [ -L "$dst" ] || { [ -e "$dst" ] && [ ! -f "$dst" ]; } || [ ! -w "$dir" ]; then
  if [ -e "$dst" ]; then [ -w "$dst" ] || exit 82; else [ -w "$dir" ] || exit 82; fi
  take > "$dst" || exit 85
  complete "$dst"
  attributes "$dst"
  exit 0
fi
tmp=$dir/$name
trap 'rm -f "$tmp"' EXIT
trap 'exit 85' HUP INT TERM PIPE
if [ -z "$mode" ] && [ -f "$dst" ]; then
  cp -p "$dst" "$tmp" || exit 85
else
  [ -n "$mode" ] || mode=$(printf %o $((0666 & ~0$(umask))))
  (umask 077; : > "$tmp") || exit 85
fi
take > "$tmp" || exit 85
complete "$tmp"
attributes "$tmp"
mv -f "$tmp" "$dst" || exit 85
"#;

/// Takes a tar stream into a directory. Arguments: directory, decoder. A symbolic link to a directory stays one, as
/// `/lib` is on many systems.
const UNPACK: &str = r#"
dst=$1 decode=$2
command -v tar > /dev/null 2>&1 || exit 87
[ -d "$dst" ] || mkdir -p "$dst" || exit 82
keep=
case $(tar --version 2> /dev/null) in *GNU*) keep=--keep-directory-symlink ;; esac
if [ -n "$decode" ]; then
  $decode | tar -C "$dst" $keep -x -o -p -f -
else
  exec tar -C "$dst" $keep -x -o -p -f -
fi
"#;

/// Gives a file's content. Argument: the file.
const GET: &str = r#"
if [ -d "$1" ]; then exit 80; fi
[ -e "$1" ] || exit 81
[ -r "$1" ] || exit 82
exec cat < "$1"
"#;

/// Gives a directory's content as a tar stream. Argument: the directory.
const PACK: &str = r#"
[ -e "$1" ] || exit 81
[ -d "$1" ] || exit 86
command -v tar > /dev/null 2>&1 || exit 87
cd "$1" || exit 82
exec tar -cf - .
"#;

impl Shared {
    pub(crate) async fn write(
        &self,
        errand: &Errand,
        content: Vec<u8>,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let length = content.len() as u64;
        let input = feed(content)?;
        self.put(errand, input, length, "", destination, attributes)
            .await
    }

    pub(crate) async fn upload_file(
        &self,
        errand: &Errand,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let open = || -> io::Result<(File, fs::Metadata)> {
            // Opening a pipe would wait for somebody to write into it.
            if !fs::metadata(source)?.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            let file = File::open(source)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = open().map_err(|error| unreadable(source, error))?;
        let attributes = Attributes {
            mode: Some(
                attributes
                    .mode
                    .unwrap_or(metadata.permissions().mode() & 0o7777),
            ),
            ..attributes.clone()
        };
        let length = metadata.len();
        let mut sample = Vec::new();
        if self.is_far().await? && length >= SAMPLE as u64 {
            let mut reader = (&file).take(SAMPLE as u64);
            let rewound = reader
                .read_to_end(&mut sample)
                .and_then(|_| (&file).rewind());
            rewound.map_err(|error| unreadable(source, error))?;
        }
        if self.compression_pays(&sample).await? {
            let (reader, writer) = pipe()?;
            let sending = tokio::task::spawn_blocking(move || compress(file, writer));
            let input = Input::From(reader.into());
            let put = self
                .put(errand, input, length, "zstd -dc", destination, &attributes)
                .await;
            // When the machine has everything, so has the compressor.
            let sent = sending.await;
            put?;
            return match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(unreadable(source, error)),
                Err(error) => {
                    Err(
                        Error::new(Class::Bug, "run/ssh-transfer", "the compressor ended")
                            .because(error),
                    )
                }
            };
        }
        let watched = file
            .try_clone()
            .map_err(|error| unreadable(source, error))?;
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        let what = format!("uploading {name}");
        let watch = self.watch(watched, &what, length);
        let put = self.put(
            errand,
            Input::From(file.into()),
            length,
            "",
            destination,
            &attributes,
        );
        tokio::select! {
            done = put => done,
            () = watch => Ok(()),
        }
    }

    pub(crate) async fn upload_tree(
        &self,
        errand: &Errand,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let root = source.to_owned();
        let tree = blocking(move || Tree::collect(&root)).await?;
        for skipped in &tree.skipped {
            let shown = skipped.display();
            self.roads.cx.output.warn(format!(
                "`{shown}` is left out: it is no file, directory or link"
            ));
        }
        let tree = Arc::new(tree);
        let sample = if self.is_far().await? {
            tree.sample(SAMPLE)
        } else {
            Vec::new()
        };
        let compressed = self.compression_pays(&sample).await?;
        let (reader, writer) = pipe()?;
        let sending = {
            let tree = Arc::clone(&tree);
            let output = self.roads.cx.output.clone();
            let mode = attributes.mode;
            let what = format!("uploading {}", source.display());
            let total = tree.entries.len();
            let done = move |count: usize| {
                if count.is_multiple_of(256) || count == total {
                    output.progress(&what, count as u64, Some(total as u64));
                }
            };
            tokio::task::spawn_blocking(move || send(&tree, writer, compressed, mode, done))
        };
        let decoder = if compressed { "zstd -dc" } else { "" };
        let line = shell::script(UNPACK, &[shell::path(destination), shell::word(decoder)]);
        let input = Input::From(reader.into());
        let outcome = self.helper_of(errand, &line, input).await?;
        if outcome.ended == Ended::Code(87) {
            self.roads
                .cx
                .output
                .warn("there is no `tar` on the machine: copying file by file, which is slow");
            return self
                .upload_one_by_one(errand, &tree, destination, attributes)
                .await;
        }
        let sent = sending.await;
        check(&outcome, destination)?;
        sent.map_err(|error| {
            Error::new(Class::Bug, "run/ssh-transfer", "the archiver ended").because(error)
        })??;
        self.own(errand, &tree, destination, attributes).await
    }

    /// Gives all that was uploaded to its owner.
    async fn own(
        &self,
        errand: &Errand,
        tree: &Tree,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let owner = owner(attributes);
        if owner.is_empty() || tree.entries.is_empty() {
            return Ok(());
        }
        let line = shell::script(
            r#"cd "$1" && xargs -0 chown -h "$2" -- || exit 84"#,
            &[shell::path(destination), shell::word(&owner)],
        );
        let input = feed(tree.names())?;
        let outcome = self.helper_of(errand, &line, input).await?;
        check(&outcome, destination)
    }

    async fn upload_one_by_one(
        &self,
        errand: &Errand,
        tree: &Tree,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let below =
            |path: &Path| format!("{}/{}", destination.trim_end_matches('/'), path.display());
        for entry in &tree.entries {
            let target = below(&entry.path);
            match &entry.kind {
                Kind::File(_) => {
                    let attributes = Attributes {
                        mode: attributes.mode,
                        ..Attributes::default()
                    };
                    self.upload_file(errand, &tree.local(entry), &target, &attributes)
                        .await?;
                }
                Kind::Directory => {
                    let mode = format!("{:o}", entry.effective_mode(attributes.mode) | 0o700);
                    let script =
                        r#"{ [ -d "$1" ] || mkdir -p "$1"; } && chmod "$2" "$1" || exit 85"#;
                    self.small_step(errand, script, &[shell::path(&target), mode], &target)
                        .await?;
                }
                Kind::Link(to) => {
                    let to = shell::word(&to.display().to_string());
                    let script = r#"rm -f "$1" && ln -s "$2" "$1" || exit 85"#;
                    self.small_step(errand, script, &[shell::path(&target), to], &target)
                        .await?;
                }
            }
        }
        self.own(errand, tree, destination, attributes).await
    }

    async fn small_step(
        &self,
        errand: &Errand,
        script: &str,
        arguments: &[String],
        target: &str,
    ) -> Result<()> {
        let line = shell::script(script, arguments);
        let outcome = self.helper_of(errand, &line, Input::Nothing).await?;
        check(&outcome, target)
    }

    pub(crate) async fn download_file(&self, source: &str, destination: &Path) -> Result<()> {
        let directory = match destination.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let beside = tempfile::Builder::new()
            .prefix(".imgc-")
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(|error| unwritable(destination, error))?;
        let file = beside
            .as_file()
            .try_clone()
            .map_err(|error| unwritable(destination, error))?;
        let line = shell::script(GET, &[shell::path(source)]);
        let outcome = self
            .helper(&line, Input::Nothing, Some(OwnedFd::from(file)))
            .await?;
        check_source(&outcome, source)?;
        beside
            .persist(destination)
            .map_err(|error| unwritable(destination, error.error))?;
        Ok(())
    }

    pub(crate) async fn download_tree(&self, source: &str, destination: &Path) -> Result<()> {
        fs::create_dir_all(destination).map_err(|error| unwritable(destination, error))?;
        let (reader, writer) = pipe()?;
        let local = destination.to_owned();
        let unpacking = tokio::task::spawn_blocking(move || {
            let mut reader = io::BufReader::with_capacity(BUFFER, reader);
            let mut archive = tar::Archive::new(&mut reader);
            let unpacked = archive.unpack(&local);
            // Whatever follows the end of the archive, so that the other side can end.
            let drained = io::copy(&mut reader, &mut io::sink());
            unpacked.and(drained.map(drop))
        });
        let line = shell::script(PACK, &[shell::path(source)]);
        let outcome = self
            .helper(&line, Input::Nothing, Some(OwnedFd::from(writer)))
            .await?;
        let unpacked = unpacking.await;
        if outcome.ended == Ended::Code(1) {
            // What GNU tar says when a file changed while it was read; the archive is complete.
            self.roads
                .cx
                .output
                .warn(format!("copying `{source}`: {}", outcome.stderr));
        } else {
            check_source(&outcome, source)?;
        }
        unpacked
            .map_err(|error| {
                Error::new(Class::Bug, "run/ssh-transfer", "the unpacker ended").because(error)
            })?
            .map_err(|error| unwritable(destination, error))
    }

    async fn put(
        &self,
        errand: &Errand,
        input: Input,
        length: u64,
        decoder: &str,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let mode = attributes
            .mode
            .map(|mode| format!("{mode:o}"))
            .unwrap_or_default();
        let arguments = [
            shell::path(destination),
            length.to_string(),
            shell::word(&mode),
            shell::word(&owner(attributes)),
            shell::word(&format!(".imgc-{}", self.next_mark())),
            shell::word(decoder),
        ];
        let outcome = self
            .helper_of(errand, &shell::script(PUT, &arguments), input)
            .await?;
        check(&outcome, destination)
    }

    /// Whether the round trip to the machine is long.
    async fn is_far(&self) -> Result<bool> {
        let round_trip = self.connection().await?.master.probe().round_trip();
        Ok(round_trip.is_some_and(|time| time >= FAR))
    }

    /// Whether content like `sample` should be compressed on its way; empty for a machine that is near.
    async fn compression_pays(&self, sample: &[u8]) -> Result<bool> {
        if sample.len() < SAMPLE / 4 {
            return Ok(false);
        }
        let shrinks =
            zstd::bulk::compress(sample, 1).is_ok_and(|small| small.len() * 5 < sample.len() * 4);
        if !shrinks {
            return Ok(false);
        }
        let has_zstd = self.has_zstd.get_or_try_init(|| async {
            let outcome = self.helper("command -v zstd", Input::Nothing, None).await?;
            Ok::<_, Error>(outcome.ended == Ended::Code(0))
        });
        has_zstd.await.copied()
    }

    /// Tells how far a file has been read, which is what the master has sent; never ends.
    async fn watch(&self, mut file: File, what: &str, total: u64) {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let position = file.stream_position().unwrap_or(0);
            self.roads
                .cx
                .output
                .progress(what, position.min(total), Some(total));
        }
    }
}

fn send(
    tree: &Tree,
    writer: io::PipeWriter,
    compressed: bool,
    mode: Option<u32>,
    done: impl FnMut(usize),
) -> Result<()> {
    if !compressed {
        return tree.write(BufWriter::with_capacity(BUFFER, writer), mode, done);
    }
    let cannot =
        |error| Error::new(Class::Remote, "run/ssh-transfer", "the stream broke").because(error);
    let mut encoder = zstd::Encoder::new(writer, 1).map_err(cannot)?;
    tree.write(&mut encoder, mode, done)?;
    encoder.finish().map(drop).map_err(cannot)
}

fn compress(file: File, writer: io::PipeWriter) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(writer, 1)?;
    io::copy(
        &mut io::BufReader::with_capacity(BUFFER, file),
        &mut encoder,
    )?;
    encoder.finish()?.flush()
}

/// `user:group` for `chown`.
fn owner(attributes: &Attributes) -> String {
    let user = attributes.owner.as_deref().unwrap_or_default();
    match &attributes.group {
        Some(group) => format!("{user}:{group}"),
        None => user.to_owned(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(Class::Bug, "run/ssh-transfer", "a helper thread ended").because(error)
    })?
}

/// What went wrong at the destination, by the exit code of [`PUT`] and [`UNPACK`].
fn check(outcome: &Outcome, destination: &str) -> Result<()> {
    let problem = |text: String| Error::new(Class::Remote, "run/ssh-transfer", text);
    let elsewhere = "upload to a directory the login user may write, such as `/tmp`, and move it from there with `sudo` in a `shell` provisioner";
    let error = match outcome.ended {
        Ended::Code(0) => return Ok(()),
        Ended::Lost => return Err(disconnected()),
        Ended::Code(80) => problem(format!("`{destination}` is a directory on the machine"))
            .help(format!("write `{}/` to put the file into it", destination.trim_end_matches('/'))),
        Ended::Code(81) => problem(format!("the directory of `{destination}` does not exist on the machine"))
            .help("make it first, in a `shell` provisioner"),
        Ended::Code(82) => problem(format!("the login user may not write `{destination}`")).help(elsewhere),
        Ended::Code(83) => problem(format!("`{destination}` did not arrive whole: the source changed, or the stream was cut")),
        Ended::Code(84) => Error::new(
            Class::Remote,
            "run/ssh-attributes",
            format!("owner, group or mode of `{destination}` cannot be set"),
        )
        .help("only root may give files away; log in as root, or use `sudo chown` in a `shell` provisioner"),
        Ended::Code(code) => problem(format!("`{destination}` cannot be written (exit code {code})")),
        Ended::Signal => problem(format!("`{destination}` cannot be written: a signal ended the command")),
    };
    Err(with_words(error, outcome))
}

/// What went wrong at the source, by the exit code of [`GET`] and [`PACK`].
fn check_source(outcome: &Outcome, source: &str) -> Result<()> {
    let problem = |text: String| Error::new(Class::Remote, "run/ssh-transfer", text);
    let error = match outcome.ended {
        Ended::Code(0) => return Ok(()),
        Ended::Lost => return Err(disconnected()),
        Ended::Code(80) => {
            problem(format!("`{source}` is a directory on the machine")).help(format!(
                "write `{}/` to copy what is in it",
                source.trim_end_matches('/')
            ))
        }
        Ended::Code(81) => problem(format!("there is no `{source}` on the machine")),
        Ended::Code(82) => problem(format!("the login user may not read `{source}`"))
            .help("copy it with `sudo` to a place the user may read, in a `shell` provisioner"),
        Ended::Code(86) => problem(format!("`{source}` is not a directory on the machine"))
            .help("leave out the slash at its end to copy a file"),
        Ended::Code(87) => problem(format!(
            "there is no `tar` on the machine to copy `{source}` with"
        ))
        .help("install `tar` there, or name the files one by one"),
        Ended::Code(code) => problem(format!("`{source}` cannot be read (exit code {code})")),
        Ended::Signal => problem(format!(
            "`{source}` cannot be read: a signal ended the command"
        )),
    };
    Err(with_words(error, outcome))
}

/// The machine's own words as the cause.
fn with_words(error: Error, outcome: &Outcome) -> Error {
    if outcome.stderr.is_empty() {
        error
    } else {
        error.because(outcome.stderr.clone())
    }
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    let message = format!("`{}` cannot be written", path.display());
    Error::new(Class::Environment, "run/ssh-local-file", message).because(error)
}
