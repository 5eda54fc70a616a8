//! Names of regions: a wrong one would be asked for at a host that does not exist, again and again.

use imgc_compiler::diagnostic::nearest;
use imgc_runtime::error::{Class, Error, Result};

/// The regions of which it is known that they exist; there may be more.
const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Whether it may be the name of a region: what is not would be asked for at a host that does not exist, again and again.
pub(super) fn check(name: &str) -> Result<()> {
    let mut parts = name.split('-');
    let number = parts.next_back().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    let is_word =
        |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    if words.len() >= 2
        && words.iter().all(is_word)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok(());
    }
    Err(Error::new(
        Class::Template,
        "run/aws-option",
        format!("`{name}` is not the name of a region"),
    )
    .help(match number.bytes().last() {
        Some(last) if last.is_ascii_lowercase() && number.len() == 2 && is_digit(number) => {
            format!(
                "a region has no letter behind its number, zones have: {}",
                &name[..name.len() - 1]
            )
        }
        _ => match nearest(name, KNOWN.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "regions are called like us-east-1 or eu-central-1".to_owned(),
        },
    }))
}

fn is_digit(number: &str) -> bool {
    number.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether a region that is not a known one has an EC2, by the name of its host. Where no name can be resolved at all (behind a
/// proxy, in a network of its own) it is believed unless it is a slip for a known one.
pub(super) async fn exists(name: &str) -> Result<()> {
    if KNOWN.contains(&name) || has_host(name).await {
        return Ok(());
    }
    match is_slip(name) || has_host("us-east-1").await {
        true => Err(absent(name)),
        false => Ok(()),
    }
}

/// Whether it is nearly the name of a known region. A further number of a place that is known may be new, and what is cut off
/// from the rest (`us-iso-east-1`) has names of its own.
fn is_slip(name: &str) -> bool {
    let place = |name: &str| name.rsplit_once('-').map(|(place, _)| place.to_owned());
    let is_further = KNOWN.iter().any(|known| place(known) == place(name));
    let is_apart = name.split('-').any(|word| word.starts_with("iso"));
    !is_further && !is_apart && nearest(name, KNOWN.iter().copied()).is_some()
}

fn absent(name: &str) -> Error {
    let error = Error::new(
        Class::Template,
        "run/aws-option",
        format!("there is no region `{name}`"),
    );
    match nearest(name, KNOWN.iter().copied()) {
        Some(near) => error.help(format!("did you mean {near}? {NEW}")),
        None => error.help(format!(
            "regions are called like us-east-1 or eu-central-1; {NEW}"
        )),
    }
}

/// The way out for whoever knows better.
const NEW: &str = "if there is such a region, write skip_region_validation = true";

async fn has_host(region: &str) -> bool {
    let domain = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    let host = format!("ec2.{region}.{domain}");
    let found = tokio::net::lookup_host((host, 443)).await;
    found.is_ok_and(|mut addresses| addresses.next().is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_no_region_is_said_with_the_one_that_is_meant() {
        for name in KNOWN.iter().chain(&["us-iso-east-1", "xx-nowhere-9"]) {
            check(name).unwrap();
        }
        let help = |name: &str| check(name).unwrap_err().help.unwrap();
        assert_eq!(
            help("us-east-1a"),
            "a region has no letter behind its number, zones have: us-east-1"
        );
        assert_eq!(help("us-east1"), "did you mean us-east-1?");
        assert_eq!(
            help("Frankfurt"),
            "regions are called like us-east-1 or eu-central-1"
        );
        let help = absent("us-esat-1").help.unwrap();
        assert!(help.starts_with("did you mean us-east-1? "), "{help}");
    }

    #[test]
    fn only_a_slip_is_refused_where_no_name_can_be_resolved() {
        for slip in ["us-esat-1", "eu-wst-1", "eu-centrl-1"] {
            assert!(is_slip(slip), "{slip}");
        }
        for other in ["us-east-3", "eu-central-9", "us-iso-east-1", "xx-nowhere-9"] {
            assert!(!is_slip(other), "{other}");
        }
    }
}
