//! What the outside gives a build is known by digests.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;

use imgc_runtime::builder::{Builder, Known, Pin};
use support::Bed;

async fn pins(bed: &Bed, from: &str, known: &Known) -> Vec<Pin> {
    let options = format!(r#"{{"from": "{from}", "mirror": ["file:DIR/archive"]}}"#);
    let options = match from.starts_with("debian") {
        true => options,
        false => format!(r#"{{"from": "{from}"}}"#),
    };
    let options = bed.options(&options);
    bed.builder.pins(&bed.cx, &options, known).await.unwrap()
}

/// The one that a lock file has.
async fn pin(bed: &Bed, from: &str, known: &Known) -> Pin {
    let mut pins = pins(bed, from, known).await;
    pins.retain(|pin| !pin.is_local());
    assert_eq!(pins.len(), 1);
    pins.remove(0)
}

#[tokio::test]
async fn every_change_of_a_base_changes_its_pin_and_its_times_do_not() {
    let mut bed = Bed::new();
    bed.cx.cache = Some(bed.path("cache"));
    let known = Known::default();
    std::fs::create_dir(bed.path("base")).unwrap();
    std::fs::write(bed.path("base/file"), "one").unwrap();
    std::fs::write(bed.path("base.tar"), "one").unwrap();
    let touch = |name: &str| {
        let file = std::fs::File::options()
            .write(true)
            .open(bed.path(name))
            .unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
    };
    for (from, file) in [
        ("dir:DIR/base", "base/file"),
        ("DIR/base", "base/file"),
        ("tar:DIR/base.tar", "base.tar"),
    ] {
        std::fs::write(bed.path(file), "one").unwrap();
        let first = pin(&bed, from, &known).await;
        assert!(first.value.starts_with("sha256:"), "{first:?}");
        touch(file);
        assert_eq!(pin(&bed, from, &known).await, first, "times");
        std::fs::write(bed.path(file), "two").unwrap();
        let second = pin(&bed, from, &known).await;
        assert_ne!(second.value, first.value, "{from}");
        // The same length and the same time.
        std::fs::write(bed.path(file), "six").unwrap();
        touch(file);
        assert_ne!(pin(&bed, from, &known).await.value, second.value, "{from}");
    }
    let first = pin(&bed, "dir:DIR/base", &known).await;
    std::fs::set_permissions(
        bed.path("base/file"),
        std::fs::Permissions::from_mode(0o700),
    )
    .unwrap();
    let second = pin(&bed, "dir:DIR/base", &known).await;
    assert_ne!(first.value, second.value);
    std::fs::write(bed.path("base/more"), "").unwrap();
    assert_ne!(pin(&bed, "dir:DIR/base", &known).await.value, second.value);
}

#[tokio::test]
async fn an_archive_is_looked_at_once_and_again_on_request() {
    let bed = Bed::new();
    let index = bed.path("archive/dists/bookworm");
    std::fs::create_dir_all(&index).unwrap();
    let index = index.join("InRelease");
    std::fs::write(&index, "Suite: x\nDate: Sat, 21 Nov 2026 00:00:00 UTC\n").unwrap();
    let first = pin(&bed, "debian:bookworm", &Known::default()).await;
    assert_eq!(first.about, "bookworm Sat, 21 Nov 2026 00:00:00 UTC");
    assert!(
        first.name.starts_with("rootfs debian:bookworm amd64 file:")
            || !cfg!(target_arch = "x86_64")
    );
    std::fs::write(&index, "Suite: x\nDate: Sun, 22 Nov 2026 00:00:00 UTC\n").unwrap();
    let mut known = Known::default();
    known.pins.insert(first.name.clone(), first.clone());
    assert_eq!(pin(&bed, "debian:bookworm", &known).await, first);
    known.refresh = true;
    let second = pin(&bed, "debian:bookworm", &known).await;
    assert_eq!(second.name, first.name);
    assert_ne!(second.value, first.value);
    std::fs::remove_file(&index).unwrap();
    let options = bed.options(r#"{"from": "debian:bookworm", "mirror": ["file:DIR/archive"]}"#);
    let error = bed
        .builder
        .pins(&bed.cx, &options, &known)
        .await
        .unwrap_err();
    assert_eq!(error.id, "run/rootfs-package-source");
}

#[tokio::test]
async fn the_time_of_the_surroundings_is_an_input_of_this_machine_only() {
    let mut bed = Bed::new();
    let mut world = imgc_compiler::source::FixedWorld::default();
    world.env.insert("SOURCE_DATE_EPOCH".into(), "1".into());
    bed.cx.world = std::sync::Arc::new(world);
    let all = pins(&bed, "scratch", &Known::default()).await;
    assert_eq!(all, [Pin::local("SOURCE_DATE_EPOCH", "1")]);
    assert!(all[0].is_local());
}
