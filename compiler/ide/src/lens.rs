//! Lines above builds and declarations.

use crate::text::{Location, TextRange};

/// A line that is shown above a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeLens {
    /// The declaration.
    pub range: TextRange,
    /// What is shown.
    pub title: String,
    /// What it does when it is chosen.
    pub command: LensCommand,
}

/// What a lens does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LensCommand {
    /// Shows the plan of these builds (names for `-only`; all where there are none).
    Plan(Vec<String>),
    /// Shows these references to what is at an offset.
    References {
        /// Where the name stands.
        offset: u32,
        /// The references.
        locations: Vec<Location>,
    },
    /// Nothing.
    None,
}
