//! The canonical layout as edits: of a file, of some lines, while typing.
