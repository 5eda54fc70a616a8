//! Looking for what carries our tags: from any machine, without the state of whoever made it.
//!
//! In: regions, or none for all that the account can use. Out: what is tagged as a run's and as temporary. What may not be
//! listed is said, and the rest is listed all the same. A finished image has lost the tag `imgc:expires` and is never among it.

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
use crate::resource::{Kind, PROVIDER};
use crate::tags;

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
    let asked = regions.into_iter().map(|region| {
        let region = account.region(&region);
        async move {
            let kinds = Kind::LISTED.map(|kind| {
                let region = region.clone();
                async move {
                    let marked = Box::pin(marked(&region, kind)).await;
                    (kind, region.name().to_owned(), marked)
                }
            });
            futures_util::future::join_all(kinds).await
        }
    });
    let answers: Vec<_> = stream::iter(asked).buffered(REGIONS).collect().await;
    let mut refused = Vec::new();
    let mut seen = false;
    for (kind, region, marked) in answers.into_iter().flatten() {
        match marked {
            Ok(things) => {
                seen = true;
                sweep.things.extend(things);
            }
            Err(error) => refused.push((kind, region, error)),
        }
    }
    // Without credentials, or without a way to Amazon, that is said once.
    if !seen && let Some((_, _, error)) = refused.pop() {
        return Err(error);
    }
    sweep
        .unseen
        .extend(refused.iter().map(|(kind, region, error)| Unseen {
            what: format!("{} in {region}", kind.words()),
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

async fn marked(region: &RegionClient, kind: Kind) -> Result<Vec<Marked>> {
    let wanted = filter("tag-key", [tags::EXPIRES]);
    let found = find::all(region, kind, &wanted).await?;
    let marked = found.into_iter();
    Ok(marked
        .filter_map(|found| of(region, kind, &found))
        .collect())
}

/// What the tags of a thing say; `None` where they are not ours.
fn of(region: &RegionClient, kind: Kind, found: &Found) -> Option<Marked> {
    let tag = |key| tags::get(&found.tags, key);
    let expires = tag(tags::EXPIRES)?;
    Some(Marked {
        run: tag(tags::RUN)?.to_owned(),
        owner: tag(tags::BUILD).map(str::to_owned),
        // What nobody can read is no moment that has passed.
        expires: clock::read(expires).unwrap_or(Moment::MAX),
        turn: kind.turn(),
        thing: CloudResource {
            provider: PROVIDER.to_owned(),
            kind: kind.word().to_owned(),
            place: region.name().to_owned(),
            name: tag(tags::NAME).unwrap_or(&found.id).to_owned(),
            id: Some(found.id.clone()),
            reach: region.reach().clone(),
        },
    })
}

fn why(error: &Error) -> String {
    match &error.help {
        Some(help) => format!("{}; {help}", error.chain()),
        None => error.chain(),
    }
}
