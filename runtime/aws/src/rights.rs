//! Which rights are needed for what: one table.
//!
//! In: the options of a component. Out: the statements of the least policy that lets a build with these options come to its end and
//! clean up after a failure (`imgc plan -iam`); and the other way round: an action that was refused, and the statements that
//! would allow it. Both come from [`TABLE`], so that what a plan prints is what a run takes.
//!
//! Narrow where EC2 can be: things are made only with the tag of a run, changed and removed only where they carry it, tags given
//! only by the calls that make things. Describes take no resource.

mod parts;

use std::collections::{BTreeMap, BTreeSet};

use imgc_runtime::preview::{Conditions, Right};

pub(crate) use parts::{CHECKPOINT, Family, Part, copies, parts};

use crate::resource::PATH;
use crate::tags;

/// What an action is allowed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Anything: the action takes no resource.
    All,
    /// Things of these kinds that come into being with the tag of a run.
    Made(&'static [&'static str]),
    /// Things of these kinds that carry the tag of a run.
    Ours(&'static [&'static str]),
    /// Things of these kinds whatever their tags: those that the template names.
    Named(&'static [&'static str]),
    /// Tags, in the calls that make things.
    Tags,
    /// The marks of ours, on things of these kinds that carry the tag of a run.
    Marks(&'static [&'static str]),
    /// Things of these kinds that belong to a family of `amazon-retention`.
    Family(&'static [&'static str]),
    /// A role that is given to the instance.
    PassedRole,
    /// Keys, where a service uses them in the name of the caller.
    By(&'static str),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    part: Part,
    action: &'static str,
    on: On,
}

const fn row(part: Part, action: &'static str, on: On) -> Row {
    Row { part, action, on }
}

