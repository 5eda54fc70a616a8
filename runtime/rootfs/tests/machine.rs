//! Commands and files in the root file system.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use imgc_runtime::machine::{Attributes, Command, Exit};
use support::{Bed, small_root, wait_until};

const OPTIONS: &str = r#"{"from": "dir:DIR/base", "network": "none", "output_directory": "OUT", "hostname": "inside", "build_env": {"X": "y z"}}"#;

fn bed_with_root() -> Bed {
    let bed = Bed::new();
    small_root(&bed.path("base"));
    bed
}

#[tokio::test]
async fn a_command_has_streams_codes_environment_and_its_own_world() {
    let bed = bed_with_root();
    let build = bed.launch(OPTIONS).await;
    bed.log.take();
    let command = Command {
        line: "cat; echo err >&2; echo no end >&2; printf unfinished; exit 7".to_owned(),
        stdin: b"in\n\xff\n".to_vec(),
    };
    let exit = build.machine.run(&command, &bed.cx.output).await.unwrap();
    assert_eq!(exit, Exit::Code(7));
    let log = bed.log.take();
    for line in [
        "Stdout: in",
        "Stdout: \u{fffd}",
        "Stderr: err",
        "Stderr: no end",
        "Stdout: unfinished",
    ] {
        assert!(log.contains(line), "{line} not in {log}");
    }
    assert_eq!(
        build
            .machine
            .run(&Command::new("kill -9 $$"), &bed.cx.output)
            .await
            .unwrap(),
        Exit::Code(137)
    );
    assert_eq!(
        build
            .machine
            .run(&Command::new("exit 125"), &bed.cx.output)
            .await
            .unwrap(),
        Exit::Code(125)
    );
    assert_eq!(
        build
            .query("echo $X; whoami; hostname; pwd; echo $HOME")
            .await,
        "y z\nroot\ninside\n/root\n/root\n"
    );
    assert_eq!(
        build
            .query("ls /sys/class/net; ls /dev | tr '\\n' ' '")
            .await,
        "lo\nfd full null ptmx pts random shm stderr stdin stdout tty urandom zero "
    );
    assert_eq!(
        build.query("set -- /proc/[0-9]*; echo $#").await.trim(),
        "2",
        "init and the shell, which counts by itself"
    );
    assert_eq!(
        build.query("sh /usr/sbin/policy-rc.d; echo $?").await,
        "101\n"
    );
    // A daemon that stays behind ends with its command, and holds nothing up.
    assert_eq!(build.query("sleep 5150 & echo started").await, "started\n");
    assert!(
        !support::processes_with(bed.path("").to_str().unwrap())
            .join("")
            .contains("sleep 5150")
    );
    let error = build
        .machine
        .query(&Command::new("echo why >&2; exit 3"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`echo why >&2; exit 3` ended with code 3: why"
    );
    build.instance.release(&bed.cx).await.unwrap();
    bed.assert_clean();
}

#[tokio::test]
async fn a_command_cannot_reach_the_machine() {
    let bed = bed_with_root();
    let build = bed.launch(OPTIONS).await;
    for line in [
        "echo 1 > /sys/kernel/mm/ksm/run",
        "hostname other && test \"$(hostname)\" = inside",
        "mknod /disk b 1 0 && cat /disk",
        "test -e /proc/1/root/base",
    ] {
        let exit = build
            .machine
            .run(&Command::new(line), &bed.cx.output)
            .await
            .unwrap();
        assert_ne!(exit, Exit::Code(0), "{line}");
    }
    assert_eq!(
        build.query("ls /").await.split_whitespace().next(),
        Some("bin")
    );
    build.instance.release(&bed.cx).await.unwrap();
}

#[tokio::test]
async fn a_dropped_command_ends_with_all_it_started() {
    let bed = bed_with_root();
    let build = bed.launch(OPTIONS).await;
    let command = Command::new("sleep 6160 & sleep 6161");
    let run = build.machine.run(&command, &bed.cx.output);
    assert!(
        tokio::time::timeout(Duration::from_millis(500), run)
            .await
            .is_err()
    );
    let directory = bed.path("");
    let directory = directory.to_str().unwrap().trim_end_matches('/');
    wait_until(5, "its processes end", || {
        !support::processes_with(directory)
            .join("")
            .contains("sleep 616")
    });
    assert_eq!(build.query("echo fine").await, "fine\n");
    build.instance.release(&bed.cx).await.unwrap();
    bed.assert_clean();
}

#[tokio::test]
async fn several_commands_run_at_the_same_time_on_the_same_files() {
    let bed = bed_with_root();
    let build = bed.launch(OPTIONS).await;
    let first = Command::new("while ! test -e /flag; do sleep 0.02; done; echo seen > /answer");
    let second = Command::new("sleep 0.2; touch /flag");
    let (first, second) = tokio::join!(
        build.machine.run(&first, &bed.cx.output),
        build.machine.run(&second, &bed.cx.output)
    );
    assert_eq!(
        (first.unwrap(), second.unwrap()),
        (Exit::Code(0), Exit::Code(0))
    );
    assert_eq!(build.query("cat /answer").await, "seen\n");
    build.instance.release(&bed.cx).await.unwrap();
}

#[tokio::test]
async fn what_is_in_tmp_lasts_from_step_to_step_and_is_not_in_the_image() {
    let bed = bed_with_root();
    let mut build = bed.launch(OPTIONS).await;
    build.step("echo kept > /tmp/x; echo image > /y").await;
    assert_eq!(build.query("cat /tmp/x /y").await, "kept\nimage\n");
    build.instance.release(&bed.cx).await.unwrap();
}

#[tokio::test]
async fn the_machines_resolver_is_seen_and_does_not_stay() {
    let bed = bed_with_root();
    let link = "/run/systemd/resolve/stub-resolv.conf";
    std::os::unix::fs::symlink(link, bed.path("base/etc/resolv.conf")).unwrap();
    // A link out of the root file system leads nowhere.
    std::os::unix::fs::symlink("../../../../../etc/passwd", bed.path("base/etc/hosts")).unwrap();
    let options = OPTIONS
        .replace("none", "host")
        .replace("\"hostname\"", "\"formats\": [\"tar.zst\"], \"hostname\"");
    let mut build = bed.launch(&options).await;
    assert_eq!(
        build.query("cat /etc/resolv.conf").await,
        std::fs::read_to_string("/etc/resolv.conf").unwrap()
    );
    assert!(
        build.query("cat /etc/passwd").await.contains("inside"),
        "the host names are where the link leads inside"
    );
    assert!(
        !std::fs::read_to_string("/etc/passwd")
            .unwrap()
            .contains("inside")
    );
    build.step("touch /a").await;
    build.finish().await;
    let archive = bed.path("out/test.tar.zst");
    let listed = support::tool("zstd", "tar", &["-tvf", archive.to_str().unwrap()]);
    assert!(
        listed.contains(&format!("./etc/resolv.conf -> {link}"))
            || listed.contains(&format!("etc/resolv.conf -> {link}")),
        "{listed}"
    );
    assert!(!listed.contains("./run/systemd"));
    bed.assert_clean();
}

#[tokio::test]
async fn files_and_trees_go_in_and_out() {
    let bed = bed_with_root();
    let build = bed.launch(OPTIONS).await;
    let machine = build.machine.as_ref();
    // A file, with and without attributes, relative to home, over a running program.
    machine
        .write(b"text", "note", &Attributes::default())
        .await
        .unwrap();
    assert_eq!(
        build
            .query("cat /root/note; stat -c %a:%u /root/note")
            .await,
        "text644:0\n"
    );
    let attributes = Attributes {
        owner: Some("app".to_owned()),
        group: Some("1000".to_owned()),
        mode: Some(0o640),
    };
    machine
        .write(b"more", "/new/deep/note", &attributes)
        .await
        .unwrap();
    assert_eq!(
        build.query("stat -c %a:%U:%g /new/deep/note").await,
        "640:app:1000\n"
    );
    machine
        .write(b"again", "/new/deep/note", &Attributes::default())
        .await
        .unwrap();
    assert_eq!(
        build
            .query("stat -c %a:%U:%g /new/deep/note; ls -A /new/deep")
            .await,
        "640:app:1000\nnote\n"
    );
    // A large file comes back as it was.
    let large: Vec<u8> = (0..5_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    std::fs::write(bed.path("large"), &large).unwrap();
    machine
        .upload_file(&bed.path("large"), "/large", &Attributes::default())
        .await
        .unwrap();
    machine
        .download_file("/large", &bed.path("back"))
        .await
        .unwrap();
    assert!(std::fs::read(bed.path("back")).unwrap() == large);
    // A tree of many files with links.
    let tree = bed.path("tree");
    for directory in 0..40 {
        std::fs::create_dir_all(tree.join(format!("d{directory}"))).unwrap();
        for file in 0..50 {
            std::fs::write(
                tree.join(format!("d{directory}/f{file}")),
                format!("{directory}.{file}"),
            )
            .unwrap();
        }
    }
    std::os::unix::fs::symlink("d1/f1", tree.join("link")).unwrap();
    machine
        .upload_tree(&tree, "/srv/tree", &Attributes::default())
        .await
        .unwrap();
    machine
        .download_tree("/srv/tree/", &bed.path("tree-back"))
        .await
        .unwrap();
    support::tool(
        "diffutils",
        "diff",
        &[
            "-r",
            "--no-dereference",
            tree.to_str().unwrap(),
            bed.path("tree-back").to_str().unwrap(),
        ],
    );
    assert_eq!(
        build
            .query("cat /srv/tree/link; stat -c %u /srv/tree/d1/f1")
            .await,
        "1.10\n"
    );
    // Failures name what is wrong.
    let messages = [
        machine
            .download_file("/nothing", &bed.path("x"))
            .await
            .unwrap_err()
            .chain(),
        machine
            .download_tree("/large", &bed.path("x"))
            .await
            .unwrap_err()
            .chain(),
        machine
            .write(b"", "/srv", &Attributes::default())
            .await
            .unwrap_err()
            .chain(),
        machine
            .write(b"", "/large/below", &Attributes::default())
            .await
            .unwrap_err()
            .chain(),
        machine
            .write(
                b"",
                "/f",
                &Attributes {
                    owner: Some("nobody-here".to_owned()),
                    ..Attributes::default()
                },
            )
            .await
            .unwrap_err()
            .chain(),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r"
    cannot read /nothing in the root file system: no such file or directory
    /large is not a directory in the root file system
    /srv is a directory in the root file system
    cannot make /large in the root file system: file exists
    the root file system has no user `nobody-here`
    ");
    assert!(!bed.path("x").is_file());
    build.instance.release(&bed.cx).await.unwrap();
    bed.assert_clean();
}
