//! Filters that moto cannot apply, because it does not know what they look at.

use std::collections::BTreeMap;

use super::request::Request;
use super::xml::Element;

/// Where the filters of a list look: names of filters and paths in its members.
type Paths = &'static [(&'static str, &'static str)];

const IMAGE: Paths = &[
    ("architecture", "architecture"),
    ("boot-mode", "bootMode"),
    ("creation-date", "creationDate"),
    ("description", "description"),
    ("ena-support", "enaSupport"),
    ("hypervisor", "hypervisor"),
    ("image-id", "imageId"),
    ("image-type", "imageType"),
    ("is-public", "isPublic"),
    ("manifest-location", "imageLocation"),
    ("name", "name"),
    ("owner-alias", "imageOwnerAlias"),
    ("owner-id", "imageOwnerId"),
    ("platform", "platform"),
    ("root-device-name", "rootDeviceName"),
    ("root-device-type", "rootDeviceType"),
    ("source-instance-id", "sourceInstanceId"),
    ("sriov-net-support", "sriovNetSupport"),
    ("state", "imageState"),
    ("virtualization-type", "virtualizationType"),
];

const IMAGE_DISK: Paths = &[
    ("delete-on-termination", "ebs/deleteOnTermination"),
    ("device-name", "deviceName"),
    ("encrypted", "ebs/encrypted"),
    ("snapshot-id", "ebs/snapshotId"),
    ("volume-size", "ebs/volumeSize"),
    ("volume-type", "ebs/volumeType"),
];

const SNAPSHOT: Paths = &[
    ("description", "description"),
    ("encrypted", "encrypted"),
    ("progress", "progress"),
    ("snapshot-id", "snapshotId"),
    ("status", "status"),
    ("volume-id", "volumeId"),
    ("volume-size", "volumeSize"),
];

const VOLUME: Paths = &[("status", "status")];

const INSTANCE: Paths = &[
    ("instance-state-code", "instanceState/code"),
    ("instance-state-name", "instanceState/name"),
];

/// The account that Amazon's images belong to when they are asked for as `amazon`.
const AMAZON: [&str; 2] = ["137112412989", "801119661308"];

/// The filters of a request that this cloud applies itself.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    paths: Paths,
    filters: Vec<(String, Vec<String>)>,
    owners: Vec<String>,
}

impl Filters {
    /// Takes them out: them, and the parameters that are left for moto.
    pub(crate) fn take(request: &Request) -> (Self, BTreeMap<String, String>) {
        let paths = match request.action.as_str() {
            "DescribeImages" => IMAGE,
            "DescribeInstances" => INSTANCE,
            "DescribeSnapshots" => SNAPSHOT,
            "DescribeVolumes" => VOLUME,
            _ => return (Self::default(), request.parameters.clone()),
        };
        let is_image = request.action == "DescribeImages";
        let is_ours = |name: &str| {
            paths.iter().any(|(filter, _)| *filter == name)
                || is_image
                    && (name.starts_with("tag") || name.starts_with("block-device-mapping."))
        };
        let mut taken = Self {
            paths,
            ..Self::default()
        };
        let mut parameters = request.parameters.clone();
        parameters.retain(|name, _| !name.starts_with("Filter."));
        let mut kept = 0;
        for at in 1.. {
            let Some(name) = request.parameters.get(&format!("Filter.{at}.Name")) else {
                break;
            };
            let values = request.list(&format!("Filter.{at}.Value"));
            // These moto knows as well, but for its reading of brackets, and then has less to show.
            let is_moto = matches!(name.as_str(), "image-id" | "name" | "snapshot-id")
                && values.iter().all(|value| !value.contains('['));
            if is_ours(name) {
                taken.filters.push((name.clone(), values.clone()));
                if !is_moto {
                    continue;
                }
            }
            kept += 1;
            parameters.insert(format!("Filter.{kept}.Name"), name.clone());
            for (at, value) in values.into_iter().enumerate() {
                parameters.insert(format!("Filter.{kept}.Value.{}", at + 1), value);
            }
        }
        // moto gives everybody's snapshots to everybody.
        if is_image || request.action == "DescribeSnapshots" {
            taken.owners = request.list("Owner");
            if taken.owners != ["self"] {
                parameters.retain(|name, _| !name.starts_with("Owner."));
            }
        }
        (taken, parameters)
    }

    /// Whether a member of the list is wanted; always for instances, which have [`Self::match_instance`].
    pub(crate) fn match_member(&self, member: &Element, account: &str) -> bool {
        let owner = match member.text_at("imageOwnerId") {
            "" => member.text_at("ownerId"),
            owner => owner,
        };
        let is_owner = |wanted: &String| match wanted.as_str() {
            "self" => owner == account,
            "amazon" => AMAZON.contains(&owner),
            id => owner == id,
        };
        let owned = self.owners.is_empty() || self.owners.iter().any(is_owner);
        owned && self.matches(member)
    }

    /// Whether an instance is wanted.
    pub(crate) fn match_instance(&self, instance: &Element) -> bool {
        self.matches(instance)
    }

    fn matches(&self, member: &Element) -> bool {
        self.filters.iter().all(|(name, wanted)| {
            let found = self.texts(name, member);
            let is_wanted = |text: &&str| wanted.iter().any(|wanted| glob(wanted, text));
            found.iter().any(is_wanted)
        })
    }

    fn texts<'a>(&self, name: &str, member: &'a Element) -> Vec<&'a str> {
        let tags = || member.items("tagSet").iter();
        if let Some(key) = name.strip_prefix("tag:") {
            let tags = tags().filter(|tag| tag.text_at("key") == key);
            return tags.map(|tag| tag.text_at("value")).collect();
        }
        if let Some(disk) = name.strip_prefix("block-device-mapping.") {
            let path = IMAGE_DISK.iter().find(|(filter, _)| *filter == disk);
            let disks = member.items("blockDeviceMapping").iter();
            return disks
                .filter_map(|disk| path.map(|(_, path)| disk.text_at(path)))
                .collect();
        }
        match name {
            "tag-key" => tags().map(|tag| tag.text_at("key")).collect(),
            "tag-value" => tags().map(|tag| tag.text_at("value")).collect(),
            _ => {
                let path = self.paths.iter().find(|(filter, _)| *filter == name);
                path.map(|(_, path)| member.text_at(path))
                    .into_iter()
                    .collect()
            }
        }
    }
}

/// Whether a text is as a pattern with `*` and `?` says.
fn glob(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else {
        return text.is_empty();
    };
    let rest = &pattern[first.len_utf8()..];
    let next = text.chars().next();
    let tail = &text[next.map_or(0, char::len_utf8)..];
    match first {
        '*' => glob(rest, text) || next.is_some() && glob(pattern, tail),
        '?' => next.is_some() && glob(rest, tail),
        _ => next == Some(first) && glob(rest, tail),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_match_as_those_of_filters_do() {
        for (pattern, text, wanted) in [
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a.c", "abc", false),
            ("ubuntu/*-amd64-*", "ubuntu/noble-amd64-server", true),
        ] {
            assert_eq!(glob(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
