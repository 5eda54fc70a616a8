//! Which parts of a build take rights, by the options that are given.

use std::collections::BTreeSet;

use imgc_runtime::options::Options;

use crate::instance::{LogIn, session};
use crate::options::{guards_metadata, list};

/// A part of a build that takes rights of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Finding the image to start from, and whether the name is free.
    Source,
    /// `vpc_filter`.
    Vpc,
    /// `subnet_filter`, or the VPC of a subnet.
    Subnet,
    /// `security_group_filter`, and whether groups that are named are there.
    GroupFilter,
    /// The temporary security group.
    Group,
    /// The port that is open in it.
    Door,
    /// The way by Session Manager.
    Session,
    /// The temporary key pair.
    Key,
    /// The instance.
    Instance,
    /// The role of its profile.
    Profile,
    /// Stopping it.
    Stop,
    /// `ena_support`, `sriov_support`.
    Networking,
    /// Making an image of it.
    Image,
    /// What is done with every new image, and undone after a failure.
    Finish,
    /// The snapshots of an image on EBS, undone after a failure.
    ImageSnapshots,
    /// What an image says of itself: who may use it, the guard of the metadata service.
    Attributes,
    /// A copy in another region.
    Copy,
    /// Being copied to another region.
    Copied,
    /// `snapshot_users`, `snapshot_groups`.
    SnapshotSharing,
    /// Who may start an image of an earlier run, where one is not named any more.
    SharedBefore,
    /// Who may use its snapshots, likewise.
    SnapshotsSharedBefore,
    /// `deprecate_at`.
    Deprecation,
    /// `deregistration_protection`.
    Protection,
    /// `fast_launch`.
    FastLaunch,
    /// A key that is named: of the image, a copy, a volume.
    OwnKey,
    /// `force_deregister`.
    Replace,
    /// `force_delete_snapshot`.
    ReplaceSnapshots,
    /// What `imgc gc` looks for besides, and going on with an instance that was stopped.
    Leftovers,
    /// What is looked at when an instance cannot be reached.
    Diagnosis,
    /// What only a plan asks.
    Plan,
    /// An instance of the spot market.
    Spot,
    /// `temporary_iam_instance_profile_policy_document`.
    OwnProfile,
    /// The password of Windows.
    Password,
    /// Snapshots of volumes.
    Snapshots,
    /// An image that is registered: of snapshots, or of a bundle.
    Register,
    /// A volume that takes the place of the root of its instance.
    SwapRoot,
    /// Volumes that stay when their instance ends.
    KeptVolumes,
    /// A disk in S3.
    Bundle,
    /// The same, with the credentials of whoever builds.
    BundleUpload,
    /// A volume that is filled on the machine that imgc runs on.
    Chroot,
    /// Images that are let go when there are newer ones.
    Retention,
    /// A disk image that is imported.
    Import,
    /// The same, whose image gets a name of its own.
    ImportNamed,
    /// The same, whose image stays as it was made.
    ImportKept,
    /// A parameter that names an image.
    Parameter,
    /// One that Amazon holds against its images.
    ParameterOfImage,
    /// One that is encrypted with a key that is named.
    ParameterKey,
    /// Going back to earlier values: `imgc rollback`.
    Rollback,
    /// Marks that are renewed while a build takes long.
    Renewal,
    /// `assume_role`: of whoever takes it.
    Role,
    /// A secret.
    Secret,
    /// A parameter that is read.
    ReadParameter,
    /// One that is encrypted, and is to be read as it is.
    ReadSecretParameter,
}

/// What keeping the machine behind a provisioner takes, whatever the build makes.
pub(crate) const CHECKPOINT: [Part; 3] = [Part::Image, Part::Finish, Part::ImageSnapshots];

/// What kind of component asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Builder `amazon-ebs`.
    Ebs,
    /// Builder `amazon-chroot`.
    Chroot,
    /// Builder `amazon-ebssurrogate`.
    Surrogate,
    /// Builder `amazon-ebsvolume`.
    Volumes,
    /// Builder `amazon-instance`.
    Store,
}

