//! Going back in two regions of which one refuses.

use std::collections::BTreeMap;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Call, Moment, Then};
use serde_json::{Value as Json, json};

use super::behaviour;
use super::parameters::{NAME, golden};
use crate::harness::Test;

/// The values that the parameter has had in a region.
fn values(cloud: &Cloud, region: &str) -> Vec<String> {
    let asked = json!({"Name": NAME}).to_string();
    let history = "AmazonSSM.GetParameterHistory";
    let answer = cloud.moto().call_in(region, "ssm", history, &asked);
    let answer: Json = serde_json::from_str(&answer.unwrap()).unwrap();
    let versions = answer["Parameters"].as_array().unwrap().iter();
    versions
        .map(|version| version["Value"].as_str().unwrap().to_owned())
        .collect()
}

const HOME: &str = "us-east-1";
const AWAY: &str = "eu-west-1";

/// What the account may not do there.
fn refuse_away(cloud: &Cloud, action: &'static str) {
    cloud.hook(move |call: &Call, moment| {
        let comes = moment == Moment::Before && call.action == action;
        match comes && call.region == AWAY {
            true => Then::Refuse(400, "AccessDeniedException".into(), "not there".into()),
            false => Then::GoOn,
        }
    });
}

/// Two releases with a parameter in two regions each.
fn two_releases(cloud: &Cloud) -> Test {
    let test = golden(cloud);
    let text = test.read("main.pkr.hcl");
    let copies = format!("ami_regions   = [\"{AWAY}\"]\n  instance_type");
    test.write("main.pkr.hcl", text.replace("instance_type", &copies));
    for release in ["release=1", "release=2"] {
        let printed = test.run(&["apply", "-color=false", "-var", release, "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
    test
}

#[test]
fn where_going_back_fails_the_other_region_goes_back_and_the_rest_next_time() {
    // It cannot be written; it cannot even be looked at.
    for (action, as_json) in [("PutParameter", false), ("GetParameterHistory", true)] {
        let cloud = Cloud::with(behaviour()).unwrap();
        let test = two_releases(&cloud);
        let [home, away] = [HOME, AWAY].map(|region| values(&cloud, region));
        assert_eq!((home.len(), away.len()), (2, 2));
        refuse_away(&cloud, action);
        let words: &[&str] = if as_json {
            &["rollback", "--json"]
        } else {
            &["rollback"]
        };
        let refused = test.run(words);
        cloud.unhook();
        let text = refused.text();
        assert_eq!(refused.code, 4, "{text}");
        if as_json {
            let said: Json = serde_json::from_str(&refused.stdout).unwrap();
            let fates = said["parameters"].as_array().unwrap().iter();
            let fates: BTreeMap<_, _> = fates.map(|one| (one["region"].as_str(), one)).collect();
            assert_eq!(fates[&Some(HOME)]["status"], "rolled back", "{text}");
            assert_eq!(fates[&Some(HOME)]["written_as"], 3, "{text}");
            assert_eq!(fates[&Some(AWAY)]["status"], "failed", "{text}");
            let why = fates[&Some(AWAY)]["why"].as_str().unwrap();
            assert!(why.contains("not there"), "{text}");
        } else {
            let went = format!(
                "{HOME}: {NAME} went back from {} (version 2) to {} (that of version 1), now version 3\n",
                home[1], home[0]
            );
            assert!(refused.stdout.contains(&went), "{text}");
            assert!(!refused.stdout.contains(AWAY), "{text}");
            let failed = format!("error: {AWAY}: {NAME}: ");
            for part in [failed, format!("ssm:{action}"), "not there".to_owned()] {
                assert!(refused.stderr.contains(&part), "no `{part}` in {text}");
            }
            assert!(!refused.stderr.contains(HOME), "{text}");
        }
        let restored = |values: &[String]| [values, &values[..1]].concat();
        assert_eq!(values(&cloud, HOME), restored(&home), "{text}");
        assert_eq!(values(&cloud, AWAY), away, "{text}");

        // What went back is left alone.
        cloud.forget_calls();
        let rest = test.run(&["rollback"]);
        assert_eq!(rest.code, 0, "{}", rest.text());
        let went = format!("{AWAY}: {NAME} went back from {} (version 2)", away[1]);
        assert!(rest.stdout.contains(&went), "{}", rest.text());
        assert!(!rest.stdout.contains(HOME), "{}", rest.text());
        assert_eq!(values(&cloud, HOME), restored(&home));
        assert_eq!(values(&cloud, AWAY), restored(&away));
        let written = cloud.calls().of("PutParameter");
        assert_eq!(written.one("PutParameter").region, AWAY);
        let done = test.run(&["rollback"]);
        assert_eq!(done.code, 4, "{}", done.text());
        let said = "has been rolled back already";
        assert!(done.stderr.contains(said), "{}", done.text());
    }
}
