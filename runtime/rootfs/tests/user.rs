//! Builds of an ordinary user: in a user namespace with a subordinate range of ids.
//!
//! Where the tests run as root, the user exists only inside a mount namespace of the test: its lines in `/etc/passwd`,
//! `/etc/subuid` and `/etc/subgid` are files mounted over those of the machine. The real `newuidmap` reads them.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Bed, driver, listing, small_root};

const OPTIONS: &str = r#"{"from": "dir:DIR/base", "output_directory": "OUT", "network": "none", "source_date_epoch": 1700000000,
    "formats": ["oci", "tar.zst", "ext4"]}"#;
const STEPS: [&str; 3] = [
    "mkdir -p /srv/data /old/deep; echo x > /srv/data/file; chown -R app:app /srv/data; chmod 2750 /srv/data; touch /old/deep/a",
    "rm -r /old; mkdir /old; touch /old/new; test \"$(id -u)\" = 0; test \"$(stat -c %U /srv/data/file)\" = app",
    "setpriv --reuid 1000 --regid 1000 --clear-groups touch /srv/data/own",
];

#[tokio::test]
#[ignore = "run by other tests in a process of its own"]
async fn drive() {
    driver::drive().await;
}

#[test]
fn as_root_an_ordinary_user_gets_the_image_that_root_gets() {
    support::require_root();
    let (mine, theirs) = (Bed::new(), Bed::new());
    small_root(&mine.path("base"));
    support::tool(
        "coreutils",
        "cp",
        &[
            "-a",
            mine.path("base").to_str().unwrap(),
            theirs.path("").to_str().unwrap(),
        ],
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let artifact = runtime.block_on(async {
        let mut build = mine.launch(OPTIONS).await;
        for step in STEPS {
            build.step(step).await;
        }
        build.finish().await
    });
    let base = listing(&theirs.path("base"));
    let result = driver::run_as_user(&theirs, "4242:500000:65536\\n", OPTIONS, &STEPS);
    assert!(
        result.starts_with(&format!("done\n{}\n", artifact.id)),
        "{}\n{result}",
        artifact.id
    );
    assert!(result.contains("left: 0"), "{result}");
    for file in ["out/test.tar.zst", "out/test.ext4"] {
        let read = |bed: &Bed| std::fs::read(bed.path(file)).unwrap();
        assert!(read(&mine) == read(&theirs), "{file} differs");
    }
    use std::os::unix::fs::MetadataExt;
    assert_eq!(
        std::fs::metadata(theirs.path("out/test.ext4"))
            .unwrap()
            .uid(),
        4242
    );
    theirs.assert_no_mounts_or_processes();
    // The base is only looked at.
    assert_eq!(listing(&theirs.path("base")).len(), base.len());
    assert_eq!(listing(&mine.path("base")), base);
}

#[test]
fn as_root_a_user_without_a_range_is_told_how_to_get_one() {
    support::require_root();
    let bed = Bed::new();
    small_root(&bed.path("base"));
    let result = driver::run_as_user(&bed, "4242:500000:1000\\n", OPTIONS, &[]);
    assert!(
        result.starts_with(
            "run/rootfs-user-range: /etc/subuid gives this user no range of 65535 ids"
        ),
        "{result}"
    );
    assert!(
        result.contains("usermod --add-subuids") && result.contains("left: 0"),
        "{result}"
    );
}
