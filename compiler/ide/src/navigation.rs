//! Definitions and references.
