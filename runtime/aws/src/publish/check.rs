//! What cannot be published, found before anything runs.

use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::options::{A_MOMENT, Encryption, ONLY_COPIES, Publish, list, misspelt_region, moment};

use super::is_open;

/// The problems of options, of which parts may be unknown.
pub(crate) fn problems(value: &Value) -> Vec<Problem> {
    let check = Check {
        options: Options::new("builder", value),
        found: Vec::new(),
    };
    check.all()
}

/// The same when everything is known, before anything is made: the first is the failure.
pub(crate) fn verify(value: &Value) -> Result<()> {
    if let Some(problem) = problems(value).into_iter().next() {
        let mut error = Error::new(Class::Template, "run/aws-option", problem.message);
        error.options = problem.options;
        error.help = problem.help;
        return Err(error);
    }
    let options = Options::new("builder", value);
    for option in ["ami_users", "snapshot_users"] {
        for user in options.plain_strings(option)? {
            check_account(option, &user)?;
        }
    }
    Ok(())
}

/// Whether an entry of an option is the number of an account. Amazon would say so when the image is there. An empty one comes
/// from a variable that nobody has set, and stands for nothing.
pub(crate) fn check_account(option: &str, user: &str) -> Result<()> {
    if user.is_empty() || user.len() == 12 && user.bytes().all(|one| one.is_ascii_digit()) {
        return Ok(());
    }
    let message = format!("`{user}` is not the number of an account");
    Err(Error::new(Class::Template, "run/aws-option", message)
        .of(option)
        .help(ACCOUNTS))
}

/// What accounts are called.
const ACCOUNTS: &str = "accounts have twelve digits, zeros in front included; organisations are named in `ami_org_arns`";

/// The way out of an image of which nothing would stay.
pub(super) const NAME_REGIONS: &str =
    "name the regions of the copies in `ami_regions`, or leave `skip_save_build_region` out";

struct Check<'a> {
    options: Options<'a>,
    found: Vec<Problem>,
}

