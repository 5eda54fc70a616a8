//! Post-processor `checksum`: a file with the checksums of an artifact's files.
//!
//! Each line is `digest<TAB>name`, as with Packer. A file that other builds write to as well keeps their lines; lines of
//! the same names are replaced.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use imgc_compiler::value::Value;
use sha2::Digest as _;
use tokio::sync::Semaphore;

use crate::artifact::Artifact;
use crate::builder::Problem;
use crate::context::Context;
use crate::error::Result;
use crate::files;
use crate::options::Options;
use crate::post_processor::{PostProcessor, Processed};
use crate::template::{Surroundings, render};

use super::Locked;

/// The post-processor `checksum`.
#[derive(Clone, Debug)]
pub struct Checksum {
    permits: Arc<LazyLock<Semaphore>>,
}

const NAME: &str = "post-processor `checksum`";
const BUILDER_ID: &str = "packer.post-processor.checksum";
const OUTPUT: &str = "packer_{{.BuildName}}_{{.BuilderType}}_{{.ChecksumType}}.checksum";
const TYPES: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

impl Checksum {
    /// Of all heavy local work at most as much runs at the same time as there are permits.
    pub fn new(permits: Arc<LazyLock<Semaphore>>) -> Self {
        Self { permits }
    }
}

#[async_trait]
impl PostProcessor for Checksum {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(NAME, options);
        if options.is_unknown("checksum_types") {
            return Vec::new();
        }
        let types = options.plain_strings("checksum_types").unwrap_or_default();
        types
            .iter()
            .filter(|name| !TYPES.contains(&name.as_str()))
            .map(|name| {
                Problem::new(format!("`{name}` is not a type of checksum"))
                    .of("checksum_types")
                    .help(format!("use {}", TYPES.join(", ")))
            })
            .collect()
    }

    fn recorded_options(&self) -> &'static [&'static str] {
        &["output"]
    }

    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        let options = Options::new(NAME, options);
        let mut types = options.plain_strings("checksum_types")?;
        if types.is_empty() {
            types.push("md5".into());
        }
        let template = options.string("output")?;
        let template = template.as_deref().unwrap_or(OUTPUT);
        let mut wanted: Vec<(String, PathBuf)> = Vec::new();
        for name in types {
            if !TYPES.contains(&name.as_str()) {
                return Err(options.wrong("checksum_types", &format!("of {}", TYPES.join(", "))));
            }
            let fields = [
                ("BuildName", &*cx.source_name),
                ("BuilderType", &*cx.builder_type),
                ("ChecksumType", name.as_str()),
            ];
            let output = render(template, &fields, &Surroundings::from(cx), "output")?;
            wanted.push((name, output.into()));
        }
        let _permit = self.permits.acquire().await;
        let input = artifact.clone();
        let outputs: Vec<PathBuf> = wanted.iter().map(|(_, path)| path.clone()).collect();
        files::blocking(move || write(&input, &wanted)).await?;
        let mut files = artifact.files.clone();
        // Without files there is nothing to write.
        if !artifact.files.is_empty() {
            for output in outputs {
                if !files.contains(&output) {
                    files.push(output);
                }
            }
        }
        let names: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        Ok(Processed {
            artifact: Artifact {
                builder_id: BUILDER_ID.into(),
                description: format!("Created artifact from files: {}", names.join(", ")),
                files,
                ..Artifact::default()
            },
            keep_by_default: true,
            must_keep: true,
        })
    }
}

/// Reads each file once, whatever the number of checksums.
fn write(artifact: &Artifact, wanted: &[(String, PathBuf)]) -> Result<()> {
    let mut lines: Vec<(usize, String, String)> = Vec::new();
    for (path, name) in super::members(artifact)? {
        if let Some((_, output)) = wanted.iter().find(|(_, output)| *output == path) {
            return Err(super::clash("run/checksum", output));
        }
        let digests = digests(&path, wanted.iter().map(|(name, _)| name.as_str()))
            .map_err(|error| files::failure("run/artifact", "read", &path, error))?;
        for (at, digest) in digests.into_iter().enumerate() {
            lines.push((at, digest, name.clone()));
        }
    }
    let directories = directories(artifact);
    let mut done: Vec<&Path> = Vec::new();
    for (_, output) in wanted {
        if done.contains(&output.as_path()) {
            continue;
        }
        done.push(output);
        let fresh: Vec<(&str, &str)> = lines
            .iter()
            .filter(|(at, _, _)| wanted[*at].1 == *output)
            .map(|(_, digest, name)| (digest.as_str(), name.as_str()))
            .collect();
        if !fresh.is_empty() {
            update(output, &fresh, &directories)
                .map_err(|error| files::failure("run/checksum", "write", output, error))?;
        }
    }
    Ok(())
}

