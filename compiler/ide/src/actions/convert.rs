//! A template from before HCL as one of today.

use imgc_compiler::FileId;
use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::print::{Document, Language as Target};

use super::{ActionKind, Cx};
use crate::language::{self, Language};
use crate::text::WorkspaceEdit;

/// Offers a new file in HCL beside one in JSON or TOML, which goes away.
pub(super) fn offer(cx: &mut Cx<'_>) {
    let from = match language::role(cx.path, &cx.text) {
        Some((_, language)) if language != Language::Hcl => language,
        _ => return,
    };
    let Some(path) = beside(cx) else {
        return;
    };
    let mut problems = Vec::new();
    let mut document = Document::read(cx.path, FileId(0), &cx.text, &mut problems);
    if problems.iter().any(Diagnostic::is_error) || document.language == Target::Hcl {
        return;
    }
    let Ok(text) = document.print(Target::Hcl) else {
        return;
    };
    let edit = WorkspaceEdit {
        create: vec![(path.clone(), text)],
        delete: vec![cx.path.to_owned()],
        ..WorkspaceEdit::default()
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let title = match from {
        Language::Legacy => format!("Convert this legacy template to HCL: `{name}`"),
        _ => format!("Convert to HCL: `{name}`"),
    };
    cx.offer(title, ActionKind::Rewrite, edit);
}

/// The name of the new file; `None` where it is there already.
fn beside(cx: &Cx<'_>) -> Option<std::path::PathBuf> {
    let name = cx.path.file_name()?.to_string_lossy().into_owned();
    let endings = [
        (".auto.pkrvars.json", ".auto.pkrvars.hcl"),
        (".auto.pkrvars.toml", ".auto.pkrvars.hcl"),
        (".pkrvars.json", ".pkrvars.hcl"),
        (".pkrvars.toml", ".pkrvars.hcl"),
        (".pkr.json", ".pkr.hcl"),
        (".imgc.toml", ".imgc.hcl"),
        (".json", ".pkr.hcl"),
    ];
    let (stem, ending) = endings
        .iter()
        .find_map(|(old, new)| Some((name.strip_suffix(old)?, new)))?;
    let path = cx.path.with_file_name(format!("{stem}{ending}"));
    cx.analysis.text(&path).is_none().then_some(path)
}
