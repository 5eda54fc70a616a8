//! What becomes of an image that is made: copies, who may use it, for how long.

use std::collections::BTreeMap;

use aws_sdk_ec2::primitives::DateTime;
use imgc_runtime::error::Result;
use imgc_runtime::options::Options;

use super::{Encryption, ONLY_COPIES, list};

/// The options of publishing.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    /// Where the image is copied to, each region once. The one it is made in may be among them.
    pub(crate) regions: Vec<String>,
    /// `skip_save_build_region`: the image itself goes when its copies are there.
    pub(crate) only_copies: bool,
    pub(crate) encryption: Encryption,
    /// Who may start it.
    pub(crate) sharing: Sharing,
    /// Accounts that may make volumes of its snapshots.
    pub(crate) snapshot_users: Vec<String>,
    /// `all` lets everybody.
    pub(crate) snapshot_groups: Vec<String>,
    pub(crate) product_codes: Vec<String>,
    pub(crate) deprecate_at: Option<DateTime>,
    pub(crate) protection: Option<Protection>,
    pub(crate) fast_launch: Option<FastLaunch>,
    /// `imds_support`: whether instances have to use the second version of the metadata service.
    pub(crate) guards_metadata: bool,
    /// `snapshot_copy_duration_minutes`: how long a copy may take at most, for which Amazon asks a price.
    pub(crate) copy_minutes: Option<i64>,
}

/// Who may start an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sharing {
    pub(crate) users: Vec<String>,
    /// `all` makes it public.
    pub(crate) groups: Vec<String>,
    pub(crate) organisations: Vec<String>,
    pub(crate) units: Vec<String>,
}

/// What users, groups, organisations and their units are called in the record of a run, in this order.
const WORDS: [&str; 4] = ["user", "group", "organisation", "unit"];

/// `deregistration_protection`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protection {
    /// It holds for a day after it was taken away.
    pub(crate) cooldown: bool,
}

/// `fast_launch`: snapshots of Windows that has started once already.
#[derive(Clone, Debug, Default)]
pub(crate) struct FastLaunch {
    pub(crate) parallel: Option<i32>,
    pub(crate) count: Option<i32>,
    template: Option<LaunchTemplate>,
    /// By region.
    templates: BTreeMap<String, Option<LaunchTemplate>>,
    /// Regions in which it is not wanted.
    without: Vec<String>,
}

/// A launch template, by id or name.
#[derive(Clone, Debug)]
pub(crate) struct LaunchTemplate {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) version: String,
}

/// EC2's word for the second version of the metadata service.
pub(crate) const V2: &str = "v2.0";
/// What a template says where instances of the image shall take the first version as well. Amazon has no word for it.
pub(crate) const NO_GUARD: &str = "v1.0";

/// Whether instances of an image have to use the second version of the metadata service. `imds`: `imds_support`.
pub(crate) fn guards_metadata(imds: Option<&str>) -> bool {
    imds.is_none_or(|wanted| wanted == V2)
}

/// The texts of a list. An empty one comes from a variable that nobody has set, and stands for nothing.
fn given(options: &Options<'_>, name: &str) -> Result<Vec<String>> {
    let mut texts = options.plain_strings(name)?;
    texts.retain(|text| !text.is_empty());
    Ok(texts)
}

impl Publish {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let mut regions: Vec<String> = Vec::new();
        for region in given(options, "ami_regions")? {
            if !regions.contains(&region) {
                regions.push(region);
            }
        }
        Ok(Self {
            regions,
            only_copies: options.bool(ONLY_COPIES)?,
            encryption: Encryption::read(options)?,
            sharing: Sharing {
                users: given(options, "ami_users")?,
                groups: given(options, "ami_groups")?,
                organisations: options.plain_strings("ami_org_arns")?,
                units: options.plain_strings("ami_ou_arns")?,
            },
            snapshot_users: given(options, "snapshot_users")?,
            snapshot_groups: given(options, "snapshot_groups")?,
            product_codes: options.plain_strings("ami_product_codes")?,
            deprecate_at: options
                .string("deprecate_at")?
                .map(|text| moment(&text).ok_or_else(|| options.wrong("deprecate_at", A_MOMENT)))
                .transpose()?,
            protection: Protection::read(options)?,
            fast_launch: FastLaunch::read(options)?,
            guards_metadata: guards_metadata(options.string("imds_support")?.as_deref()),
            copy_minutes: options.integer("snapshot_copy_duration_minutes")?,
        })
    }
}

impl Publish {
    /// Who may make volumes of the snapshots.
    pub(crate) fn snapshot_sharing(&self) -> Sharing {
        Sharing {
            users: self.snapshot_users.clone(),
            groups: self.snapshot_groups.clone(),
            ..Sharing::default()
        }
    }
}

/// How a moment is to be written.
pub(crate) const A_MOMENT: &str = "a moment such as `2030-01-31T00:00:00Z`";

/// A moment in RFC 3339.
pub(crate) fn moment(text: &str) -> Option<DateTime> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(DateTime::from_secs(stamp.as_second()))
}

