//! Images as AWS makes, copies and changes them.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Delay, stock};

use crate::client::{Client, text, texts};
use crate::record::RUN;

/// An instance with a root disk of 20 GiB and another of 3.
fn instance(client: &Client) -> String {
    let disks = [
        ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "3"),
        ("BlockDeviceMapping.1.Ebs.Encrypted", "true"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
        ("BlockDeviceMapping.2.DeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.2.Ebs.VolumeSize", "20"),
        ("BlockDeviceMapping.3.DeviceName", "/dev/sdc"),
        ("BlockDeviceMapping.3.VirtualName", "ephemeral0"),
    ];
    let ran = client.ok("RunInstances", &[RUN.as_slice(), &disks].concat());
    text(&ran, "instanceId")
}

fn image(client: &Client, id: &str) -> String {
    client.ok("DescribeImages", &[("ImageId.1", id)])
}

#[test]
fn an_image_of_an_instance_has_a_snapshot_of_each_disk() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let instance = instance(&client);
    let volumes = client.ok("DescribeVolumes", &[]);
    assert_eq!(texts(&volumes, "size"), ["20", "3"]);
    let made = client.ok(
        "CreateImage",
        &[
            ("InstanceId", &instance),
            ("Name", "app"),
            ("TagSpecification.1.ResourceType", "snapshot"),
            ("TagSpecification.1.Tag.1.Key", "of"),
            ("TagSpecification.1.Tag.1.Value", "snapshot"),
            ("TagSpecification.2.ResourceType", "image"),
            ("TagSpecification.2.Tag.1.Key", "of"),
            ("TagSpecification.2.Tag.1.Value", "image"),
        ],
    );
    let id = text(&made, "imageId");
    let shown = image(&client, &id);
    assert_eq!(texts(&shown, "deviceName"), ["/dev/sda1", "/dev/sdb"]);
    assert_eq!(texts(&shown, "volumeSize"), ["20", "3"]);
    assert_eq!(texts(&shown, "encrypted"), ["false", "true"]);
    assert_eq!(text(&shown, "architecture"), "x86_64");
    assert_eq!(text(&shown, "rootDeviceType"), "ebs");
    let snapshots = client.ok(
        "DescribeSnapshots",
        &[
            ("Owner.1", "self"),
            ("Filter.1.Name", "tag:of"),
            ("Filter.1.Value.1", "snapshot"),
        ],
    );
    assert_eq!(texts(&snapshots, "snapshotId").len(), 2);
    assert_eq!(
        text(&snapshots, "description"),
        format!("Created by CreateImage({instance}) for {id}")
    );
    let tagged = [("Filter.1.Name", "tag:of"), ("Filter.1.Value.1", "image")];
    assert_eq!(
        texts(&client.ok("DescribeImages", &tagged), "imageId"),
        [id.as_str()]
    );
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 instance, 2 snapshot, 2 volume"
    );
    // What it is started from has its disks.
    let mut run = RUN;
    run[0] = ("ImageId", &id);
    client.ok("RunInstances", &run);
    let sizes = texts(&client.ok("DescribeVolumes", &[]), "size");
    assert_eq!(sizes, ["20", "3", "20", "3"]);

    let there = client.in_region("eu-west-1");
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1";
    let from = [
        ("SourceImageId", id.as_str()),
        ("SourceRegion", "us-east-1"),
        ("Name", "copy"),
    ];
    let wrong = [from.as_slice(), &[("KmsKeyId", key)]].concat();
    assert_eq!(
        there.refused("CopyImage", &wrong).1,
        "InvalidParameterDependency"
    );
    let how = [
        ("Encrypted", "true"),
        ("KmsKeyId", key),
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "a"),
        ("TagSpecification.1.Tag.1.Value", "b"),
        ("TagSpecification.2.ResourceType", "snapshot"),
        ("TagSpecification.2.Tag.1.Key", "c"),
        ("TagSpecification.2.Tag.1.Value", "d"),
    ];
    let copy = text(
        &there.ok("CopyImage", &[from.as_slice(), &how].concat()),
        "imageId",
    );
    let copied = image(&there, &copy);
    assert_eq!(texts(&copied, "encrypted"), ["true", "true"]);
    assert_eq!(texts(&copied, "volumeSize"), ["20", "3"]);
    assert_eq!(text(&copied, "key"), "a");
    let snapshots = there.ok("DescribeSnapshots", &[("Owner.1", "self")]);
    let ours = texts(&snapshots, "kmsKeyId");
    assert_eq!(ours, [key, key], "{snapshots}");
    let both = [
        ("ImageId", copy.as_str()),
        ("DeleteAssociatedSnapshots", "true"),
    ];
    there.ok("DeregisterImage", &both);
    assert!(
        !cloud.left().iter().any(|thing| thing.region == "eu-west-1"),
        "{}",
        cloud.left()
    );
}

