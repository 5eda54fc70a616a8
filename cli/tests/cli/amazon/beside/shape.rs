//! What a build has made and asked for, as texts by name, without what is different each time: ids, moments, places of files.

use std::collections::BTreeMap;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Call, Calls};

/// Texts by name.
pub(super) type Shape = BTreeMap<String, String>;

/// Regions that the templates use.
const REGIONS: [&str; 3] = ["us-east-1", "us-west-2", "eu-west-1"];

/// Of an image or snapshot: what another build of the same gives another text.
const DIFFERENT_EACH_TIME: [&str; 9] = [
    "creationDate",
    "imageId",
    "imageLocation",
    "progress",
    "snapshotId",
    "sourceImageId",
    "sourceInstanceId",
    "startTime",
    "volumeId",
];

/// All images in all regions, with their snapshots and with who may use them.
pub(super) fn images(cloud: &Cloud) -> Shape {
    let mut shape = Shape::new();
    for region in REGIONS {
        let images = cloud.texts(region, "DescribeImages", &[("Owner.1", "self")]);
        assert!(
            !images.contains_key("imagesSet/2/imageId"),
            "more than one image in {region}: {images:?}"
        );
        let image = below(&images, "imagesSet/1/");
        let Some(id) = image.get("imageId") else {
            continue;
        };
        add(&mut shape, &format!("{region} image"), &image);
        let permission = |action: &str, of: (&str, &str), attribute: &str| {
            let asked = [of, ("Attribute", attribute)];
            let mut texts = cloud.texts(region, action, &asked);
            texts.retain(|name, _| name.contains('/') && !name.ends_with("Id/1"));
            let granted: Vec<String> = texts.into_values().collect();
            granted.join(", ")
        };
        let users = permission(
            "DescribeImageAttribute",
            ("ImageId", id),
            "launchPermission",
        );
        shape.insert(format!("{region} image may be started by"), users);
        for (name, snapshot) in &image {
            let Some(at) = name.strip_suffix("/ebs/snapshotId") else {
                continue;
            };
            let device = &image[&format!("{at}/deviceName")];
            let shown = cloud.texts(region, "DescribeSnapshots", &[("SnapshotId.1", snapshot)]);
            let mut shown = below(&shown, "snapshotSet/1/");
            // It names the image and the instance.
            shown.remove("description");
            let of = format!("{region} snapshot of {device}");
            add(&mut shape, &of, &shown);
            let users = permission(
                "DescribeSnapshotAttribute",
                ("SnapshotId", snapshot),
                "createVolumePermission",
            );
            shape.insert(format!("{of} may be used by"), users);
        }
    }
    shape
}

fn below(texts: &Shape, prefix: &str) -> Shape {
    let below = texts.iter().filter_map(|(name, text)| {
        let name = name.strip_prefix(prefix)?;
        Some((name.to_owned(), text.clone()))
    });
    below.collect()
}

fn add(shape: &mut Shape, of: &str, texts: &Shape) {
    for (name, text) in texts {
        let last = name.rsplit('/').next().unwrap_or_default();
        if DIFFERENT_EACH_TIME.contains(&last) {
            continue;
        }
        // A tag is known by its key, wherever it stands in the list.
        if let Some(at) = name
            .strip_suffix("/key")
            .filter(|at| at.starts_with("tagSet/"))
        {
            let value = texts.get(&format!("{at}/value")).cloned();
            shape.insert(format!("{of} tag {text}"), value.unwrap_or_default());
            continue;
        }
        if !name.starts_with("tagSet") {
            shape.insert(format!("{of} {name}"), text.clone());
        }
    }
}

/// What the calls ask for that decides what comes out: machines, their disks, tags, rules.
pub(super) fn asked(calls: &Calls) -> Shape {
    let mut shape = Shape::new();
    for call in calls.of("RunInstances").iter() {
        for name in ["ImageId", "InstanceType", "UserData"] {
            shape.insert(format!("instance {name}"), call.parameter(name).to_owned());
        }
        let is_optimized = call.parameter("EbsOptimized") == "true";
        shape.insert("instance is optimized".to_owned(), is_optimized.to_string());
        disks(&mut shape, "instance", call);
        for kind in ["instance", "volume"] {
            for (key, value) in call.tags(kind) {
                shape.insert(format!("{kind} tag {key}"), value.to_owned());
            }
        }
    }
    for call in calls.of("CreateImage").iter() {
        disks(&mut shape, "image", call);
    }
    for call in calls.of("AuthorizeSecurityGroupIngress").iter() {
        shape.insert("door open for".to_owned(), call.ranges().join(", "));
    }
    shape
}

/// The disks of a call, by device.
fn disks(shape: &mut Shape, of: &str, call: &Call) {
    for at in 1.. {
        let prefix = format!("BlockDeviceMapping.{at}.");
        let device = call.parameter(&format!("{prefix}DeviceName"));
        if device.is_empty() {
            break;
        }
        for (name, text) in &call.parameters {
            if let Some(name) = name.strip_prefix(&prefix) {
                shape.insert(format!("{of} asks {device} {name}"), text.clone());
            }
        }
    }
}

/// How often each action was called.
pub(super) fn counts(calls: &Calls) -> Shape {
    let counts = calls.counts().into_iter();
    counts
        .map(|(action, count)| (action.to_owned(), count.to_string()))
        .collect()
}

/// What is not the same in both: name, what Packer has, what imgc has; `-` where it is not there.
pub(super) fn differences(packer: &Shape, imgc: &Shape) -> Vec<(String, String, String)> {
    let names: std::collections::BTreeSet<&String> = packer.keys().chain(imgc.keys()).collect();
    let text = |shape: &Shape, name: &String| shape.get(name).cloned().unwrap_or("-".to_owned());
    let both = names
        .into_iter()
        .map(|name| (name.clone(), text(packer, name), text(imgc, name)));
    both.filter(|(_, packer, imgc)| packer != imgc).collect()
}
