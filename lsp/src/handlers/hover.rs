//! Hover and signature help.

use gen_lsp_types::{
    ActiveParameter, Hover, HoverParams, ParameterInformation, ParameterInformationLabel,
    SignatureHelp, SignatureHelpParams, SignatureInformation,
};

use super::markup;
use crate::snapshot::{Answer, Snapshot};

/// What is known of what is at a place.
pub(crate) fn hover(snapshot: &Snapshot, params: HoverParams) -> Answer<Option<Hover>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let hover = snapshot.analysis.hover(&place.path, place.offset)?;
    Ok(hover.map(|hover| Hover {
        range: Some(place.file.range(hover.range)),
        contents: markup(hover.markdown, snapshot.client.markdown_hover).into(),
    }))
}

/// The function call around a place.
pub(crate) fn signature(
    snapshot: &Snapshot,
    params: SignatureHelpParams,
) -> Answer<Option<SignatureHelp>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let Some(help) = snapshot
        .analysis
        .signature_help(&place.path, place.offset)?
    else {
        return Ok(None);
    };
    let parameters = help.parameters.iter().map(|range| {
        // Texts do more than the numbers of places in a label: those count UTF-16 units for some clients and not for others.
        let text = range.of(&help.label).to_owned();
        ParameterInformation {
            label: ParameterInformationLabel::String(text),
            documentation: None,
        }
    });
    let active = help.active.map(ActiveParameter::Int);
    let signature = SignatureInformation {
        parameters: Some(parameters.collect()),
        documentation: Some(markup(help.documentation, snapshot.client.markdown_hover).into()),
        active_parameter: active,
        label: help.label,
    };
    Ok(Some(SignatureHelp {
        signatures: vec![signature],
        active_signature: Some(0),
        active_parameter: active,
    }))
}
