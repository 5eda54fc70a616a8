//! Whose credentials a build takes: of a profile, of a role that wants a code, of single sign-on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::Behaviour;

use super::{behaviour, template};
use crate::harness::Test;

/// Nothing in the environment is a credential.
pub(super) fn nobody(cloud: &Cloud, text: &str) -> Test {
    let mut test = Test::new(text);
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            test = test.env(name, &value);
        }
    }
    test
}

/// The template with further options.
fn with(cloud: &Cloud, options: &str) -> String {
    template(cloud).replacen("  ami_name", &format!("{options}\n  ami_name"), 1)
}

/// The accounts whose EC2 was asked: a key of twelve digits is of the account with that number.
pub(super) fn asked(cloud: &Cloud) -> Vec<String> {
    let calls = cloud.calls();
    let ec2 = calls.iter().filter(|call| call.service == "ec2");
    let mut accounts: Vec<String> = ec2.map(|call| call.account.clone()).collect();
    accounts.sort();
    accounts.dedup();
    accounts
}

#[test]
fn a_profile_that_the_template_names_comes_before_keys_of_the_environment() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = nobody(&cloud, &with(&cloud, "  profile = \"images\""))
        .env("AWS_ACCESS_KEY_ID", "111111111111")
        .env("AWS_SECRET_ACCESS_KEY", "testing");
    test.write(
        ".aws/credentials",
        "[images]\naws_access_key_id = 222222222222\naws_secret_access_key = testing\n",
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(asked(&cloud), ["222222222222"]);
}

/// What a build makes with the keys of its template goes with the same keys, whoever the environment is.
#[test]
fn what_the_keys_of_the_template_made_they_remove() {
    let cloud = Cloud::with(Behaviour {
        no_capacity: vec!["t3.micro".to_owned()],
        ..behaviour()
    })
    .unwrap();
    let keys = "  access_key = \"222222222222\"\n  secret_key = \"testing\"";
    let test = nobody(&cloud, &with(&cloud, keys))
        .env("AWS_ACCESS_KEY_ID", "111111111111")
        .env("AWS_SECRET_ACCESS_KEY", "testing");
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert_eq!(asked(&cloud), ["222222222222"], "{}", printed.text());
    let calls = cloud.calls();
    // Each attempt makes its own.
    for (made, removed) in [
        ("CreateSecurityGroup", "DeleteSecurityGroup"),
        ("ImportKeyPair", "DeleteKeyPair"),
    ] {
        let (made, removed) = (calls.of(made).len(), calls.of(removed).len());
        assert!(made > 0 && removed >= made, "{}", calls.sequence());
    }
    assert_eq!(cloud.left().summary(), "", "{}", printed.text());
}

