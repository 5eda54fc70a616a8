//! `amazon-chroot` on this machine, which stands in for an instance: a loop device is what the attached volume would be.
//!
//! The metadata of an instance comes from a server on loopback. The device shows itself under its name when the cloud has attached
//! the volume, and goes when it has detached it; real file systems, real mounts, a real chroot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imgc_testbed::cloud::{Moment, Then, stock};
use imgc_testbed::{Cloud, require_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::policies::{pair, said};
use super::{behaviour, of};
use crate::harness::Test;

/// A loop device on a file, for as long as it lives.
struct Loop {
    device: String,
    _file: tempfile::NamedTempFile,
}

impl Loop {
    fn new() -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(64 << 20).unwrap();
        let made = Command::new("losetup")
            .args(["-f", "--show"])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "no loop device: {made:?}");
        let device = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        Self {
            device,
            _file: file,
        }
    }

    /// A file of the file system on it.
    fn read(&self, path: &str) -> String {
        let output = Command::new("debugfs")
            .args(["-R", &format!("cat {path}"), &self.device])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What is mounted of it, anywhere.
    fn mounts(&self) -> Vec<String> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let own = mounts.lines().filter(|line| line.starts_with(&self.device));
        own.map(str::to_owned).collect()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        for mount in self.mounts() {
            let place = mount.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = Command::new("umount").args(["-R", "-l", &place]).status();
        }
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
    }
}

/// Puts a shell and a few programs, with their libraries, into a directory.
const PROGRAMS: &str = "#!/bin/sh -e
for f in sh cat mv chmod mkdir rm sleep tar; do
  cp -L --parents /bin/$f $1
  ldd /bin/$f | grep -o '/[^ )]*' | while read l; do cp -L --parents $l $1; done
done
mkdir -p $1/tmp $1/etc
";

/// A machine that is an instance, with a device that comes with a volume.
struct Place {
    cloud: Arc<Cloud>,
    test: Test,
    disk: Loop,
    /// The instance.
    id: String,
    /// Its root volume.
    root: usize,
}

impl Place {
    fn new(script: &str) -> Self {
        Self::with(script, "")
    }

    /// With further options of the source.
    fn with(script: &str, options: &str) -> Self {
        Self::on(Arc::new(Cloud::with(behaviour()).unwrap()), script, options)
    }

    /// In a cloud with nothing in it.
    fn on(cloud: Arc<Cloud>, script: &str, options: &str) -> Self {
        require_root();
        let disk = Loop::new();
        let (test, id) = test(&cloud, &source(options), script);
        let root = cloud.left().of("volume").len();
        let place = Self {
            cloud,
            test,
            disk,
            id,
            root,
        };
        place.plug(|_, _| Then::GoOn);
        place
    }

    /// Where the device shows itself.
    fn node(&self) -> PathBuf {
        self.test.path("dev/disk")
    }

    /// Has the device come and go with the volume. Nothing of it may be mounted when it goes.
    fn plug(&self, also: impl Fn(&str, Moment) -> Then + Send + Sync + 'static) {
        let (node, device) = (self.node(), self.disk.device.clone());
        std::fs::create_dir_all(node.parent().unwrap()).unwrap();
        self.cloud.hook(move |call, moment| {
            match (&*call.action, moment) {
                ("AttachVolume", Moment::After) if call.error.is_none() => {
                    let _ = std::os::unix::fs::symlink(&device, &node);
                }
                ("DetachVolume", Moment::Before) => {
                    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
                    let busy = mounts.lines().any(|line| line.starts_with(&device));
                    if !busy {
                        let _ = std::fs::remove_file(&node);
                    }
                }
                _ => {}
            }
            also(&call.action, moment)
        });
    }

