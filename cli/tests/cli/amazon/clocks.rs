//! A machine whose clock is wrong: Amazon refuses what is signed at another time than its own.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::Behaviour;

use super::{behaviour, template};
use crate::harness::Test;

const PARAMETER: &str = r#"  post-processor "amazon-ssm-parameter" {
    parameter = "/golden/ami"
  }
}
"#;

/// The usual template and a parameter, which another service keeps.
fn test(cloud: &Cloud, options: &str) -> Test {
    let text = template(cloud).replacen("  ami_name", &format!("{options}\n  ami_name"), 1);
    let text = text.trim_end().trim_end_matches('}');
    let mut test = Test::new(&format!("{text}{PARAMETER}"));
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

/// The codes with which requests were refused.
fn refused(cloud: &Cloud) -> Vec<String> {
    let calls = cloud.calls();
    calls.iter().filter_map(|call| call.error.clone()).collect()
}

#[test]
fn requests_carry_amazons_time_where_this_machines_is_another() {
    for (ahead, said) in [
        (5400, "1 hour 30 minutes behind Amazon's"),
        (-86_400, "ahead of Amazon's"),
    ] {
        let cloud = Cloud::with(Behaviour {
            clock_ahead: ahead,
            ..behaviour()
        })
        .unwrap();
        let test = test(&cloud, "");
        let printed = test.run(&["build", "-color=false", "."]);
        let text = printed.text();
        assert_eq!(printed.code, 0, "{text}");
        assert_eq!(
            text.matches("this machine's clock is ").count(),
            1,
            "{text}"
        );
        assert!(text.contains(said), "{text}");
        assert!(!text.contains("have expired"), "{text}");
        // Those that were on their way together, and no more.
        let refused = refused(&cloud);
        let is_about_time = |code: &String| {
            [
                "RequestExpired",
                "SignatureDoesNotMatch",
                "InvalidSignatureException",
            ]
            .contains(&code.as_str())
        };
        let about_time = refused.iter().filter(|code| is_about_time(code)).count();
        assert!((1..=6).contains(&about_time), "{refused:?}");
        let left = cloud.left();
        assert_eq!(left.of("image").len(), 1, "{left}");
        assert_eq!(left.of("instance").len(), 0, "{left}");
    }
}

/// What a run that is dead has left is past its end by Amazon's clock, whatever the clocks of those who made it and who look for it.
#[test]
fn tags_hold_amazons_time() {
    let day = 86_400;
    let cloud = Cloud::with(Behaviour {
        clock_ahead: day,
        ..behaviour()
    })
    .unwrap();
    let test = test(&cloud, "");
    let failing = test
        .read("main.pkr.hcl")
        .replace("echo inside the machine", "false");
    test.write("main.pkr.hcl", failing);
    let printed = test.run(&["build", "-color=false", "-on-error=abort", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    let instance = &left.of("instance")[0];
    let expires: jiff::Timestamp = instance.tags["imgc:expires"].parse().unwrap();
    // The tests' own clock stands at one moment: a day of the run, and the day that Amazon is ahead.
    let here = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let after = expires.duration_since(here).as_secs();
    assert!(
        (2 * day - 600..=2 * day + 600).contains(&after),
        "{expires}"
    );
    // A day and a half later it is past its end by Amazon's clock, and not by the clock of whoever looks.
    for (later, left) in [(600, 1), (day + day / 2, 0)] {
        let clock = format!("{},test", 1_700_000_000 + later);
        let mut other = Test::new("").env("IMGC_INTERNAL_CLOCK", &clock);
        for (name, value) in cloud.environment() {
            other = other.env(name, &value);
        }
        let gc = other.run(&["gc", "--cloud", "aws", "--region", "us-east-1"]);
        assert_eq!(gc.code, 0, "{}", gc.text());
        assert_eq!(cloud.left().of("instance").len(), left, "{}", gc.text());
    }
}

/// A role is taken before anything else is asked.
#[test]
fn a_role_is_taken_at_amazons_time() {
    let cloud = Cloud::with(Behaviour {
        clock_ahead: -3600,
        ..behaviour()
    })
    .unwrap();
    let role = "  assume_role {\n    role_arn = \"arn:aws:iam::333333333333:role/builder\"\n  }";
    let test = test(&cloud, role);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(super::logins::asked(&cloud), ["333333333333"]);
}

#[test]
fn a_plan_says_that_the_clock_is_wrong() {
    let cloud = Cloud::with(Behaviour {
        clock_ahead: 900,
        ..behaviour()
    })
    .unwrap();
    let test = test(&cloud, "");
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    assert!(
        plan.stdout
            .contains("  this machine's clock is 15 minutes behind Amazon's"),
        "{}",
        plan.text()
    );
}
