//! What EC2 would refuse when an instance is asked for, or take and nobody could use: found before anything runs.
//!
//! In: the options of a source, of which parts may be unknown. Out: one problem for each option that cannot be meant so. What
//! only the run knows is let through, and looked at again by [`verify`] when it is known.

use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::instance::{LogIn, check_range, check_user_data};
use crate::options::{NO_GUARD, V2, region_problem};

/// The options of a source that are one of a few words.
const WORDS: &[(&str, &[&str])] = &[
    ("imds_support", &[V2, NO_GUARD]),
    ("shutdown_behavior", &["stop", "terminate"]),
];
/// The block with those of the metadata service.
const METADATA: &str = "metadata_options";
const METADATA_WORDS: &[(&str, &[&str])] = &[
    ("http_endpoint", &["enabled", "disabled"]),
    ("http_tokens", &["optional", "required"]),
    ("instance_metadata_tags", &["enabled", "disabled"]),
];
const RANGES: &str = "temporary_security_group_source_cidrs";
const USER_DATA: &str = "user_data";
const USER_DATA_FILE: &str = "user_data_file";

/// The problems of options, of which parts may be unknown.
pub(super) fn problems(value: &Value) -> Vec<Problem> {
    let options = Options::new("builder", value);
    let mut found = Vec::new();
    for (option, known) in WORDS {
        found.extend(word(&options, option, known).map(|problem| problem.of(*option)));
    }
    if let Some(block) = options.value(METADATA) {
        let block = Options::new(METADATA, block);
        for (option, known) in METADATA_WORDS {
            let problem = word(&block, option, known);
            found.extend(problem.map(|problem| problem.of(*option).of(METADATA)));
        }
    }
    let ranges = options.plain_strings(RANGES).unwrap_or_default();
    found.extend(ranges.iter().filter_map(|range| {
        let error = check_range(range).err()?;
        Some(Problem::from(error.of(RANGES)))
    }));
    found.extend(key_pair(&options));
    found.extend(region_problem(&options));
    found.extend(user_data(&options));
    found
}

/// The same when everything is known: the first is the failure.
pub(super) fn verify(value: &Value) -> Result<()> {
    match problems(value).into_iter().next() {
        None => user_data_file(value),
        Some(problem) => {
            let mut error = Error::new(Class::Template, "run/aws-option", problem.message);
            error.options = problem.options;
            error.help = problem.help;
            Err(error)
        }
    }
}

/// User data in the template that is more than EC2 takes.
fn user_data(options: &Options<'_>) -> Option<Problem> {
    let text = options.string(USER_DATA).ok().flatten()?;
    // What is rendered first may become shorter.
    if text.contains("{{") {
        return None;
    }
    let error = check_user_data(text.into_bytes()).err()?;
    Some(Problem::from(error.of(USER_DATA)))
}

/// The same of a file, which has to be read for it; whether it is there is looked at elsewhere.
fn user_data_file(value: &Value) -> Result<()> {
    let options = Options::new("builder", value);
    if options.is_given(USER_DATA) {
        return Ok(());
    }
    let Some(file) = options.string(USER_DATA_FILE)? else {
        return Ok(());
    };
    match std::fs::read(file) {
        Ok(content) => check_user_data(content).map_err(|error| error.of(USER_DATA_FILE)),
        Err(_) => Ok(()),
    }
}

/// An option that is none of the words it may be.
fn word(options: &Options<'_>, option: &str, known: &[&str]) -> Option<Problem> {
    let given = options.string(option).ok().flatten()?;
    let is_known = known.contains(&given.as_str());
    (!is_known).then(|| {
        Problem::new(format!("`{option}` is `{given}`"))
            .help(format!("it may be {}", known.join(" or ")))
    })
}