/// Every action that anything of this crate calls. The kinds are those of the service authorization reference.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    row(Part::Source, "ec2:DescribeImages", On::All),
    row(Part::Vpc, "ec2:DescribeVpcs", On::All),
    row(Part::Subnet, "ec2:DescribeSubnets", On::All),
    row(Part::GroupFilter, "ec2:DescribeSecurityGroups", On::All),

    row(Part::Group, "ec2:CreateSecurityGroup", On::Made(&["security-group"])),
    row(Part::Group, "ec2:CreateSecurityGroup", On::Named(&["vpc"])),
    row(Part::Group, "ec2:CreateTags", On::Tags),
    row(Part::Door, "ec2:AuthorizeSecurityGroupIngress", On::Ours(&["security-group"])),
    row(Part::Group, "ec2:DeleteSecurityGroup", On::Ours(&["security-group"])),

    row(Part::Session, "ssm:StartSession", On::Ours(&["instance"])),
    row(Part::Session, "ssm:StartSession", On::Named(&["document"])),
    row(Part::Session, "ssm:TerminateSession", On::Named(&["session"])),

    row(Part::Key, "ec2:ImportKeyPair", On::Made(&["key-pair"])),
    row(Part::Key, "ec2:CreateTags", On::Tags),
    row(Part::Key, "ec2:DeleteKeyPair", On::Ours(&["key-pair"])),

    row(Part::Instance, "ec2:RunInstances", On::Made(&["instance", "volume"])),
    row(Part::Instance, "ec2:RunInstances", On::Named(&[
        "image", "key-pair", "network-interface", "security-group", "snapshot", "subnet",
    ])),
    row(Part::Instance, "ec2:CreateTags", On::Tags),
    row(Part::Instance, "ec2:DescribeInstances", On::All),
    row(Part::Instance, "ec2:DescribeInstanceStatus", On::All),
    row(Part::Instance, "ec2:TerminateInstances", On::Ours(&["instance"])),
    row(Part::Profile, "iam:PassRole", On::PassedRole),
    row(Part::Stop, "ec2:StopInstances", On::Ours(&["instance"])),
    row(Part::Networking, "ec2:ModifyInstanceAttribute", On::Ours(&["instance"])),

    row(Part::Image, "ec2:CreateImage", On::Made(&["image", "snapshot"])),
    row(Part::Image, "ec2:CreateImage", On::Ours(&["instance"])),
    row(Part::Image, "ec2:CreateTags", On::Tags),
    row(Part::Finish, "ec2:DeleteTags", On::Ours(&["image", "snapshot"])),
    row(Part::Finish, "ec2:DeregisterImage", On::Ours(&["image"])),
    row(Part::ImageSnapshots, "ec2:DeleteSnapshot", On::Ours(&["snapshot"])),
    row(Part::ImageSnapshots, "ec2:DescribeSnapshots", On::All),
    row(Part::Attributes, "ec2:ModifyImageAttribute", On::Ours(&["image"])),
    row(Part::Copy, "ec2:CopyImage", On::Made(&["image", "snapshot"])),
    // Since October 2024 the image that is copied counts as well.
    row(Part::Copied, "ec2:CopyImage", On::Ours(&["image", "snapshot"])),
    row(Part::Copy, "ec2:CreateTags", On::Tags),
    row(Part::SnapshotSharing, "ec2:ModifySnapshotAttribute", On::Ours(&["snapshot"])),
    row(Part::SharedBefore, "ec2:DescribeImageAttribute", On::All),
    row(Part::SnapshotsSharedBefore, "ec2:DescribeSnapshotAttribute", On::All),
    row(Part::Deprecation, "ec2:EnableImageDeprecation", On::Ours(&["image"])),
    row(Part::Protection, "ec2:EnableImageDeregistrationProtection", On::Ours(&["image"])),
    row(Part::FastLaunch, "ec2:DescribeFastLaunchImages", On::All),
    row(Part::FastLaunch, "ec2:EnableFastLaunch", On::Ours(&["image"])),
    row(Part::OwnKey, "kms:CreateGrant", On::By("ec2")),
    row(Part::OwnKey, "kms:Decrypt", On::By("ec2")),
    row(Part::OwnKey, "kms:DescribeKey", On::By("ec2")),
    row(Part::OwnKey, "kms:GenerateDataKeyWithoutPlaintext", On::By("ec2")),
    row(Part::OwnKey, "kms:ReEncryptFrom", On::By("ec2")),
    row(Part::OwnKey, "kms:ReEncryptTo", On::By("ec2")),
    row(Part::Replace, "ec2:DeregisterImage", On::Named(&["image"])),
    row(Part::ReplaceSnapshots, "ec2:DeleteSnapshot", On::Named(&["snapshot"])),

    row(Part::Leftovers, "ec2:DescribeVolumes", On::All),
    row(Part::Leftovers, "ec2:DeleteVolume", On::Ours(&["volume"])),
    row(Part::Leftovers, "ec2:DescribeKeyPairs", On::All),

    row(Part::Diagnosis, "ec2:DescribeInstanceStatus", On::All),
    row(Part::Diagnosis, "ec2:DescribeNetworkAcls", On::All),
    row(Part::Diagnosis, "ec2:DescribeRouteTables", On::All),
    row(Part::Diagnosis, "ec2:DescribeSecurityGroups", On::All),
    row(Part::Diagnosis, "ec2:DescribeSubnets", On::All),
    row(Part::Diagnosis, "ec2:GetConsoleOutput", On::Ours(&["instance"])),
    row(Part::Diagnosis, "sts:DecodeAuthorizationMessage", On::All),
    row(Part::Plan, "ec2:DescribeInstanceTypes", On::All),
    row(Part::Plan, "ec2:DescribeInstances", On::All),
    row(Part::Plan, "ec2:DescribeSpotPriceHistory", On::All),
    row(Part::Plan, "ec2:DescribeSubnets", On::All),
    row(Part::Plan, "ec2:DescribeVpcs", On::All),
    row(Part::Plan, "iam:SimulatePrincipalPolicy", On::All),
    row(Part::Plan, "pricing:GetProducts", On::All),
    row(Part::Plan, "servicequotas:GetServiceQuota", On::All),
    // Everybody may ask who he is.
    row(Part::Plan, "sts:GetCallerIdentity", On::All),

    row(Part::Leftovers, "ec2:DescribeRegions", On::All),
    row(Part::Leftovers, "ec2:StartInstances", On::Ours(&["instance"])),
    row(Part::Leftovers, "ec2:DescribeFleets", On::All),
    row(Part::Leftovers, "ec2:DescribeImportImageTasks", On::All),
    row(Part::Leftovers, "ec2:DescribeTags", On::All),
    row(Part::Leftovers, "ec2:DetachVolume", On::Ours(&["instance", "volume"])),
    row(Part::Leftovers, "iam:GetInstanceProfile", On::Named(&["instance-profile"])),
    row(Part::Leftovers, "iam:GetRole", On::Named(&["role"])),
    row(Part::Leftovers, "iam:ListInstanceProfiles", On::All),
    row(Part::Leftovers, "iam:ListRoles", On::All),
    row(Part::Leftovers, "s3:ListBucket", On::All),

    row(Part::Renewal, "ec2:CreateTags", On::Marks(&[
        "fleet", "image", "instance", "key-pair", "launch-template", "security-group", "snapshot", "volume",
    ])),
    row(Part::Renewal, "ec2:DescribeTags", On::All),

    row(Part::Import, "ec2:CancelImportTask", On::Ours(&["import-image-task"])),
    row(Part::Import, "ec2:CreateTags", On::Tags),
    row(Part::Import, "ec2:DeleteSnapshot", On::Named(&["snapshot"])),
    row(Part::Import, "ec2:DeregisterImage", On::Named(&["image"])),
    row(Part::Import, "ec2:DescribeImages", On::All),
    row(Part::Import, "ec2:DescribeImportImageTasks", On::All),
    row(Part::Import, "ec2:ImportImage", On::Made(&["import-image-task"])),
    row(Part::Import, "ec2:ImportImage", On::Named(&["image", "snapshot"])),
    row(Part::Import, "s3:AbortMultipartUpload", On::Named(&["object"])),
    row(Part::Import, "s3:DeleteObject", On::Named(&["object"])),
    row(Part::Import, "s3:GetObject", On::Named(&["object"])),
    row(Part::Import, "s3:ListBucket", On::All),
    row(Part::Import, "s3:ListBucketMultipartUploads", On::All),
    row(Part::Import, "s3:PutObject", On::Named(&["object"])),
    row(Part::ImportNamed, "ec2:CopyImage", On::Made(&["image", "snapshot"])),
    row(Part::ImportNamed, "ec2:CopyImage", On::Named(&["image", "snapshot"])),
    row(Part::ImportNamed, "ec2:CreateTags", On::Tags),
    row(Part::ImportNamed, "ec2:DeleteTags", On::Ours(&["image", "snapshot"])),
    row(Part::ImportKept, "ec2:CreateTags", On::Named(&["image", "snapshot"])),

    row(Part::Parameter, "ssm:AddTagsToResource", On::Named(&["parameter"])),
    row(Part::Parameter, "ssm:DeleteParameter", On::Named(&["parameter"])),
    row(Part::Parameter, "ssm:GetParameter", On::Named(&["parameter"])),
    row(Part::Parameter, "ssm:ListTagsForResource", On::Named(&["parameter"])),
    row(Part::Parameter, "ssm:PutParameter", On::Named(&["parameter"])),
    row(Part::ParameterOfImage, "ec2:DescribeImages", On::All),
    row(Part::ParameterKey, "kms:Decrypt", On::By("ssm")),
    row(Part::ParameterKey, "kms:Encrypt", On::By("ssm")),
    row(Part::ParameterKey, "kms:GenerateDataKey", On::By("ssm")),
    row(Part::Rollback, "ssm:GetParameterHistory", On::Named(&["parameter"])),

    row(Part::Retention, "autoscaling:DescribeAutoScalingGroups", On::All),
    row(Part::Retention, "autoscaling:DescribeLaunchConfigurations", On::All),
    row(Part::Retention, "ec2:CreateTags", On::Ours(&["image"])),
    row(Part::Retention, "ec2:DeleteSnapshot", On::Ours(&["snapshot"])),
    row(Part::Retention, "ec2:DeregisterImage", On::Family(&["image"])),
    row(Part::Retention, "ec2:DescribeImageAttribute", On::All),
    row(Part::Retention, "ec2:DescribeImages", On::All),
    row(Part::Retention, "ec2:DescribeInstances", On::All),
    row(Part::Retention, "ec2:DescribeLaunchTemplateVersions", On::All),
    row(Part::Retention, "ssm:DescribeParameters", On::All),
    row(Part::Retention, "ssm:GetParameters", On::Named(&["parameter"])),

    row(Part::Spot, "ec2:CreateFleet", On::Made(&["fleet", "instance", "volume"])),
    row(Part::Spot, "ec2:CreateFleet", On::Named(&[
        "image", "key-pair", "launch-template", "network-interface", "security-group", "snapshot", "subnet",
    ])),
    row(Part::Spot, "ec2:CreateLaunchTemplate", On::Made(&["launch-template"])),
    row(Part::Spot, "ec2:CreateTags", On::Tags),
    row(Part::Spot, "ec2:DeleteFleets", On::Ours(&["fleet"])),
    row(Part::Spot, "ec2:DeleteLaunchTemplate", On::Ours(&["launch-template"])),
    row(Part::Leftovers, "ec2:DescribeLaunchTemplates", On::All),
    row(Part::OwnProfile, "iam:AddRoleToInstanceProfile", On::Named(&["instance-profile"])),
    row(Part::OwnProfile, "iam:CreateInstanceProfile", On::Named(&["instance-profile"])),
    row(Part::OwnProfile, "iam:CreateRole", On::Named(&["role"])),
    row(Part::OwnProfile, "iam:DeleteInstanceProfile", On::Named(&["instance-profile"])),
    row(Part::OwnProfile, "iam:DeleteRole", On::Named(&["role"])),
    row(Part::OwnProfile, "iam:DeleteRolePolicy", On::Named(&["role"])),
    row(Part::OwnProfile, "iam:GetInstanceProfile", On::Named(&["instance-profile"])),
    row(Part::OwnProfile, "iam:PassRole", On::PassedRole),
    row(Part::OwnProfile, "iam:PutRolePolicy", On::Named(&["role"])),
    row(Part::OwnProfile, "iam:RemoveRoleFromInstanceProfile", On::Named(&["instance-profile"])),
    row(Part::OwnProfile, "iam:TagInstanceProfile", On::Named(&["instance-profile"])),
    row(Part::OwnProfile, "iam:TagRole", On::Named(&["role"])),
    row(Part::Password, "ec2:GetPasswordData", On::Ours(&["instance"])),
    row(Part::Snapshots, "ec2:CreateSnapshot", On::Made(&["snapshot"])),
    row(Part::Snapshots, "ec2:CreateSnapshot", On::Ours(&["volume"])),
    row(Part::Snapshots, "ec2:CreateTags", On::Tags),
    row(Part::Snapshots, "ec2:DeleteSnapshot", On::Ours(&["snapshot"])),
    row(Part::Snapshots, "ec2:DeleteTags", On::Ours(&["snapshot"])),
    row(Part::Snapshots, "ec2:DescribeSnapshots", On::All),
    row(Part::Register, "ec2:RegisterImage", On::Made(&["image"])),
    row(Part::Register, "ec2:RegisterImage", On::Ours(&["snapshot"])),
    row(Part::Register, "ec2:CreateTags", On::Tags),
    row(Part::SwapRoot, "ec2:AttachVolume", On::Ours(&["instance", "volume"])),
    row(Part::SwapRoot, "ec2:DeleteVolume", On::Ours(&["volume"])),
    row(Part::SwapRoot, "ec2:DescribeVolumes", On::All),
    row(Part::SwapRoot, "ec2:DetachVolume", On::Ours(&["instance", "volume"])),
    row(Part::KeptVolumes, "ec2:CreateTags", On::Ours(&["volume"])),
    row(Part::KeptVolumes, "ec2:DeleteTags", On::Ours(&["volume"])),
    row(Part::KeptVolumes, "ec2:DeleteVolume", On::Ours(&["volume"])),
    row(Part::KeptVolumes, "ec2:DescribeVolumes", On::All),
    row(Part::KeptVolumes, "ec2:DetachVolume", On::Ours(&["instance", "volume"])),
    row(Part::KeptVolumes, "ec2:ModifyInstanceAttribute", On::Ours(&["instance"])),
    row(Part::Bundle, "s3:DeleteObject", On::Named(&["object"])),
    row(Part::Bundle, "s3:ListBucket", On::All),
    row(Part::BundleUpload, "s3:PutObject", On::Named(&["object"])),
    // `ec2-upload-bundle` lets EC2 read what it uploads.
    row(Part::BundleUpload, "s3:PutObjectAcl", On::Named(&["object"])),
    row(Part::Chroot, "ec2:AttachVolume", On::Named(&["instance"])),
    row(Part::Chroot, "ec2:AttachVolume", On::Ours(&["volume"])),
    row(Part::Chroot, "ec2:CreateSnapshot", On::Made(&["snapshot"])),
    row(Part::Chroot, "ec2:CreateSnapshot", On::Ours(&["volume"])),
    row(Part::Chroot, "ec2:CreateTags", On::Tags),
    row(Part::Chroot, "ec2:CreateVolume", On::Made(&["volume"])),
    row(Part::Chroot, "ec2:CreateVolume", On::Named(&["snapshot"])),
    row(Part::Chroot, "ec2:DeleteVolume", On::Ours(&["volume"])),
    row(Part::Chroot, "ec2:DescribeInstances", On::All),
    row(Part::Chroot, "ec2:DescribeVolumes", On::All),
    row(Part::Chroot, "ec2:DetachVolume", On::Named(&["instance"])),
    row(Part::Chroot, "ec2:DetachVolume", On::Ours(&["volume"])),
    row(Part::Chroot, "ec2:RegisterImage", On::Made(&["image"])),
    // The source image may have further disks.
    row(Part::Chroot, "ec2:RegisterImage", On::Named(&["snapshot"])),
    row(Part::Role, "sts:AssumeRole", On::All),
    row(Part::ReadParameter, "ssm:GetParameter", On::Named(&["parameter"])),
    row(Part::ReadSecretParameter, "kms:Decrypt", On::By("ssm")),
    row(Part::Secret, "secretsmanager:GetSecretValue", On::Named(&["secret"])),
];

