//! Layers are kept, and a build goes on from them as if nothing had happened.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_runtime::cache::Cache;
use imgc_runtime::cache::prune::{Limits, list, prune};
use imgc_runtime::machine::Command;
use imgc_runtime::state::{Memory, State};
use support::{Bed, small_root};

const OPTIONS: &str = r#"{"from": "DIR/base.tar", "output_directory": "OUT", "network": "none", "formats": ["oci", "tar.zst"]}"#;

/// Steps whose changes are of every kind, and one without a change.
const STEPS: [&str; 5] = [
    "mkdir -p /var/lib/apt/lists /srv/data /old/deep /again; echo list > /var/lib/apt/lists/package; touch -d @1234567890.123456789 /srv/data/file; ln /srv/data/file /srv/data/twin; chown 1000:1000 /srv/data/file; touch /old/deep/a /again/a",
    "rm -r /old; rm -r /again; mkdir /again; touch /again/b; mkfifo /srv/pipe; chmod 2750 /srv/data",
    "test -e /again/b",
    "echo three > /srv/three; chmod 4711 /bin/ls",
    "ls /srv > /srv/listing; cat /var/lib/apt/lists/package > /srv/seen",
];

fn bed() -> (Bed, Arc<dyn State>) {
    let mut bed = Bed::new();
    let base = bed.path("base");
    small_root(&base);
    let archive = bed.path("base.tar");
    let arguments = [
        "-C",
        base.to_str().unwrap(),
        "-cf",
        archive.to_str().unwrap(),
        ".",
    ];
    support::tool("tar", "tar", &arguments);
    let state: Arc<dyn State> = Arc::new(Memory::new());
    bed.keep(&state);
    (bed, state)
}

