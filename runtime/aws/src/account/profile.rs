//! Profiles by name: one that is not there would be said of the first request, in the SDK's words, or other credentials would be
//! taken instead; and roles of profiles that want the code of a device, which the SDK does not ask for.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{self, ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use imgc_compiler::diagnostic::nearest;
use imgc_runtime::error::{Class, Error, Result};

use super::{Access, Code, files};
use crate::clock::{self, Clock};

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
    let Some(name) = asked(access) else {
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

fn given(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// The profile that credentials come from: the one that the template names, whatever the environment has, as with Packer; else that
/// of the environment, where it has no credentials itself.
fn asked(access: &Access) -> Option<String> {
    if access.keys.is_some() {
        return None;
    }
    let is_else = OTHERS.iter().any(|name| given(name).is_some());
    let by_environment = || given("AWS_PROFILE").filter(|_| !is_else);
    access.profile.clone().or_else(by_environment)
}

/// Where the credentials of a profile come from, where the SDK would take others: of the environment, where the template names the
/// profile; of a role without the code that it wants.
pub(super) async fn provider(
    access: &Access,
    config: &SdkConfig,
) -> Option<SharedCredentialsProvider> {
    let name = asked(access)?;
    let sources = files(access).unwrap_or_default();
    let profiles = profile::load(&Default::default(), &Default::default(), &sources, None).await;
    let profiles = profiles.ok()?;
    if access.profile.is_none() && !wants_code(&profiles, &name) {
        return None;
    }
    let mut surroundings = ProviderConfig::without_region()
        .with_region(config.region().cloned())
        .with_time_source(Clock);
    if let Some(http) = config.http_client() {
        surroundings = surroundings.with_http_client(http);
    }
    let plain = |name: &str| {
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&surroundings)
            .profile_files(sources.clone())
            .profile_name(name);
        let container = EcsCredentialsProvider::builder().configure(&surroundings);
        let metadata = ImdsCredentialsProvider::builder().configure(&surroundings);
        // A profile may have settings only: its credentials are then those of the machine, never of the environment.
        let chain = CredentialsProviderChain::first_try("Profile", provider.build())
            .or_else("Container", container.build())
            .or_else("Metadata", metadata.build());
        SharedCredentialsProvider::new(chain)
    };
    // From the profile that has credentials of its own to the one that is asked for.
    let mut chain = chain(&profiles, &name);
    let first = chain
        .iter()
        .position(|name| serial(&profiles, name).is_some());
    let Some(first) = first else {
        return Some(plain(&name));
    };
    let coded = chain.split_off(first);
    let mut provider = match chain.last() {
        Some(base) => plain(base),
        None => own(&profiles, &coded[0]),
    };
    for name in coded {
        provider = SharedCredentialsProvider::new(Coded {
            role: Role::read(&profiles, &name)?,
            key: (access.credentials_file.clone(), name.clone()),
            code: access.code.clone(),
            config: config.to_builder().credentials_provider(provider).build(),
        });
    }
    Some(provider)
}

/// A profile and those that it takes credentials from to take its role, the last of them first.
fn chain(profiles: &ProfileSet, name: &str) -> Vec<String> {
    let mut chain = vec![name.to_owned()];
    while let Some(profile) = chain.last().and_then(|name| profiles.get_profile(name)) {
        let source = profile
            .get("role_arn")
            .and_then(|_| profile.get("source_profile"));
        match source {
            Some(source) if !chain.iter().any(|name| name == source) => {
                chain.push(source.to_owned());
            }
            _ => break,
        }
    }
    chain.reverse();
    chain
}

/// The device whose code the role of a profile wants.
fn serial<'a>(profiles: &'a ProfileSet, name: &str) -> Option<&'a str> {
    let profile = profiles.get_profile(name)?;
    profile
        .get("role_arn")
        .and_then(|_| profile.get("mfa_serial"))
}

fn wants_code(profiles: &ProfileSet, name: &str) -> bool {
    let chain = chain(profiles, name);
    chain.iter().any(|name| serial(profiles, name).is_some())
}

