//! What an editor asks about image templates: completion, hover, rename and the like, on byte offsets and plain data.
//!
//! In: an [`AnalysisHost`], told of texts that change. Out: [`Analysis`], a snapshot that any thread may ask; every
//! answer is plain data with byte offsets, or [`Cancelled`] where nobody waits for it any more. Nothing here knows a
//! protocol, a disk or a clock: files come through the compiler's `Sources` and `World`.
//!
//! Works on half-written text of every language of templates; see `docs/design/editor.md`.

mod actions;
mod analysis;
mod brackets;
mod changes;
mod completion;
mod diagnostics;
mod edits;
mod facts;
#[cfg(test)]
mod fixture;
mod folding;
mod go_template;
mod grammar;
mod highlight;
mod host;
mod hover;
mod index;
mod inlay;
mod language;
mod lens;
mod links;
mod locate;
mod navigation;
mod outline;
mod outside;
mod overlay;
#[cfg(test)]
mod parity;
mod place;
mod rename;
mod selection;
mod signature;
mod survey;
mod template;
mod text;
mod tokens;
mod verdicts;
mod workspace;

pub use actions::{ActionKind, CodeAction};
pub use analysis::{Analysis, Cancellable, Cancelled};
pub use completion::{Completion, CompletionKind};
pub use diagnostics::{FileProblems, Problem, Related, Tag, UNUSED};
pub use folding::{Fold, FoldKind};
pub use highlight::{Highlight, HighlightKind};
pub use host::{AnalysisHost, Counts, Outside};
pub use hover::Hover;
pub use inlay::{InlayHint, InlayKind};
pub use language::Language;
pub use lens::{CodeLens, LensCommand};
pub use links::{DocumentLink, LinkTarget};
pub use outline::{Symbol, SymbolKind, WorkspaceSymbol};
pub use rename::{RenameRefused, RenameTarget};
pub use signature::SignatureHelp;
pub use template::TemplateId;
pub use text::{Location, Target, TextEdit, TextRange, WorkspaceEdit};
pub use tokens::{SemanticToken, TokenKind, TokenModifiers};
