//! What a build will make, and who else can reach or use it.

use aws_sdk_ec2::types::Image;
use imgc_runtime::options::Options;
use imgc_runtime::preview::Preview;

use super::View;
use crate::instance::{LogIn, session};
use crate::options::{ONLY_COPIES, list};
use crate::rights::Family;

impl View<'_> {
    /// Adds everything that will be made. `callers`: who may reach the temporary group, where that is known.
    pub(super) fn makes(
        &self,
        shown: &mut Preview,
        source: Option<&Image>,
        callers: Option<&[String]>,
    ) {
        let options = &self.options;
        let region = self.region.name();
        let text = |name: &str| options.string(name).ok().flatten();
        let log_in = LogIn::read(options);
        if let Ok(LogIn::Temporary { name, kind, .. }) = &log_in {
            let name = name.as_ref().map(|name| format!("{name}, "));
            let about = format!("{}{kind}, made here", name.unwrap_or_default());
            shown.make("key pair", region, about);
        }
        let by_session = session::is_wanted(options);
        if !self.has_groups() && self.logs_in() {
            match by_session {
                true => {
                    shown.make("security group", region, "no port open");
                }
                false => {
                    let about = format!("port {} open", self.port());
                    let made = shown.make("security group", region, about);
                    made.open_to = match callers {
                        Some(callers) => callers.to_vec(),
                        None => vec!["this machine's address, which is not known".to_owned()],
                    };
                }
            }
        }
        let kind = text("instance_type").unwrap_or_else(|| "of an unknown type".to_owned());
        let market = match ["spot_price", "spot_instance_types"]
            .iter()
            .any(|name| options.is_given(name))
        {
            true => ", on the spot market",
            false => "",
        };
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
        let about = format!("{kind}{market}{public}{profile}{way}");
        shown.make("instance", region, about);
        self.volumes(shown, source);
        if self.family == Family::Store {
            let bucket = text("s3_bucket").unwrap_or_else(|| "an unknown bucket".to_owned());
            let made = shown.make("bundle", region, format!("in the bucket {bucket}"));
            made.stays = true;
        }
        if self.family.makes_images() && !self.options.is_given("skip_create_ami") {
            self.images(shown, source);
        }
    }

    fn port(&self) -> String {
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
        let region = self.region.name();
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
            // Packer's default is to leave it.
            made.stays = !block.is_given("delete_on_termination");
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
        let encrypts = options.is_given("encrypt_boot");
        let home = self.region.name().to_owned();
        let only_copies = options.is_given(ONLY_COPIES);
        let mut regions = words("ami_regions");
        regions.retain(|region| *region != home);
        regions.insert(0, home.clone());
        for region in regions {
            let own = keys.get(&region).map(|key| key.text.clone());
            let own = own.filter(|key| !key.is_empty());
            let key = match region == home {
                true => text("kms_key_id").or(own),
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
            let made = shown.make("image", &region, format!("{name}{copy}{encrypted}"));
            made.stays = true;
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
