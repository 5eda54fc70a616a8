//! Debian from this machine's package sources, with a package installed through apt: by root and by an ordinary user, with
//! the same result.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Bed, driver, tool};

const OPTIONS: &str = r#"{"from": "debian:bookworm", "output_directory": "OUT", "image_name": "web",
    "formats": ["oci", "tar.zst", "ext4", "qcow2"], "cmd": ["/usr/bin/less"], "labels": {"a": "b"}}"#;

const STEPS: [&str; 3] = [
    "apt-get update",
    "apt-get install -y --no-install-recommends less",
    "useradd -m ann && echo hello > /home/ann/greeting && chown ann /home/ann/greeting",
];

#[tokio::test]
#[ignore = "run by other tests in a process of its own"]
async fn drive() {
    driver::drive().await;
}

#[tokio::test]
async fn a_debian_image_is_the_same_twice_and_other_tools_read_it() {
    let (first, second) = (Bed::new(), Bed::new());
    let mut build = first.launch(OPTIONS).await;
    for step in STEPS {
        build.step(step).await;
    }
    let lineage = build.instance.lineage();
    assert_eq!(lineage[0].0, "packages of debian:bookworm");
    let listed = |name: &str| lineage[0].1.lines().any(|line| line.starts_with(name));
    assert!(
        listed("dpkg ") && listed("libc6 ") && !listed("less "),
        "{lineage:?}"
    );
    let artifact = build.finish().await;
    first.assert_clean();
    if nix::unistd::geteuid().is_root() {
        let result = driver::run_as_user(&second, "4242:500000:65536\\n", OPTIONS, &STEPS);
        assert!(
            result.starts_with(&format!("done\n{}\n", artifact.id)),
            "{}\n{result}",
            artifact.id
        );
    } else {
        let mut build = second.launch(OPTIONS).await;
        for step in STEPS {
            build.step(step).await;
        }
        assert_eq!(build.finish().await.metadata, artifact.metadata);
    }
    for name in ["web.tar.zst", "web.ext4", "web.qcow2"] {
        let digest = |bed: &Bed| {
            let path = bed.path("out").join(name);
            tool("coreutils", "sha256sum", &["--", path.to_str().unwrap()])[..64].to_owned()
        };
        assert_eq!(digest(&first), digest(&second), "{name}");
    }
    drop(second);
    // The image layout, by skopeo and umoci.
    let layout = first.path("out/web.oci");
    let image = format!("oci:{}:latest", layout.display());
    let inspected = tool("skopeo", "skopeo", &["inspect", &image]);
    assert!(inspected.contains("\"a\": \"b\""), "{inspected}");
    let bundle = first.path("bundle");
    tool(
        "umoci",
        "umoci",
        &[
            "unpack",
            "--image",
            &format!("{}:latest", layout.display()),
            bundle.to_str().unwrap(),
        ],
    );
    let root = bundle.join("rootfs");
    assert_eq!(
        std::fs::read_to_string(root.join("home/ann/greeting")).unwrap(),
        "hello\n"
    );
    assert!(root.join("usr/bin/less").is_file());
    assert!(!root.join("var/log/dpkg.log").exists());
    assert!(!root.join("usr/sbin/policy-rc.d").exists());
    assert!(!root.join("etc/resolv.conf").exists());
    // The disk image, by e2fsck, debugfs and qemu-img.
    let disk = first.path("out/web.ext4");
    tool("e2fsprogs", "e2fsck", &["-f", "-n", disk.to_str().unwrap()]);
    let greeting = tool(
        "e2fsprogs",
        "debugfs",
        &["-R", "cat /home/ann/greeting", disk.to_str().unwrap()],
    );
    assert_eq!(greeting, "hello\n");
    let qcow2 = first.path("out/web.qcow2");
    tool(
        "qemu-utils",
        "qemu-img",
        &["check", qcow2.to_str().unwrap()],
    );
    tool(
        "qemu-utils",
        "qemu-img",
        &["compare", disk.to_str().unwrap(), qcow2.to_str().unwrap()],
    );
    // The archive, by tar: the same tree as the image's.
    let archive = first.path("out/web.tar.zst");
    let unpacked = first.path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    tool(
        "zstd",
        "tar",
        &[
            "-C",
            unpacked.to_str().unwrap(),
            "--numeric-owner",
            "-xpf",
            archive.to_str().unwrap(),
        ],
    );
    assert_eq!(support::listing(&unpacked), support::listing(&root));
}