    /// Whether the device was let go, nothing is mounted, and nothing of the run is left at Amazon but these.
    fn assert_left(&self, what: &str, images: usize) {
        assert_eq!(self.disk.mounts(), [""; 0], "{what}");
        assert!(!mounted_below(&self.test.path(".")), "{what}");
        assert!(!self.node().exists(), "{what}: still attached, or mounted");
        let left = self.cloud.left();
        assert_eq!(left.of("volume").len(), self.root, "{what}: {left}");
        assert_eq!(left.of("image").len(), images, "{what}: {left}");
        assert_eq!(left.of("snapshot").len(), images, "{what}: {left}");
    }
}

fn source(options: &str) -> String {
    match options.contains("source_ami") {
        true => format!("  ami_name = \"own-1\"\n{options}"),
        false => format!(
            r#"  ami_name                = "own-1"
  ami_virtualization_type = "hvm"
  from_scratch            = true
  root_volume_size        = 10
  root_device_name        = "/dev/xvda"
  pre_mount_commands      = ["mkfs.ext4 -q -F {{{{.Device}}}}"]
  ami_block_device_mappings {{
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    delete_on_termination = true
  }}
{options}"#
        ),
    }
}

fn test(cloud: &Cloud, source: &str, script: &str) -> (Test, String) {
    let started = cloud
        .ec2(
            "us-east-1",
            "RunInstances",
            &[
                ("ImageId", stock::UBUNTU),
                ("InstanceType", "m5.large"),
                ("MinCount", "1"),
                ("MaxCount", "1"),
            ],
        )
        .unwrap();
    let at = started.find("<instanceId>").unwrap() + "<instanceId>".len();
    let id = started[at..].split('<').next().unwrap().to_owned();
    let template = format!(
        r#"source "amazon-chroot" "own" {{
{source}
  root_volume_tags        = {{ disk = "root" }}
  device_path             = "/dev/sdf"
  nvme_device_path        = "dev/disk"
  mount_partition         = "0"
  mount_path              = "mnt/{{{{.Device}}}}"
  command_wrapper         = "env WRAPPED=yes {{{{.Command}}}}"
  post_mount_commands     = ["./programs.sh {{{{.MountPath}}}}"]
  chroot_mounts           = [["proc", "proc", "/proc"], ["bind", "/dev", "/dev"]]
  copy_files              = ["/etc/hostname"]
  tags                    = {{ role = "own" }}
}}
build {{
  sources = ["amazon-chroot.own"]
  provisioner "file" {{
    content     = "carried in"
    destination = "/carried"
  }}
  provisioner "file" {{
    source      = "tree"
    destination = "/tmp"
  }}
  provisioner "shell" {{
    inline_shebang = "/bin/sh -e"
    inline         = ["{script}"]
  }}
}}
//- tree/inner/file
in a tree
//- programs.sh
{PROGRAMS}"#
    );
    let metadata = cloud.metadata("us-east-1", &id).unwrap();
    let test = of(cloud, &template)
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata)
        .env("AWS_EC2_METADATA_DISABLED", "false");
    let node = test.path("dev/disk");
    let text = test
        .read("main.pkr.hcl")
        .replace("\"dev/disk\"", &format!("{node:?}"));
    test.write("main.pkr.hcl", text);
    (test, id)
}

fn mounted_below(place: &Path) -> bool {
    let place = place.canonicalize().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.contains(&*place.to_string_lossy())
}

