//! What is left in the cloud: everything that somebody made and that costs money, holds a door open, or is simply there.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use super::describe;
use super::ec2::ask;
use super::request::Request;
use super::server::Shared;
use super::stock;
use super::xml::Element;

/// A thing that is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// What it is: `instance`, `key pair`, `S3 object`.
    pub kind: &'static str,
    /// Its name, or its id where it has none.
    pub name: String,
    /// Its id, or its name where it has none.
    pub id: String,
    /// The region it is in; `global` for what is in none.
    pub region: String,
    /// The account it is in.
    pub account: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.region, self.kind, self.name)?;
        if self.id != self.name {
            write!(f, " ({})", self.id)?;
        }
        Ok(())
    }
}

/// Things that are left, sorted by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left(pub Vec<Thing>);

impl Deref for Left {
    type Target = [Thing];

    fn deref(&self) -> &[Thing] {
        &self.0
    }
}

impl Left {
    /// How much there is of each kind: `2 image, 1 snapshot`; empty when nothing is left.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for thing in self.iter() {
            *counts.entry(thing.kind).or_default() += 1;
        }
        let counts = counts.iter().map(|(kind, count)| format!("{count} {kind}"));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// The things of a kind.
    pub fn of(&self, kind: &str) -> Vec<&Thing> {
        self.iter().filter(|thing| thing.kind == kind).collect()
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|thing| writeln!(f, "{thing}"))
    }
}

/// Lists of EC2's: action, set, id, name, kind.
const LISTS: [(&str, &str, &str, &str, &str); 6] = [
    ("DescribeImages", "imagesSet", "imageId", "name", "image"),
    (
        "DescribeKeyPairs",
        "keySet",
        "keyPairId",
        "keyName",
        "key pair",
    ),
    (
        "DescribeLaunchTemplates",
        "launchTemplates",
        "launchTemplateId",
        "launchTemplateName",
        "launch template",
    ),
    (
        "DescribeSecurityGroups",
        "securityGroupInfo",
        "groupId",
        "groupName",
        "security group",
    ),
    (
        "DescribeSnapshots",
        "snapshotSet",
        "snapshotId",
        "",
        "snapshot",
    ),
    ("DescribeVolumes", "volumeSet", "volumeId", "", "volume"),
];

/// Everything that is left in all places that were ever asked.
pub(crate) async fn left(shared: &Shared) -> Left {
    let places = shared.state().places.clone();
    let mut things = Vec::new();
    let mut accounts: Vec<_> = places.iter().map(|(account, _)| account.clone()).collect();
    accounts.dedup();
    for (account, region) in &places {
        in_region(
            shared,
            &Request::internal("ec2", account, region),
            &mut things,
        )
        .await;
    }
    for account in &accounts {
        in_account(shared, account, &mut things).await;
    }
    things.sort();
    Left(things)
}

async fn in_region(shared: &Shared, base: &Request, things: &mut Vec<Thing>) {
    let thing = |kind, id: &str, name: &str, tags: &Element| Thing {
        kind,
        name: if name.is_empty() { id } else { name }.to_owned(),
        id: id.to_owned(),
        region: base.region.clone(),
        account: base.account.clone(),
        tags: tags
            .items("tagSet")
            .iter()
            .map(|tag| {
                (
                    tag.text_at("key").to_owned(),
                    tag.text_at("value").to_owned(),
                )
            })
            .collect(),
    };
    for instance in describe::instances(shared, base, Default::default())
        .await
        .unwrap_or_default()
    {
        if instance.text_at("instanceState/name") != "terminated" {
            things.push(thing(
                "instance",
                instance.text_at("instanceId"),
                "",
                &instance,
            ));
        }
    }
    for (action, set, id, name, kind) in LISTS {
        let own: &[_] = match action {
            "DescribeSnapshots" => &[("Owner.1", "self")],
            _ => &[],
        };
        let Ok(tree) = ask(shared, base, action, own).await else {
            continue;
        };
        for member in tree.items(set) {
            let found = thing(kind, member.text_at(id), member.text_at(name), member);
            if !is_given(shared, base, member, &found) {
                things.push(found);
            }
        }
    }
    for fleet in ask(shared, base, "DescribeFleets", &[])
        .await
        .unwrap_or_default()
        .items("fleetSet")
    {
        if !fleet.text_at("fleetState").starts_with("deleted") {
            things.push(thing("fleet", fleet.text_at("fleetId"), "", fleet));
        }
    }
    let mut ssm = Request::internal("ssm", &base.account, &base.region);
    let mut next = String::new();
    loop {
        let body = serde_json::json!({"MaxResults": 50, "NextToken": next}).to_string();
        ssm.target("AmazonSSM.DescribeParameters", body);
        let answer = shared.send(&ssm).await;
        let found = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
        for parameter in found["Parameters"].as_array().into_iter().flatten() {
            let name = parameter["Name"].as_str().unwrap_or_default();
            if !name.starts_with("/aws/") {
                things.push(Thing {
                    tags: tags_of_parameter(shared, base, name).await,
                    ..thing("parameter", name, "", &Element::default())
                });
            }
        }
        next = found["NextToken"].as_str().unwrap_or_default().to_owned();
        if next.is_empty() {
            break;
        }
    }
}