fn digests<'a>(path: &Path, types: impl Iterator<Item = &'a str>) -> std::io::Result<Vec<String>> {
    let mut hashers: Vec<Hasher> = types.map(Hasher::new).collect();
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hashers.into_iter().map(Hasher::finish).collect());
        }
        for hasher in &mut hashers {
            hasher.update(&buffer[..count]);
        }
    }
}

/// How the names of what is in the artifact's directories begin.
fn directories(artifact: &Artifact) -> Vec<String> {
    let all = artifact.files.iter().filter(|file| file.is_dir());
    let names = all.filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()));
    names.map(|name| format!("{name}/")).collect()
}

/// Several builds may share the file. Lines about this artifact are made anew, those of files it no longer has go.
fn update(output: &Path, fresh: &[(&str, &str)], directories: &[String]) -> std::io::Result<()> {
    let _locked = Locked::new(output)?;
    let old = match std::fs::read_to_string(output) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let same = |line: &str| {
        line.split_once('\t').is_some_and(|(digest, name)| {
            let ours = |fresh: &str| {
                let in_ours = |directory: &String| name.starts_with(directory.as_str());
                fresh == name || directories.iter().any(in_ours)
            };
            let mut fresh = fresh.iter();
            fresh.any(|(new, fresh)| ours(fresh) && new.len() == digest.len())
        })
    };
    let mut text = String::new();
    for line in old.lines().filter(|line| !same(line)) {
        text.push_str(line);
        text.push('\n');
    }
    for (digest, name) in fresh {
        text.push_str(&format!("{digest}\t{name}\n"));
    }
    files::write_atomically(output, text.as_bytes(), None)
}

enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha224(sha2::Sha224),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl Hasher {
    fn new(name: &str) -> Self {
        match name {
            "md5" => Self::Md5(md5::Md5::new()),
            "sha1" => Self::Sha1(sha1::Sha1::new()),
            "sha224" => Self::Sha224(sha2::Sha224::new()),
            "sha384" => Self::Sha384(sha2::Sha384::new()),
            "sha512" => Self::Sha512(sha2::Sha512::new()),
            _ => Self::Sha256(sha2::Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha224(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> String {
        let digest = match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha224(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        };
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn digests_of_known_texts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, "hi").unwrap();
        let found = digests(&path, TYPES.into_iter()).unwrap();
        assert_eq!(found[0], "49f68a5c8493ec2c0bf489821c21fc3b");
        assert_eq!(
            found[3],
            "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
        );
        let lengths: Vec<usize> = found.iter().map(String::len).collect();
        assert_eq!(lengths, [32, 40, 56, 64, 96, 128]);
    }

    #[test]
    fn lines_of_others_stay_and_own_lines_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("SUMS");
        update(&path, &[("aa", "one"), ("bb", "two")], &[]).unwrap();
        update(&path, &[("cc", "one")], &[]).unwrap();
        update(&path, &[("dddd", "one")], &[]).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "bb\ttwo\ncc\tone\ndddd\tone\n"
        );
    }

    #[test]
    fn lines_of_files_that_an_image_no_longer_has_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("SUMS");
        let (ours, both) = (["web/".to_owned()], [("aa", "web/old"), ("bb", "web/new")]);
        update(&path, &both, &ours).unwrap();
        update(&path, &[("cc", "webserver")], &[]).unwrap();
        update(&path, &[("dd", "web/new")], &ours).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "cc\twebserver\ndd\tweb/new\n"
        );
    }
}
