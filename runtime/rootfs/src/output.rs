//! What a build gives: an OCI image layout, archives, disk images.

pub(crate) mod ext4_times;
pub(crate) mod oci;
pub(crate) mod place;