/// A key pair of the account by name, of which nothing here has the private half.
fn key_pair(options: &Options<'_>) -> Option<Problem> {
    let LogIn::Own(Some(name)) = LogIn::read(options).ok()? else {
        return None;
    };
    let given = |names: &[&str]| names.iter().any(|name| options.is_given(name));
    let windows = options.string("communicator").ok()?.as_deref() == Some("winrm");
    let (there, message, help) = match windows {
        true => (
            given(&["ssh_private_key_file", "winrm_password"]),
            format!(
                "the key pair `{name}` is named, and not where its private half is: it decrypts the password of Windows"
            ),
            "give its file, `ssh_private_key_file`, or the password itself, `winrm_password`; without `ssh_keypair_name` a key \
             pair is made for the build",
        ),
        false => (
            given(&["ssh_agent_auth", "ssh_password", "ssh_private_key_file"]),
            format!(
                "the key pair `{name}` is named, and not where its private half is: nobody could log in"
            ),
            "give its file, `ssh_private_key_file`, or set `ssh_agent_auth = true` where an agent has it; without \
             `ssh_keypair_name` a key pair is made for the build",
        ),
    };
    (!there).then(|| Problem::new(message).of("ssh_keypair_name").help(help))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::types::Type;

    use super::*;

    fn said(options: &[(&'static str, Value)]) -> Vec<String> {
        let found = problems(&Value::object(options.to_vec())).into_iter();
        found
            .map(|problem| format!("{}: {}", problem.options.join(","), problem.message))
            .collect()
    }

    #[test]
    fn what_ec2_would_refuse_is_said_of_the_option_it_is_about() {
        let text = Value::string;
        let block = Value::object([
            ("http_endpoint", text("on")),
            ("http_tokens", text("required")),
            ("instance_metadata_tags", text("yes")),
        ]);
        let ranges = ["203.0.113.0/24", "2001:db8::/32", "203.0.113.1", "::/129"];
        assert_eq!(
            said(&[
                ("imds_support", text("v2")),
                ("shutdown_behavior", text("hibernate")),
                (METADATA, block),
                (RANGES, Value::strings(ranges)),
            ]),
            [
                "imds_support: `imds_support` is `v2`",
                "shutdown_behavior: `shutdown_behavior` is `hibernate`",
                "http_endpoint,metadata_options: `http_endpoint` is `on`",
                "instance_metadata_tags,metadata_options: `instance_metadata_tags` is `yes`",
                "temporary_security_group_source_cidrs: `temporary_security_group_source_cidrs` has `203.0.113.1`",
                "temporary_security_group_source_cidrs: `temporary_security_group_source_cidrs` has `::/129`",
            ]
        );
    }

    #[test]
    fn user_data_that_is_too_much_is_found_before_anything_is_made() {
        let long = "x".repeat(20_000);
        let text = |text: &str| vec![("user_data", Value::string(text))];
        assert_eq!(
            said(&text(&long)),
            ["user_data: the user data has 20000 bytes"]
        );
        assert_eq!(said(&text(&format!("{{{{uuid}}}}{long}"))), [""; 0]);
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Value::string(file.path().to_str().unwrap());
        let options = Value::object([("user_data_file", path)]);
        verify(&options).unwrap();
        std::fs::write(file.path(), long).unwrap();
        let error = verify(&options).unwrap_err();
        assert_eq!(error.message, "the user data has 20000 bytes");
        assert_eq!(error.options, ["user_data_file"]);
    }

    #[test]
    fn a_key_pair_by_name_needs_its_private_half() {
        let text = Value::string;
        let pair = || ("ssh_keypair_name", text("ops"));
        let nobody = "ssh_keypair_name: the key pair `ops` is named, and not where its private half is: nobody could log in";
        assert_eq!(said(&[pair()]), [nobody]);
        let windows = || ("communicator", text("winrm"));
        assert_eq!(said(&[pair(), windows()]).len(), 1);
        for other in [
            ("ssh_private_key_file", text("ops.pem")),
            ("ssh_agent_auth", Value::bool(true)),
            ("ssh_password", text("x")),
            ("communicator", text("none")),
            ("ssh_private_key_file", Value::unknown(Type::String)),
        ] {
            assert_eq!(said(&[pair(), other.clone()]), [""; 0], "{other:?}");
        }
        let password = ("winrm_password", text("x"));
        assert_eq!(said(&[pair(), windows(), password]), [""; 0]);
    }

    #[test]
    fn what_is_well_or_not_known_yet_is_let_through() {
        let open = || Value::unknown(Type::Any);
        for option in ["imds_support", "shutdown_behavior", METADATA, RANGES] {
            assert_eq!(said(&[(option, open())]), [""; 0], "{option}");
        }
        let block = Value::object([("http_tokens", open())]);
        let well = [
            (METADATA, block),
            ("imds_support", Value::string(NO_GUARD)),
            ("shutdown_behavior", Value::string("terminate")),
        ];
        assert_eq!(said(&well), [""; 0]);
    }
}