/// The keys of a profile that is its own source; where it has none, whoever asks is told what is missing.
fn own(profiles: &ProfileSet, name: &str) -> SharedCredentialsProvider {
    let keys = || {
        let profile = profiles.get_profile(name)?;
        let session = profile.get("aws_session_token").map(str::to_owned);
        let id = profile.get("aws_access_key_id")?;
        let secret = profile.get("aws_secret_access_key")?;
        Some(Credentials::new(id, secret, session, None, "profile"))
    };
    match keys() {
        Some(keys) => SharedCredentialsProvider::new(keys),
        None => SharedCredentialsProvider::new(Sourceless(name.to_owned())),
    }
}

/// A profile whose role wants a code, and that does not say whose credentials the role is taken with.
#[derive(Debug)]
struct Sourceless(String);

impl ProvideCredentials for Sourceless {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::invalid_configuration(format!(
            "the role of the profile `{}` wants a code, so the profile needs `source_profile`, one with keys of a user",
            self.0
        ))))
    }
}

/// The profile of a role: its file, where a template names one, and its name.
type Key = (Option<PathBuf>, String);

/// The credentials of roles that were taken with a code, which is good for once: the other builds of this process, what comes after
/// an image, and whoever removes something have them as well.
static TAKEN: Mutex<BTreeMap<Key, Credentials>> = Mutex::new(BTreeMap::new());

/// Credentials that end sooner than this are not used any more.
const LEAST: Duration = Duration::from_secs(120);

fn taken(key: &Key) -> Option<Credentials> {
    let all = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let lasts = |found: &&Credentials| {
        let end = found.expiry();
        end.is_none_or(|end| end > clock::now() + LEAST)
    };
    all.get(key).filter(lasts).cloned()
}

/// The role of a profile.
#[derive(Debug)]
struct Role {
    profile: String,
    arn: String,
    session: Option<String>,
    external_id: Option<String>,
    seconds: Option<i32>,
    serial: Option<String>,
}

impl Role {
    fn read(profiles: &ProfileSet, name: &str) -> Option<Self> {
        let profile = profiles.get_profile(name)?;
        let get = |key| profile.get(key).map(str::to_owned);
        Some(Self {
            profile: name.to_owned(),
            arn: get("role_arn")?,
            session: get("role_session_name"),
            external_id: get("external_id"),
            seconds: get("duration_seconds").and_then(|text| text.parse().ok()),
            serial: get("mfa_serial"),
        })
    }
}

/// Takes a role with the code of a device.
#[derive(Debug)]
struct Coded {
    key: Key,
    role: Role,
    code: Option<Code>,
    /// With the credentials that the role is taken with.
    config: SdkConfig,
}

impl ProvideCredentials for Coded {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.take())
    }
}

impl Coded {
    async fn take(&self) -> provider::Result {
        // Whoever comes while it is being taken waits for it.
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _turn = TURN.lock().await;
        if let Some(known) = taken(&self.key) {
            return Ok(known);
        }
        let role = &self.role;
        let code = match (&role.serial, &self.code) {
            (Some(serial), None) => {
                return Err(CredentialsError::invalid_configuration(format!(
                    "the role of the profile `{}` wants a code of the device {serial}: give it as `mfa_code` of a source, such \
                     as from a variable (-var code=123456)",
                    role.profile
                )));
            }
            (Some(_), Some(code)) => Some(code.0.clone()),
            (None, _) => None,
        };
        let request = aws_sdk_sts::Client::new(&self.config)
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(role.session.as_deref().unwrap_or("imgc"))
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(role.seconds)
            .set_serial_number(role.serial.clone())
            .set_token_code(code);
        let answer = Box::pin(request.send()).await;
        let answer = answer.map_err(CredentialsError::provider_error)?;
        let found = answer
            .credentials
            .ok_or_else(|| CredentialsError::unhandled("AssumeRole answers without credentials"))?;
        let end = u64::try_from(found.expiration.secs()).unwrap_or_default();
        let found = Credentials::new(
            found.access_key_id,
            found.secret_access_key,
            Some(found.session_token),
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(end)),
            "profile",
        );
        let mut all = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(self.key.clone(), found.clone());
        Ok(found)
    }
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
