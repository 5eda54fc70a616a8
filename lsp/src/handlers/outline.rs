//! The shape of documents: symbols, folding, selection.

use gen_lsp_types::{
    BaseSymbolInformation, DocumentSymbol, DocumentSymbolParams, DocumentSymbolResponse,
    FoldingRange, FoldingRangeKind, FoldingRangeParams, Location, SelectionRange,
    SelectionRangeParams, SymbolInformation, SymbolKind as Kind, SymbolTag, Uri, WorkspaceSymbol,
    WorkspaceSymbolLocation, WorkspaceSymbolParams, WorkspaceSymbolResponse,
};
use imgc_ide::{FoldKind, Symbol, SymbolKind};

use crate::snapshot::{Answer, File, Refused, Snapshot};

/// How deep an answer nests: many clients read JSON to 128 levels, and a symbol takes two of them.
const LEVELS: usize = 40;

/// What a document declares.
pub(crate) fn symbols(
    snapshot: &Snapshot,
    params: DocumentSymbolParams,
) -> Answer<Option<DocumentSymbolResponse>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let found = snapshot.analysis.document_symbols(&path)?;
    if snapshot.client.nested_symbols {
        let nested = found.into_iter().map(|symbol| nested(symbol, &file, 1));
        return Ok(Some(DocumentSymbolResponse::DocumentSymbolList(
            nested.collect(),
        )));
    }
    let uri = params.text_document.uri;
    let mut flat = Vec::new();
    for symbol in found {
        flatten(symbol, None, &uri, &file, &mut flat);
    }
    Ok(Some(DocumentSymbolResponse::SymbolInformationList(flat)))
}

#[expect(deprecated, reason = "all fields have to be named")]
fn nested(symbol: Symbol, file: &File, level: usize) -> DocumentSymbol {
    let children = symbol.children.into_iter();
    let children = children.map(|child| nested(child, file, level + 1));
    let children: Vec<_> = match level < LEVELS {
        true => children.collect(),
        false => Vec::new(),
    };
    DocumentSymbol {
        // An empty name makes clients drop the whole answer.
        name: named(symbol.name),
        detail: symbol.detail,
        kind: kind(symbol.kind),
        tags: symbol.deprecated.then(|| vec![SymbolTag::Deprecated]),
        deprecated: None,
        range: file.range(symbol.range),
        selection_range: file.range(symbol.focus),
        children: (!children.is_empty()).then_some(children),
    }
}

fn named(name: String) -> String {
    match name.trim().is_empty() {
        true => "(no name)".to_owned(),
        false => name,
    }
}

#[expect(deprecated, reason = "all fields have to be named")]
fn flatten(
    symbol: Symbol,
    container: Option<&str>,
    uri: &Uri,
    file: &File,
    out: &mut Vec<SymbolInformation>,
) {
    let name = named(symbol.name);
    let base = BaseSymbolInformation {
        name: name.clone(),
        kind: kind(symbol.kind),
        tags: symbol.deprecated.then(|| vec![SymbolTag::Deprecated]),
        container_name: container.map(str::to_owned),
    };
    out.push(SymbolInformation {
        deprecated: None,
        location: Location::new(uri.clone(), file.range(symbol.range)),
        base_symbol_information: base,
    });
    for child in symbol.children {
        flatten(child, Some(&name), uri, file, out);
    }
}

fn kind(kind: SymbolKind) -> Kind {
    match kind {
        SymbolKind::Settings => Kind::Package,
        SymbolKind::Variable => Kind::Variable,
        SymbolKind::Local => Kind::Constant,
        SymbolKind::Data => Kind::Interface,
        SymbolKind::Source => Kind::Class,
        SymbolKind::Build => Kind::Event,
        SymbolKind::Provisioner => Kind::Method,
        SymbolKind::PostProcessor => Kind::Function,
        SymbolKind::Module => Kind::Module,
        SymbolKind::Output => Kind::Field,
        SymbolKind::Option => Kind::Property,
        SymbolKind::Value => Kind::Key,
        SymbolKind::Block => Kind::Struct,
    }
}

/// What the templates of the workspace declare.
pub(crate) fn workspace(
    snapshot: &Snapshot,
    params: WorkspaceSymbolParams,
) -> Answer<Option<WorkspaceSymbolResponse>> {
    let found = snapshot
        .analysis
        .workspace_symbols(&snapshot.folders, &params.query)?;
    let found = found.into_iter().filter_map(|symbol| {
        let location = snapshot.location(&symbol.location)?;
        Some(WorkspaceSymbol {
            location: WorkspaceSymbolLocation::Location(location),
            data: None,
            base_symbol_information: BaseSymbolInformation {
                name: named(symbol.name),
                kind: kind(symbol.kind),
                tags: None,
                container_name: Some(symbol.container),
            },
        })
    });
    Ok(Some(WorkspaceSymbolResponse::WorkspaceSymbolList(
        found.collect(),
    )))
}

/// What can be folded.
pub(crate) fn folds(
    snapshot: &Snapshot,
    params: FoldingRangeParams,
) -> Answer<Option<Vec<FoldingRange>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let whole_lines = snapshot.client.whole_line_folds;
    let found = snapshot.analysis.folds(&path)?;
    let found = found.into_iter().filter_map(|fold| {
        let range = file.range(fold.range);
        let is_block = fold.kind == FoldKind::Region;
        // The line with the closing bracket stays in sight.
        let end = match whole_lines && is_block {
            true => range.end.line.saturating_sub(1),
            false => range.end.line,
        };
        let columns = |column| (!whole_lines).then_some(column);
        (end > range.start.line).then(|| FoldingRange {
            start_line: range.start.line,
            start_character: columns(range.start.character),
            end_line: end,
            end_character: columns(range.end.character),
            kind: Some(match fold.kind {
                FoldKind::Region => FoldingRangeKind::Region,
                FoldKind::Comment => FoldingRangeKind::Comment,
            }),
            collapsed_text: None,
        })
    });
    Ok(Some(found.collect()))
}

/// How many places one request may ask about.
const PLACES: usize = 1000;

/// Ever larger parts around places.
pub(crate) fn selections(
    snapshot: &Snapshot,
    params: SelectionRangeParams,
) -> Answer<Option<Vec<SelectionRange>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    if params.positions.len() > PLACES {
        let reason = format!("at most {PLACES} places can be asked about at once");
        return Err(Refused::Params(reason));
    }
    let mut found = Vec::with_capacity(params.positions.len());
    for position in params.positions {
        let offset = file.offset(position);
        let ranges = snapshot.analysis.selection_ranges(&path, offset)?;
        let mut selection: Option<SelectionRange> = None;
        // The smallest ones; a client that wants more asks from a larger one, or selects everything.
        for range in ranges.into_iter().take(LEVELS).rev() {
            selection = Some(SelectionRange {
                range: file.range(range),
                parent: selection.map(Box::new),
            });
        }
        found.push(selection.unwrap_or_else(|| SelectionRange {
            range: gen_lsp_types::Range::new(position, position),
            parent: None,
        }));
    }
    Ok(Some(found))
}
