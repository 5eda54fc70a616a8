//! What a build will make, and who else can reach or use it.

use aws_sdk_ec2::types::{EbsBlockDevice, Image};
use imgc_runtime::options::Options;
use imgc_runtime::preview::Preview;

use super::Written;
use crate::builders::{checkpoint, root_of};
use crate::instance::{LogIn, session};
use crate::options::{Encryption, Network, ONLY_COPIES, Spot, list};
use crate::rights::Family;

impl Written<'_> {
    /// Adds everything that will be made. `callers`: who may reach the temporary group, where that is known.
    pub(super) fn makes(
        &self,
        shown: &mut Preview,
        source: Option<&Image>,
        callers: Option<&[String]>,
    ) {
        match self.family {
            Family::Chroot => self.volume_here(shown, source),
            _ => self.instance(shown, source, callers),
        }
        for step in &self.wanted.checkpoints {
            self.checkpoint(shown, step);
        }
        if self.family.makes_images() && !self.options.is_given("skip_create_ami") {
            self.images(shown, source);
            if let Some(step) = &self.wanted.check {
                self.check(shown, callers, step);
            }
        }
    }

    /// The volume that is attached to this machine.
    fn volume_here(&self, shown: &mut Preview, source: Option<&Image>) {
        let options = &self.options;
        let text = |name: &str| options.string(name).ok().flatten();
        let own = options.integer("root_volume_size").ok().flatten();
        let least = source
            .and_then(root_of)
            .and_then(EbsBlockDevice::volume_size);
        // It holds what it starts from, whatever is asked for.
        let size = own.filter(|size| *size > 0).max(least.map(i64::from));
        let size = size.map(|size| format!(", {size} GiB"));
        let kind = text("root_volume_type").map(|kind| format!(", {kind}"));
        let encrypted = match (self.encrypts(), self.key_at_home()) {
            (true, Some(key)) => format!(", encrypted with {key}"),
            (true, None) => ", encrypted with the account's key".to_owned(),
            (false, _) => String::new(),
        };
        let contents = match options.is_given("from_scratch") {
            true => "empty",
            false => "the disk of the source image",
        };
        let about = format!(
            "{contents}{}{}{encrypted}, attached to this machine",
            size.unwrap_or_default(),
            kind.unwrap_or_default()
        );
        shown.make("volume", &self.region, about);
    }

    /// Whether the image is encrypted wherever it is.
    fn encrypts(&self) -> bool {
        let asked = Encryption::read(&self.options).is_ok_and(|encryption| encryption.image);
        let of_volume = || self.options.is_given("root_volume_encrypt_boot");
        asked || self.family == Family::Chroot && of_volume()
    }

    /// The key of the image where it is built, if one is named.
    fn key_at_home(&self) -> Option<String> {
        let text = |name: &str| self.options.string(name).ok().flatten();
        let of_volume = match self.family {
            Family::Chroot => text("root_volume_kms_key_id"),
            _ => None,
        };
        of_volume.or_else(|| text("kms_key_id"))
    }

    /// The instance, and what is made for it and of it.
    fn instance(&self, shown: &mut Preview, source: Option<&Image>, callers: Option<&[String]>) {
        self.started(shown, callers, "");
        self.volumes(shown, source);
        if self.family == Family::Store {
            let bucket = self.options.string("s3_bucket").ok().flatten();
            let bucket = bucket.unwrap_or_else(|| "an unknown bucket".to_owned());
            let made = shown.make("bundle", &self.region, format!("in the bucket {bucket}"));
            made.stays = true;
        }
    }

    /// The instance on which the new image is checked, and what is made for it.
    fn check(&self, shown: &mut Preview, callers: Option<&[String]>, step: &str) {
        let before = shown.makes.len();
        self.started(shown, callers, ", of the new image, with its disks");
        for made in shown.makes.iter_mut().skip(before) {
            step.clone_into(&mut made.by);
            made.about.push_str(", for its checks");
        }
    }

    /// What is kept of the machine behind a provisioner.
    fn checkpoint(&self, shown: &mut Preview, step: &str) {
        for (what, about) in [
            ("image", format!("the machine behind {step}")),
            ("snapshot", "one for each disk of it".to_owned()),
        ] {
            let days = checkpoint::DAYS;
            let about = format!("{about}, a checkpoint for {days} days");
            let made = shown.make(what, &self.region, about);
            made.stays = true;
            step.clone_into(&mut made.by);
        }
    }

    /// An instance and what it is started and reached with. `of`: what is to be said of it besides.
    fn started(&self, shown: &mut Preview, callers: Option<&[String]>, of: &str) {
        let options = &self.options;
        let region = self.region.as_str();
        let text = |name: &str| options.string(name).ok().flatten();
        if let Ok(LogIn::Temporary { name, kind, .. }) = &LogIn::read(options) {
            // The one of the checks has a name of its own.
            let name = name.as_ref().filter(|_| of.is_empty());
            let name = name.map(|name| format!("{name}, "));
            let about = format!("{}{kind}, made here", name.unwrap_or_default());
            shown.make("key pair", region, about);
        }
        let by_session = session::is_wanted(options);
        if !self.has_groups() && self.logs_in() {
            self.group(shown, callers, by_session);
        }
        if options.is_given("temporary_iam_instance_profile_policy_document") {
            // IAM is the same in all regions.
            shown.make("role", region, "with the policy of the template");
            shown.make("instance profile", region, "with that role");
        }
        let spot = Spot::read(options).ok().flatten();
        let types = spot.as_ref().map(|spot| spot.types.join(" or "));
        let kind = types
            .filter(|types| !types.is_empty())
            .or_else(|| text("instance_type"));
        let kind = kind.unwrap_or_else(|| "of an unknown type".to_owned());
        let mut market = "";
        if spot.is_some() {
            market = ", on the spot market";
            shown.make(
                "launch template",
                region,
                "what the instance is asked for with",
            );
            shown.make("fleet", region, "of one instance, asked for once");
        }
        let public = match options.value("associate_public_ip_address") {
            None => "",
            Some(_) => match options.bool("associate_public_ip_address") {
                Ok(true) => ", with a public address",
                Ok(false) => ", without a public address",
                Err(_) => "",
            },
        };
        let profile = text("iam_instance_profile").map(|name| format!(", profile {name}"));
        let way = if by_session {
            ", reached by Session Manager"
        } else {
            ""
        };
        let profile = profile.unwrap_or_default();
        let about = format!("{kind}{of}{market}{public}{profile}{way}");
        shown.make("instance", region, about);
    }

    /// The group of its own, and who may pass it.
    fn group(&self, shown: &mut Preview, callers: Option<&[String]>, by_session: bool) {
        let region = self.region.as_str();
        if by_session {
            shown.make("security group", region, "no port open");
            return;
        }
        let about = format!("port {} open", self.port());
        let made = shown.make("security group", region, about);
        let asked = Network::read(&self.options).map(|network| network.cidrs);
        made.open_to = match (asked, callers) {
            (Ok(asked), _) if !asked.is_empty() => asked,
            (_, Some(callers)) => callers.to_vec(),
            _ => vec!["this machine's address, which is not known".to_owned()],
        };
    }

    pub(super) fn port(&self) -> String {
        let port = |name: &str, usual: &str| {
            let given = self.options.integer(name);
            match given {
                Ok(Some(port)) if port > 0 => port.to_string(),
                Ok(_) => usual.to_owned(),
                Err(_) => "(unknown)".to_owned(),
            }
        };
        match self
            .options
            .string("communicator")
            .ok()
            .flatten()
            .as_deref()
        {
            Some("winrm") => match self.options.bool("winrm_use_ssl") {
                Ok(true) => port("winrm_port", "5986"),
                _ => port("winrm_port", "5985"),
            },
            _ => port("ssh_port", "22"),
        }
    }

    /// The disks of the instance: the template's, and those of the image that the template says nothing about.
    fn volumes(&self, shown: &mut Preview, source: Option<&Image>) {
        let region = self.region.as_str();
        let mut named = Vec::new();
        let blocks = self.family.disks();
        for block in list(&self.options, blocks) {
            let block = Options::new(blocks, block);
            let text = |name: &str| block.string(name).ok().flatten();
            let name = text("device_name").unwrap_or_default();
            named.push(name.clone());
            if block.is_given("no_device") || block.is_given("virtual_name") {
                continue;
            }
            let size = text("volume_size").map(|size| format!(", {size} GiB"));
            let kind = text("volume_type").map(|kind| format!(", {kind}"));
            let encrypted = match (block.is_given("encrypted"), text("kms_key_id")) {
                (_, Some(key)) => format!(", encrypted with {key}"),
                (true, None) => ", encrypted with the account's key".to_owned(),
                (false, None) => String::new(),
            };
            let about = format!(
                "{name}{}{}{encrypted}",
                size.unwrap_or_default(),
                kind.unwrap_or_default()
            );
            let made = shown.make("volume", region, about);
            // Packer's default is to leave it. Where a volume is not what is made, it ends with the build: what the template
            // says of it holds for the instances of the image.
            made.stays = self.family == Family::Volumes && !block.is_given("delete_on_termination");
            if self.family == Family::Volumes && block.is_given("snapshot_volume") {
                let made = shown.make("snapshot", region, format!("of {name}{encrypted}"));
                made.stays = true;
                let users = block.plain_strings("snapshot_users").unwrap_or_default();
                let users = users.into_iter();
                made.open_to = users.map(|user| format!("account {user}")).collect();
                let groups = block.plain_strings("snapshot_groups").unwrap_or_default();
                if groups.iter().any(|group| group == "all") {
                    made.open_to.push("everybody".to_owned());
                }
            }
        }
        let devices = source.map(Image::block_device_mappings).unwrap_or_default();
        for device in devices {
            let name = device.device_name().unwrap_or_default();
            let Some(ebs) = device.ebs() else {
                continue;
            };
            if named.iter().any(|given| given == name) {
                continue;
            }
            let size = ebs.volume_size().map(|size| format!(", {size} GiB"));
            let kind = ebs.volume_type().map(|kind| format!(", {}", kind.as_str()));
            let about = format!(
                "{name}{}{}, as the source image has it",
                size.unwrap_or_default(),
                kind.unwrap_or_default()
            );
            shown.make("volume", region, about);
        }
    }

    /// The image, its snapshots, its copies with their keys.
    fn images(&self, shown: &mut Preview, source: Option<&Image>) {
        let options = &self.options;
        let text = |name: &str| options.string(name).ok().flatten();
        let name = text("ami_name").unwrap_or_else(|| "(unknown)".to_owned());
        let words = |name: &str| options.plain_strings(name).unwrap_or_default();
        let keys = options.map("region_kms_key_ids").unwrap_or_default();
        let encrypts = self.encrypts();
        let home = self.region.clone();
        let only_copies = options.is_given(ONLY_COPIES);
        let mut regions = words("ami_regions");
        regions.retain(|region| *region != home);
        regions.insert(0, home.clone());
        for region in regions {
            let own = keys.get(&region).map(|key| key.text.clone());
            let own = own.filter(|key| !key.is_empty());
            let key = match region == home {
                true => self.key_at_home().or(own),
                false => own,
            };
            let encrypted = match key {
                Some(key) => format!(", encrypted with {key}"),
                None if encrypts => format!(", encrypted with the account's key of {region}"),
                None => String::new(),
            };
            if only_copies && region == home {
                let about = format!("only a step on the way to its copies{encrypted}");
                shown.make("image", &region, about);
                continue;
            }
            let copy = match region == home {
                true => "",
                false => ", a copy",
            };
            let by = match region == home {
                true => String::new(),
                false => format!("publish[\"{region}\"]"),
            };
            let made = shown.make("image", &region, format!("{name}{copy}{encrypted}"));
            made.stays = true;
            made.by.clone_from(&by);
            let users = words("ami_users").into_iter();
            made.open_to = users.map(|user| format!("account {user}")).collect();
            for group in words("ami_groups") {
                made.open_to.push(match group.as_str() {
                    "all" => "everybody".to_owned(),
                    group => format!("group {group}"),
                });
            }
            for option in ["ami_org_arns", "ami_ou_arns"] {
                made.open_to.extend(words(option));
            }
            // The disk of one with instance store is its bundle.
            if self.family == Family::Store {
                continue;
            }
            let disks = self.disks(source);
            let about = match disks {
                Some(1) => "of its disk".to_owned(),
                Some(count) => format!("{count}, one for each disk"),
                None => "one for each disk".to_owned(),
            };
            let made = shown.make("snapshot", &region, format!("{about}{encrypted}"));
            made.stays = true;
            made.by = by;
            let users = words("snapshot_users").into_iter();
            made.open_to = users.map(|user| format!("account {user}")).collect();
            if words("snapshot_groups").iter().any(|group| group == "all") {
                made.open_to.push("everybody".to_owned());
            }
        }
    }

    /// How many disks the image will have, where that is known.
    fn disks(&self, source: Option<&Image>) -> Option<usize> {
        if self.family == Family::Surrogate {
            let blocks = list(&self.options, self.family.disks());
            let taken = blocks.into_iter().filter(|block| {
                let block = Options::new(self.family.disks(), block);
                let none = ["no_device", "omit_from_artifact", "virtual_name"];
                !none.iter().any(|name| block.is_given(name))
            });
            return Some(taken.count());
        }
        if self.family == Family::Chroot {
            let blocks = list(&self.options, "ami_block_device_mappings");
            // They stand for all those of the source image.
            if !blocks.is_empty() {
                let taken = blocks.into_iter().filter(|block| {
                    let block = Options::new("ami_block_device_mappings", block);
                    !block.is_given("no_device") && !block.is_given("virtual_name")
                });
                return Some(taken.count());
            }
        }
        let devices = source?.block_device_mappings().iter();
        let mut names: Vec<String> = devices
            .filter(|device| device.ebs().is_some())
            .filter_map(|device| device.device_name().map(str::to_owned))
            .collect();
        for option in ["launch_block_device_mappings", "ami_block_device_mappings"] {
            for block in list(&self.options, option) {
                let block = Options::new(option, block);
                let name = block.string("device_name").ok().flatten()?;
                let none = block.is_given("no_device");
                names.retain(|other| *other != name);
                if !none && !block.is_given("virtual_name") {
                    names.push(name);
                }
            }
        }
        Some(names.len())
    }
}