/// Where rights are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Empty where it is not known.
    pub(crate) region: String,
    /// Twelve digits, where they are known.
    pub(crate) account: Option<String>,
}

impl Place {
    fn region(&self) -> &str {
        match self.region.as_str() {
            "" => "*",
            region => region,
        }
    }

    fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("*")
    }

    /// The part of Amazon that the region is in.
    fn partition(&self) -> &'static str {
        match self.region.as_str() {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            region if region.starts_with("eusc-") => "aws-eusc",
            _ => "aws",
        }
    }

    /// All things of a kind.
    fn things(&self, kind: &str) -> String {
        let partition = self.partition();
        let (region, account) = (self.region(), self.account());
        match kind {
            // Owned by nobody, as names go: others' can be used as well.
            "image" | "snapshot" => format!("arn:{partition}:ec2:{region}::{kind}/*"),
            "secret" => format!("arn:{partition}:secretsmanager:{region}:{account}:secret:*"),
            "key" => format!("arn:{partition}:kms:{region}:{account}:key/*"),
            "parameter" => format!("arn:{partition}:ssm:{region}:{account}:parameter/*"),
            "document" => {
                format!("arn:{partition}:ssm:{region}::document/AWS-StartPortForwardingSession")
            }
            "session" => format!("arn:{partition}:ssm:{region}:{account}:session/*"),
            "object" => format!("arn:{partition}:s3:::*/*"),
            "instance-profile" | "role" => format!("arn:{partition}:iam::{account}:{kind}{PATH}*"),
            "any-role" => format!("arn:{partition}:iam::{account}:role/*"),
            kind => format!("arn:{partition}:ec2:{region}:{account}:{kind}/*"),
        }
    }

    fn right(&self, row: &Row, makers: &BTreeSet<String>) -> Right {
        let things = |kinds: &[&str]| kinds.iter().map(|kind| self.things(kind)).collect();
        let has_tag = |key: &str| condition("Null", &format!("{key}/{}", tags::RUN), ["false"]);
        let anything = || BTreeSet::from(["*".to_owned()]);
        let (resources, conditions) = match row.on {
            // These have no region that one would write; prices are told in a few for all.
            On::All
                if ["iam:", "pricing:", "sts:"]
                    .iter()
                    .any(|one| row.action.starts_with(one)) =>
            {
                (anything(), Conditions::new())
            }
            On::All => (
                anything(),
                match self.region.as_str() {
                    "" => Conditions::new(),
                    region => condition("StringEquals", "aws:RequestedRegion", [region]),
                },
            ),
            On::Made(kinds) => (things(kinds), has_tag("aws:RequestTag")),
            On::Ours(kinds) => (things(kinds), has_tag("aws:ResourceTag")),
            On::Named(kinds) => (things(kinds), Conditions::new()),
            On::Tags => {
                let makers = makers.iter().map(String::as_str);
                let all = format!("arn:{}:ec2:{}:*:*/*", self.partition(), self.region());
                let made_by = condition("StringEquals", "ec2:CreateAction", makers);
                (BTreeSet::from([all]), made_by)
            }
            On::Marks(kinds) => {
                let mut conditions = has_tag("aws:ResourceTag");
                let marks = [tags::EXPIRES, tags::STORED];
                let only = condition("ForAllValues:StringEquals", "aws:TagKeys", marks);
                conditions.extend(only);
                (things(kinds), conditions)
            }
            On::Family(kinds) => {
                let key = format!("aws:ResourceTag/{}", tags::FAMILY);
                (things(kinds), condition("Null", &key, ["false"]))
            }
            On::By(service) => {
                // In an unknown region any of them may.
                let (operator, region) = match self.region.as_str() {
                    "" => ("StringLike", "*"),
                    region => ("StringEquals", region),
                };
                let service = format!("{service}.{region}.amazonaws.com");
                let by = condition(operator, "kms:ViaService", [service.as_str()]);
                (things(&["key"]), by)
            }
            On::PassedRole => {
                let service = match self.partition() {
                    "aws-cn" => "ec2.amazonaws.com.cn",
                    _ => "ec2.amazonaws.com",
                };
                let passed = condition("StringEquals", "iam:PassedToService", [service]);
                let own = row.part == Part::OwnProfile;
                (things(&[if own { "role" } else { "any-role" }]), passed)
            }
        };
        Right {
            holder: String::new(),
            actions: BTreeSet::from([row.action.to_owned()]),
            resources,
            conditions,
        }
    }
}