#[test]
fn as_root_a_volume_is_filled_on_this_machine_and_becomes_an_image() {
    let place = Place::with(
        "echo $WRAPPED inside > /made; test -d /proc/self; test -c /dev/null; cat /tmp/tree/inner/file > /copied; sleep 1000 &",
        "  ami_users = [\"210987654321\"]\n  root_volume_type = \"gp3\"\n  snapshot_tags = { kind = \"disk\" }",
    );
    let policy = place.test.run(&["plan", "-iam", "."]);
    assert_eq!(policy.code, 0, "{}", policy.text());
    place.cloud.forget_calls();
    let begun = Instant::now();
    let printed = place.test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{printed:?}",
        printed = printed.text()
    );
    assert_eq!(place.disk.read("/made"), "yes inside\n");
    assert_eq!(place.disk.read("/carried"), "carried in");
    assert_eq!(place.disk.read("/copied"), "in a tree\n");
    assert!(!place.disk.read("/etc/hostname").is_empty());
    place.assert_left("a whole build", 1);
    assert!(!place.test.path("mnt/disk").exists());
    let left = place.cloud.left();
    let (image, snapshot) = (left.of("image")[0], left.of("snapshot")[0]);
    assert!(!image.tags.contains_key("imgc:expires"));
    assert_eq!(
        (&*snapshot.tags["role"], &*snapshot.tags["kind"]),
        ("own", "disk")
    );
    let calls = place.cloud.calls();
    let volume = calls.one("CreateVolume");
    assert_eq!(volume.parameter("Size"), "10");
    assert_eq!(volume.parameter("VolumeType"), "gp3");
    assert_eq!(volume.tags("volume")["disk"], "root");
    assert!(volume.tags("volume").contains_key("imgc:expires"));
    let attached = calls.one("AttachVolume");
    assert_eq!(attached.parameter("Device"), "/dev/sdf");
    assert_eq!(attached.parameter("InstanceId"), place.id);
    let registered = calls.one("RegisterImage");
    for (name, value) in [
        ("Architecture", "x86_64"),
        ("VirtualizationType", "hvm"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "10"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot.id.as_str()),
        ("ImdsSupport", "v2.0"),
    ] {
        assert_eq!(registered.parameter(name), value, "{name}: {registered:?}");
    }
    let order = calls.changes().steps();
    assert!(
        order.contains("CreateVolume, AttachVolume, DetachVolume, CreateSnapshot, RegisterImage"),
        "{order}"
    );
    // What the plan says is needed is what was called.
    for call in calls.iter().filter(|call| call.service == "ec2") {
        let action = format!("\"ec2:{}\"", call.action);
        assert!(
            policy.stdout.contains(&action),
            "{action} in {}",
            policy.stdout
        );
    }
}

#[test]
fn as_root_the_disk_of_an_image_is_the_beginning_of_another() {
    let options = format!(
        "  source_ami = \"{}\"\n  root_volume_size = 30\n  encrypt_boot = true\n  pre_mount_commands = [\"mkfs.ext4 -q -F {{{{.Device}}}}\"]",
        stock::UBUNTU
    );
    let place = Place::with(
        "echo from ${build.SourceAMI} at ${build.MountPath} > /made",
        &options,
    );
    let printed = place.test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let made = place.disk.read("/made");
    let begin = format!("from {} at /", stock::UBUNTU);
    assert!(
        made.starts_with(&begin) && made.ends_with("/mnt/disk\n"),
        "{made}"
    );
    place.assert_left("a whole build", 1);
    let calls = place.cloud.calls();
    let (rehearsal, real) = pair(&place.cloud, "CreateVolume");
    let (mut rehearsal, mut real) = (said(&rehearsal), said(&real));
    for said in [&mut rehearsal, &mut real] {
        assert!(said.remove("AvailabilityZone").is_some());
    }
    assert_eq!(rehearsal, real);
    let volume = calls.one("CreateVolume");
    assert!(
        volume.parameter("SnapshotId").starts_with("snap-"),
        "{volume:?}"
    );
    assert_eq!(volume.parameter("Size"), "30");
    assert_eq!(volume.parameter("Encrypted"), "true");
    let registered = calls.one("RegisterImage");
    assert_eq!(
        registered.parameter("BlockDeviceMapping.1.Ebs.VolumeSize"),
        "30"
    );
    assert_eq!(
        registered.parameter("BlockDeviceMapping.1.Ebs.SnapshotId"),
        place.cloud.left().of("snapshot")[0].id
    );
}

