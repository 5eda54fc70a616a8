//! Names of regions, as far as they can be judged without asking anybody.

use imgc_compiler::diagnostic::nearest;
use imgc_runtime::builder::Problem;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

/// The regions of which it is known that they exist; there may be more.
pub(crate) const KNOWN_REGIONS: &[&str] = &[
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

/// The way out for whoever knows better.
pub(crate) const NEW_REGION: &str =
    "if there is such a region, write skip_region_validation = true";

/// What is wrong with the region that a source works in, found without asking; `None` where only the run knows it, and where it is
/// not to be looked at. Elsewhere than at Amazon regions may be called otherwise, so there only slips count.
pub(crate) fn region_problem(options: &Options<'_>) -> Option<Problem> {
    if options.bool("skip_region_validation").unwrap_or(true) || options.is_sensitive("region") {
        return None;
    }
    let name = options.string("region").ok().flatten()?;
    if name.contains("{{") {
        return None;
    }
    let is_elsewhere = options.value("custom_endpoint_ec2").is_some();
    if !is_elsewhere && let Err(error) = check_region(&name) {
        return Some(Problem::from(error.of("region")));
    }
    misspelt_region(&name).map(|problem| problem.of("region"))
}

/// A region with a misspelt word in it, such as `us-wst-2`: there is none of that name, and there will be none. What may be a new
/// one, as `us-south-1`, is left to the run, which asks.
pub(crate) fn misspelt_region(name: &str) -> Option<Problem> {
    // Codes of countries come and go, and what is short is near to many.
    const SHORT: usize = 2;
    // What no region is called yet and one may be.
    const COMPASS: &[&str] = &["northwest", "southwest"];
    let known = || KNOWN_REGIONS.iter().flat_map(|known| known.split('-'));
    let words = || known().chain(COMPASS.iter().copied());
    let mut own = name.split('-').filter(|word| word.len() > SHORT);
    let has_slip =
        own.any(|word| !words().any(|known| known == word) && nearest(word, words()).is_some());
    (has_slip && is_slip(name)).then(|| {
        let error = no_region(name);
        let problem = Problem::new(error.message);
        match error.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    })
}

/// Whether it may be the name of a region: what is not would be asked for at a host that does not exist, again and again.
pub(crate) fn check_region(name: &str) -> Result<()> {
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
        _ => match nearest(name, KNOWN_REGIONS.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "regions are called like us-east-1 or eu-central-1".to_owned(),
        },
    }))
}

fn is_digit(number: &str) -> bool {
    number.starts_with(|first: char| first.is_ascii_digit())
}

/// Whether it is nearly the name of a known region. A further number of a place that is known may be new, and what is cut off
/// from the rest (`us-iso-east-1`) has names of its own.
pub(crate) fn is_slip(name: &str) -> bool {
    let place = |name: &str| name.rsplit_once('-').map(|(place, _)| place.to_owned());
    let is_further = KNOWN_REGIONS
        .iter()
        .any(|known| place(known) == place(name));
    let is_apart = name.split('-').any(|word| word.starts_with("iso"));
    !is_further && !is_apart && nearest(name, KNOWN_REGIONS.iter().copied()).is_some()
}

/// That there is no region of a name, with the one that may be meant.
pub(crate) fn no_region(name: &str) -> Error {
    let error = Error::new(
        Class::Template,
        "run/aws-option",
        format!("there is no region `{name}`"),
    );
    match nearest(name, KNOWN_REGIONS.iter().copied()) {
        Some(near) => error.help(format!("did you mean {near}? {NEW_REGION}")),
        None => error.help(format!(
            "regions are called like us-east-1 or eu-central-1; {NEW_REGION}"
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::types::Type;
    use imgc_compiler::value::Value;

    use super::*;

    #[test]
    fn what_is_no_region_is_said_with_the_one_that_is_meant() {
        for name in KNOWN_REGIONS
            .iter()
            .chain(&["us-iso-east-1", "xx-nowhere-9"])
        {
            check_region(name).unwrap();
        }
        let help = |name: &str| check_region(name).unwrap_err().help.unwrap();
        assert_eq!(
            help("us-east-1a"),
            "a region has no letter behind its number, zones have: us-east-1"
        );
        assert_eq!(help("us-east1"), "did you mean us-east-1?");
        assert_eq!(
            help("Frankfurt"),
            "regions are called like us-east-1 or eu-central-1"
        );
        let help = no_region("us-esat-1").help.unwrap();
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

    #[test]
    fn a_misspelt_word_is_found_without_asking_and_what_may_be_new_is_not() {
        for slip in ["us-wst-2", "us-esat-1", "eu-centrl-1", "ap-notheast-1"] {
            assert!(misspelt_region(slip).is_some(), "{slip}");
        }
        let new = [
            "us-east-9",
            "us-south-1",
            "eu-east-1",
            "nz-north-1",
            "us-iso-east-1",
            "eusc-fr-west-1",
            "xx-nowhere-9",
        ];
        for other in KNOWN_REGIONS.iter().chain(&new) {
            assert!(misspelt_region(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_region_of_a_source_is_looked_at_where_it_is_known() {
        let said = |options: &[(&'static str, Value)]| {
            let value = Value::object(options.to_vec());
            region_problem(&Options::new("builder", &value)).map(|problem| problem.message)
        };
        let region = |name: &str| ("region", Value::string(name));
        assert_eq!(
            said(&[region("us-wst-2")]).unwrap(),
            "there is no region `us-wst-2`"
        );
        assert_eq!(
            said(&[region("us-east-1b")]).unwrap(),
            "`us-east-1b` is not the name of a region"
        );
        let elsewhere = ("custom_endpoint_ec2", Value::string("http://127.0.0.1:1"));
        assert!(said(&[region("us-wst-2"), elsewhere.clone()]).is_some());
        assert_eq!(said(&[region("lab"), elsewhere]), None);
        let skipped = ("skip_region_validation", Value::bool(true));
        assert_eq!(said(&[region("us-wst-2"), skipped]), None);
        assert_eq!(said(&[("region", Value::unknown(Type::String))]), None);
        assert_eq!(said(&[region("us-west-2")]), None);
    }
}