impl Check<'_> {
    fn all(mut self) -> Vec<Problem> {
        self.regions();
        self.only_copies();
        self.keys();
        self.accounts();
        self.groups();
        self.encrypted_sharing();
        self.moment();
        self.fast_launch();
        self.launch_templates();
        self.minutes();
        self.found
    }

    fn say(&mut self, option: &str, message: String, help: &str) {
        self.found.push(Problem::new(message).of(option).help(help));
    }

    /// The texts of an option; none where only the run knows them. An empty one comes from a variable that nobody has set,
    /// and stands for nothing.
    fn texts(&self, name: &str) -> Vec<String> {
        if is_open(&self.options, name) {
            return Vec::new();
        }
        let mut texts = self.options.plain_strings(name).unwrap_or_default();
        texts.retain(|text| !text.is_empty());
        texts
    }

    fn text(&self, name: &str) -> Option<String> {
        self.texts(name)
            .into_iter()
            .next()
            .filter(|text| !text.is_empty())
    }

    /// The keys of regions; `None` where only the run knows them.
    fn region_keys(&self) -> Option<Vec<(String, String)>> {
        if is_open(&self.options, "region_kms_key_ids") {
            return None;
        }
        let keys = self.options.map("region_kms_key_ids").ok()?.into_iter();
        Some(keys.map(|(region, key)| (region, key.text)).collect())
    }

    fn regions(&mut self) {
        let regions = self.texts("ami_regions");
        let is_checked = !self.options.bool("skip_region_validation").unwrap_or(true);
        for region in &regions {
            if is_checked && !is_region(region) {
                self.say(
                    "ami_regions",
                    format!("`{region}` is not the name of a region"),
                    "regions are called like eu-west-1; if this is one, write skip_region_validation = true",
                );
                continue;
            }
            let is_looked_at = is_checked && !self.options.is_sensitive("ami_regions");
            if let Some(problem) = misspelt_region(region).filter(|_| is_looked_at) {
                self.found.push(problem.of("ami_regions"));
            }
        }
    }

    /// Something has to stay.
    fn only_copies(&mut self) {
        let open = [ONLY_COPIES, "ami_regions", "skip_create_ami"];
        if open.iter().any(|name| is_open(&self.options, name)) {
            return;
        }
        let is = |name: &str| self.options.bool(name).unwrap_or_default();
        let home = self.text("region");
        let mut regions = self.texts("ami_regions").into_iter();
        let is_copied = regions.any(|region| Some(region) != home);
        if is(ONLY_COPIES) && !is("skip_create_ami") && !is_copied {
            let message =
                "no image would stay: none where it is made, and no copy in another region";
            self.say(ONLY_COPIES, message.to_owned(), NAME_REGIONS);
        }
    }

    fn keys(&mut self) {
        if let Some(key) = self.text("kms_key_id") {
            self.key("kms_key_id", &key, self.text("region").as_deref());
        }
        let Some(keys) = self.region_keys() else {
            return;
        };
        for (region, key) in &keys {
            self.key("region_kms_key_ids", key, Some(region));
        }
        if is_open(&self.options, "ami_regions") {
            return;
        }
        let (regions, home) = (self.texts("ami_regions"), self.text("region"));
        for (region, _) in &keys {
            if !regions.contains(region) && home.as_ref() != Some(region) {
                self.say(
                    "region_kms_key_ids",
                    format!("there is a key for {region}, and no copy is made there"),
                    "add the region to `ami_regions`, or take the key out",
                );
            }
        }
        for region in regions
            .iter()
            .filter(|region| Some(*region) != home.as_ref())
        {
            if !keys.is_empty() && !keys.iter().any(|(keyed, _)| keyed == region) {
                self.say(
                    "ami_regions",
                    format!(
                        "a copy is made in {region}, and `region_kms_key_ids` has no key for it"
                    ),
                    "give it a key; \"\" stands for the account's default key there",
                );
            }
        }
    }

    /// One key, in the region where it is used.
    fn key(&mut self, option: &str, key: &str, region: Option<&str>) {
        if key.is_empty() {
            return;
        }
        let id = key.strip_prefix("mrk-").unwrap_or(key);
        let is_id = id.len() >= 32 && id.chars().all(|one| one.is_ascii_hexdigit() || one == '-');
        let arn: Vec<&str> = key.split(':').collect();
        let is_arn = matches!(arn[..], ["arn", _, "kms", _, _, name]
            if name.starts_with("key/") || name.starts_with("alias/"));
        if !is_id && !is_arn && !key.starts_with("alias/") {
            self.say(
                option,
                format!("`{key}` is not the name of a key"),
                "write its id, its ARN, or `alias/` and its alias",
            );
        }
        if let (true, Some(region)) = (is_arn, region)
            && arn[3] != region
        {
            self.say(
                option,
                format!(
                    "the key {key} is in {}, and what it is to encrypt in {region}",
                    arn[3]
                ),
                "take a key of the same region",
            );
        }
    }

    fn accounts(&mut self) {
        for option in ["ami_users", "snapshot_users"] {
            for user in self.texts(option) {
                // Numbers of another length, and what stands in for one, are in many templates' defaults, and Packer's
                // `validate` takes them: a run refuses them before it makes anything.
                if user.contains(':') {
                    self.say(
                        option,
                        format!("`{user}` is not the number of an account"),
                        ACCOUNTS,
                    );
                }
            }
        }
    }

    fn groups(&mut self) {
        for option in ["ami_groups", "snapshot_groups"] {
            let groups = self.texts(option);
            if let Some(group) = groups.iter().find(|group| *group != "all") {
                self.say(
                    option,
                    format!("there is no group `{group}`"),
                    "the only one is `all`, which is everybody; accounts are named by their numbers",
                );
            }
        }
    }

    /// What is encrypted is for nobody else, or for those who may use the key.
    fn encrypted_sharing(&mut self) {
        let ours = [
            "encrypt_boot",
            "kms_key_id",
            "region",
            "region_kms_key_ids",
            "ami_regions",
        ];
        if ours.iter().any(|name| is_open(&self.options, name)) {
            return;
        }
        let Ok(encryption) = Encryption::read(&self.options) else {
            return;
        };
        let home = self.text("region");
        let mut regions = self.texts("ami_regions");
        regions.retain(|region| Some(region) != home.as_ref());
        let covered = regions.iter().find(|region| encryption.covers(region));
        if encryption.image || covered.is_some() {
            for option in ["ami_groups", "snapshot_groups"] {
                if self.texts(option).iter().any(|group| group == "all") {
                    self.say(
                        option,
                        format!("`{option}` lets everybody use what is encrypted"),
                        "nobody else has the key: leave the encryption out, or name accounts",
                    );
                }
            }
        }
        // One of which only copies stay is shared with nobody.
        let stays = !self.options.bool(ONLY_COPIES).unwrap_or_default();
        let home_default =
            stays && encryption.image && encryption.home_key(home.as_deref()).is_none();
        let default = regions
            .iter()
            .find(|region| encryption.covers(region) && encryption.region_key(region).is_none());
        let whose = match (home_default, default) {
            (true, _) => "the image",
            (false, Some(_)) => "the copy",
            (false, None) => return,
        };
        let place = default.filter(|_| !home_default);
        let place = place.map_or_else(String::new, |region| format!(" in {region}"));
        for option in ["ami_users", "ami_org_arns", "ami_ou_arns", "snapshot_users"] {
            if self.texts(option).is_empty() {
                continue;
            }
            let help = match home_default {
                true => {
                    "set `kms_key_id` to a key of your own whose policy lets the other account use it"
                }
                false => {
                    "name a key of your own in `region_kms_key_ids` whose policy lets the other account use it"
                }
            };
            self.say(
                option,
                format!("{whose}{place} is encrypted with the account's default key, which nobody else can use"),
                help,
            );
        }
    }

    fn moment(&mut self) {
        if let Some(text) = self.text("deprecate_at")
            && moment(&text).is_none()
        {
            self.say(
                "deprecate_at",
                format!("`{text}` is not {A_MOMENT}"),
                "date, time and zone are needed; `timeadd(timestamp(), \"2160h\")` is in 90 days",
            );
        }
    }

    fn fast_launch(&mut self) {
        let needed = ["fast_launch", "ami_regions", "region"];
        if needed.iter().any(|name| is_open(&self.options, name)) {
            return;
        }
        let Ok(Some(launch)) = Publish::read(&self.options).map(|read| read.fast_launch) else {
            return;
        };
        if let Some(parallel) = launch.parallel.filter(|parallel| *parallel < 6) {
            self.say(
                "fast_launch",
                format!("`max_parallel_launches` is {parallel}"),
                "Amazon wants at least 6, and takes 6 where it is left out",
            );
        }
        // Where the image is made is not known here if the environment says so.
        let Some(home) = self.text("region") else {
            return;
        };
        let regions = self.texts("ami_regions");
        let other = launch
            .regions()
            .find(|region| *region != home && !regions.iter().any(|one| one == region));
        if let Some(region) = other {
            let message =
                format!("`region_launch_templates` speaks of {region}, and no copy is made there");
            self.say(
                "fast_launch",
                message,
                "add the region to `ami_regions`, or take the block out",
            );
        }
    }

    /// A launch template has an id or a name, and a version only beside one of them; each region has one.
    fn launch_templates(&mut self) {
        let option = "fast_launch";
        let Some(value) = self.options.value(option) else {
            return;
        };
        if is_open(&self.options, option) {
            return;
        }
        let block = Options::new("`fast_launch`", value);
        let mut regions: Vec<String> = Vec::new();
        let mut found = vec![wrong_template(&block)];
        for own in list(&block, "region_launch_templates") {
            let own = Options::new("`region_launch_templates`", own);
            found.push(wrong_template(&own));
            let region = own.string("region").ok().flatten().unwrap_or_default();
            if regions.contains(&region) {
                let message = format!("`region_launch_templates` speaks of {region} twice");
                found.push(Some((message, "leave one of the blocks out")));
            }
            regions.push(region);
        }
        for (message, help) in found.into_iter().flatten() {
            self.say(option, message, help);
        }
    }

    fn minutes(&mut self) {
        let option = "snapshot_copy_duration_minutes";
        if is_open(&self.options, option) {
            return;
        }
        let minutes = self.options.integer(option).ok().flatten();
        if let Some(minutes) = minutes
            && (!(15..=2880).contains(&minutes) || minutes % 15 != 0)
        {
            self.say(
                option,
                format!("a copy cannot be asked for in {minutes} minutes"),
                "a quarter of an hour (15) to two days (2880), in steps of 15; left out, it costs nothing and takes what it takes",
            );
        }
    }
}