fn condition<'a>(
    operator: &str,
    key: &str,
    values: impl IntoIterator<Item = &'a str>,
) -> Conditions {
    let values = values.into_iter().map(str::to_owned).collect();
    let keys = BTreeMap::from([(key.to_owned(), values)]);
    Conditions::from([(operator.to_owned(), keys)])
}

/// A resource that stands for all of a kind, as the one parameter or secret that is named, by name or ARN, version or label left out.
pub(crate) fn narrowed(resource: String, name: &str) -> String {
    let kinds = [(":parameter/*", ":ssm:"), (":secret:*", ":secretsmanager:")];
    let Some((end, service)) = kinds.into_iter().find(|(end, _)| resource.ends_with(end)) else {
        return resource;
    };
    if name.starts_with("arn:") {
        return match name.contains(service) {
            true => name.to_owned(),
            false => resource,
        };
    }
    let place = resource.trim_end_matches(end);
    match service {
        ":ssm:" => {
            let name = name.split(':').next().unwrap_or_default();
            format!("{place}:parameter/{}", name.trim_start_matches('/'))
        }
        // Amazon puts six characters behind the name.
        _ => format!("{place}:secret:{name}-??????"),
    }
}

/// A resource that stands for all objects, as those of a bucket that is named, or of the path in it that follows its name.
pub(crate) fn in_bucket(resource: String, bucket: &str) -> String {
    let Some(place) = resource.strip_suffix(":::*/*") else {
        return resource;
    };
    match bucket.split_once("{{") {
        Some(("", _)) => resource,
        Some((known, _)) => format!("{place}:::{known}*"),
        None => format!("{place}:::{}/*", bucket.trim_end_matches('/')),
    }
}

