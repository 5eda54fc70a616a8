//! Between the compiler's data and the protocol's. UTF-16 exists only here.

use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use gen_lsp_types::{
    Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, Location, Position, Range, Uri,
};
use imgc_compiler::Span;
use imgc_compiler::diagnostic::{self, Severity};
use imgc_compiler::source::{SourceFile, SourceMap};

/// A problem as the protocol has it.
pub(crate) fn diagnostic(problem: &diagnostic::Diagnostic, sources: &SourceMap) -> Diagnostic {
    let mut message = problem.message.clone();
    if let Some(label) = &problem.label {
        let _ = write!(message, "\n{label}");
    }
    if let Some(help) = &problem.help {
        let _ = write!(message, "\nhelp: {help}");
    }
    let related = problem.labels.iter().filter_map(|label| {
        let uri = uri(&sources.file(label.span.file).path)?;
        let location = Location::new(uri, range(label.span, sources));
        Some(DiagnosticRelatedInformation::new(
            location,
            label.text.clone(),
        ))
    });
    let related: Vec<_> = related.collect();
    Diagnostic {
        range: range(problem.span, sources),
        severity: Some(match problem.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
            Severity::Note => DiagnosticSeverity::Information,
        }),
        code: Some(problem.id.to_owned().into()),
        source: Some("imgc".to_owned()),
        message: message.into(),
        related_information: (!related.is_empty()).then_some(related),
        ..Diagnostic::default()
    }
}

/// A problem of a whole file, which has no text to point into.
pub(crate) fn whole_file(id: &str, message: String) -> Diagnostic {
    Diagnostic {
        severity: Some(DiagnosticSeverity::Error),
        code: Some(id.to_owned().into()),
        source: Some("imgc".to_owned()),
        message: message.into(),
        ..Diagnostic::default()
    }
}

/// A span in lines and UTF-16 units.
pub(crate) fn range(span: Span, sources: &SourceMap) -> Range {
    let file = sources.file(span.file);
    Range::new(position(file, span.start), position(file, span.end))
}

fn position(file: &SourceFile, offset: u32) -> Position {
    let (line, column) = file.line_column(offset);
    let before = file.text.get((offset - column) as usize..offset as usize);
    let units = before.map_or(column as usize, |text| text.encode_utf16().count());
    Position::new(line, units as u32)
}

/// The path of a `file:` URI; `None` for any other.
pub(crate) fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.0.strip_prefix("file://")?;
    // An authority is empty or this machine.
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push((high * 16 + low) as u8);
    }
    Some(std::ffi::OsString::from_vec(bytes).into())
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

    #[test]
    fn paths_survive_the_way_there_and_back() {
        for text in ["/a/b.pkr.hcl", "/with blank/ü%#?.hcl", "/"] {
            let uri = uri(Path::new(text)).unwrap();
            assert!(uri.0.is_ascii());
            assert_eq!(path(&uri).unwrap(), Path::new(text));
        }
        let editor = Uri("file:///home/u/a%3Ab.pkr.hcl".to_owned());
        assert_eq!(path(&editor).unwrap(), Path::new("/home/u/a:b.pkr.hcl"));
        assert_eq!(path(&Uri("untitled:Untitled-1".to_owned())), None);
        assert_eq!(path(&Uri("file:///a%zz".to_owned())), None);
    }

    #[test]
    fn columns_are_counted_in_utf_16_units() {
        let mut sources = SourceMap::default();
        let file = sources.add("/a", "x\n\"ü😀\" = oops\n");
        let start = sources.file(file).text.find("oops").unwrap() as u32;
        let range = range(Span::new(file, start, start + 4), &sources);
        assert_eq!(range, Range::new(Position::new(1, 8), Position::new(1, 12)));
    }
}
