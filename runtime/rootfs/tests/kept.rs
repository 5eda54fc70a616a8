//! Layers are kept and gone on from where that is not easy: by an ordinary user, and on disks that take no overlays.
//!
//! Each test runs the ignored test `go_on` in a mount namespace of its own, which only root can make; where the tests run
//! as an ordinary user all others are that user's.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use imgc_runtime::cache::Cache;
use imgc_runtime::cache::prune::{Limits, prune};
use imgc_runtime::ledger::Resource;
use imgc_runtime::settings::Remover;
use imgc_runtime::state::{Memory, State};
use support::{Bed, small_root};

const OPTIONS: &str = r#"{"from": "FROM", "output_directory": "OUT", "network": "none", "formats": ["oci", "tar.zst"]}"#;

/// Changes of every kind, and a look at what only an exact copy has: times to the nanosecond, links, lists that images are
/// made without, attributes, what hides a directory of the base.
const STEPS: [&str; 3] = [
    "mkdir -p /var/lib/apt/lists /srv/data /old/deep /again; echo list > /var/lib/apt/lists/package; touch -d @1234567890.123456789 /srv/data/file; ln /srv/data/file /srv/data/twin; chown app:app /srv/data/file; touch /old/deep/a /again/a; chmod 1750 /srv/data",
    "rm -r /old; rm -r /again; mkdir /again; touch /again/b; mkfifo /srv/pipe; rm /bin/wc; touch -d @1234567890.5 /srv",
    "test -e /again/b; test ! -e /again/a; test ! -e /old; test ! -e /bin/wc; cat /var/lib/apt/lists/package > /srv/seen; chmod 4711 /bin/ls",
];
const LOOK: &str = "cat /var/lib/apt/lists/package; stat -c '%y %h %U %a' /srv/data/file /srv/data /srv; ls /again /old 2>/dev/null; true";

const PLACE: &str = "IMGC_KEPT_TEST";

/// Takes away what belongs to mapped users, as the program does.
struct Mapped;

#[async_trait]
impl Remover for Mapped {
    async fn remove(&self, resource: &Resource) -> Option<imgc_runtime::Result<()>> {
        let Resource::MappedDirectory { path } = resource else {
            return None;
        };
        let helper = std::env::var("IMGC_KEPT_HELPER").unwrap();
        Some(imgc_rootfs::remove_mapped(helper.as_ref(), path).await)
    }
}

/// Builds, goes on from each step, damages, prunes; writes `well` where all of it is as it should be.
#[tokio::test]
#[ignore = "run by other tests in a process of its own"]
async fn go_on() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let copies = std::env::var_os("IMGC_KEPT_COPIES").is_some();
    let mut bed = Bed::beside(place.as_ref(), &std::env::var("IMGC_KEPT_HELPER").unwrap());
    let state: Arc<dyn State> = Arc::new(Memory::new());
    bed.keep(&state);
    for from in ["DIR/base.tar", "dir:DIR/base"] {
        let options = OPTIONS.replace("FROM", from);
        let mut build = bed.launch(&options).await;
        let mut seen = Vec::new();
        for step in STEPS {
            build.step(step).await;
            seen.push(build.query(LOOK).await);
        }
        assert!(
            seen[0].contains("2009-02-13 23:31:30.123456789"),
            "{seen:?}"
        );
        let undisturbed = build.finish().await;
        let archive = std::fs::read(bed.path("out/test.tar.zst")).unwrap();
        for done in 0..=STEPS.len() {
            std::fs::remove_dir_all(bed.path("out")).unwrap();
            let step = done.checked_sub(1).map_or("launch", |last| STEPS[last]);
            let build = bed.restore(&state, step, &options).await;
            let mut build = build
                .unwrap_or_else(|| panic!("{}", bed.log.text()))
                .after(done);
            if done > 0 {
                assert_eq!(build.query(LOOK).await, seen[done - 1], "after {done}");
            }
            // What is made anew has new times and takes the place of what was kept.
            for (step, seen) in STEPS.iter().zip(&mut seen).skip(done) {
                build.step(step).await;
                *seen = build.query(LOOK).await;
            }
            let artifact = build.finish().await;
            assert_eq!(artifact, undisturbed, "{from} after {done}");
            assert!(
                std::fs::read(bed.path("out/test.tar.zst")).unwrap() == archive,
                "{from} after {done}"
            );
            clean(&bed);
        }
        std::fs::remove_dir_all(bed.path("out")).unwrap();
        let log = bed.log.take();
        assert_eq!(
            log.contains("layers are copied into"),
            copies && from == "DIR/base.tar",
            "{log}"
        );
        assert!(!log.contains("Warn"), "{log}");
        if copies {
            damaged(&bed, &state, &options).await;
        }
        let removers: Vec<Arc<dyn Remover>> = vec![Arc::new(Mapped)];
        let nothing = Limits {
            nothing: true,
            ..Limits::default()
        };
        let cache = Cache::new(bed.path("cache"));
        let pruned = prune(&cache, &*state, nothing, &removers, false).await;
        assert_eq!(pruned.unwrap().left, Vec::<String>::new());
        assert_eq!(bed.shelf(), Vec::<String>::new());
    }
    std::fs::write(bed.path("result"), "well").unwrap();
}