#[test]
fn an_image_is_registered_from_a_snapshot_or_a_manifest() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let volume = client.ok(
        "CreateVolume",
        &[("Size", "5"), ("AvailabilityZone", "us-east-1a")],
    );
    let volume = text(&volume, "volumeId");
    let snapshot = client.ok("CreateSnapshot", &[("VolumeId", &volume)]);
    let snapshot = text(&snapshot, "snapshotId");
    client.ok("DeleteVolume", &[("VolumeId", &volume)]);
    let made = client.ok(
        "RegisterImage",
        &[
            ("Name", "surrogate"),
            ("Architecture", "arm64"),
            ("VirtualizationType", "hvm"),
            ("RootDeviceName", "/dev/xvda"),
            ("EnaSupport", "true"),
            ("ImdsSupport", "v2.0"),
            ("BootMode", "uefi"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", &snapshot),
            ("BlockDeviceMapping.1.Ebs.VolumeType", "gp3"),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
        ],
    );
    let shown = image(&client, &text(&made, "imageId"));
    for (name, wanted) in [
        ("architecture", "arm64"),
        ("bootMode", "uefi"),
        ("imdsSupport", "v2.0"),
        ("rootDeviceName", "/dev/xvda"),
        ("rootDeviceType", "ebs"),
        ("snapshotId", snapshot.as_str()),
        ("volumeSize", "5"),
        ("virtualizationType", "hvm"),
    ] {
        assert_eq!(text(&shown, name), wanted, "{name}");
    }
    assert_eq!(cloud.left().summary(), "1 image, 1 snapshot");

    let bundle = [
        ("Name", "bundle"),
        ("ImageLocation", "bucket/app/image.manifest.xml"),
    ];
    assert_eq!(
        client.refused("RegisterImage", &bundle).1,
        "InvalidManifest"
    );
    client.s3("PUT", "/bucket", "");
    client.s3("PUT", "/bucket/app/image.manifest.xml", "<manifest/>");
    let bundle = text(&client.ok("RegisterImage", &bundle), "imageId");
    let shown = image(&client, &bundle);
    assert_eq!(text(&shown, "rootDeviceType"), "instance-store");
    assert_eq!(
        text(&shown, "imageLocation"),
        "bucket/app/image.manifest.xml"
    );
    assert_eq!(text(&shown, "snapshotId"), "");
    let mut run = RUN;
    run[0] = ("ImageId", stock::INSTANCE_STORE);
    let stored = text(&client.ok("RunInstances", &run), "instanceId");
    assert_eq!(
        client
            .refused("StopInstances", &[("InstanceId.1", &stored)])
            .1,
        "UnsupportedOperation"
    );
}

