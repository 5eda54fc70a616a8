//! Where a module is, as `source` of a `module` block says it: a directory, or a git repository.

use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// A place of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A directory or file, absolute or relative to the directory of the template that uses it.
    Path(PathBuf),
    /// In a git repository.
    Git(Git),
}

/// A module in a git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Git {
    /// As `git clone` takes it.
    pub url: String,
    /// The directory in it; empty for its root.
    pub directory: PathBuf,
    /// A branch, tag or commit; the repository's own default where there is none.
    pub reference: Option<String>,
}

impl Address {
    /// Reads what `source` says; an error is what is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        if let Some(rest) = text.strip_prefix("git::") {
            return Git::parse(rest).map(Self::Git);
        }
        for host in ["github.com/", "gitlab.com/", "bitbucket.org/"] {
            if text.starts_with(host) {
                return Git::hosted(text).map(Self::Git);
            }
        }
        let path = Path::new(text);
        let is_path = path.is_absolute()
            || matches!(
                path.components().next(),
                Some(Component::CurDir | Component::ParentDir)
            );
        if is_path && !text.contains('\0') {
            return Ok(Self::Path(path.to_owned()));
        }
        let help = if text.contains("://") || text.starts_with("git@") {
            format!("write `git::{text}` for a git repository")
        } else if text.is_empty() {
            "write `./DIRECTORY`, or `git::URL` for a git repository".to_owned()
        } else {
            format!("write `./{text}` for a directory, `git::URL` for a git repository")
        };
        Err((
            format!("`{text}` is neither a path nor a git repository"),
            help,
        ))
    }
}

impl Git {
    /// `URL//DIRECTORY?ref=REFERENCE`
    fn parse(text: &str) -> Result<Self, (String, String)> {
        let (place, query) = match text.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (text, None),
        };
        let mut reference = None;
        for part in query.into_iter().flat_map(|query| query.split('&')) {
            match part.split_once('=') {
                Some(("ref", value)) if is_reference(value) => reference = Some(value.to_owned()),
                Some(("ref", value)) => {
                    return Err((
                        format!("`{value}` cannot be a branch, tag or commit"),
                        "write `?ref=TAG`".to_owned(),
                    ));
                }
                _ => {
                    return Err((
                        format!("`{part}` says nothing about a git repository"),
                        "only `?ref=REFERENCE` may follow the address".to_owned(),
                    ));
                }
            }
        }
        // The first `//` belongs to the scheme.
        let start = place.find("://").map_or(0, |at| at + 3);
        let (url, directory) = match place[start..].find("//") {
            Some(at) => (&place[..start + at], &place[start + at + 2..]),
            None => (place, ""),
        };
        let inside = Path::new(directory).components();
        if !inside
            .clone()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err((
                format!("`{directory}` is no directory inside of a repository"),
                "write it without `..` and without a leading `/`".to_owned(),
            ));
        }
        if !is_url(url) {
            return Err((
                format!("`{url}` is no address that modules are fetched from"),
                "write `git::https://…`, `git::ssh://…`, `git::USER@HOST:PATH` or `git::/PATH`"
                    .to_owned(),
            ));
        }
        Ok(Self {
            url: url.to_owned(),
            directory: inside.collect(),
            reference,
        })
    }

    /// `github.com/OWNER/NAME//DIRECTORY?ref=REFERENCE`
    fn hosted(text: &str) -> Result<Self, (String, String)> {
        let end = text.find(['?']).unwrap_or(text.len());
        let end = text[..end].find("//").unwrap_or(end);
        let (repository, rest) = text.split_at(end);
        if repository
            .split('/')
            .filter(|part| !part.is_empty())
            .count()
            != 3
        {
            return Err((
                format!("`{repository}` does not name a repository"),
                "write `github.com/OWNER/NAME`, and `//DIRECTORY` behind it for a part of it"
                    .to_owned(),
            ));
        }
        let repository = repository.trim_end_matches(".git");
        Self::parse(&format!("https://{repository}.git{rest}"))
    }

    /// What is locked: the repository at a reference, without the directory in it.
    pub fn repository(&self) -> String {
        match &self.reference {
            Some(reference) => format!("git::{}?ref={reference}", self.url),
            None => format!("git::{}", self.url),
        }
    }

    /// Where a commit of the repository is kept, below the template's directory.
    pub fn checkout(&self, commit: &str) -> PathBuf {
        let digest = Sha256::digest(self.url.as_bytes());
        let url: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
        let commit = commit.get(..12).unwrap_or(commit);
        Path::new(".imgc/modules").join(format!("{url}-{commit}"))
    }
}

/// Whether git takes it for an address, and for nothing else: no option, no helper program (`ext::…`).
fn is_url(text: &str) -> bool {
    let schemes = ["https://", "http://", "ssh://", "git://", "file:///"];
    let plain = !text.contains("::") && !text.starts_with('-') && !text.contains(char::is_control);
    let named = schemes.iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('-'))
    });
    let path = Path::new(text).is_absolute();
    // `user@host:path`
    let remote = text.split_once('@').is_some_and(|(user, rest)| {
        rest.split_once(':').is_some_and(|(host, path)| {
            let word = |text: &str| {
                !text.is_empty()
                    && !text.starts_with('-')
                    && text
                        .chars()
                        .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
            };
            word(user) && word(host) && !path.is_empty()
        })
    });
    plain && (named || path || remote)
}

/// Whether it can be a branch, tag or commit (`git check-ref-format`), and no option.
fn is_reference(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 250
        && !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("@{")
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '+' | '@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match Address::parse(text) {
            Ok(Address::Path(path)) => format!("path {}", path.display()),
            Ok(Address::Git(git)) => format!("{} in {}", git.repository(), git.directory.display()),
            Err((message, help)) => format!("{message}; {help}"),
        }
    }

    #[test]
    fn places_are_paths_or_repositories() {
        assert_eq!(shown("./a"), "path ./a");
        assert_eq!(shown("../a/b"), "path ../a/b");
        assert_eq!(shown("/srv/m"), "path /srv/m");
        assert_eq!(
            shown("git::https://example.com/m.git//base/x?ref=v1.2"),
            "git::https://example.com/m.git?ref=v1.2 in base/x"
        );
        assert_eq!(shown("git::/srv/m"), "git::/srv/m in ");
        assert_eq!(
            shown("git::git@example.com:o/m.git"),
            "git::git@example.com:o/m.git in "
        );
        assert_eq!(
            shown("github.com/o/m//base?ref=v1"),
            "git::https://github.com/o/m.git?ref=v1 in base"
        );
        for wrong in [
            "",
            "base",
            "https://example.com/m.git",
            "git::",
            "git::ext::sh -c id",
            "git::--upload-pack=x",
            "git::ssh://-oProxyCommand=x/y",
            "git::-a@-b:c",
            "git::https://example.com/m?ref=-x",
            "git::https://example.com/m?ref=a..b",
            "git::https://example.com/m?depth=1",
            "git::https://example.com/m//../x",
            "github.com/o",
        ] {
            assert!(Address::parse(wrong).is_err(), "{wrong}: {}", shown(wrong));
        }
    }
}