/// The rights of these parts at a place.
pub(crate) fn rights(parts: &BTreeSet<Part>, place: &Place, full: bool) -> Vec<Right> {
    let wanted = |row: &&Row| parts.contains(&row.part) || full && more(row.part);
    let rows: Vec<&Row> = TABLE.iter().filter(wanted).collect();
    let makers = makers(&rows);
    rows.iter().map(|row| place.right(row, &makers)).collect()
}

/// Whether a part is no build's, but what plans, diagnoses and `imgc gc` ask.
fn more(part: Part) -> bool {
    matches!(part, Part::Diagnosis | Part::Leftovers | Part::Plan)
}

/// The calls that give tags to what they make, as the condition has them.
fn makers(rows: &[&Row]) -> BTreeSet<String> {
    let makers = rows.iter().filter(|row| matches!(row.on, On::Made(_)));
    let names = makers.filter_map(|row| row.action.strip_prefix("ec2:"));
    names.map(str::to_owned).collect()
}

/// The statements that allow an action, as one line of JSON each; `action` as policies write it. An action that is in no
/// row is allowed on everything.
pub(crate) fn statements(action: &str, place: &Place) -> Vec<String> {
    let own: Vec<&Row> = TABLE.iter().filter(|row| row.action == action).collect();
    if own.is_empty() {
        let right = Right {
            actions: BTreeSet::from([action.to_owned()]),
            resources: BTreeSet::from(["*".to_owned()]),
            ..Right::default()
        };
        return vec![right.statement().to_string()];
    }
    // What makes something gives it tags.
    let makes = own.iter().any(|row| matches!(row.on, On::Made(_)));
    let tags = TABLE
        .iter()
        .find(|row| makes && row.on == On::Tags && action.starts_with("ec2:"));
    let rows: Vec<&Row> = own.into_iter().chain(tags).collect();
    let makers = match makes {
        true => makers(&rows),
        false => makers(&TABLE.iter().collect::<Vec<_>>()),
    };
    let mut texts: Vec<String> = Vec::new();
    for row in rows {
        let text = place.right(row, &makers).statement().to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The name of an action as policies write it.
pub(crate) fn permission(action: &str) -> String {
    match action.split_once(':') {
        Some(_) => action.to_owned(),
        None => format!("ec2:{action}"),
    }
}

#[cfg(test)]
mod tests;
