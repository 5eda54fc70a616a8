//! Looking for what carries our tags: from any machine, without the state of whoever made it.
//!
//! In: regions, or none for all that the account can use. Out: what is tagged as a run's and as temporary. What may not be
//! listed is said, and the rest is listed all the same. A finished image has lost the tag `imgc:expires` and is never among it;
//! whoever removes asks once more, [`now`], since that may have happened on another machine meanwhile.

use futures_util::StreamExt as _;
use futures_util::stream;
use imgc_runtime::error::{Error, Result};
use imgc_runtime::ledger::CloudResource;
use imgc_runtime::state::Moment;
use imgc_runtime::sweep::{Area, Marked, Sweep, Unseen};

use crate::account::{Access, Account, Accounts};
use crate::clock;
use crate::region::{RegionClient, filter};
use crate::resource::find::{self, Found};
use crate::resource::{Kind, PROVIDER, iam};
use crate::tags;

mod others;

/// Regions that are looked at at the same time.
const REGIONS: usize = 8;
/// Where the account is asked for its regions when nothing says where it is at home.
const ANY_REGION: &str = "us-east-1";

/// Looks.
pub(crate) async fn sweep(accounts: &Accounts, area: &Area) -> Result<Sweep> {
    let account = home(accounts, area).await?;
    let mut sweep = Sweep::default();
    let regions = match area.regions.is_empty() {
        false => area.regions.clone(),
        true => match regions(&account).await {
            Ok(regions) => regions,
            Err(error) => {
                sweep.unseen.push(Unseen {
                    what: format!("regions other than {}", account.home()),
                    why: why(&error),
                });
                vec![account.home().to_owned()]
            }
        },
    };
    let everywhere = async {
        // IAM is one for all regions.
        let region = account.region(account.home());
        let (roles, profiles) = tokio::join!(
            Box::pin(iam::roles(&region)),
            Box::pin(iam::profiles(&region)),
        );
        let of = |kind: Kind, found: Result<Vec<Found>>| Answer {
            what: kind.words().to_owned(),
            region: None,
            marked: found.map(|found| marked(&region, kind, found)),
        };
        vec![of(Kind::Role, roles), of(Kind::InstanceProfile, profiles)]
    };
    let asked = regions
        .into_iter()
        .map(|region| in_region(account.region(&region)));
    let asked = stream::iter(asked).buffered(REGIONS).collect::<Vec<_>>();
    let (answers, others) = tokio::join!(Box::pin(asked), Box::pin(everywhere));
    let mut refused = Vec::new();
    let mut seen = false;
    for answer in answers.into_iter().flatten().chain(others) {
        match answer.marked {
            Ok(things) => {
                seen |= answer.region.is_some();
                sweep.things.extend(things);
            }
            Err(error) => refused.push((answer.what, answer.region, error)),
        }
    }
    // Without credentials, or without a way to Amazon, that is said once.
    if !seen && let Some((_, _, error)) = refused.pop() {
        return Err(error);
    }
    sweep
        .unseen
        .extend(refused.iter().map(|(what, region, error)| Unseen {
            what: match region {
                Some(region) => format!("{what} in {region}"),
                None => what.clone(),
            },
            why: why(error),
        }));
    sweep.things.sort_by_key(|marked| marked.turn);
    Ok(sweep)
}

/// The account of the environment or the profile that is set.
async fn home(accounts: &Accounts, area: &Area) -> Result<std::sync::Arc<Account>> {
    if let Some(first) = area.regions.first() {
        return accounts.get(&Access::default().in_region(first)).await;
    }
    match accounts.get(&Access::default()).await {
        // Which region the account is at home in does not matter to one who asks for all.
        Err(error) if error.id == "run/aws-account" => {
            let access = Access::default().in_region(ANY_REGION);
            accounts.get(&access).await
        }
        account => account,
    }
}

/// The regions that are enabled for the account.
async fn regions(account: &std::sync::Arc<Account>) -> Result<Vec<String>> {
    let region = account.region(account.home());
    let request = region.ec2().describe_regions().send();
    let answer = region.call("DescribeRegions", "list the regions", request);
    let regions = answer.await?.regions.unwrap_or_default();
    let mut names: Vec<String> = regions
        .into_iter()
        .filter_map(|region| region.region_name)
        .collect();
    names.sort();
    Ok(names)
}

