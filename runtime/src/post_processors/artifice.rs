//! Post-processor `artifice`: the artifact is these files instead.

use std::path::PathBuf;

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::artifact::Artifact;
use crate::builder::Problem;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::files;
use crate::options::Options;
use crate::post_processor::{PostProcessor, Processed};

/// The post-processor `artifice`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Artifice;

const NAME: &str = "post-processor `artifice`";
const BUILDER_ID: &str = "packer.post-processor.artifice";

#[async_trait]
impl PostProcessor for Artifice {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(NAME, options);
        if options.is_unknown("files") {
            return Vec::new();
        }
        options
            .plain_strings("files")
            .unwrap_or_default()
            .iter()
            .filter(|pattern| !pattern.contains("{{"))
            .filter_map(|pattern| {
                let error = glob::Pattern::new(pattern).err()?;
                Some(Problem::new(format!("`{pattern}` is not a pattern: {error}")).of("files"))
            })
            .collect()
    }

    fn recorded_options(&self) -> &'static [&'static str] {
        &["files"]
    }

    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        let options = Options::new(NAME, options);
        let patterns = options.plain_strings("files")?;
        let files = files::blocking(move || find(&patterns)).await?;
        let names = |files: &[PathBuf]| {
            files
                .iter()
                .map(|file| file.display().to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !artifact.files.is_empty() {
            cx.output.say(format!(
                "Discarding files from artifact: {}",
                names(&artifact.files)
            ));
        }
        let listed = names(&files);
        cx.output
            .say(format!("Using these artifact files: {listed}"));
        Ok(Processed {
            artifact: Artifact {
                builder_id: BUILDER_ID.into(),
                description: format!("Created artifact from files: {listed}"),
                files,
                ..Artifact::default()
            },
            // The files named may be the input's own.
            keep_by_default: true,
            must_keep: true,
        })
    }
}

/// The files the patterns match, sorted within each pattern, without repetitions.
fn find(patterns: &[String]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for pattern in patterns {
        let paths = glob::glob(pattern).map_err(|error| {
            Error::new(
                Class::Template,
                "run/bad-option",
                format!("`{pattern}` in the option `files` of {NAME} is not a pattern"),
            )
            .because(error)
        })?;
        for path in paths {
            let path = path.map_err(|error| {
                let path = error.path().to_owned();
                files::failure("run/local-file", "read", &path, error.into())
            })?;
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    if files.is_empty() {
        return Err(Error::new(
            Class::Provisioning,
            "run/missing-file",
            format!("no file matches {}", patterns.join(", ")),
        )
        .help("check `files`; relative patterns start at the working directory"));
    }
    Ok(files)
}
