//! What changes in steps arrives in the layers, and other tools make the same tree of them.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use support::{Bed, listing, small_root, tool};

const FROM_ROOT: &str = r#"{"from": "dir:DIR/base", "network": "none", "output_directory": "OUT", "formats": ["oci", "tar.zst"]}"#;

fn bed_with_root() -> Bed {
    let bed = Bed::new();
    small_root(&bed.path("base"));
    bed
}

fn unpack(bed: &Bed, name: &str) -> std::path::PathBuf {
    let bundle = bed.path(&format!("bundle-{name}"));
    let image = bed.path(&format!("{name}/test.oci"));
    let mut arguments = vec!["unpack", "--image"];
    let image = format!("{}:latest", image.display());
    arguments.push(&image);
    if !nix::unistd::geteuid().is_root() {
        arguments.push("--rootless");
    }
    arguments.push(bundle.to_str().unwrap());
    tool("umoci", "umoci", &arguments);
    bundle.join("rootfs")
}

/// The manifest of the image in a layout.
fn manifest(layout: &Path) -> serde_json::Value {
    let read = |path: &Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let index = read(&layout.join("index.json"));
    let digest = index["manifests"][0]["digest"]
        .as_str()
        .unwrap()
        .replace("sha256:", "");
    read(&layout.join("blobs/sha256").join(digest))
}

fn config(layout: &Path) -> serde_json::Value {
    let digest = manifest(layout)["config"]["digest"]
        .as_str()
        .unwrap()
        .replace("sha256:", "");
    serde_json::from_slice(&std::fs::read(layout.join("blobs/sha256").join(digest)).unwrap())
        .unwrap()
}

/// Names in each layer but the base's, as tar sees them.
fn layer_names(layout: &Path) -> Vec<String> {
    let manifest = manifest(layout);
    let layers = manifest["layers"].as_array().unwrap().iter().skip(1);
    layers
        .map(|layer| {
            let digest = layer["digest"].as_str().unwrap().replace("sha256:", "");
            let path = layout.join("blobs/sha256").join(digest);
            tool("tar", "tar", &["-tf", path.to_str().unwrap()])
                .trim()
                .replace('\n', " ")
        })
        .collect()
}

#[tokio::test]
async fn deletions_replacements_links_and_modes_arrive() {
    let bed = bed_with_root();
    let mut build = bed.launch(FROM_ROOT).await;
    let long = "n".repeat(120);
    build
        .step(&format!(
            "mkdir -p /d /gone /again/old; cd /d; touch a; ln a b; ln -s a c; mkfifo p; mkdir {long}; touch {long}/{long};
             chown 1000:1000 p; chmod 4755 a; chown -h app c; touch /gone/x /file; chmod 1777 /gone; echo content > /again/old/x"
        ))
        .await;
    build.step("rm /d/c; rm -r /gone /again; mkdir /again; touch /again/new; rm /file; mkdir /file; rm /bin/whoami").await;
    build.step("test ! -e /gone; test ! -e /again/old").await;
    build.step("touch /tmp/passing /run/passing").await;
    let artifact = build.finish().await;
    bed.assert_clean();
    let layout = bed.path("out/test.oci");
    let names = layer_names(&layout);
    assert_eq!(
        names[0],
        format!(
            "again/ again/old/ again/old/x d/ d/a d/b d/c d/{long}/ d/{long}/{long} d/p file gone/ gone/x"
        )
    );
    assert_eq!(
        names[1],
        "again/ again/.wh..wh..opq again/new bin/ bin/.wh.whoami d/ d/.wh.c file/ file/.wh..wh..opq .wh.gone"
    );
    assert_eq!(names.len(), 2, "steps without changes make no layer");
    let history = config(&layout)["history"].as_array().unwrap().clone();
    let empty: Vec<bool> = history
        .iter()
        .map(|entry| entry["empty_layer"] == true)
        .collect();
    assert_eq!(empty, [false, false, false, true, true]);
    // umoci, tar and we agree.
    let root = unpack(&bed, "out");
    let unpacked = bed.path("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    tool(
        "zstd",
        "tar",
        &[
            "-C",
            unpacked.to_str().unwrap(),
            "--numeric-owner",
            "-xpf",
            bed.path("out/test.tar.zst").to_str().unwrap(),
        ],
    );
    assert_eq!(listing(&root), listing(&unpacked));
    let all = listing(&unpacked);
    assert_eq!(all["d/a"], "104755 0:0");
    assert_eq!(all["d/p"].split(' ').nth(1), Some("1000:1000"));
    assert!(
        all.contains_key("again/new")
            && !all.contains_key("again/old")
            && !all.contains_key("gone")
    );
    for name in [
        "dev/null",
        "tmp/passing",
        "run/passing",
        "etc/resolv.conf",
        "etc/hosts",
        "usr/sbin/policy-rc.d",
        "proc",
        "sys",
    ] {
        assert!(!all.contains_key(name), "{name} is in the image");
    }
    use std::os::unix::fs::MetadataExt;
    let inode = |name: &str| std::fs::metadata(unpacked.join(name)).unwrap().ino();
    assert_eq!(inode("d/a"), inode("d/b"));
    assert_eq!(artifact.builder_id, "imgc.rootfs");
    let inspected = tool(
        "skopeo",
        "skopeo",
        &["inspect", &format!("oci:{}:latest", layout.display())],
    );
    assert!(
        inspected.contains(&artifact.id),
        "{} not in {inspected}",
        artifact.id
    );
}