/// What is wrong with the launch template that a block names, and the way out.
fn wrong_template(block: &Options<'_>) -> Option<(String, &'static str)> {
    let (id, name) = (
        block.is_given("template_id"),
        block.is_given("template_name"),
    );
    let version = block.integer("template_version").ok().flatten();
    match version.filter(|version| *version != 0) {
        _ if id && name => Some((
            "a launch template is named by `template_id` and by `template_name`".to_owned(),
            "leave one of them out",
        )),
        Some(version) if version < 1 => Some((
            format!("`template_version` is {version}"),
            "versions are counted from 1; left out, it is the latest",
        )),
        Some(_) if !id && !name => Some((
            "`template_version` is given, and no launch template".to_owned(),
            "name it with `template_id` or `template_name`",
        )),
        _ => None,
    }
}

/// `eu-west-1`, `us-gov-east-1`: words and a number.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [words @ .., number] = parts.as_slice() else {
        return false;
    };
    let is_word =
        |word: &&str| !word.is_empty() && word.chars().all(|one| one.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(is_word)
        && !number.is_empty()
        && number.chars().all(|one| one.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(options: &[(&'static str, Value)]) -> Vec<String> {
        let found = problems(&Value::object(options.to_vec()));
        let found = found.into_iter();
        found
            .map(|problem| format!("{}: {}", problem.options.join(","), problem.message))
            .collect()
    }

    fn texts(texts: &[&str]) -> Value {
        Value::strings(texts.iter().copied())
    }

    fn keys(pairs: &[(&'static str, &str)]) -> Value {
        Value::object(
            pairs
                .iter()
                .map(|(region, key)| (*region, Value::string(*key))),
        )
    }

    #[test]
    fn an_image_of_which_nothing_would_stay_is_refused() {
        let only = || (ONLY_COPIES, Value::bool(true));
        let home = || ("region", Value::string("us-east-1"));
        let regions = |list: &[&str]| ("ami_regions", texts(list));
        let said_of = "skip_save_build_region: no image would stay: none where it is made, and no copy in another region";
        assert_eq!(said(&[only()]), [said_of]);
        assert_eq!(said(&[only(), home(), regions(&["us-east-1"])]), [said_of]);
        let copied = said(&[only(), home(), regions(&["us-east-1", "eu-west-1"])]);
        assert!(copied.is_empty(), "{copied:?}");
        let skipped = said(&[only(), ("skip_create_ami", Value::bool(true))]);
        assert!(skipped.is_empty(), "{skipped:?}");
    }

    #[test]
    fn what_cannot_be_is_said_of_the_option_it_is_about() {
        let regions = |list: &[&str]| ("ami_regions", texts(list));
        let boot = || ("encrypt_boot", Value::bool(true));
        let home = || ("region", Value::string("us-east-1"));
        assert_eq!(
            said(&[regions(&["eu-west-1", "eu-west-1", "eu-west1"])]),
            ["ami_regions: `eu-west1` is not the name of a region"]
        );
        assert_eq!(
            said(&[regions(&["us-wst-2", "us-east-9"])]),
            ["ami_regions: there is no region `us-wst-2`"]
        );
        let taken = ("skip_region_validation", Value::bool(true));
        assert_eq!(said(&[regions(&["us-wst-2"]), taken]), [""; 0]);
        assert_eq!(
            said(&[
                regions(&["eu-west-1", "us-gov-east-1"]),
                (
                    "region_kms_key_ids",
                    keys(&[("eu-west-1", "web"), ("eu-west-2", "")])
                )
            ]),
            [
                "region_kms_key_ids: `web` is not the name of a key",
                "region_kms_key_ids: there is a key for eu-west-2, and no copy is made there",
                "ami_regions: a copy is made in us-gov-east-1, and `region_kms_key_ids` has no key for it"
            ]
        );
        let arn = "arn:aws:kms:eu-west-1:123456789012:alias/web";
        assert_eq!(
            said(&[home(), boot(), ("kms_key_id", Value::string(arn))]),
            [format!(
                "kms_key_id: the key {arn} is in eu-west-1, and what it is to encrypt in us-east-1"
            )]
        );
        assert_eq!(
            said(&[boot(), ("ami_groups", texts(&["all"]))]),
            ["ami_groups: `ami_groups` lets everybody use what is encrypted"]
        );
        assert_eq!(
            said(&[
                ("ami_users", texts(&["", "1234", "arn:aws:iam::1234:root"])),
                ("snapshot_groups", texts(&["everyone"]))
            ]),
            [
                "ami_users: `arn:aws:iam::1234:root` is not the number of an account",
                "snapshot_groups: there is no group `everyone`"
            ]
        );
        let users = || ("ami_users", texts(&["111111111111"]));
        assert_eq!(
            said(&[boot(), users()]),
            [
                "ami_users: the image is encrypted with the account's default key, which nobody else can use"
            ]
        );
        let own = || ("kms_key_id", Value::string("alias/web"));
        assert_eq!(
            said(&[boot(), own(), users(), regions(&["eu-west-1"])]),
            [
                "ami_users: the copy in eu-west-1 is encrypted with the account's default key, which nobody else can use"
            ]
        );
        assert_eq!(
            said(&[("deprecate_at", Value::string("2030-01-31"))]),
            ["deprecate_at: `2030-01-31` is not a moment such as `2030-01-31T00:00:00Z`"]
        );
        assert_eq!(
            said(&[("snapshot_copy_duration_minutes", Value::number(20))]),
            ["snapshot_copy_duration_minutes: a copy cannot be asked for in 20 minutes"]
        );
    }

    #[test]
    fn a_run_takes_only_numbers_of_accounts() {
        let said = |users: &[&str]| {
            let value = Value::object([("snapshot_users", texts(users))]);
            verify(&value).err().map(|error| error.message)
        };
        assert_eq!(said(&["", "111111111111"]), None);
        for wrong in ["1234", "11111111111x", "1111-1111-1111"] {
            let message = format!("`{wrong}` is not the number of an account");
            assert_eq!(said(&["111111111111", wrong]), Some(message));
        }
    }

    #[test]
    fn what_is_well_or_not_known_yet_is_let_through() {
        let there = || ("region_kms_key_ids", keys(&[("eu-west-1", "alias/web")]));
        let well = [
            ("region", Value::string("us-east-1")),
            ("encrypt_boot", Value::bool(true)),
            (
                "kms_key_id",
                Value::string("1234abcd-12ab-34cd-56ef-1234567890ab"),
            ),
            ("ami_regions", texts(&["eu-west-1", "us-east-1"])),
            there(),
            ("ami_users", texts(&["111111111111"])),
            ("deprecate_at", Value::string("2030-01-31T00:00:00Z")),
        ];
        assert_eq!(said(&well), [""; 0]);
        let open = Value::unknown(imgc_compiler::types::Type::Any);
        assert_eq!(said(&[("ami_regions", open.clone()), there()]), [""; 0]);
        assert_eq!(
            said(&[("encrypt_boot", open), ("ami_groups", texts(&["all"]))]),
            [""; 0]
        );
    }
}
