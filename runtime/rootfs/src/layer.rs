//! Layers: a directory as a deterministic tar archive with whiteouts, and back.

pub(crate) mod compress;
pub(crate) mod leftovers;
pub(crate) mod pack;
pub(crate) mod unpack;

/// Prefix of a deletion in a layer (OCI image specification, "Whiteouts").
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// Name of the entry that hides what lower layers have in its directory.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// Where overlayfs marks an opaque directory: with all rights, and in a user namespace.
pub(crate) const OPAQUE_ATTRIBUTES: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];
/// Prefix of the PAX records for extended attributes.
pub(crate) const XATTR_RECORD: &str = "SCHILY.xattr.";
