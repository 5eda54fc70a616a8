//! Names of regions: a wrong one would be asked for at a host that does not exist, again and again.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use imgc_runtime::error::Result;

use super::{Access, files};

pub(super) use crate::options::check_region as check;
use crate::options::{KNOWN_REGIONS, is_slip, no_region};

/// The region that the template, the environment or a profile names: where an account looks for it, but for the metadata of an
/// instance. Nobody is asked.
pub(crate) async fn named(access: &Access) -> Option<String> {
    if let Some(region) = &access.region {
        return Some(region.clone());
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &access.profile {
        profile = profile.profile_name(name);
    }
    if let Some(files) = files(access) {
        profile = profile.profile_files(files);
    }
    let environment = EnvironmentVariableRegionProvider::new();
    let chain = RegionProviderChain::first_try(environment).or_else(profile.build());
    chain.region().await.map(|region| region.to_string())
}

/// Whether a region that is not a known one has an EC2, by the name of its host. Where no name can be resolved at all (behind a
/// proxy, in a network of its own) it is believed unless it is a slip for a known one.
pub(super) async fn exists(name: &str) -> Result<()> {
    if KNOWN_REGIONS.contains(&name) || has_host(name).await {
        return Ok(());
    }
    match is_slip(name) || has_host("us-east-1").await {
        true => Err(no_region(name)),
        false => Ok(()),
    }
}

async fn has_host(region: &str) -> bool {
    let domain = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    let host = format!("ec2.{region}.{domain}");
    let found = tokio::net::lookup_host((host, 443)).await;
    found.is_ok_and(|mut addresses| addresses.next().is_some())
}