#[test]
fn as_root_killed_in_the_chroot_gc_takes_mounts_and_volume() {
    let place = Place::new("echo now > /now; sleep 1000 & sleep 1000");
    let child = place.test.spawn(&["build", "-color=false", "."]);
    let begun = Instant::now();
    while !place.test.path("mnt/disk/now").exists() {
        if begun.elapsed() > Duration::from_secs(60) {
            kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
            panic!("{}", place.test.finish(child).text());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    // Its output is held by what runs in the chroot: only the end of the process itself is waited for.
    let mut child = child;
    child.wait().unwrap();
    let shown = place.test.run(&["gc", "-dry-run"]);
    assert!(
        shown.text().contains("mounts at $TEST/mnt/disk"),
        "{}",
        shown.text()
    );
    let gone = place.test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    place.assert_left(&gone.text(), 0);
    assert!(!place.test.path("mnt/disk").exists());
}

#[test]
fn as_root_killed_after_any_call_gc_leaves_no_mount_and_no_volume() {
    let whole = Place::new("echo made > /made");
    let printed = whole.test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let points = whole.cloud.calls().len();
    assert!(points >= 9, "{points}");
    let cloud = whole.cloud.clone();
    drop(whole);
    let (mut tried, mut died) = (0, 0);
    for point in super::leaks::points(points, 3) {
        cloud.unhook();
        cloud.reset().unwrap();
        let place = Place::on(cloud.clone(), "echo made > /made", "");
        tried += 1;
        let seen = AtomicUsize::new(0);
        let process = Arc::new(Mutex::new(None::<Pid>));
        let victim = process.clone();
        // The lock is held until the process is known.
        let mut holder = process.lock().unwrap();
        place.plug(move |_, moment| {
            if moment == Moment::After && seen.fetch_add(1, Ordering::SeqCst) + 1 == point {
                if let Some(pid) = *victim.lock().unwrap() {
                    kill(pid, Signal::SIGKILL).unwrap();
                }
                return Then::HangUp;
            }
            Then::GoOn
        });
        let child = place.test.spawn(&["build", "."]);
        *holder = Some(Pid::from_raw(child.id() as i32));
        drop(holder);
        let printed = place.test.finish(child);
        died += usize::from(printed.code != 0);
        place.plug(|_, _| Then::GoOn);
        let gone = place.test.run(&["gc"]);
        let what = format!("after call {point} of {points}: {}", gone.text());
        assert_eq!(gone.code, 0, "{what}");
        let images = place.cloud.left().of("image").len();
        // The end of a run whose image is finished may be cut off: the image stays.
        assert!(images == 0 || point + 1 >= points, "{what}");
        place.assert_left(&what, images);
    }
    assert!(died + 1 >= tried, "{died} of {tried} died");
}

#[test]
fn as_root_what_fails_inside_leaves_nothing() {
    for (script, options, why) in [
        ("exit 3", "", "3"),
        (
            "true",
            "  mount_options = [\"no-such-option\"]",
            "cannot mount the volume",
        ),
    ] {
        let place = Place::with(script, options);
        let printed = place.test.run(&["build", "-color=false", "."]);
        assert_ne!(printed.code, 0);
        assert!(printed.text().contains(why), "{}", printed.text());
        place.assert_left(&printed.text(), 0);
        assert!(!place.test.path("mnt/disk").exists());
    }
}

#[test]
fn elsewhere_than_on_an_instance_it_is_said_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (test, _) = test(&cloud, &source(""), "true");
    let said = |test: &Test, what: &str| {
        let printed = test.run(&["build", "-color=false", "."]);
        assert_ne!(printed.code, 0);
        assert!(printed.text().contains(what), "{}", printed.text());
        let calls = cloud.calls();
        assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
    };
    let elsewhere = test.env("AWS_REGION", "eu-west-1");
    said(&elsewhere, "this machine is in us-east-1");
    // A port where nobody listens.
    let nowhere = elsewhere.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
    said(&nowhere, "this machine is no instance of EC2");
}

#[test]
fn a_source_image_beside_from_scratch_is_said_to_do_nothing() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let scratch = source("");
    let (test, _) = test(&cloud, &scratch, "true");
    let quiet = test.run(&["validate", "."]);
    assert_eq!(quiet.code, 0, "{}", quiet.text());
    assert!(!quiet.text().contains("idle-option"), "{}", quiet.text());
    let template = test.read("main.pkr.hcl");
    let both = "  from_scratch            = true\n  source_ami = \"ami-1\"\n";
    test.write(
        "main.pkr.hcl",
        template.replace("  from_scratch            = true\n", both),
    );
    let printed = test.run(&["validate", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for said in [
        "warning[check/idle-option]",
        "`source_ami` has no effect: builder `amazon-chroot` has `from_scratch`",
    ] {
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    let strict = test.run(&["validate", "-strict", "."]);
    assert!(
        strict.text().contains("error[check/idle-option]"),
        "{}",
        strict.text()
    );
}

#[test]
fn options_that_cannot_be_are_said_when_the_template_is_checked() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for (options, what) in [
        ("  from_scratch = true", "`root_volume_size` is not set"),
        (
            "  source_ami = \"ami-1\"\n  root_device_name = \"/dev/xvda\"",
            "`ami_block_device_mappings` is not set",
        ),
        (
            "  source_ami = \"ami-1\"\n  root_volume_kms_key_id = \"alias/own\"",
            "`root_volume_encrypt_boot` is not",
        ),
    ] {
        let source = format!("  ami_name = \"own-1\"\n{options}");
        let (test, _) = test(&cloud, &source, "true");
        let printed = test.run(&["validate", "."]);
        assert_ne!(printed.code, 0, "{what}");
        assert!(printed.text().contains(what), "{}", printed.text());
    }
}

#[test]
fn a_plan_says_what_is_made_here_and_whether_this_machine_is_an_instance() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = format!(
        "  source_ami = \"{}\"\n  encrypt_boot = true",
        stock::UBUNTU
    );
    let (test, id) = test(&cloud, &source(&options), "true");
    cloud.forget_calls();
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    for said in [
        &format!("{} (ubuntu/images/", stock::UBUNTU),
        "`own-1` is free in us-east-1",
        &format!("the instance {id}"),
        "volume in us-east-1: the disk of the source image, 8 GiB, encrypted with the account's key, attached to this machine \
         (until the build ends)",
        "image in us-east-1: own-1, encrypted with the account's key of us-east-1 (stays)",
        "snapshot in us-east-1: of its disk",
    ] {
        assert!(plan.stdout.contains(said), "no `{said}` in {}", plan.text());
    }
    for said in ["key pair", "security group", "VPC"] {
        assert!(!plan.stdout.contains(said), "`{said}` in {}", plan.text());
    }
    // A port where nobody listens.
    let nowhere = test.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
    let plan = nowhere.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    assert!(
        plan.stdout.contains("! this machine is no instance of EC2"),
        "{}",
        plan.text()
    );
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
}

#[test]
fn entries_of_mounts_that_are_none_are_said_where_they_stand() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (test, _) = test(&cloud, &source("  source_ami = \"ami-1\""), "true");
    let text = test.read("main.pkr.hcl");
    let text = text.replace("[\"proc\", \"proc\", \"/proc\"]", "[\"proc\", \"proc\"]");
    test.write("main.pkr.hcl", &text);
    let line = 1 + text
        .lines()
        .position(|line| line.contains("chroot_mounts"))
        .unwrap();
    let printed = test.run(&["validate", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    for said in [
        "an entry of `chroot_mounts` has not three texts",
        &format!("main.pkr.hcl:{line}:"),
    ] {
        assert!(printed.text().contains(said), "{}", printed.text());
    }
}
