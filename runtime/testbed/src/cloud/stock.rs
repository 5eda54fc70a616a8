//! The images that are there from the start, in every region: few, so that moto's first answer does not take long.

use serde_json::{Value, json};

use super::state::{Disk, ImageFacts, State};

/// An Ubuntu with the root disk `/dev/sda1` of 8 GiB.
pub const UBUNTU: &str = "ami-0a1b2c3d4e5f60001";
/// The same for arm64.
pub const UBUNTU_ARM: &str = "ami-0a1b2c3d4e5f60002";
/// An Amazon Linux with the root disk `/dev/xvda` of 8 GiB.
pub const AMAZON_LINUX: &str = "ami-0a1b2c3d4e5f60003";
/// A Windows with the root disk `/dev/sda1` of 30 GiB.
pub const WINDOWS: &str = "ami-0a1b2c3d4e5f60004";
/// An Ubuntu whose root disk is an instance store.
pub const INSTANCE_STORE: &str = "ami-0a1b2c3d4e5f60005";
/// An older build of [`UBUNTU`].
pub const OLDER_UBUNTU: &str = "ami-0a1b2c3d4e5f60006";

struct Image {
    id: &'static str,
    name: &'static str,
    created: &'static str,
    owner: &'static str,
    architecture: &'static str,
    platform: Option<&'static str>,
    root: &'static str,
    /// GiB; 0 for an instance store.
    size: u32,
}

const CANONICAL: &str = "099720109477";
const AMAZON: &str = "137112412989";
const MICROSOFT: &str = "801119661308";

const fn image(id: &'static str, name: &'static str, created: &'static str) -> Image {
    Image {
        id,
        name,
        created,
        owner: CANONICAL,
        architecture: "x86_64",
        platform: None,
        root: "/dev/sda1",
        size: 8,
    }
}

const IMAGES: [Image; 6] = [
    image(
        UBUNTU,
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260801",
        "2026-08-01T06:00:00.000Z",
    ),
    Image {
        architecture: "arm64",
        ..image(
            UBUNTU_ARM,
            "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20260801",
            "2026-08-01T06:10:00.000Z",
        )
    },
    Image {
        owner: AMAZON,
        root: "/dev/xvda",
        ..image(
            AMAZON_LINUX,
            "al2023-ami-2023.8.20260805.0-kernel-6.1-x86_64",
            "2026-08-05T10:00:00.000Z",
        )
    },
    Image {
        owner: MICROSOFT,
        platform: Some("windows"),
        size: 30,
        ..image(
            WINDOWS,
            "Windows_Server-2025-English-Full-Base-2026.08.12",
            "2026-08-12T01:00:00.000Z",
        )
    },
    Image {
        size: 0,
        ..image(
            INSTANCE_STORE,
            "ubuntu/images/hvm-instance/ubuntu-noble-24.04-amd64-server-20260801",
            "2026-08-01T06:20:00.000Z",
        )
    },
    image(
        OLDER_UBUNTU,
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260601",
        "2026-06-01T06:00:00.000Z",
    ),
];

/// The file that moto reads them from. It bears dates in it for one region only.
pub(crate) fn file() -> Value {
    let images = IMAGES.iter().map(|image| {
        let device = if image.size == 0 {
            "instance-store"
        } else {
            "ebs"
        };
        json!({
            "ami_id": image.id,
            "name": image.name,
            "description": image.name,
            "owner_id": image.owner,
            "public": true,
            "virtualization_type": "hvm",
            "architecture": image.architecture,
            "state": "available",
            "platform": image.platform,
            "image_type": "machine",
            "image_location": format!("amazon/{}", image.name),
            "hypervisor": "xen",
            "root_device_name": image.root,
            "root_device_type": device,
            "sriov": "simple",
        })
    });
    Value::Array(images.collect())
}

/// Whether an image is one of them.
pub(crate) fn is_stock(id: &str) -> bool {
    IMAGES.iter().any(|image| image.id == id)
}

/// What moto does not know of them.
pub(crate) fn remember(state: &mut State) {
    for image in &IMAGES {
        let disk = Disk {
            device: image.root.to_owned(),
            size: image.size.to_string(),
            kind: "gp3".to_owned(),
            ..Disk::default()
        };
        let disks = if image.size == 0 {
            Vec::new()
        } else {
            vec![disk]
        };
        // moto takes them all for Amazon's.
        let alias = if image.owner == CANONICAL {
            ""
        } else {
            "amazon"
        };
        let platform = match image.platform {
            Some(_) => "Windows",
            None => "Linux/UNIX",
        };
        let shown = [
            ("creationDate", image.created),
            ("enaSupport", "true"),
            ("imageOwnerAlias", alias),
            ("platformDetails", platform),
            ("sriovNetSupport", "simple"),
        ];
        let shown = shown.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let facts = ImageFacts {
            disks,
            shown: shown.into(),
            protected: false,
        };
        state.images.insert(image.id.to_owned(), facts);
    }
}
