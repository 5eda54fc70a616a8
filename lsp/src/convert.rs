//! Between plain data and the protocol's: paths and problems.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use gen_lsp_types::{
    CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    Uri,
};
use imgc_compiler::diagnostic::Severity;
use imgc_ide::{Problem, Tag};

use crate::snapshot::{File, Snapshot};

/// A problem in the protocol's words.
pub(crate) fn diagnostic(
    problem: &Problem,
    file: Option<&File>,
    snapshot: &Snapshot,
) -> Diagnostic {
    let client = &snapshot.client;
    let mut message = problem.message.clone();
    if let Some(label) = &problem.label {
        let _ = write!(message, "\n{label}");
    }
    if let Some(help) = &problem.help {
        let _ = write!(message, "\nhelp: {help}");
    }
    let related = problem.related.iter().filter_map(|related| {
        let location = snapshot.location(&related.location)?;
        Some(DiagnosticRelatedInformation::new(
            location,
            related.message.clone(),
        ))
    });
    let related: Vec<_> = match client.related_information {
        true => related.collect(),
        false => Vec::new(),
    };
    let page = || {
        let page = (snapshot.host.page)(problem.id)?;
        Some(CodeDescription { href: uri(&page)? })
    };
    let tag = problem.tag.map(|tag| match tag {
        Tag::Unused => DiagnosticTag::Unnecessary,
        Tag::Deprecated => DiagnosticTag::Deprecated,
    });
    Diagnostic {
        // A file that is no text has no places.
        range: file
            .map(|file| file.range(problem.range))
            .unwrap_or_default(),
        severity: Some(match problem.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
            Severity::Note => DiagnosticSeverity::Information,
        }),
        code: Some(problem.id.to_owned().into()),
        code_description: client.code_description.then(page).flatten(),
        source: Some("imgc".to_owned()),
        message: message.into(),
        tags: tag.map(|tag| vec![tag]),
        related_information: (!related.is_empty()).then_some(related),
        ..Diagnostic::default()
    }
}

/// The path a document has, or would have: of `file:` URIs, and of those of documents that were never saved. `None` for
/// any other.
pub(crate) fn path(uri: &Uri) -> Option<PathBuf> {
    if let Some(name) = uri.0.strip_prefix("untitled:") {
        let name = decoded(name)?;
        if Path::new(&name).is_absolute() {
            return Some(name.into());
        }
        // A directory of its own: it belongs to no other file.
        let mut file = name.clone();
        file.push(".pkr.hcl");
        return Some(Path::new("/untitled:").join(name).join(file));
    }
    let rest = uri.0.strip_prefix("file://")?;
    // An authority is empty or this machine.
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Some(plain(Path::new(&decoded(path)?)))
}

fn decoded(text: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push((high * 16 + low) as u8);
    }
    Some(OsString::from_vec(bytes))
}

/// Without `.`, doubled and trailing slashes: one spelling for one file.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The `file:` URI of an absolute path.
pub(crate) fn uri(path: &Path) -> Option<Uri> {
    if !path.is_absolute() {
        return None;
    }
    let mut text = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(*byte));
            }
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    Some(Uri(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn there(text: &str) -> Option<PathBuf> {
        path(&Uri(text.to_owned()))
    }

    #[test]
    fn paths_survive_the_way_there_and_back() {
        for text in ["/a/b.pkr.hcl", "/with blank/ü%#?.hcl", "/"] {
            let uri = uri(Path::new(text)).unwrap();
            assert!(uri.0.is_ascii());
            assert_eq!(path(&uri).unwrap(), Path::new(text));
        }
        assert_eq!(
            there("file:///home/u/a%3Ab.hcl").unwrap(),
            Path::new("/home/u/a:b.hcl")
        );
        assert_eq!(
            there("file://localhost/a//b/./c").unwrap(),
            Path::new("/a/b/c")
        );
        assert_eq!(there("file:///a%zz"), None);
        assert_eq!(there("git:/a/b.pkr.hcl"), None);
        assert_eq!(there("file://elsewhere/a"), None);
    }

    #[test]
    fn documents_that_were_never_saved_stand_alone() {
        assert_eq!(
            there("untitled:/w/a.pkr.hcl").unwrap(),
            Path::new("/w/a.pkr.hcl")
        );
        let path = there("untitled:Untitled-1").unwrap();
        assert_eq!(path, Path::new("/untitled:/Untitled-1/Untitled-1.pkr.hcl"));
    }
}