impl Family {
    /// Whether an image comes out of it.
    pub(crate) fn makes_images(self) -> bool {
        self != Self::Volumes
    }

    /// The block with the disks that the instance is started with besides those of its image.
    pub(crate) fn disks(self) -> &'static str {
        match self {
            Self::Volumes => "ebs_volumes",
            Self::Chroot | Self::Ebs | Self::Surrogate | Self::Store => {
                "launch_block_device_mappings"
            }
        }
    }
}

/// The parts of a build with these options. What is unknown counts as given.
pub(crate) fn parts(family: Family, options: &Options<'_>) -> BTreeSet<Part> {
    let mut parts = in_its_region(family, options);
    let has_image = family.makes_images() && !options.is_given("skip_create_ami");
    if has_image && options.is_given("ami_regions") {
        parts.insert(Part::Copied);
    }
    parts
}

fn in_its_region(family: Family, options: &Options<'_>) -> BTreeSet<Part> {
    match family {
        Family::Chroot => {
            let mut parts = BTreeSet::from([
                Part::Source,
                Part::Chroot,
                Part::Finish,
                Part::ImageSnapshots,
                Part::Renewal,
            ]);
            finishing(options, true, &mut parts);
            if options.is_given("root_volume_kms_key_id") {
                parts.insert(Part::OwnKey);
            }
            replacing(options, &mut parts);
            parts
        }
        _ => on_instance(family, options),
    }
}

/// The parts of a build that starts an instance.
fn on_instance(family: Family, options: &Options<'_>) -> BTreeSet<Part> {
    let given = |name: &str| options.is_given(name);
    let mut parts = BTreeSet::from([Part::Source, Part::Instance, Part::Renewal]);
    let mut add = |part: Part, needed: bool| {
        if needed {
            parts.insert(part);
        }
    };
    // A build without a login makes no key and opens no port; what cannot be read yet may have one.
    let log_in = LogIn::read(options).unwrap_or(LogIn::Own(None));
    let has_groups =
        given("security_group_id") || given("security_group_ids") || given("security_group_filter");
    add(
        Part::Vpc,
        given("vpc_filter") && !given("vpc_id") && !given("subnet_id"),
    );
    add(
        Part::Subnet,
        match given("subnet_id") {
            true => !has_groups,
            false => given("subnet_filter"),
        },
    );
    add(Part::GroupFilter, has_groups);
    let by_session = session::is_wanted(options) && log_in != LogIn::None;
    add(Part::Group, !has_groups && log_in != LogIn::None);
    add(
        Part::Door,
        !has_groups && log_in != LogIn::None && !by_session,
    );
    add(Part::Session, by_session);
    add(Part::Key, matches!(log_in, LogIn::Temporary { .. }));
    add(Part::Profile, given("iam_instance_profile"));
    add(
        Part::OwnProfile,
        given("temporary_iam_instance_profile_policy_document"),
    );
    add(
        Part::Spot,
        given("spot_price") || given("spot_instance_types"),
    );
    let communicator = options.string("communicator").ok().flatten();
    add(Part::Password, communicator.as_deref() == Some("winrm"));
    let makes_image = family.makes_images() && !given("skip_create_ami");
    // An instance of the spot market is not stopped, and one without EBS cannot be.
    let stops = family != Family::Store && !given("disable_stop_instance");
    let on_market = given("spot_price") || given("spot_instance_types");
    add(Part::Stop, stops && !on_market);
    let networking = options.value("ena_support").is_some() || given("sriov_support");
    let by_snapshots = family == Family::Surrogate && !given("use_create_image");
    let changes_instance = match family {
        Family::Ebs => makes_image,
        Family::Surrogate => !by_snapshots && !on_market,
        Family::Volumes => true,
        Family::Chroot | Family::Store => false,
    };
    add(Part::Networking, networking && changes_instance);
    let registers = family == Family::Store || by_snapshots;
    add(Part::Register, registers);
    add(Part::Image, makes_image && !registers);
    add(Part::Snapshots, by_snapshots);
    add(Part::SwapRoot, family == Family::Surrogate && !by_snapshots);
    add(Part::Bundle, family == Family::Store);
    add(
        Part::BundleUpload,
        family == Family::Store && uploads_with_own_key(options),
    );
    add(Part::Finish, makes_image);
    add(Part::ImageSnapshots, makes_image && family != Family::Store);
    if makes_image {
        // One that is registered says in that call what its metadata service is.
        finishing(options, !registers, &mut parts);
        replacing(options, &mut parts);
    }
    if family == Family::Volumes {
        parts.extend(volumes(options));
    }
    parts
}

