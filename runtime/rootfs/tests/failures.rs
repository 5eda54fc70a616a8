//! What goes wrong is said clearly, and nothing stays behind.
#![allow(clippy::unwrap_used)]

mod support;

use imgc_runtime::machine::{Attributes, Command};
use support::{Bed, descendants, driver, processes, small_root, tool, wait_until};

#[tokio::test]
#[ignore = "run by other tests in a process of its own"]
async fn drive() {
    driver::drive().await;
}

async fn refusal(bed: &Bed, options: &str) -> String {
    match bed.try_launch(options).await {
        Ok(build) => {
            build.instance.release(&bed.cx).await.unwrap();
            "accepted".to_owned()
        }
        Err(error) => {
            let directory = bed.path("").display().to_string();
            format!(
                "{}: {} ({})",
                error.id,
                error.chain(),
                error.help.unwrap_or_default()
            )
            .replace(directory.trim_end_matches('/'), "DIR")
        }
    }
}

#[tokio::test]
async fn wrong_inputs_are_refused_before_anything_is_made() {
    let bed = Bed::new();
    std::fs::create_dir(bed.path("out")).unwrap();
    std::fs::write(
        bed.path("noise"),
        "no archive at all, though long enough to look into".repeat(40),
    )
    .unwrap();
    std::fs::create_dir_all(bed.path("layout")).unwrap();
    std::fs::write(bed.path("layout/oci-layout"), "{}").unwrap();
    std::fs::write(bed.path("layout/index.json"), r#"{"manifests": []}"#).unwrap();
    let mut messages = Vec::new();
    for options in [
        r#"{"from": "scratch", "output_directory": "OUT"}"#,
        r#"{"from": "dir:DIR/nothing", "output_directory": "DIR/o"}"#,
        r#"{"from": "DIR/nothing.tar", "output_directory": "DIR/o"}"#,
        r#"{"from": "tar:DIR/noise", "output_directory": "DIR/o"}"#,
        r#"{"from": "oci:DIR/layout:x", "output_directory": "DIR/o"}"#,
        r#"{"from": "scratch", "output_directory": "DIR/noise/o"}"#,
        r#"{"from": "scratch", "output_directory": "DIR/o", "architecture": "s390x"}"#,
        r#"{"from": "scratch", "output_directory": "DIR/o", "formats": ["iso"]}"#,
    ] {
        messages.push(refusal(&bed, options).await);
    }
    insta::assert_snapshot!(messages.join("\n"), @r#"
    run/rootfs-output-exists: output directory DIR/out already exists (remove it, choose another `output_directory`, or use -force to replace it)
    run/rootfs-base-missing: there is no directory DIR/nothing (correct `from`; a relative path starts at the directory in which imgc was started)
    run/rootfs-base-missing: there is no tar archive DIR/nothing.tar (correct `from`; a relative path starts at the directory in which imgc was started)
    run/rootfs-base-invalid: cannot unpack DIR/noise: it is not a tar archive (it must be a whole tar archive, as it is or compressed with gzip, zstd or xz)
    run/rootfs-base-invalid: the OCI image layout DIR/layout cannot be used: it has no image `x` (the layout has: )
    run/rootfs-output: DIR/noise is not a directory (choose another `output_directory`)
    run/rootfs-architecture: programs for s390x cannot run on this machine (amd64) (apt-get install qemu-user-static binfmt-support, or leave `architecture` out)
    run/rootfs-options: `iso` is not a known format (write one or more of: oci, tar.zst, ext4, qcow2)
    "#);
    assert!(!bed.path("o").exists());
    bed.assert_clean();
}

#[tokio::test]
async fn a_root_file_system_without_shell_takes_files_and_refuses_commands() {
    let bed = Bed::new();
    let build = bed
        .launch(r#"{"from": "scratch", "output_directory": "OUT", "entrypoint": ["/app"]}"#)
        .await;
    let error = build
        .machine
        .run(&Command::new("true"), &bed.cx.output)
        .await
        .unwrap_err();
    assert_eq!(error.id, "run/rootfs-no-shell");
    insta::assert_snapshot!(error.chain(), @"the root file system has no /bin/sh to run commands with");
    build
        .machine
        .write(
            b"#!",
            "/app",
            &Attributes {
                mode: Some(0o755),
                ..Attributes::default()
            },
        )
        .await
        .unwrap();
    // A shell that cannot start, for two reasons.
    build
        .machine
        .write(
            b"text",
            "/bin/sh",
            &Attributes {
                mode: Some(0o644),
                ..Attributes::default()
            },
        )
        .await
        .unwrap();
    insta::assert_snapshot!(build.machine.run(&Command::new("true"), &bed.cx.output).await.unwrap_err().chain(), @"/bin/sh of the root file system is not executable");
    let shell = std::fs::read("/bin/sh").unwrap();
    build
        .machine
        .write(
            &shell,
            "/bin/sh",
            &Attributes {
                mode: Some(0o755),
                ..Attributes::default()
            },
        )
        .await
        .unwrap();
    insta::assert_snapshot!(build.machine.run(&Command::new("true"), &bed.cx.output).await.unwrap_err().chain(), @"/bin/sh of the root file system cannot start: its dynamic loader or libraries are missing");
    let artifact = build.finish().await;
    assert_eq!(artifact.metadata["oci.layers"], "1");
    bed.assert_clean();
}

#[tokio::test]
async fn an_existing_output_is_replaced_with_force_only_and_as_a_whole() {
    let mut bed = Bed::new();
    let options = r#"{"from": "scratch", "output_directory": "OUT"}"#;
    std::fs::create_dir_all(bed.path("out/kept")).unwrap();
    bed.cx.force = true;
    let build = bed.launch(options).await;
    assert!(
        bed.path("out/kept").exists(),
        "not before the new outputs are ready"
    );
    build.finish().await;
    assert_eq!(std::fs::read_dir(bed.path("out")).unwrap().count(), 1);
    // Never what surrounds the template.
    let message = refusal(&bed, r#"{"from": "scratch", "output_directory": "DIR"}"#).await;
    assert!(message.contains("-force would remove"), "{message}");
    bed.assert_clean();
}

#[tokio::test]
async fn a_disk_too_small_leaves_no_output() {
    let bed = Bed::new();
    let build = bed.launch(r#"{"from": "scratch", "output_directory": "OUT", "formats": ["oci", "ext4"], "disk_size": "16M"}"#).await;
    build
        .machine
        .write(&vec![7; 20_000_000], "/large", &Attributes::default())
        .await
        .unwrap();
    let error = build.instance.capture(&bed.cx).await.unwrap_err();
    assert_eq!(error.id, "run/rootfs-disk-size", "{}", error.chain());
    assert!(error.help.unwrap().contains("disk_size"));
    build.instance.release(&bed.cx).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(bed.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    bed.assert_clean();
}

#[tokio::test]
async fn given_up_launches_clean_up() {
    let bed = Bed::new();
    small_root(&bed.path("base"));
    let (base, archive) = (bed.path("base"), bed.path("a.tar"));
    tool(
        "tar",
        "tar",
        &[
            "-C",
            base.to_str().unwrap(),
            "-cf",
            archive.to_str().unwrap(),
            ".",
        ],
    );
    // In the middle of something, whatever it is.
    for moment in [5, 20, 40, 60, 90, 130] {
        let launch = bed.launch(r#"{"from": "tar:DIR/a.tar", "output_directory": "OUT"}"#);
        let launched = tokio::time::timeout(std::time::Duration::from_millis(moment), launch).await;
        drop(launched.map(|build| build.instance));
        for _ in 0..400 {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            if bed.cx.ledger.outstanding("").is_empty() {
                break;
            }
        }
        bed.assert_clean();
    }
}

/// Kills a build's process outright when it has a descendant whose arguments contain `sign`; the kernel must do the rest.
fn kill_at(bed: &Bed, options: &str, steps: &[&str], sign: &str) {
    let directory = bed.path("");
    let job = driver::job(
        &directory,
        support::HELPER.as_ref(),
        &bed.options_text(options),
        steps,
    );
    let mut build = driver::start(&job);
    let mut started = Vec::new();
    wait_until(120, "the build gets there", || {
        assert!(
            build.try_wait().unwrap().is_none(),
            "{}",
            std::fs::read_to_string(bed.path("result")).unwrap_or_default()
        );
        started = descendants(build.id());
        started
            .iter()
            .any(|process| process.arguments.contains(sign))
    });
    assert!(started.len() >= 4, "{started:?}");
    build.kill().unwrap();
    build.wait().unwrap();
    wait_until(10, "all its processes end", || {
        let now = processes();
        !started.iter().any(|process| {
            now.iter()
                .any(|other| other.pid == process.pid && other.started == process.started)
        })
    });
    bed.assert_no_mounts_or_processes();
    assert!(!bed.path("out").exists());
}

#[test]
fn killed_in_a_command_only_directories_stay() {
    let bed = Bed::new();
    small_root(&bed.path("base"));
    let options = r#"{"from": "dir:DIR/base", "output_directory": "OUT"}"#;
    kill_at(
        &bed,
        options,
        &["touch /a", "sleep 7170 & sleep 7171"],
        "sleep 7170",
    );
    assert!(std::fs::read_dir(&bed.cx.scratch).unwrap().count() > 0);
    // What stays can be removed by who finds it in the ledger.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for entry in std::fs::read_dir(&bed.cx.scratch).unwrap() {
        let directory = entry.unwrap().path();
        runtime
            .block_on(imgc_rootfs::remove_mapped(
                support::HELPER.as_ref(),
                &directory,
            ))
            .unwrap();
    }
    bed.assert_clean();
}

#[test]
fn killed_while_bootstrapping_only_directories_stay() {
    let bed = Bed::new();
    let options = r#"{"from": "debian:bookworm", "output_directory": "OUT"}"#;
    kill_at(&bed, options, &[], "apt-get");
}

#[test]
fn as_root_a_full_disk_is_said_and_cleaned_up() {
    support::require_root();
    let bed = Bed::new();
    small_root(&bed.path("base"));
    let small_disk = format!(
        "mount -t tmpfs -o size=3m small {}",
        bed.cx.scratch.display()
    );
    let options =
        r#"{"from": "dir:DIR/base", "output_directory": "OUT", "layer_compression": "none"}"#;
    let program = std::env::current_exe().unwrap();
    let helper = support::HELPER.as_ref();
    let result = driver::run_prepared(&bed, helper, &program, &small_disk, options, &[]);
    assert!(result.starts_with("run/rootfs-disk-full: "), "{result}");
    assert!(
        result.contains("TMPDIR") && result.contains("left: 0"),
        "{result}"
    );
    assert!(!bed.path("out").exists());
}
