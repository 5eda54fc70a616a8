//! What a root file system starts from: the option `from`.

use std::path::{Path, PathBuf};

use crate::error::{BASE_MISSING, fail};

/// What `from` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// `debian:bookworm`: bootstrapped.
    Distribution {
        /// `debian` or `ubuntu`.
        name: String,
        /// `bookworm`.
        suite: String,
    },
    /// A path whose kind the disk tells.
    Path(PathBuf),
    /// `dir:PATH`.
    Directory(PathBuf),
    /// `tar:PATH`.
    Archive(PathBuf),
    /// `oci:PATH[:TAG]`.
    Oci {
        /// The layout's directory.
        path: PathBuf,
        /// The name of the image in it.
        tag: Option<String>,
    },
    /// Nothing.
    Scratch,
}

impl Base {
    /// Reads `from`; on failure what is wrong and the way out.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, String)> {
        let help = "write \"debian:bookworm\", \"ubuntu:noble\", \"dir:PATH\", \"tar:PATH\", \"oci:PATH:TAG\" or \"scratch\"";
        if text == "scratch" {
            return Ok(Self::Scratch);
        }
        let Some((kind, rest)) = text.split_once(':') else {
            if matches!(text, "debian" | "ubuntu") {
                let message = format!("`from` names {text} without a release");
                return Err((
                    message,
                    format!("write \"{text}:RELEASE\", such as \"debian:bookworm\""),
                ));
            }
            return match text {
                "" => Err(("`from` is empty".to_owned(), help.to_owned())),
                path => Ok(Self::Path(path.into())),
            };
        };
        if rest.is_empty() && !kind.contains('/') {
            return Err((
                format!("`from` has nothing after `{kind}:`"),
                help.to_owned(),
            ));
        }
        match kind {
            "debian" | "ubuntu" => {
                let plain = |c: char| {
                    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.')
                };
                if !rest.chars().all(plain) {
                    let message = format!("`{rest}` is not the name of a release of {kind}");
                    return Err((
                        message,
                        format!("write the code name, such as \"{kind}:{}\"", example(kind)),
                    ));
                }
                Ok(Self::Distribution {
                    name: kind.to_owned(),
                    suite: rest.to_owned(),
                })
            }
            "dir" => Ok(Self::Directory(rest.into())),
            "tar" => Ok(Self::Archive(rest.into())),
            "oci" => Ok(Self::oci(rest)),
            kind if kind.contains('/') || kind.starts_with('.') => Ok(Self::Path(text.into())),
            kind => Err((format!("`from` does not know `{kind}:`"), help.to_owned())),
        }
    }

    fn oci(text: &str) -> Self {
        match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') && !tag.is_empty() => Self::Oci {
                path: path.into(),
                tag: Some(tag.to_owned()),
            },
            _ => Self::Oci {
                path: text.trim_end_matches(':').into(),
                tag: None,
            },
        }
    }

    /// Looks at the disk: relative paths become absolute below `directory`, a path gets its kind, what is missing is an
    /// error.
    pub(crate) fn locate(self, directory: &Path) -> imgc_runtime::Result<Self> {
        let located = match self {
            Self::Path(path) => {
                let path = directory.join(path);
                if path.join("oci-layout").is_file() {
                    Self::Oci { path, tag: None }
                } else if path.is_dir() {
                    Self::Directory(path)
                } else {
                    Self::Archive(path)
                }
            }
            Self::Directory(path) => Self::Directory(directory.join(path)),
            Self::Archive(path) => Self::Archive(directory.join(path)),
            Self::Oci { path, tag } => Self::Oci {
                path: directory.join(path),
                tag,
            },
            other => other,
        };
        match &located {
            Self::Directory(path) if !path.is_dir() => Err(missing(path, "directory")),
            Self::Archive(path) if path.is_dir() => Err(fail(
                BASE_MISSING,
                format!("{} is a directory, not a tar archive", path.display()),
            )
            .help("write dir:PATH to start from a directory")),
            Self::Archive(path) if !path.is_file() => Err(missing(path, "tar archive")),
            Self::Oci { path, .. } if !path.join("oci-layout").is_file() => {
                Err(missing(&path.join("oci-layout"), "OCI image layout"))
            }
            _ => Ok(located),
        }
    }

    /// How a person would call it.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Distribution { name, suite } => format!("{name}:{suite}"),
            Self::Path(path) | Self::Directory(path) | Self::Archive(path) => {
                path.display().to_string()
            }
            Self::Oci {
                path,
                tag: Some(tag),
            } => format!("{}:{tag}", path.display()),
            Self::Oci { path, tag: None } => path.display().to_string(),
            Self::Scratch => "scratch".to_owned(),
        }
    }

    /// A name for the image's history: without paths, which differ from one machine to the next.
    pub(crate) fn history(&self) -> String {
        let file = |path: &Path| {
            path.file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        };
        match self {
            Self::Distribution { name, suite } => format!("FROM {name}:{suite}"),
            Self::Path(path)
            | Self::Directory(path)
            | Self::Archive(path)
            | Self::Oci { path, .. } => {
                format!("FROM {}", file(path))
            }
            Self::Scratch => "FROM scratch".to_owned(),
        }
    }
}

fn example(distribution: &str) -> &'static str {
    if distribution == "ubuntu" {
        "noble"
    } else {
        "bookworm"
    }
}

fn missing(path: &Path, kind: &str) -> imgc_runtime::Error {
    fail(
        BASE_MISSING,
        format!("there is no {kind} {}", path.display()),
    )
    .help("correct `from`; a relative path starts at the directory in which imgc was started")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_form_is_understood() {
        let oci = |path: &str, tag: Option<&str>| Base::Oci {
            path: path.into(),
            tag: tag.map(str::to_owned),
        };
        let cases = [
            ("scratch", Base::Scratch),
            (
                "debian:bookworm",
                Base::Distribution {
                    name: "debian".into(),
                    suite: "bookworm".into(),
                },
            ),
            ("dir:./x", Base::Directory("./x".into())),
            ("tar:x.tar.gz", Base::Archive("x.tar.gz".into())),
            ("./root", Base::Path("./root".into())),
            ("./odd:name", Base::Path("./odd:name".into())),
            ("oci:./image:1.2", oci("./image", Some("1.2"))),
            ("oci:./image", oci("./image", None)),
            ("oci:/a:b/image", oci("/a:b/image", None)),
        ];
        for (text, expected) in cases {
            assert_eq!(Base::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_say_the_way_out() {
        let messages = [
            "",
            "debian",
            "debian:",
            "debian:Bookworm Bullseye",
            "docker:alpine",
        ]
        .map(|text| {
            let (message, help) = Base::parse(text).unwrap_err();
            format!("{message} ({help})")
        });
        insta::assert_snapshot!(messages.join("\n"), @r#"
        `from` is empty (write "debian:bookworm", "ubuntu:noble", "dir:PATH", "tar:PATH", "oci:PATH:TAG" or "scratch")
        `from` names debian without a release (write "debian:RELEASE", such as "debian:bookworm")
        `from` has nothing after `debian:` (write "debian:bookworm", "ubuntu:noble", "dir:PATH", "tar:PATH", "oci:PATH:TAG" or "scratch")
        `Bookworm Bullseye` is not the name of a release of debian (write the code name, such as "debian:bookworm")
        `from` does not know `docker:` (write "debian:bookworm", "ubuntu:noble", "dir:PATH", "tar:PATH", "oci:PATH:TAG" or "scratch")
        "#);
    }
}