#[tokio::test]
async fn an_image_is_the_base_of_another_and_its_layers_stay() {
    let bed = bed_with_root();
    let mut build = bed
        .launch(&FROM_ROOT.replace(
            "\"formats\"",
            "\"env\": {\"A\": \"1\"}, \"cmd\": [\"/bin/sh\"], \"formats\"",
        ))
        .await;
    build
        .step("mkdir /old; touch /old/a /old/b; echo 1 > /kept")
        .await;
    build.finish().await;
    let from_oci = r#"{"from": "oci:DIR/out:latest", "output_directory": "DIR/second", "network": "none",
        "env": {"B": "2"}, "labels": {"l": "v"}, "exposed_ports": ["80"], "user": "app", "working_dir": "/old"}"#;
    let from_oci = from_oci.replace("DIR/out:", "DIR/out/test.oci:");
    let mut build = bed.launch(&from_oci).await;
    assert_eq!(
        build.query("cat /kept; echo $A$B; ls /old").await,
        "1\n12\na\nb\n"
    );
    build.step("rm /old/a; echo 2 > /kept").await;
    build.finish().await;
    bed.assert_clean();
    let (first, second) = (
        manifest(&bed.path("out/test.oci")),
        manifest(&bed.path("second/test.oci")),
    );
    assert_eq!(
        first["layers"].as_array().unwrap()[..],
        second["layers"].as_array().unwrap()[..2]
    );
    let root = unpack(&bed, "second");
    assert_eq!(std::fs::read_to_string(root.join("kept")).unwrap(), "2\n");
    assert!(!root.join("old/a").exists() && root.join("old/b").exists());
    insta::assert_json_snapshot!(config(&bed.path("second/test.oci"))["config"], @r#"
    {
      "Cmd": [
        "/bin/sh"
      ],
      "Env": [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "A=1",
        "B=2"
      ],
      "WorkingDir": "/old",
      "User": "app",
      "ExposedPorts": {
        "80/tcp": {}
      },
      "Labels": {
        "l": "v"
      }
    }
    "#);
}