/// Whether the command that uploads a bundle is given the credentials of whoever builds; the usual one is.
fn uploads_with_own_key(options: &Options<'_>) -> bool {
    match options.string("bundle_upload_command") {
        Ok(Some(command)) => command.contains("AccessKey"),
        _ => true,
    }
}

/// What is done with the volumes of `ebs_volumes`.
fn volumes(options: &Options<'_>) -> BTreeSet<Part> {
    let blocks = list(options, Family::Volumes.disks());
    let mut parts = BTreeSet::new();
    for block in blocks {
        let block = Options::new("ebs_volumes", block);
        if !block.is_given("delete_on_termination") {
            parts.insert(Part::KeptVolumes);
        }
        if block.is_given("snapshot_volume") {
            parts.insert(Part::Snapshots);
        }
        if block.is_given("snapshot_users") || block.is_given("snapshot_groups") {
            parts.insert(Part::SnapshotSharing);
        }
    }
    parts
}

/// Images that have the name already.
fn replacing(options: &Options<'_>, parts: &mut BTreeSet<Part>) {
    if options.is_given("force_deregister") {
        parts.insert(Part::Replace);
        if options.is_given("force_delete_snapshot") {
            parts.insert(Part::ReplaceSnapshots);
        }
    }
}

/// What is done with an image and with each of its copies. `guards`: whether the guard of its metadata service is set afterwards.
fn finishing(options: &Options<'_>, guards: bool, parts: &mut BTreeSet<Part>) {
    let given = |names: &[&str]| names.iter().any(|name| options.is_given(name));
    let sharing = given(&["ami_users", "ami_groups", "ami_org_arns", "ami_ou_arns"]);
    let sharing_snapshots = given(&["snapshot_users", "snapshot_groups"]);
    let attributes = sharing || given(&["ami_product_codes"]) || guards && is_guarded(options);
    let finishing = [
        (Part::Attributes, attributes),
        (Part::SharedBefore, sharing),
        (Part::SnapshotSharing, sharing_snapshots),
        (Part::SnapshotsSharedBefore, sharing_snapshots),
        (Part::Deprecation, given(&["deprecate_at"])),
        (Part::Protection, given(&["deregistration_protection"])),
        (Part::FastLaunch, given(&["fast_launch"])),
        (Part::OwnKey, given(&["kms_key_id", "region_kms_key_ids"])),
    ];
    let needed = finishing.into_iter().filter(|(_, needed)| *needed);
    parts.extend(needed.map(|(part, _)| part));
}

/// The other regions that get a copy, and the parts there. One that is not known is empty.
pub(crate) fn copies(options: &Options<'_>, home: &str) -> (Vec<String>, BTreeSet<Part>) {
    if options.is_given("skip_create_ami") || !options.is_given("ami_regions") {
        return (Vec::new(), BTreeSet::new());
    }
    let regions = options.plain_strings("ami_regions");
    let mut regions = regions.unwrap_or_else(|_| vec![String::new()]);
    regions.retain(|region| region != home);
    let mut parts = BTreeSet::from([
        Part::Source,
        Part::Copy,
        Part::Finish,
        Part::ImageSnapshots,
        Part::Renewal,
    ]);
    finishing(options, true, &mut parts);
    replacing(options, &mut parts);
    (regions, parts)
}

/// Whether instances of the image are to have the second version of the metadata service only.
fn is_guarded(options: &Options<'_>) -> bool {
    let support = options.string("imds_support").ok().flatten();
    guards_metadata(support.as_deref())
}
