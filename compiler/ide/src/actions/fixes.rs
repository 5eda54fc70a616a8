//! The corrections that come with problems.

use super::{ActionKind, CodeAction, Cx};
use crate::analysis::Cancellable;
use crate::diagnostics;
use crate::text::WorkspaceEdit;

/// Several problems of one kind are solved at once where there are at least so many.
const SEVERAL: usize = 2;

pub(super) fn offer(cx: &mut Cx<'_>) -> Cancellable<()> {
    let Some(id) = cx.analysis.template_of(cx.path) else {
        return Ok(());
    };
    let all = diagnostics::of(cx.analysis, &id)?;
    let of_file = all.iter().find(|found| found.path == cx.path);
    let problems = of_file.map_or(&[][..], |found| &found.problems);
    for problem in problems
        .iter()
        .filter(|problem| problem.range.meets(cx.range))
    {
        for (at, (title, edits)) in problem.fixes.iter().enumerate() {
            let mut edit = WorkspaceEdit::default();
            for (path, change) in edits {
                edit.add(path.clone(), change.clone());
            }
            cx.out.push(CodeAction {
                title: title.clone(),
                kind: ActionKind::QuickFix,
                edit,
                solves: Some((problem.id, problem.range)),
                preferred: at == 0 && problem.fixes.len() == 1,
            });
        }
        // The same correction for all problems of this kind, in this file.
        let alike: Vec<_> = problems
            .iter()
            .filter(|other| other.id == problem.id && other.fixes.len() == 1)
            .collect();
        let title = format!(
            "Solve all {} problems of the kind `{}`",
            alike.len(),
            problem.id
        );
        if alike.len() >= SEVERAL && !cx.out.iter().any(|known| known.title == title) {
            let mut edit = WorkspaceEdit::default();
            let edits = alike.iter().flat_map(|other| &other.fixes[0].1);
            let mut ends = std::collections::BTreeMap::new();
            let mut sorted: Vec<_> = edits.collect();
            sorted.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            for (path, change) in sorted {
                let end = ends.entry(path).or_insert(0);
                if change.range.start >= *end {
                    *end = change.range.end.max(change.range.start + 1);
                    edit.add(path.clone(), change.clone());
                }
            }
            cx.out.push(CodeAction {
                title,
                kind: ActionKind::QuickFix,
                edit,
                solves: Some((problem.id, problem.range)),
                preferred: false,
            });
        }
    }
    Ok(())
}