#[tokio::test]
async fn archives_of_every_compression_give_the_same_image() {
    let bed = bed_with_root();
    let base = bed.path("base");
    let mut ids = Vec::new();
    for (number, (name, flag)) in [
        ("a.tar", "--format=pax"),
        ("a.tar.gz", "-z"),
        ("a.tar.xz", "-J"),
        ("a.tar.zst", "--zstd"),
    ]
    .iter()
    .enumerate()
    {
        let archive = bed.path(name);
        let arguments = [
            "-C",
            base.to_str().unwrap(),
            "--sort=name",
            "--numeric-owner",
            flag,
            "-cf",
            archive.to_str().unwrap(),
            ".",
        ];
        tool("xz-utils zstd", "tar", &arguments);
        let options = format!(
            r#"{{"from": "DIR/{name}", "output_directory": "DIR/out{number}", "layer_compression": "none"}}"#
        );
        let build = bed.launch(&options).await;
        build.finish().await;
        ids.push(manifest(&bed.path(&format!("out{number}/test.oci")))["layers"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    bed.assert_clean();
}

/// Steps that touch many things, for comparing builds.
async fn many_steps(bed: &Bed, options: &str) -> imgc_runtime::artifact::Artifact {
    let mut build = bed.launch(options).await;
    for step in 0..6 {
        build
            .step(&format!(
                "mkdir -p /s; touch /s/{step}; rm -f /s/{}; echo {step} > /last; sleep 0.01",
                step - 2
            ))
            .await;
    }
    assert_eq!(build.query("ls /s").await, "4\n5\n");
    build.finish().await
}

#[tokio::test]
async fn the_same_inputs_give_the_same_digests_however_layers_are_mounted() {
    let mut bed = bed_with_root();
    let options = r#"{"from": "dir:DIR/base", "output_directory": "OUT", "formats": ["oci", "tar.zst", "ext4", "qcow2"], "squash": SQUASH}"#;
    for squash in ["false", "true"] {
        let options = options.replace("SQUASH", squash);
        let first = many_steps(&bed, &options).await;
        std::fs::remove_dir_all(bed.path("out")).unwrap();
        bed.builder = bed.builder.clone().max_mounted_layers(3);
        let second = many_steps(&bed, &options).await;
        assert_eq!(first.metadata, second.metadata);
        let layers = if squash == "true" { "1" } else { "7" };
        assert_eq!(first.metadata["oci.layers"], layers);
        let disk = bed.path("out/test.ext4");
        tool("e2fsprogs", "e2fsck", &["-f", "-n", disk.to_str().unwrap()]);
        assert_eq!(
            tool(
                "e2fsprogs",
                "debugfs",
                &["-R", "cat /last", disk.to_str().unwrap()]
            ),
            "5\n"
        );
        tool(
            "qemu-utils",
            "qemu-img",
            &["check", bed.path("out/test.qcow2").to_str().unwrap()],
        );
        std::fs::remove_dir_all(bed.path("out")).unwrap();
    }
    bed.assert_clean();
}

#[tokio::test]
async fn times_are_clamped_only_when_reproducible() {
    let bed = bed_with_root();
    let options = r#"{"from": "dir:DIR/base", "output_directory": "OUT", "formats": ["oci", "tar.zst"], "source_date_epoch": 1000000000}"#;
    let mut build = bed.launch(options).await;
    assert_eq!(build.query("echo $SOURCE_DATE_EPOCH").await, "1000000000\n");
    build.step("touch /new").await;
    build.finish().await;
    assert_eq!(
        config(&bed.path("out/test.oci"))["created"],
        "2001-09-09T01:46:40Z"
    );
    let verbose = tool(
        "zstd",
        "tar",
        &[
            "--utc",
            "--full-time",
            "-tvf",
            bed.path("out/test.tar.zst").to_str().unwrap(),
        ],
    );
    assert!(
        verbose
            .lines()
            .all(|line| line.contains("2001-09-09 01:46:40")),
        "{verbose}"
    );
    std::fs::remove_dir_all(bed.path("out")).unwrap();
    let mut build = bed
        .launch(&options.replace("1000000000", "1000000000, \"reproducible\": false"))
        .await;
    build.step("touch /new").await;
    build.finish().await;
    let verbose = tool(
        "zstd",
        "tar",
        &[
            "--utc",
            "--full-time",
            "-tvf",
            bed.path("out/test.tar.zst").to_str().unwrap(),
        ],
    );
    assert!(!verbose.contains("2001-09-09"), "{verbose}");
}
