//! Profiles by name: one that is not there would be said of the first request, in the SDK's words, or other credentials would be
//! taken instead.

use std::env;

use aws_config::profile;
use imgc_compiler::diagnostic::nearest;
use imgc_runtime::error::{Class, Error, Result};

use super::{Access, files};

/// What gives credentials before, or instead of, a profile.
const OTHERS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
/// The profile that need not be there.
const USUAL: &str = "default";

/// Whether the profile that is asked for is in one of the files, where credentials come from it.
pub(super) async fn check(access: &Access) -> Result<()> {
    let given = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
    if access.keys.is_some() || OTHERS.iter().any(|name| given(name).is_some()) {
        return Ok(());
    }
    let by_environment = given("AWS_PROFILE");
    let Some(name) = access.profile.clone().or(by_environment) else {
        return Ok(());
    };
    let sources = files(access).unwrap_or_default();
    // A file that cannot be read is said by whoever needs it.
    let Ok(found) = profile::load(&Default::default(), &Default::default(), &sources, None).await
    else {
        return Ok(());
    };
    let profiles: Vec<&str> = found.profiles().collect();
    if name == USUAL || profiles.contains(&name.as_str()) {
        return Ok(());
    }
    let own = access.credentials_file.as_ref();
    let credentials = own.map(|file| file.display().to_string());
    let credentials = credentials.or_else(|| given("AWS_SHARED_CREDENTIALS_FILE"));
    let config = given("AWS_CONFIG_FILE");
    let files = [
        config.unwrap_or_else(|| "~/.aws/config".to_owned()),
        credentials.unwrap_or_else(|| "~/.aws/credentials".to_owned()),
    ];
    Err(missing(&name, access.profile.is_some(), &files, profiles))
}

/// `is_option`: the template names it, and not AWS_PROFILE.
fn missing(name: &str, is_option: bool, files: &[String; 2], mut profiles: Vec<&str>) -> Error {
    let [config, credentials] = files;
    let by = match is_option {
        true => "",
        false => ", which AWS_PROFILE names,",
    };
    let error = Error::new(
        Class::Environment,
        "run/aws-account",
        format!("the profile `{name}`{by} is neither in {config} nor in {credentials}"),
    );
    let error = match is_option {
        true => error.of("profile"),
        false => error,
    };
    profiles.sort_unstable();
    match nearest(name, profiles.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None if profiles.is_empty() => error.help(format!(
            "there are no profiles: make this one with `aws configure --profile {name}`, or name none and set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )),
        None => error.help(format!(
            "there are {}; make this one with `aws configure --profile {name}`",
            profiles.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_that_is_not_there_is_said_with_the_files_and_those_that_are() {
        let files = ["~/.aws/config".to_owned(), "/run/keys".to_owned()];
        let error = missing("nope", true, &files, vec!["web", "ops"]);
        assert_eq!(
            error.message,
            "the profile `nope` is neither in ~/.aws/config nor in /run/keys"
        );
        assert_eq!(
            error.help.as_deref(),
            Some("there are ops, web; make this one with `aws configure --profile nope`")
        );
        let near = missing("stagin", false, &files, vec!["staging"]);
        assert!(near.message.contains("AWS_PROFILE"), "{}", near.message);
        assert_eq!(near.help.as_deref(), Some("did you mean `staging`?"));
        let none = missing("nope", true, &files, Vec::new());
        assert!(
            none.help
                .is_some_and(|help| help.starts_with("there are no profiles"))
        );
    }
}
