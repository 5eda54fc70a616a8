//! Definitions, references, highlights.

use gen_lsp_types::{
    Declaration, DeclarationParams, DeclarationResponse, Definition, DefinitionParams,
    DefinitionResponse, DocumentHighlight, DocumentHighlightKind, DocumentHighlightParams,
    Location, LocationLink, ReferenceParams, TypeDefinitionParams, TypeDefinitionResponse,
};
use imgc_ide::{HighlightKind, Target};

use crate::snapshot::{Answer, Snapshot};

/// Places that something leads to, in the client's favourite form.
enum Targets {
    Plain(Vec<Location>),
    Links(Vec<LocationLink>),
}

fn targets(snapshot: &Snapshot, targets: &[Target]) -> Targets {
    let links = targets.iter().filter_map(|target| {
        // A file that cannot be read as text can still be opened.
        let file = snapshot.file(&target.path);
        let range = |range| {
            file.as_ref()
                .map(|file| file.range(range))
                .unwrap_or_default()
        };
        Some(LocationLink {
            origin_selection_range: None,
            target_uri: snapshot.uri(&target.path)?,
            target_range: range(target.range),
            target_selection_range: range(target.focus),
        })
    });
    let links: Vec<_> = links.collect();
    match snapshot.client.definition_links {
        true => Targets::Links(links),
        false => {
            let plain = links
                .into_iter()
                .map(|link| Location::new(link.target_uri, link.target_selection_range));
            Targets::Plain(plain.collect())
        }
    }
}

/// Where what is at a place is defined.
pub(crate) fn definition(
    snapshot: &Snapshot,
    params: DefinitionParams,
) -> Answer<Option<DefinitionResponse>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let found = snapshot.analysis.definition(&place.path, place.offset)?;
    Ok(Some(match targets(snapshot, &found) {
        Targets::Plain(list) => DefinitionResponse::Definition(Definition::LocationList(list)),
        Targets::Links(list) => DefinitionResponse::DefinitionLinkList(list),
    }))
}

/// Where it is declared, which is the same.
pub(crate) fn declaration(
    snapshot: &Snapshot,
    params: DeclarationParams,
) -> Answer<Option<DeclarationResponse>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let found = snapshot.analysis.definition(&place.path, place.offset)?;
    Ok(Some(match targets(snapshot, &found) {
        Targets::Plain(list) => DeclarationResponse::Declaration(Declaration::LocationList(list)),
        Targets::Links(list) => DeclarationResponse::DeclarationLinkList(list),
    }))
}

/// Where what it is made of is defined.
pub(crate) fn type_definition(
    snapshot: &Snapshot,
    params: TypeDefinitionParams,
) -> Answer<Option<TypeDefinitionResponse>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let found = snapshot
        .analysis
        .type_definition(&place.path, place.offset)?;
    Ok(Some(match targets(snapshot, &found) {
        Targets::Plain(list) => TypeDefinitionResponse::Definition(Definition::LocationList(list)),
        Targets::Links(list) => TypeDefinitionResponse::DefinitionLinkList(list),
    }))
}

/// All uses of what is at a place.
pub(crate) fn references(
    snapshot: &Snapshot,
    params: ReferenceParams,
) -> Answer<Option<Vec<Location>>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let declarations = params.context.include_declaration;
    let found = snapshot
        .analysis
        .references(&place.path, place.offset, declarations)?;
    Ok(Some(snapshot.locations(&found)))
}

/// All uses in the same document.
pub(crate) fn highlights(
    snapshot: &Snapshot,
    params: DocumentHighlightParams,
) -> Answer<Option<Vec<DocumentHighlight>>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let found = snapshot.analysis.highlights(&place.path, place.offset)?;
    let found = found.into_iter().map(|highlight| DocumentHighlight {
        range: place.file.range(highlight.range),
        kind: Some(match highlight.kind {
            HighlightKind::Read => DocumentHighlightKind::Read,
            HighlightKind::Write => DocumentHighlightKind::Write,
        }),
    });
    Ok(Some(found.collect()))
}
