//! Post-processor `compress`: packs an artifact's files.
//!
//! The end of the output's name says how: `.zip`, `.tar`, a compression after `.tar` (`.tar.gz`, `.tgz`, …), or a
//! compression alone for a single file. A name that says nothing means `.tar.gz`, as with Packer.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use imgc_compiler::value::Value;
use tokio::sync::Semaphore;

use crate::artifact::Artifact;
use crate::builder::Problem;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::files;
use crate::options::Options;
use crate::place;
use crate::post_processor::{PostProcessor, Processed};
use crate::template::{Surroundings, render};

/// The post-processor `compress`.
#[derive(Clone, Debug)]
pub struct Compress {
    permits: Arc<LazyLock<Semaphore>>,
}

const NAME: &str = "post-processor `compress`";
/// Of its failures.
const ID: &str = "run/compress";
const BUILDER_ID: &str = "packer.post-processor.compress";
const OUTPUT: &str = "packer_{{.BuildName}}_{{.BuilderType}}";

impl Compress {
    /// Of all heavy local work at most as much runs at the same time as there are permits.
    pub fn new(permits: Arc<LazyLock<Semaphore>>) -> Self {
        Self { permits }
    }
}

#[async_trait]
impl PostProcessor for Compress {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(NAME, options);
        match options.integer("compression_level") {
            Ok(Some(level)) if !(-1..=9).contains(&level) => vec![
                Problem::new(format!("the compression level {level} is out of range"))
                    .of("compression_level")
                    .help("use 1 (fast) to 9 (small), 0 for none, or -1 for the default"),
            ],
            _ => Vec::new(),
        }
    }

    fn recorded_options(&self) -> &'static [&'static str] {
        &["output"]
    }

    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        let options = Options::new(NAME, options);
        let template = options.string("output")?;
        let fields = [
            ("BuildName", &*cx.source_name),
            ("BuilderType", &*cx.builder_type),
        ];
        let output = PathBuf::from(render(
            template.as_deref().unwrap_or(OUTPUT),
            &fields,
            &Surroundings::from(cx),
            "output",
        )?);
        let format = match options.string("format")? {
            Some(name) => {
                Format::of(&format!("x.{name}")).ok_or_else(|| options.wrong("format", KNOWN))?
            }
            None => Format::of(&output.to_string_lossy()).unwrap_or(Format {
                archive: Some(Archive::Tar),
                compression: Compression::Gzip,
            }),
        };
        let level = options
            .integer("compression_level")?
            .and_then(|level| u32::try_from(level).ok())
            .map(|level| level.min(9));
        if artifact.files.contains(&output) {
            return Err(super::clash(ID, &output));
        }
        let _permit = self.permits.acquire().await;
        cx.output
            .say(format!("Compressing into {}", output.display()));
        let (input, target) = (artifact.clone(), output.clone());
        let made = files::blocking(move || write(&input, &target, format, level)).await?;
        let path = std::path::absolute(&output)
            .map_err(|error| files::failure(ID, "find", &output, error))?;
        place::put(cx, ID, made, None, path).await?;
        Ok(Processed {
            artifact: Artifact {
                builder_id: BUILDER_ID.into(),
                description: format!("compressed artifacts in: {}", output.display()),
                files: vec![output],
                ..Artifact::default()
            },
            keep_by_default: false,
            must_keep: false,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Tar,
    Zip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Lz4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    archive: Option<Archive>,
    compression: Compression,
}

const KNOWN: &str =
    "one of zip, tar, gz, bz2, xz, zst, lz4, tar.gz, tar.bz2, tar.xz, tar.zst, tar.lz4";

impl Format {
    /// What the end of a name says.
    fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (rest, last) = name.rsplit_once('.')?;
        let (archive, compression) = match last {
            "zip" => (Some(Archive::Zip), Compression::None),
            "tar" => (Some(Archive::Tar), Compression::None),
            "tgz" => (Some(Archive::Tar), Compression::Gzip),
            "txz" => (Some(Archive::Tar), Compression::Xz),
            "tbz2" => (Some(Archive::Tar), Compression::Bzip2),
            "tzst" => (Some(Archive::Tar), Compression::Zstd),
            _ => {
                let compression = match last {
                    "gz" | "gzip" => Compression::Gzip,
                    "bz2" => Compression::Bzip2,
                    "xz" => Compression::Xz,
                    "zst" | "zstd" => Compression::Zstd,
                    "lz4" => Compression::Lz4,
                    _ => return None,
                };
                let archive = rest.ends_with(".tar").then_some(Archive::Tar);
                (archive, compression)
            }
        };
        Some(Self {
            archive,
            compression,
        })
    }
}

/// What is finished but for its place.
fn write(
    artifact: &Artifact,
    output: &Path,
    format: Format,
    level: Option<u32>,
) -> Result<files::Beside> {
    let failed = |error| files::failure(ID, "write", output, error);
    let mut file = files::beside(output).map_err(failed)?;
    match format.archive {
        Some(Archive::Zip) => zip(artifact, &mut file, output, level)?,
        Some(Archive::Tar) => {
            let members = super::members(artifact)?;
            compress(&mut file, format.compression, level, |writer| {
                tar(&members, writer)
            })
            .map_err(failed)?;
        }
        None => {
            let [single] = &artifact.files[..] else {
                return Err(Error::new(
                    Class::Template,
                    ID,
                    format!(
                        "`{}` holds one file, and the artifact has {}",
                        output.display(),
                        artifact.files.len()
                    ),
                )
                .help("choose an output that ends with `.tar.gz` or `.zip`"));
            };
            let mut input = std::fs::File::open(single)
                .map_err(|error| files::failure("run/artifact", "read", single, error))?;
            compress(&mut file, format.compression, level, |writer| {
                copy(&mut input, writer)
            })
            .map_err(failed)?;
        }
    }
    Ok(file)
}