/// What came of one question.
struct Answer {
    /// Several things of the kind, for people.
    what: String,
    /// `None` for what is in none.
    region: Option<String>,
    marked: Result<Vec<Marked>>,
}

/// Everything in a region.
async fn in_region(region: RegionClient) -> Vec<Answer> {
    let wanted = filter("tag-key", [tags::EXPIRES]);
    let listed = Kind::LISTED.map(|kind| {
        let (region, wanted) = (region.clone(), wanted.clone());
        async move {
            let found = Box::pin(find::all(&region, kind, &wanted)).await;
            Answer {
                what: kind.words().to_owned(),
                region: Some(region.name().to_owned()),
                marked: found.map(|found| marked(&region, kind, found)),
            }
        }
    });
    let others = others::ASKED.map(|what| {
        let region = region.clone();
        async move {
            let found = Box::pin(others::asked(&region, what)).await;
            let marked = found.map(|found| {
                let found = found.into_iter();
                found
                    .filter_map(|(kind, turn, found)| of(&region, kind, turn, &found))
                    .collect()
            });
            Answer {
                what: what.to_owned(),
                region: Some(region.name().to_owned()),
                marked,
            }
        }
    });
    let (mut listed, others) = tokio::join!(
        futures_util::future::join_all(listed),
        futures_util::future::join_all(others),
    );
    listed.extend(others);
    listed
}

fn marked(region: &RegionClient, kind: Kind, found: Vec<Found>) -> Vec<Marked> {
    let found = found.iter();
    found
        .filter_map(|found| of(region, kind.word(), kind.turn(), found))
        .collect()
}

/// What the tags of a thing say; `None` where they are not ours.
fn of(region: &RegionClient, kind: &str, turn: u8, found: &Found) -> Option<Marked> {
    let tag = |key| tags::get(&found.tags, key);
    let expires = tag(tags::EXPIRES)?;
    // What lies in a bucket is found by the tags of something else, whose name is not its own.
    let own = tag(tags::STORED) != Some(&found.id);
    let name = tag(tags::NAME).filter(|_| own).unwrap_or(&found.id);
    Some(Marked {
        run: tag(tags::RUN)?.to_owned(),
        owner: tag(tags::BUILD).map(str::to_owned),
        // What nobody can read is no moment that has passed.
        expires: clock::read(expires).unwrap_or(Moment::MAX),
        turn,
        thing: CloudResource {
            provider: PROVIDER.to_owned(),
            kind: kind.to_owned(),
            place: region.name().to_owned(),
            name: name.to_owned(),
            id: Some(found.id.clone()),
            reach: region.reach(),
            asked: None,
        },
    })
}

/// What has become of something that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// Nothing.
    Same,
    /// It is not there any more: volumes end with their instance.
    Gone,
    /// It is finished, or a run that lives has renewed it.
    Kept,
}

/// What something that was found is now.
pub(crate) async fn now(region: &RegionClient, marked: &Marked) -> Result<Now> {
    let kind = Kind::of(&marked.thing.kind);
    let id = marked.thing.id.as_deref().unwrap_or_default();
    let found = match kind.and_then(Kind::named_by) {
        Some(name) => match kind {
            Some(kind) => find::all(region, kind, &filter(name, [id])).await?,
            None => Vec::new(),
        },
        // Those few are looked for as before.
        None => match kind {
            Some(Kind::Role) => iam::roles(region).await?,
            Some(Kind::InstanceProfile) => iam::profiles(region).await?,
            Some(Kind::Fleet) => others::fleets(region).await?,
            Some(Kind::Bundle) => others::bundles(region).await?,
            _ => {
                let found = others::imports(region).await?.into_iter();
                found.map(|(_, found)| found).collect()
            }
        },
    };
    let Some(found) = found.iter().find(|found| found.id == id) else {
        // A bundle or an import that is in use is none that is looked for.
        let is_in_use = matches!(kind, None | Some(Kind::Bundle));
        return Ok(if is_in_use { Now::Kept } else { Now::Gone });
    };
    let now = of(region, &marked.thing.kind, marked.turn, found);
    let is_same = now.is_some_and(|now| now.run == marked.run && now.expires == marked.expires);
    Ok(if is_same { Now::Same } else { Now::Kept })
}

fn why(error: &Error) -> String {
    match &error.help {
        Some(help) => format!("{}; {help}", error.chain()),
        None => error.chain(),
    }
}