impl Sharing {
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            users,
            groups,
            organisations,
            units,
        } = self;
        [users, groups, organisations, units]
            .iter()
            .all(|list| list.is_empty())
    }

    /// As the record of a run has it: a line each, what it is and who.
    pub(crate) fn recorded(&self) -> String {
        let Self {
            users,
            groups,
            organisations,
            units,
        } = self;
        let lists = [users, groups, organisations, units].into_iter();
        let lines = lists.zip(WORDS).flat_map(|(list, word)| {
            let lines = list.iter();
            lines.map(move |who| format!("{word} {who}\n"))
        });
        lines.collect()
    }

    /// What a record says; what is no line of one is left out.
    pub(crate) fn from_record(text: &str) -> Self {
        let of = |word: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            let own = lines.filter(|(own, _)| *own == word);
            own.map(|(_, who)| who.to_owned()).collect()
        };
        let [users, groups, organisations, units] = WORDS.map(of);
        Self {
            users,
            groups,
            organisations,
            units,
        }
    }

    /// Those who are also in another one (`also`), or who are not.
    pub(crate) fn compared(&self, other: &Self, also: bool) -> Self {
        let some = |own: &[String], other: &[String]| {
            let own = own.iter().filter(|who| other.contains(who) == also);
            own.cloned().collect()
        };
        Self {
            users: some(&self.users, &other.users),
            groups: some(&self.groups, &other.groups),
            organisations: some(&self.organisations, &other.organisations),
            units: some(&self.units, &other.units),
        }
    }

    /// All of them, for people.
    pub(crate) fn names(&self) -> String {
        let Self {
            users,
            groups,
            organisations,
            units,
        } = self;
        let all = [users, groups, organisations, units].into_iter().flatten();
        let all = all.map(|who| if who == "all" { "everybody" } else { who });
        all.collect::<Vec<_>>().join(", ")
    }
}

impl Protection {
    fn read(options: &Options<'_>) -> Result<Option<Self>> {
        let Some(value) = options.value("deregistration_protection") else {
            return Ok(None);
        };
        let block = Options::new("`deregistration_protection`", value);
        let cooldown = block.bool("with_cooldown")?;
        Ok(block.bool("enabled")?.then_some(Self { cooldown }))
    }
}

impl FastLaunch {
    fn read(options: &Options<'_>) -> Result<Option<Self>> {
        let Some(value) = options.value("fast_launch") else {
            return Ok(None);
        };
        let block = Options::new("`fast_launch`", value);
        let small = |name: &str| -> Result<Option<i32>> {
            let value = block.integer(name)?.filter(|value| *value != 0);
            let value = value.map(|value| {
                i32::try_from(value).map_err(|_| block.wrong(name, "a smaller number"))
            });
            value.transpose()
        };
        let (mut templates, mut without) = (BTreeMap::new(), Vec::new());
        for own in list(&block, "region_launch_templates") {
            let own = Options::new("`region_launch_templates`", own);
            let region = own.required("region")?;
            if own.value("enable_fast_launch").is_some() && !own.bool("enable_fast_launch")? {
                without.push(region.clone());
            }
            templates.insert(region, LaunchTemplate::read(&own)?);
        }
        let launch = Self {
            parallel: small("max_parallel_launches")?,
            count: small("target_resource_count")?,
            template: LaunchTemplate::read(&block)?,
            templates,
            without,
        };
        let is_wanted = match block.value("enable_fast_launch") {
            // Who says anything of it means it. (For Packer also beside `false`, which is taken at its word here.)
            None => launch.says_something(),
            Some(_) => block.bool("enable_fast_launch")?,
        };
        Ok(is_wanted.then_some(launch))
    }

    fn says_something(&self) -> bool {
        let number = self.parallel.is_some() || self.count.is_some();
        number || self.template.is_some() || !self.templates.is_empty()
    }

    /// Whether it is wanted in a region.
    pub(crate) fn is_wanted(&self, region: &str) -> bool {
        !self.without.iter().any(|without| without == region)
    }

    /// The regions that are named.
    pub(crate) fn regions(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    /// The launch template of a region: its own, or the general one, which exists in the region the image is made in only.
    pub(crate) fn template(&self, region: &str, is_home: bool) -> Option<&LaunchTemplate> {
        match self.templates.get(region) {
            Some(own) => own.as_ref(),
            None => self.template.as_ref().filter(|_| is_home),
        }
    }
}

impl LaunchTemplate {
    fn read(block: &Options<'_>) -> Result<Option<Self>> {
        let (id, name) = (block.string("template_id")?, block.string("template_name")?);
        if id.is_none() && name.is_none() {
            return Ok(None);
        }
        let version = block.integer("template_version")?;
        let version = version.filter(|version| *version > 0);
        Ok(Some(Self {
            id,
            name,
            version: version.map_or_else(|| "$Latest".to_owned(), |version| version.to_string()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_given_something_and_is_not_named_any_more_is_known_from_the_record() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let before = Sharing {
            users: texts(&["1", "3"]),
            groups: texts(&["all"]),
            organisations: texts(&["arn:o"]),
            units: texts(&["arn:u"]),
        };
        let now = Sharing {
            users: texts(&["3", "4"]),
            organisations: texts(&["arn:o"]),
            ..Sharing::default()
        };
        let known = Sharing::from_record(&before.recorded());
        assert_eq!(known.recorded(), before.recorded());
        let gone = known.compared(&now, false);
        assert_eq!(gone.names(), "1, everybody, arn:u");
        assert_eq!(known.compared(&now, true).names(), "3, arn:o");
        assert!(Sharing::from_record("<sensitive>").is_empty());
    }

    #[test]
    fn moments_are_rfc_3339() {
        assert_eq!(
            moment("2030-01-31T00:00:00+01:00"),
            Some(DateTime::from_secs(1_896_044_400))
        );
        for wrong in ["2030-01-31", "tomorrow", "2030-01-31 00:00", ""] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