/// [`std::io::copy`] for a writer behind a reference.
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

fn compress(
    file: impl Write,
    compression: Compression,
    level: Option<u32>,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::with_capacity(128 * 1024, file);
    match compression {
        Compression::None => fill(&mut file)?,
        Compression::Gzip => {
            let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut encoder = flate2::write::GzEncoder::new(&mut file, level);
            fill(&mut encoder)?;
            encoder.finish()?;
        }
        Compression::Bzip2 => {
            let level = level.map_or_else(bzip2::Compression::default, |level| {
                bzip2::Compression::new(level.max(1))
            });
            let mut encoder = bzip2::write::BzEncoder::new(&mut file, level);
            fill(&mut encoder)?;
            encoder.finish()?;
        }
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(&mut file, level.unwrap_or(6));
            fill(&mut encoder)?;
            encoder.finish()?;
        }
        Compression::Zstd => {
            let level = level.map_or(3, |level| i32::try_from(level * 2).unwrap_or(3).max(1));
            let mut encoder = zstd::Encoder::new(&mut file, level)?;
            fill(&mut encoder)?;
            encoder.finish()?;
        }
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(&mut file);
            fill(&mut encoder)?;
            encoder.finish().map_err(std::io::Error::other)?;
        }
    }
    file.flush()
}

fn tar(members: &[(PathBuf, String)], writer: &mut dyn Write) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(writer);
    archive.follow_symlinks(false);
    for (path, name) in members {
        archive.append_path_with_name(path, name)?;
    }
    archive.finish()
}

fn zip(
    artifact: &Artifact,
    file: &mut files::Beside,
    output: &Path,
    level: Option<u32>,
) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error: zip::result::ZipError| {
        files::failure(ID, "write", output, std::io::Error::other(error))
    };
    let mut archive = zip::ZipWriter::new(&mut *file);
    for (path, name) in super::members(artifact)? {
        let unreadable = |error| files::failure("run/artifact", "read", &path, error);
        let mut input = std::fs::File::open(&path).map_err(unreadable)?;
        let metadata = input.metadata().map_err(unreadable)?;
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .compression_level(level.map(|level| i64::from(level.max(1))))
            .unix_permissions(metadata.permissions().mode() & 0o777)
            .large_file(metadata.len() > u64::from(u32::MAX) / 2);
        archive.start_file(name, options).map_err(failed)?;
        copy(&mut input, &mut archive).map_err(unreadable)?;
    }
    archive.finish().map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_say_the_format() {
        let cases = [
            ("a.zip", Some((Some(Archive::Zip), Compression::None))),
            ("a.tar.gz", Some((Some(Archive::Tar), Compression::Gzip))),
            ("a.TGZ", Some((Some(Archive::Tar), Compression::Gzip))),
            ("a.gz", Some((None, Compression::Gzip))),
            ("a.tar.zst", Some((Some(Archive::Tar), Compression::Zstd))),
            ("a.lz4", Some((None, Compression::Lz4))),
            ("a.tar", Some((Some(Archive::Tar), Compression::None))),
            ("packer_a_null", None),
            ("v1.2", None),
        ];
        for (name, format) in cases {
            let format = format.map(|(archive, compression)| Format {
                archive,
                compression,
            });
            assert_eq!(Format::of(name), format, "{name}");
        }
    }

    fn packed(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let mut artifact = Artifact::default();
        for (file, content) in files {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            let top = directory.path().join(file.split('/').next().unwrap());
            if !artifact.files.contains(&top) {
                artifact.files.push(top);
            }
        }
        let output = directory.path().join("out").join(name);
        let format = Format::of(name).unwrap();
        let made = write(&artifact, &output, format, Some(9)).unwrap();
        files::persist(made, &output, None).unwrap();
        std::fs::read(output).unwrap()
    }

    #[test]
    fn every_compression_can_be_read_back() {
        let text = "text ".repeat(1000);
        let files = [("f", text.as_str())];
        let mut back = String::new();
        flate2::read::GzDecoder::new(&packed("x.gz", &files)[..])
            .read_to_string(&mut back)
            .unwrap();
        bzip2::read::BzDecoder::new(&packed("x.bz2", &files)[..])
            .read_to_string(&mut back)
            .unwrap();
        liblzma::read::XzDecoder::new(&packed("x.xz", &files)[..])
            .read_to_string(&mut back)
            .unwrap();
        zstd::Decoder::new(&packed("x.zst", &files)[..])
            .unwrap()
            .read_to_string(&mut back)
            .unwrap();
        lz4_flex::frame::FrameDecoder::new(&packed("x.lz4", &files)[..])
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, text.repeat(5));
    }

    #[test]
    fn archives_hold_files_and_trees() {
        let files = [("one", "1"), ("tree/two", "2"), ("tree/deep/three", "3")];
        let bytes = packed("x.tar.gz", &files);
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["one", "tree/deep/three", "tree/two"]);
        let bytes = packed("x.zip", &files);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive
            .by_name("tree/deep/three")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!((archive.len(), text.as_str()), (3, "3"));
    }
}