#[test]
fn what_is_changed_of_an_image_is_shown() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let instance = instance(&client);
    let made = client.ok("CreateImage", &[("InstanceId", &instance), ("Name", "app")]);
    let id = text(&made, "imageId");
    let id = ("ImageId", id.as_str());
    let shown = |name: &str| text(&image(&client, id.1), name);
    client.ok(
        "EnableImageDeprecation",
        &[id, ("DeprecateAt", "2030-01-01T00:00:00Z")],
    );
    assert_eq!(shown("deprecationTime"), "2030-01-01T00:00:00Z");
    client.ok("DisableImageDeprecation", &[id]);
    assert_eq!(shown("deprecationTime"), "");
    client.ok("ModifyImageAttribute", &[id, ("ImdsSupport.Value", "v2.0")]);
    assert_eq!(shown("imdsSupport"), "v2.0");
    client.ok("ModifyImageAttribute", &[id, ("Description.Value", "new")]);
    assert_eq!(shown("description"), "new");
    let organisation = "arn:aws:organizations::123456789012:organization/o-1";
    let unit = "arn:aws:organizations::123456789012:ou/o-1/ou-1";
    client.ok(
        "ModifyImageAttribute",
        &[
            id,
            ("LaunchPermission.Add.1.UserId", "111111111111"),
            ("LaunchPermission.Add.2.OrganizationArn", organisation),
            ("LaunchPermission.Add.3.OrganizationalUnitArn", unit),
        ],
    );
    let shared = client.ok(
        "DescribeImageAttribute",
        &[id, ("Attribute", "launchPermission")],
    );
    assert_eq!(text(&shared, "userId"), "111111111111");
    assert_eq!(text(&shared, "organizationArn"), organisation);
    assert_eq!(text(&shared, "organizationalUnitArn"), unit);
    client.ok("EnableFastLaunch", &[id, ("MaxParallelLaunches", "6")]);
    let fast = client.ok("DescribeFastLaunchImages", &[]);
    assert_eq!(
        (
            text(&fast, "imageId").as_str(),
            text(&fast, "maxParallelLaunches").as_str()
        ),
        (id.1, "6")
    );
    client.ok("DisableImage", &[id]);
    assert_eq!(shown("imageState"), "disabled");
    client.ok("EnableImage", &[id]);
    assert_eq!(shown("imageState"), "available");
    client.ok("EnableImageDeregistrationProtection", &[id]);
    assert_eq!(
        client.refused("DeregisterImage", &[id]).1,
        "OperationNotPermitted"
    );
    client.ok("DisableImageDeregistrationProtection", &[id]);
    assert_eq!(shown("deregistrationProtection"), "");
    client.ok("DeregisterImage", &[id]);
    assert!(cloud.left().of("image").is_empty());
}

#[test]
fn an_image_is_imported_from_an_object() {
    let cloud = Cloud::start().unwrap();
    cloud.change(|behaviour| behaviour.waits.image = Delay::Answers(1));
    let client = Client::new(&cloud);
    let import = [
        ("DiskContainer.1.Format", "raw"),
        ("DiskContainer.1.UserBucket.S3Bucket", "bucket"),
        ("DiskContainer.1.UserBucket.S3Key", "disk.raw"),
        ("Architecture", "arm64"),
    ];
    assert_eq!(client.refused("ImportImage", &import).1, "InvalidParameter");
    client.s3("PUT", "/bucket", "");
    client.s3("PUT", "/bucket/disk.raw", "bytes");
    let task = text(&client.ok("ImportImage", &import), "importTaskId");
    let asked = [("ImportTaskId.1", task.as_str())];
    let active = client.ok("DescribeImportImageTasks", &asked);
    assert_eq!(
        (
            text(&active, "status").as_str(),
            text(&active, "imageId").as_str()
        ),
        ("active", "")
    );
    let done = client.ok("DescribeImportImageTasks", &asked);
    assert_eq!(text(&done, "status"), "completed");
    let again = client.ok("DescribeImportImageTasks", &asked);
    assert_eq!(text(&again, "imageId"), text(&done, "imageId"));
    let shown = image(&client, &text(&done, "imageId"));
    assert_eq!(
        (text(&shown, "name"), text(&shown, "architecture")),
        (task, "arm64".to_owned())
    );
    assert_eq!(text(&shown, "snapshotId"), text(&done, "snapshotId"));
    let other = text(&client.ok("ImportImage", &import), "importTaskId");
    client.ok("CancelImportTask", &[("ImportTaskId", &other)]);
    let gone = client.ok("DescribeImportImageTasks", &[("ImportTaskId.1", &other)]);
    assert_eq!(text(&gone, "status"), "deleted");
    assert_eq!(cloud.left().summary(), "1 S3 object, 1 image, 1 snapshot");
}
