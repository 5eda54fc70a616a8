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
/// The extended attributes of access control lists.
pub(crate) const ACCESS_LISTS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];
/// PAX record for the change time: seconds since 1970 with a fraction.
pub(crate) const MTIME_RECORD: &str = "mtime";
/// Prefix of the PAX records for extended attributes.
pub(crate) const XATTR_RECORD: &str = "SCHILY.xattr.";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::pack::{PackOptions, pack};
    use super::unpack::{UnpackOptions, unpack};
    use crate::job::Whiteouts;

    fn options() -> UnpackOptions {
        UnpackOptions {
            whiteouts: Whiteouts::Apply,
            owner: Some((
                nix::unistd::geteuid().as_raw(),
                nix::unistd::getegid().as_raw(),
            )),
            mode: None,
            times: true,
            plain: false,
            exact: false,
        }
    }

    #[test]
    fn what_no_header_holds_survives_the_round() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let long = "d".repeat(90);
        std::fs::create_dir_all(from.join(&long).join(&long)).unwrap();
        let file = from.join(&long).join(&long).join("ä file");
        std::fs::write(
            &file,
            [vec![0; 200_000], b"end".to_vec(), vec![0; 100_000]].concat(),
        )
        .unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4711)).unwrap();
        symlink("t".repeat(300), from.join("link")).unwrap();
        // cap_net_bind_service=ep, as setcap writes it; an ordinary user may only set attributes of its own.
        let capability: Vec<u8> = [1, 0, 0, 2, 0, 4, 0, 0]
            .into_iter()
            .chain([0; 12])
            .collect();
        let name = if nix::unistd::geteuid().is_root() {
            "security.capability"
        } else {
            "user.test"
        };
        xattr::set(&file, name, &capability).unwrap();
        let mut archive = Vec::new();
        let stats = pack(
            &from,
            &mut archive,
            &PackOptions {
                clamp: Some(1_000_000),
                ..PackOptions::default()
            },
        )
        .unwrap();
        assert_eq!(stats.entries, 4);
        unpack(archive.as_slice(), &to, &options()).unwrap();
        let back = to.join(&long).join(&long).join("ä file");
        let metadata = std::fs::metadata(&back).unwrap();
        assert_eq!(
            (metadata.mode() & 0o7777, metadata.mtime()),
            (0o4711, 1_000_000)
        );
        assert!(metadata.blocks() * 512 < 200_000, "zeros are holes");
        assert!(std::fs::read(&back).unwrap() == std::fs::read(&file).unwrap());
        assert_eq!(xattr::get(&back, name).unwrap(), Some(capability));
        assert_eq!(
            std::fs::read_link(to.join("link"))
                .unwrap()
                .as_os_str()
                .len(),
            300
        );
        let mut again = Vec::new();
        pack(
            &to,
            &mut again,
            &PackOptions {
                clamp: Some(1_000_000),
                ..PackOptions::default()
            },
        )
        .unwrap();
        assert!(archive == again, "the same content, the same bytes");
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..6].copy_from_slice(b"../out");
        header.set_size(0);
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
        let archive = builder.into_inner().unwrap();
        let error =
            unpack(archive.as_slice(), &directory.path().join("to"), &options()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "../out: the name leads out of the archive"
        );
        assert!(!directory.path().join("out").exists());
    }
}
