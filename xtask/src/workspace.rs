//! Where the project is and what belongs to it: the root, the files under version control, Cargo's view of the crates.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checkout this program was compiled from.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds it through the place of this crate's manifest.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest
            .parent()
            .context("the manifest of xtask has no parent directory")?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// Its top directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// An absolute path for one relative to the root.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// The files that belong to the project, relative to the root, sorted: what git tracks or would track; in an
    /// unpacked archive without git, every file outside `target` and hidden directories.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let git = Command::new("git")
            .args([
                "-c",
                "safe.directory=*",
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&self.root)
            .output();
        let mut files = match git {
            Ok(output) if output.status.success() => output
                .stdout
                .split(|byte| *byte == 0)
                .filter(|name| !name.is_empty())
                .map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()))
                // A file that was deleted but not yet committed is still in the index.
                .filter(|name| self.path(name).is_file())
                .collect(),
            _ => {
                let mut found = Vec::new();
                walk(&self.root, Path::new(""), &mut found)?;
                found
            }
        };
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file, or `None` when it is not text.
    pub(crate) fn text(&self, relative: &Path) -> Result<Option<String>> {
        let bytes = std::fs::read(self.path(relative))
            .with_context(|| format!("cannot read {}", relative.display()))?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// `cargo metadata`, with the resolved graph of all dependencies on this platform.
    pub(crate) fn metadata(&self) -> Result<Value> {
        let host = host_triple()?;
        let output = self
            .cargo()
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
                &host,
            ])
            .output()
            .context("cannot run cargo")?;
        if !output.status.success() {
            bail!(
                "cargo metadata failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        serde_json::from_slice(&output.stdout).context("cargo metadata did not print JSON")
    }

    /// The cargo that runs this program, at the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        command
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.path("target"), |dir| self.path(PathBuf::from(dir)))
    }
}

fn host_triple() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("`rustc -vV` names no host")
}

fn walk(root: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        let relative = below.join(&name);
        let kind = entry.file_type()?;
        let hidden = name.to_string_lossy().starts_with('.') && name != *".ci" && name != *".cargo";
        if kind.is_dir() && !hidden && name != *"target" && name != *"node_modules" {
            walk(root, &relative, found)?;
        } else if kind.is_file() {
            found.push(relative);
        }
    }
    Ok(())
}