async fn tags_of_parameter(
    shared: &Shared,
    base: &Request,
    name: &str,
) -> BTreeMap<String, String> {
    let mut ssm = Request::internal("ssm", &base.account, &base.region);
    let body = serde_json::json!({"ResourceType": "Parameter", "ResourceId": name}).to_string();
    ssm.target("AmazonSSM.ListTagsForResource", body);
    let answer = shared.send(&ssm).await;
    let found = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
    let text = |tag: &serde_json::Value, name: &str| {
        let text = tag[name].as_str().unwrap_or_default();
        text.to_owned()
    };
    let tags = found["TagList"].as_array().into_iter().flatten();
    tags.map(|tag| (text(tag, "Key"), text(tag, "Value")))
        .collect()
}

/// The tags of a role or an instance profile: lists have none.
async fn tags_at_iam(
    shared: &Shared,
    account: &str,
    kind: &str,
    name: &str,
) -> BTreeMap<String, String> {
    let mut iam = Request::internal("iam", account, super::upstream::REGION);
    iam.body = format!("Action=Get{kind}&Version=2010-05-08&{kind}Name={name}").into();
    let tree = shared.send(&iam).await.tree().unwrap_or_default();
    let tags = tree.items(&format!("Get{kind}Result/{kind}/Tags"));
    tags.iter()
        .map(|tag| {
            let (key, value) = (tag.text_at("Key"), tag.text_at("Value"));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// Whether a thing is there without anybody having made it.
fn is_given(shared: &Shared, base: &Request, member: &Element, thing: &Thing) -> bool {
    match thing.kind {
        "image" => member.text_at("imageOwnerId") != base.account,
        "security group" => thing.name == "default",
        "snapshot" => {
            let description = member.text_at("description");
            let stock = description.rsplit(' ').next().is_some_and(stock::is_stock);
            let other = member.text_at("ownerId") != base.account;
            stock || other || shared.state().hidden.contains(&thing.id)
        }
        _ => false,
    }
}

async fn in_account(shared: &Shared, account: &str, things: &mut Vec<Thing>) {
    // Instant fleets are this server's, which does not know whose they are.
    if account == super::request::ACCOUNT {
        let fleets = shared.state().fleets.clone();
        things.extend(fleets.into_keys().map(|id| Thing {
            kind: "fleet",
            name: id.clone(),
            id,
            region: "global".to_owned(),
            account: account.to_owned(),
            tags: BTreeMap::new(),
        }));
    }
    let mut add = |kind: &'static str, name: String, tags: BTreeMap<String, String>| {
        things.push(Thing {
            kind,
            id: name.clone(),
            name,
            region: "global".to_owned(),
            account: account.to_owned(),
            tags,
        });
    };
    for (action, scope, word, kind) in [
        ("ListRoles", "All", "Role", "role"),
        (
            "ListInstanceProfiles",
            "All",
            "InstanceProfile",
            "instance profile",
        ),
        ("ListPolicies", "Local", "Policy", "policy"),
    ] {
        let name = format!("{word}Name");
        let mut iam = Request::internal("iam", account, super::upstream::REGION);
        iam.body = format!("Action={action}&Version=2010-05-08&Scope={scope}&MaxItems=1000").into();
        let tree = shared.send(&iam).await.tree().unwrap_or_default();
        for member in tree.all("member") {
            let is_service = member.text_at("Path").starts_with("/aws-service-role/");
            let found = member.text_at(&name);
            // The roles inside a profile are members as well, and have no such name.
            if found.is_empty() || is_service {
                continue;
            }
            // A policy is known by another name, and nobody here gives it tags.
            let tags = match word {
                "Policy" => BTreeMap::new(),
                _ => tags_at_iam(shared, account, word, found).await,
            };
            add(kind, found.to_owned(), tags);
        }
    }
    let mut s3 = Request::internal("s3", account, super::upstream::REGION);
    s3.method = "GET".to_owned();
    let mut list = async |path: String, element: &str| {
        s3.path = path;
        let tree = shared.send(&s3).await.tree().unwrap_or_default();
        let found = tree.all(element).into_iter().cloned();
        found.collect::<Vec<_>>()
    };
    for bucket in list("/".to_owned(), "Bucket").await {
        let bucket = bucket.text_at("Name").to_owned();
        for object in list(format!("/{bucket}?list-type=2"), "Contents").await {
            let name = format!("{bucket}/{}", object.text_at("Key"));
            add("S3 object", name, BTreeMap::new());
        }
        for upload in list(format!("/{bucket}?uploads"), "Upload").await {
            let name = format!("{bucket}/{}", upload.text_at("Key"));
            add("S3 upload", name, BTreeMap::new());
        }
    }
}
