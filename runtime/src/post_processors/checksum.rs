//! Post-processor `checksum`: a file with the checksums of an artifact's files.
//!
//! Each line is `digest<TAB>name`, as with Packer. A file that other builds write to as well keeps their lines; of the files of
//! this artifact it has afterwards what this run has written, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

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
use crate::sums;
use crate::template::{Surroundings, render};

use super::Locked;

/// The post-processor `checksum`.
#[derive(Clone, Debug)]
pub struct Checksum {
    permits: Arc<LazyLock<Semaphore>>,
    written: Arc<Mutex<Written>>,
}

/// The lines that a run has written, by file.
type Written = BTreeMap<(String, PathBuf), BTreeSet<String>>;

const NAME: &str = "post-processor `checksum`";
const BUILDER_ID: &str = "packer.post-processor.checksum";
const OUTPUT: &str = "packer_{{.BuildName}}_{{.BuilderType}}_{{.ChecksumType}}.checksum";
/// So many lines of a file are remembered; of more the file as a whole is.
const MOST_LINES: usize = 1000;
const TYPES: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];

impl Checksum {
    /// Of all heavy local work at most as much runs at the same time as there are permits.
    pub fn new(permits: Arc<LazyLock<Semaphore>>) -> Self {
        Self {
            permits,
            written: Arc::default(),
        }
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
        let (run, written) = (cx.run_id.to_string(), Arc::clone(&self.written));
        let lines = files::blocking(move || write(&input, &wanted, &run, &written)).await?;
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
                lines: artifact.lines.clone().into_iter().chain(lines).collect(),
                ..Artifact::default()
            },
            keep_by_default: true,
            must_keep: true,
        })
    }
}

/// Reads each file once, whatever the number of checksums. Gives the lines of each output.
fn write(
    artifact: &Artifact,
    wanted: &[(String, PathBuf)],
    run: &str,
    written: &Mutex<Written>,
) -> Result<BTreeMap<PathBuf, Vec<String>>> {
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
    let mut done: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (_, output) in wanted {
        if done.contains_key(output) {
            continue;
        }
        let fresh: Vec<(&str, &str)> = lines
            .iter()
            .filter(|(at, _, _)| wanted[*at].1 == *output)
            .map(|(_, digest, name)| (digest.as_str(), name.as_str()))
            .collect();
        if !fresh.is_empty() {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            let written = written.entry((run.to_owned(), output.clone())).or_default();
            update(output, &fresh, &directories, written)
                .map_err(|error| files::failure("run/checksum", "write", output, error))?;
        }
        let mut own: Vec<String> = fresh.iter().map(sums::line).collect();
        own.sort_unstable();
        done.insert(output.clone(), own);
    }
    done.retain(|_, lines| (1..=MOST_LINES).contains(&lines.len()));
    Ok(done)
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

/// Several builds may share the file: lines about files of other artifacts stay. Of those about this one stay what this run has
/// written, such as those of another post-processor; what is no checksum goes. Lines keep their places, so that writing the same
/// again changes nothing. `written` are the lines of this run so far.
fn update(
    output: &Path,
    fresh: &[(&str, &str)],
    directories: &[String],
    written: &mut BTreeSet<String>,
) -> std::io::Result<()> {
    let _locked = Locked::new(output)?;
    let old = match std::fs::read(output) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let is_ours = |name: &str| {
        let in_ours = |directory: &String| name.starts_with(directory.as_str());
        fresh.iter().any(|(_, fresh)| *fresh == name) || directories.iter().any(in_ours)
    };
    let mut open: Vec<&(&str, &str)> = fresh.iter().collect();
    let mut lines: Vec<String> = Vec::new();
    for known in old.lines() {
        let Some((digest, name)) = sums::split(known) else {
            continue;
        };
        let same = |(new, fresh): &&(&str, &str)| *fresh == name && new.len() == digest.len();
        if let Some(at) = open.iter().position(same) {
            lines.push(sums::line(open.remove(at)));
        } else if !is_ours(name) || written.contains(known) && !fresh.iter().any(|one| same(&one)) {
            lines.push(known.to_owned());
        }
    }
    lines.extend(open.into_iter().map(sums::line));
    written.extend(fresh.iter().map(sums::line));
    let text = lines.join("\n") + "\n";
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

    const MD5: &str = "49f68a5c8493ec2c0bf489821c21fc3b";
    const OTHER: &str = "b1946ac92492d2347c6235b4d2611184";
    const SHA1: &str = "c22b5f9178342609428d6f51b2c5af4c0bde6a42";

    struct Sums {
        directory: tempfile::TempDir,
        written: BTreeSet<String>,
    }

    impl Sums {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
                written: BTreeSet::new(),
            }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("SUMS")
        }

        fn update(&mut self, fresh: &[(&str, &str)], directories: &[String]) -> String {
            update(&self.path(), fresh, directories, &mut self.written).unwrap();
            std::fs::read_to_string(self.path()).unwrap()
        }

        fn next_run(&mut self) {
            self.written.clear();
        }
    }

    #[test]
    fn lines_of_others_stay_and_own_lines_are_replaced_where_they_are() {
        let mut sums = Sums::new();
        sums.update(&[(MD5, "one"), (MD5, "two")], &[]);
        sums.next_run();
        assert_eq!(
            sums.update(&[(OTHER, "one")], &[]),
            format!("{OTHER}\tone\n{MD5}\ttwo\n")
        );
        // Another post-processor of the same run.
        let both = format!("{OTHER}\tone\n{MD5}\ttwo\n{SHA1}\tone\n");
        assert_eq!(sums.update(&[(SHA1, "one")], &[]), both);
        assert_eq!(sums.update(&[(OTHER, "one")], &[]), both);
    }

    #[test]
    fn what_nobody_writes_any_more_goes() {
        let mut sums = Sums::new();
        sums.update(&[(MD5, "two")], &[]);
        sums.update(&[(MD5, "one"), (SHA1, "one")], &[]);
        sums.next_run();
        let mut bytes = std::fs::read(sums.path()).unwrap();
        bytes.extend(b"garbage\n\n# more\tone\n\xff\xfe\tx\n");
        std::fs::write(sums.path(), bytes).unwrap();
        assert_eq!(
            sums.update(&[(SHA1, "one")], &[]),
            format!("{MD5}\ttwo\n{SHA1}\tone\n")
        );
    }

    #[test]
    fn lines_of_files_that_an_image_no_longer_has_go() {
        let mut sums = Sums::new();
        let ours = ["web/".to_owned()];
        sums.update(&[(MD5, "web/old"), (MD5, "web/new")], &ours);
        sums.update(&[(MD5, "webserver")], &[]);
        sums.next_run();
        assert_eq!(
            sums.update(&[(OTHER, "web/new")], &ours),
            format!("{OTHER}\tweb/new\n{MD5}\twebserver\n")
        );
    }
}