/// Neither a directory nor a record is left; mounts are looked at from outside, where those of the test are not.
fn clean(bed: &Bed) {
    let left: Vec<_> = std::fs::read_dir(&bed.cx.scratch)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(bed.cx.ledger.outstanding(""), []);
}

/// A copy that is not what it was is no hit.
async fn damaged(bed: &Bed, state: &Arc<dyn State>, options: &str) {
    let found = state.find_checkpoint(STEPS[1]).await.unwrap().unwrap();
    let part = found.checkpoint.parts.last().unwrap();
    let copy = bed.path("cache/rootfs").join(part).join("copy");
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    assert!(bed.restore(state, STEPS[1], options).await.is_none());
    let log = bed.log.take();
    assert!(log.contains("the kept layers cannot be used"), "{log}");
    bed.restore(state, STEPS[0], options)
        .await
        .unwrap()
        .release()
        .await;
    clean(bed);
    bed.log.take();
}

/// Runs `go_on` with a cache that `mount` prepares in `$cache`, as root or as user 4242.
fn run(mount: &str, as_user: bool, copies: bool) {
    support::require_root();
    let bed = Bed::new();
    let base = bed.path("base");
    small_root(&base);
    let archive = bed.path("base.tar");
    support::tool(
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
    for (from, to) in [
        (std::env::current_exe().unwrap(), "program"),
        (support::HELPER.into(), "helper"),
    ] {
        std::fs::copy(from, bed.path(to)).unwrap();
    }
    let directory = bed.path("");
    let directory = directory.to_str().unwrap().trim_end_matches('/');
    let user = match as_user {
        false => "",
        true => {
            "chmod 755 .
             printf '4242:500000:65536\\n' > ids
             (cat /etc/passwd; echo imgc-test:x:4242:4242::$PWD:/bin/sh) > passwd
             for file in subuid subgid; do test -e /etc/$file || touch /etc/$file; mount --bind ids /etc/$file; done
             mount --bind passwd /etc/passwd
             chown -R 4242:4242 .
             set -- setpriv --reuid 4242 --regid 4242 --clear-groups \"$@\""
        }
    };
    let script = format!(
        "set -e\ncd {directory}\nmkdir cache\ncache=$PWD/cache\n{mount}\n{user}\nexec \"$@\""
    );
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
            "sh",
        ])
        .arg(bed.path("program"))
        .args(["--exact", "go_on", "--ignored", "--nocapture"])
        .env(PLACE, directory)
        .env("IMGC_KEPT_HELPER", bed.path("helper"));
    if copies {
        command.env("IMGC_KEPT_COPIES", "1");
    }
    let output = command.output().unwrap();
    let result = std::fs::read_to_string(bed.path("result")).unwrap_or_default();
    assert_eq!(
        result,
        "well",
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    bed.assert_no_mounts_or_processes();
}

/// The kernel takes no overlay's directory as the upper one of another.
const OVERLAY: &str = "mkdir lower upper aside
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=aside $cache";
/// It keeps no extended attributes.
const RAMFS: &str = "mount -t ramfs ramfs $cache";

#[test]
fn as_root_an_ordinary_user_goes_on_from_kept_layers_and_prunes_them() {
    run("", true, false);
}

#[test]
fn as_root_layers_are_copied_into_a_cache_on_an_overlay() {
    run(OVERLAY, false, true);
}

#[test]
fn as_root_layers_are_copied_into_a_cache_on_a_disk_without_attributes() {
    run(RAMFS, false, true);
}

#[test]
fn as_root_an_ordinary_users_layers_are_copied_as_well() {
    run(RAMFS, true, true);
}