/// What is in a live layer: names with everything but access times.
fn exactly(directory: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(directory: &Path, below: &Path, into: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            let attributes: BTreeMap<_, _> = xattrs(&path);
            into.insert(
                below.join(entry.file_name()),
                format!(
                    "{:o} {}:{} {} {}.{} {attributes:?}",
                    metadata.mode(),
                    metadata.uid(),
                    metadata.gid(),
                    metadata.len(),
                    metadata.mtime(),
                    metadata.mtime_nsec()
                ),
            );
            if metadata.is_dir() {
                walk(&path, &below.join(entry.file_name()), into);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(directory, Path::new(""), &mut all);
    all
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = xattr::list(path).unwrap();
    names
        .map(|name| {
            let value = xattr::get(path, &name).unwrap().unwrap_or_default();
            (name.to_string_lossy().into_owned(), value)
        })
        .collect()
}

#[tokio::test]
async fn going_on_from_any_step_gives_the_image_of_an_undisturbed_build() {
    let (bed, state) = bed();
    let mut build = bed.launch(OPTIONS).await;
    for step in STEPS {
        build.step(step).await;
    }
    let undisturbed = build.finish().await;
    let archive = std::fs::read(bed.path("out/test.tar.zst")).unwrap();
    bed.assert_clean();
    // Only parts with a checkpoint stay: one for each layer, the empty step has none.
    assert_eq!(bed.shelf().len(), 5, "{:?}", bed.shelf());
    let first = bed.shelf();
    let layers: Vec<_> = first
        .iter()
        .map(|part| exactly(&bed.path("cache/rootfs").join(part).join("tree")))
        .collect();
    for done in 0..=STEPS.len() {
        std::fs::remove_dir_all(bed.path("out")).unwrap();
        bed.log.take();
        let fingerprint = match done {
            0 => "launch",
            done => STEPS[done - 1],
        };
        let build = bed.restore(&state, fingerprint, OPTIONS).await;
        let mut build = build
            .unwrap_or_else(|| panic!("{}", bed.log.text()))
            .after(done);
        if done > 0 {
            assert_eq!(
                build
                    .query("cat /var/lib/apt/lists/package; stat -c '%y %h %u' /srv/data/file")
                    .await,
                "list\n2009-02-13 23:31:30.123456789 +0000 2 1000\n"
            );
        }
        for step in &STEPS[done..] {
            build.step(step).await;
        }
        let artifact = build.finish().await;
        assert_eq!(artifact, undisturbed, "after {done}");
        assert!(
            std::fs::read(bed.path("out/test.tar.zst")).unwrap() == archive,
            "after {done}"
        );
        bed.assert_clean();
    }
    // Going on has changed nothing in the layers.
    let now: Vec<_> = first
        .iter()
        .map(|part| exactly(&bed.path("cache/rootfs").join(part).join("tree")))
        .collect();
    assert!(now == layers);
}

#[tokio::test]
async fn what_is_damaged_is_no_hit_and_a_damaged_archive_is_packed_again() {
    let (bed, state) = bed();
    let mut build = bed.launch(OPTIONS).await;
    build.step(STEPS[0]).await;
    build.step(STEPS[1]).await;
    let undisturbed = build.finish().await;
    let parts = state
        .find_checkpoint(STEPS[1])
        .await
        .unwrap()
        .unwrap()
        .checkpoint
        .parts;
    let part = |number: usize| bed.path("cache/rootfs").join(&parts[number]);
    // One byte of the packed layer.
    let mut blob = std::fs::read(part(1).join("blob")).unwrap();
    let middle = blob.len() / 2;
    blob[middle] ^= 1;
    std::fs::remove_file(part(1).join("blob")).unwrap();
    std::fs::write(part(1).join("blob"), blob).unwrap();
    std::fs::remove_dir_all(bed.path("out")).unwrap();
    bed.log.take();
    let build = bed.restore(&state, STEPS[1], OPTIONS).await.unwrap();
    assert_eq!(build.finish().await, undisturbed);
    let log = bed.log.take();
    assert!(log.contains("is damaged; it is packed again"), "{log}");
    std::fs::remove_dir_all(bed.path("out")).unwrap();
    // A file of a live layer, with its old length and time.
    let file = part(1).join("tree/srv/data/file");
    let times = std::fs::metadata(&file).unwrap().modified().unwrap();
    std::fs::write(&file, "").unwrap();
    std::fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(times)
        .unwrap();
    assert!(bed.restore(&state, STEPS[1], OPTIONS).await.is_none());
    let log = bed.log.take();
    assert!(
        log.contains("the kept layers cannot be used: their files have been changed"),
        "{log}"
    );
    // The layer below is as it was.
    bed.restore(&state, "launch", OPTIONS)
        .await
        .unwrap()
        .release()
        .await;
    std::fs::remove_dir_all(part(0)).unwrap();
    assert!(bed.restore(&state, "launch", OPTIONS).await.is_none());
    let log = bed.log.take();
    assert!(
        log.contains("parts of them are missing or damaged"),
        "{log}"
    );
    bed.assert_clean();
}

#[tokio::test]
async fn what_was_sealed_before_a_failure_is_kept() {
    let (bed, state) = bed();
    let mut build = bed.launch(OPTIONS).await;
    build.step(STEPS[0]).await;
    let failing = build
        .machine
        .run(&Command::new("touch /half; false"), &bed.cx.output)
        .await;
    assert!(matches!(failing, Ok(imgc_runtime::machine::Exit::Code(1))));
    build.release().await;
    bed.assert_clean();
    let build = bed.restore(&state, STEPS[0], OPTIONS).await.unwrap();
    assert_eq!(
        build
            .query("ls /half 2>/dev/null; cat /var/lib/apt/lists/package; true")
            .await,
        "list\n"
    );
    build.release().await;
    bed.assert_clean();
    assert_eq!(bed.shelf().len(), 2);
}

#[tokio::test]
async fn several_builds_go_on_from_the_same_layers_at_once() {
    let (bed, state) = bed();
    let mut build = bed.launch(OPTIONS).await;
    build.step(STEPS[0]).await;
    build.finish().await;
    let mut builds = Vec::new();
    for number in 0..4 {
        let options = OPTIONS.replace("OUT", &format!("DIR/out{number}"));
        builds.push((
            number,
            bed.restore(&state, STEPS[0], &options)
                .await
                .unwrap()
                .after(1),
        ));
    }
    for (number, build) in &mut builds {
        build
            .step(&format!(
                "echo {number} > /srv/data/file; rm /srv/data/twin"
            ))
            .await;
    }
    let mut ids = Vec::new();
    for (number, build) in builds {
        assert_eq!(
            build.query("cat /srv/data/file; ls /srv/data").await,
            format!("{number}\nfile\n")
        );
        ids.push(build.finish().await.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 4);
    bed.assert_clean();
}

#[tokio::test]
async fn pruning_spares_what_a_build_at_work_uses() {
    let (bed, state) = bed();
    let mut build = bed.launch(OPTIONS).await;
    build.step(STEPS[0]).await;
    let cache = Cache::new(bed.path("cache"));
    let nothing = Limits {
        nothing: true,
        ..Limits::default()
    };
    let pruned = prune(&cache, &*state, nothing, &[], false).await.unwrap();
    assert_eq!((pruned.parts, pruned.entries.len()), (0, 0));
    build.step(STEPS[1]).await;
    build.finish().await;
    std::fs::remove_dir_all(bed.path("out")).unwrap();
    let inventory = list(&cache, &*state).await.unwrap();
    assert_eq!(inventory.entries.len(), 3);
    assert!(
        inventory
            .entries
            .iter()
            .all(|entry| entry.whole && !entry.in_use)
    );
    assert!(inventory.bytes > 1 << 20 && inventory.orphaned_bytes == 0);
    let build = bed.restore(&state, "launch", OPTIONS).await.unwrap();
    let pruned = prune(&cache, &*state, nothing, &[], false).await.unwrap();
    assert_eq!(
        pruned.entries.len(),
        0,
        "all of them stand on the base in use"
    );
    build.release().await;
    let pruned = prune(&cache, &*state, nothing, &[], false).await.unwrap();
    assert_eq!((pruned.parts, pruned.entries.len()), (3, 3));
    assert_eq!(bed.shelf(), Vec::<String>::new());
    bed.assert_clean();
}

#[tokio::test]
async fn other_formats_and_compressions_come_from_the_same_layers() {
    let (bed, state) = bed();
    let other = OPTIONS.replace(
        r#""formats""#,
        r#""layer_compression": "zstd", "labels": {"a": "b"}, "squash": SQUASH, "formats""#,
    );
    let mut ids = Vec::new();
    for squash in ["false", "true"] {
        let other = other.replace("SQUASH", squash);
        let mut build = bed.launch(&other).await;
        build.step(STEPS[0]).await;
        ids.push(build.finish().await.id);
        std::fs::remove_dir_all(bed.path("out")).unwrap();
    }
    let mut build = bed.launch(OPTIONS).await;
    build.step(STEPS[0]).await;
    build.finish().await;
    for (squash, id) in ["false", "true"].into_iter().zip(ids) {
        std::fs::remove_dir_all(bed.path("out")).unwrap();
        let build = bed
            .restore(&state, STEPS[0], &other.replace("SQUASH", squash))
            .await
            .unwrap();
        assert_eq!(build.finish().await.id, id);
    }
    bed.assert_clean();
}

#[tokio::test]
async fn directories_and_images_as_bases_are_gone_on_with() {
    let (bed, state) = bed();
    let mut build = bed.launch(OPTIONS).await;
    build.step(STEPS[0]).await;
    build.finish().await;
    std::fs::rename(bed.path("out"), bed.path("image")).unwrap();
    for from in ["dir:DIR/base", "oci:DIR/image/test.oci:latest", "scratch"] {
        let options = OPTIONS.replace("DIR/base.tar", from);
        let run = from != "scratch";
        let mut build = bed.launch(&options).await;
        if run {
            build.step("touch /one").await;
        } else {
            build
                .machine
                .write(b"1", "/one", &Default::default())
                .await
                .unwrap();
            build.seal("touch /one").await;
        }
        let undisturbed = build.finish().await;
        std::fs::remove_dir_all(bed.path("out")).unwrap();
        let build = bed.restore(&state, "touch /one", &options).await;
        let build = build
            .unwrap_or_else(|| panic!("{}", bed.log.text()))
            .after(1);
        if run {
            assert_eq!(build.query("ls /one").await, "/one\n");
        }
        assert_eq!(build.finish().await, undisturbed, "{from}");
        std::fs::remove_dir_all(bed.path("out")).unwrap();
    }
    assert!(bed.path("base/bin/sh").exists());
    // Another image of that name is another base.
    let options = OPTIONS.replace("DIR/base.tar", "oci:DIR/image/test.oci:latest");
    let build = bed.launch(&options).await;
    build.release().await;
    let mut changed = bed.launch(OPTIONS).await;
    changed.step("touch /changed").await;
    changed.finish().await;
    std::fs::remove_dir_all(bed.path("image")).unwrap();
    std::fs::rename(bed.path("out"), bed.path("image")).unwrap();
    assert!(bed.restore(&state, "launch", &options).await.is_none());
    bed.assert_clean();
}

#[tokio::test]
async fn a_cache_that_cannot_hold_layers_fails_no_build() {
    let (mut bed, state) = bed();
    std::fs::write(bed.path("file"), "").unwrap();
    bed.cx.cache = Some(bed.path("file/cache"));
    let mut build = bed.launch(OPTIONS).await;
    build.step(STEPS[0]).await;
    build.finish().await;
    let log = bed.log.text();
    assert_eq!(
        log.matches("layers are not kept for later runs").count(),
        1,
        "{log}"
    );
    assert!(state.checkpoints().await.unwrap().is_empty());
    bed.assert_clean();
}