/// Without options of its own a post-processor is who has made the image, with all that the role wants to be told.
#[test]
fn a_role_with_an_external_id_is_taken_again_for_what_follows() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let role = "  assume_role {
    role_arn     = \"arn:aws:iam::666666666666:role/images\"
    external_id  = \"between-us\"
    session_name = \"golden\"
  }";
    let text = with(&cloud, role).replace(
        "  provisioner \"shell\" {",
        "  post-processor \"amazon-ssm-parameter\" {
    parameter = \"/images/web\"
  }
  provisioner \"shell\" {",
    );
    let test = nobody(&cloud, &text)
        .env("AWS_ACCESS_KEY_ID", "111111111111")
        .env("AWS_SECRET_ACCESS_KEY", "testing");
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    // Another process knows of it what the state has.
    let back = test.run(&["images"]);
    assert_eq!(back.code, 0, "{}", back.text());
    let again = test.run(&["apply", "-color=false", "-auto-approve", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(asked(&cloud), ["666666666666"]);
    let calls = cloud.calls();
    let taken: Vec<_> = calls
        .iter()
        .filter(|call| call.action == "AssumeRole")
        .collect();
    assert!(taken.len() >= 2, "{}", calls.sequence());
    for call in taken {
        assert_eq!(call.parameter("ExternalId"), "between-us");
        assert_eq!(call.parameter("RoleSessionName"), "golden");
    }
    let written = calls.of("PutParameter");
    assert_eq!(written.len(), 1, "{}", calls.sequence());
    assert_eq!(written[0].account, "666666666666");
}

/// A role that is taken with a code, by keys in a profile of their own.
const CODED: &str = "[profile base]
aws_access_key_id = 333333333333
aws_secret_access_key = testing
[profile images]
role_arn = arn:aws:iam::444444444444:role/images
source_profile = base
mfa_serial = arn:aws:iam::333333333333:mfa/ada
";

#[test]
fn a_role_that_wants_a_code_is_taken_with_it() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = nobody(&cloud, &with(&cloud, "  mfa_code = var.code")).env("AWS_PROFILE", "images");
    test.write(
        "variables.pkr.hcl",
        "variable \"code\" {\n  default = null\n}\n",
    );
    test.write(".aws/config", CODED);

    let without = test.run(&["build", "-color=false", "."]);
    let text = without.text();
    assert_ne!(without.code, 0, "{text}");
    for part in [
        "the role of the profile `images` wants a code of the device arn:aws:iam::333333333333:mfa/ada",
        "give it as `mfa_code`",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert_eq!(cloud.left().summary(), "");

    let printed = test.run(&["build", "-color=false", "-var", "code=123456", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let taken: Vec<_> = calls
        .iter()
        .filter(|call| call.action == "AssumeRole")
        .collect();
    assert_eq!(taken.len(), 1, "{}", calls.sequence());
    assert_eq!(taken[0].parameter("TokenCode"), "123456");
    assert_eq!(
        taken[0].parameter("SerialNumber"),
        "arn:aws:iam::333333333333:mfa/ada"
    );
    assert_eq!(taken[0].account, "333333333333");
    assert_eq!(asked(&cloud), ["444444444444"]);
}

/// A portal of single sign-on that gives one role's credentials to whoever has the token.
fn portal() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = String::new();
            let mut lines = BufReader::new(&client);
            while lines.read_line(&mut head).unwrap() > 2 {}
            let is_known = head.starts_with("GET /federation/credentials?")
                && head.contains("role_name=Images")
                && head.contains("account_id=555555555555")
                && head.contains("x-amz-sso_bearer_token: let-me-in");
            let (status, body) = match is_known {
                true => (
                    "200 OK",
                    r#"{"roleCredentials":{"accessKeyId":"555555555555","secretAccessKey":"s","sessionToken":"t","expiration":4102444800000}}"#,
                ),
                false => (
                    "401 Unauthorized",
                    r#"{"message":"Session token not found"}"#,
                ),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            client.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn who_has_logged_in_by_single_sign_on_builds() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = nobody(&cloud, &template(&cloud))
        .env("AWS_PROFILE", "images")
        .env("AWS_ENDPOINT_URL_SSO", &portal());
    test.write(
        ".aws/config",
        "[profile images]
sso_session = corp
sso_account_id = 555555555555
sso_role_name = Images
[sso-session corp]
sso_region = us-east-1
sso_start_url = https://corp.awsapps.test/start
",
    );
    let refused = test.run(&["build", "-color=false", "."]);
    assert_ne!(refused.code, 0, "{}", refused.text());
    assert!(
        refused.text().contains("aws sso login"),
        "{}",
        refused.text()
    );
    // What `aws sso login` leaves; the file is called by the SHA-1 of the session's name.
    test.write(
        ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
        r#"{"accessToken":"let-me-in","expiresAt":"2099-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://corp.awsapps.test/start"}"#,
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(asked(&cloud), ["555555555555"]);
}

#[test]
fn with_debug_the_key_is_in_the_working_directory_while_it_is_good_for_something() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let text = template(&cloud).replace(
        "  provisioner \"shell\" {",
        "  provisioner \"shell-local\" {\n    inline = [\"stat -c 'mode %a' ec2_web.pem\"]\n  }\n  provisioner \"shell\" {",
    );
    let mut test = Test::new(&text);
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    let printed = test.run(&["build", "-color=false", "-debug", "."]);
    let text = printed.text();
    assert_eq!(printed.code, 0, "{text}");
    assert!(
        text.contains("Saving key for debug purposes: ec2_web.pem"),
        "{text}"
    );
    assert!(text.contains("mode 600"), "{text}");
    assert!(!test.path("ec2_web.pem").exists());
}
