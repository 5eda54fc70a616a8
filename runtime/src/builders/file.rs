//! Builder `file`: an artifact that is one file, for trying out post-processors and for carrying a text into them.
//!
//! As with Packer the file is there before the provisioners run, so that `shell-local` may work on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::artifact::Artifact;
use crate::builder::{Builder, Instance, Problem, Target};
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::files;
use crate::options::Options;
use crate::place;

/// The builder `file`.
#[derive(Clone, Copy, Debug, Default)]
pub struct File;

/// Of its failures.
const ID: &str = "run/file-builder";
const BUILDER_ID: &str = "packer.file";
const ARTIFACT_ID: &str = "File";

#[async_trait]
impl Builder for File {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new("builder `file`", options);
        if options.is_given("source") && options.is_given("content") {
            return vec![
                Problem::new("`content` and `source` cannot be given together")
                    .of("content")
                    .help("keep one of them"),
            ];
        }
        Vec::new()
    }

    fn recorded_options(&self) -> &'static [&'static str] {
        &["target"]
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let options = Options::new("builder `file`", options);
        let target = PathBuf::from(options.required("target")?);
        let source = options.string("source")?.map(PathBuf::from);
        let content = options.string("content")?.unwrap_or_default();
        if source.is_none() && content.is_empty() {
            cx.output
                .warn("neither `content` nor `source` is given: the file will be empty");
        }
        let path = std::path::absolute(&target)
            .map_err(|error| files::failure(ID, "find", &target, error))?;
        let beside = path.clone();
        let (made, mode) = files::blocking(move || match source {
            Some(source) => copy(&source, &beside),
            None => contain(content.as_bytes(), &beside),
        })
        .await?;
        place::put(cx, ID, made, Some(mode), path).await?;
        Ok(Arc::new(Written { target }))
    }
}

/// A file that is finished but for its place, and the mode it gets there.
type Made = (files::Beside, u32);

fn contain(content: &[u8], target: &Path) -> Result<Made> {
    use std::io::Write as _;
    let failed = |error| files::failure(ID, "write", target, error);
    let mut to = files::beside(target).map_err(failed)?;
    to.write_all(content).map_err(failed)?;
    to.as_file().sync_all().map_err(failed)?;
    Ok((to, 0o600))
}

fn copy(source: &Path, target: &Path) -> Result<Made> {
    use std::os::unix::fs::PermissionsExt as _;
    let missing = |error: std::io::Error| {
        Error::new(
            Class::Template,
            "run/missing-file",
            format!("cannot read the source `{}`", source.display()),
        )
        .because(error)
        .help("check `source`; relative paths start at the working directory")
    };
    let mut from = std::fs::File::open(source).map_err(missing)?;
    let mode = from.metadata().map_err(missing)?.permissions().mode() & 0o777;
    let failed = |error| files::failure(ID, "write", target, error);
    let mut to = files::beside(target).map_err(failed)?;
    std::io::copy(&mut from, &mut to).map_err(failed)?;
    to.as_file().sync_all().map_err(failed)?;
    Ok((to, mode))
}

struct Written {
    target: PathBuf,
}

#[async_trait]
impl Instance for Written {
    fn target(&self) -> Target {
        Target::None
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("ID".to_owned(), ARTIFACT_ID.to_owned())])
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        // The ledger's record of the file stays until the artifact is remembered.
        let _ = cx;
        Ok(Artifact {
            builder_id: BUILDER_ID.into(),
            id: ARTIFACT_ID.into(),
            description: format!("Stored file: {}", self.target.display()),
            files: vec![self.target.clone()],
            ..Artifact::default()
        })
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        let _ = cx;
        Ok(())
    }
}
