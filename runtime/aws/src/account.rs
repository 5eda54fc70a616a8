//! Accounts: from a component's options to clients.
//!
//! In: the options that say who asks and where (`access_key`, `profile`, `region`, `assume_role`, …), as Packer's Amazon plugin
//! has them; what they leave open comes from where the SDK finds it: environment, profiles, single sign-on, web identity, the
//! metadata of an instance or container. Out: an [`Account`], one for all builds that ask for the same, with one client for each
//! region. All requests of a region share one bucket of retries and one limit.

mod number;
mod profile;
mod region;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_ec2::config::retry::{RetryPartition, TokenBucket};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::ACCOUNT;
use imgc_runtime::options::Options;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::client;
use crate::clock::Clock;
use crate::connect;
use crate::credentials::Renewable;
use crate::pace::Pace;
use crate::region::RegionClient;

pub(crate) use number::number;
pub(crate) use region::named as named_region;

/// Attempts for one request unless `max_retries` says otherwise.
const ATTEMPTS: u32 = 10;
/// The longest pause after the first failure; it doubles. Beside it there is the region's pace.
const BACKOFF: Duration = Duration::from_millis(250);

/// Who asks, and where: what the options of a component say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    keys: Option<Keys>,
    profile: Option<String>,
    credentials_file: Option<PathBuf>,
    region: Option<String>,
    /// `custom_endpoint_ec2`.
    endpoint: Option<String>,
    role: Option<Role>,
    attempts: Option<u32>,
    /// `mfa_code`, for the role of a profile.
    code: Option<Code>,
    /// `skip_region_validation`: the region is taken as it is.
    any_region: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Keys {
    id: String,
    secret: String,
    token: Option<String>,
}

impl Keys {
    /// The end of the one that is no secret.
    fn end(&self) -> String {
        let length = self.id.len();
        let end = self.id.get(length.saturating_sub(4)..).unwrap_or_default();
        format!("…{end}")
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// The code of a device, good for half a minute.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Code(String);

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

/// `assume_role`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Role {
    #[serde(skip)]
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    /// Whether a part of it is a secret of the template's: then it is not written down.
    #[serde(skip)]
    secret: bool,
}

impl Role {
    /// What Amazon is told beside the role's name, for a record.
    fn written(&self) -> Option<String> {
        let plain = Self {
            arn: self.arn.clone(),
            ..Self::default()
        };
        let is_plain = *self == plain;
        let text = (!self.secret && !is_plain).then(|| serde_json::to_string(self));
        text.and_then(Result::ok)
    }

    /// The role of a record.
    fn read(arn: String, written: Option<String>) -> Self {
        let read = written.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            arn,
            ..read.unwrap_or_default()
        }
    }
}

/// The names under which [`Access::reach`] keeps what is needed to come back; none is a secret.
const PROFILE: &str = "profile";
const CREDENTIALS_FILE: &str = "shared_credentials_file";
const ENDPOINT: &str = "custom_endpoint_ec2";
const ROLE: &str = "role_arn";
const ROLE_OPTIONS: &str = "assume_role";
const KEY: &str = "access_key";
const ANY_REGION: &str = "skip_region_validation";
/// The problem of credentials that are not those of the account on record.
pub(crate) const OTHER_ACCOUNT: &str = "run/aws-other-account";

impl Access {
    /// Reads the options.
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        for (option, why) in [(
            "insecure_skip_tls_verify",
            "certificates are always checked; name your own authority in the file of AWS_CA_BUNDLE",
        )] {
            if options.is_given(option) {
                return Err(refused(option, why));
            }
        }
        if options.value("vault_aws_engine").is_some() {
            return Err(refused(
                "vault_aws_engine",
                "read the credentials from Vault into the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, \
                 AWS_SESSION_TOKEN",
            ));
        }
        let keys = match (options.string("access_key")?, options.string("secret_key")?) {
            (Some(id), Some(secret)) => Some(Keys {
                id,
                secret,
                token: options.string("token")?,
            }),
            (None, None) => None,
            (Some(_), None) => return Err(alone("access_key", "secret_key")),
            (None, Some(_)) => return Err(alone("secret_key", "access_key")),
        };
        Ok(Self {
            keys,
            profile: options.string("profile")?,
            credentials_file: options
                .string("shared_credentials_file")?
                .map(PathBuf::from),
            region: options.string("region")?,
            endpoint: options.string(ENDPOINT)?,
            role: role(options)?,
            code: options.string("mfa_code")?.map(Code),
            attempts: options
                .integer("max_retries")?
                .and_then(|retries| u32::try_from(retries).ok())
                .filter(|retries| *retries > 0)
                .map(|retries| retries.saturating_add(1)),
            any_region: options.bool(ANY_REGION)?,
        })
    }

    /// What leads back to the same account in another process, for a record: no secret among it. Of keys that stood in the
    /// template there is the end of the one that is none: this process knows them by it ([`Accounts::led_to`]), and whoever
    /// removes something in another one needs credentials of its own.
    pub(crate) fn reach(&self) -> BTreeMap<String, String> {
        let file = self.credentials_file.as_ref();
        let entries = [
            (PROFILE, self.profile.clone()),
            (
                CREDENTIALS_FILE,
                file.map(|file| file.display().to_string()),
            ),
            (ENDPOINT, self.endpoint.clone()),
            (ROLE, self.role.as_ref().map(|role| role.arn.clone())),
            (ROLE_OPTIONS, self.role.as_ref().and_then(Role::written)),
            (KEY, self.keys.as_ref().map(|keys| keys.end())),
            (ANY_REGION, self.any_region.then(|| "true".to_owned())),
        ];
        let entries = entries.into_iter();
        entries
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    /// Whose rights it uses, in words; empty for the credentials that the environment gives.
    pub(crate) fn holder(&self) -> String {
        if let Some(role) = &self.role {
            return format!("role {}", role.arn);
        }
        match (&self.profile, &self.keys) {
            (Some(profile), _) => format!("profile {profile}"),
            // Enough to tell it from others.
            (None, Some(keys)) => format!("access key {}", keys.end()),
            (None, None) => String::new(),
        }
    }

    /// `assume_role`.
    pub(crate) fn role_arn(&self) -> Option<&str> {
        self.role.as_ref().map(|role| role.arn.as_str())
    }

    /// Whether the keys stand in the template.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Whether a profile is named.
    pub(crate) fn has_profile(&self) -> bool {
        self.profile.is_some()
    }

    /// The same in a region, where none is set.
    pub(crate) fn in_region(mut self, region: &str) -> Self {
        self.region.get_or_insert_with(|| region.to_owned());
        self
    }

    /// The access that a record leads to, where nothing else is known.
    fn from_reach(reach: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| reach.get(name).cloned();
        Self {
            profile: get(PROFILE),
            credentials_file: get(CREDENTIALS_FILE).map(PathBuf::from),
            endpoint: get(ENDPOINT),
            role: get(ROLE).map(|arn| Role::read(arn, get(ROLE_OPTIONS))),
            any_region: get(ANY_REGION).is_some(),
            ..Self::default()
        }
    }
}

fn role(options: &Options<'_>) -> Result<Option<Role>> {
    let Some(value) = options.value("assume_role") else {
        return Ok(None);
    };
    let block = Options::new("`assume_role`", value);
    if block.is_given("transitive_tag_keys") {
        return Err(refused(
            "assume_role.transitive_tag_keys",
            "the tags of the session hold for this run only; leave the option out",
        ));
    }
    Ok(Some(Role {
        secret: options.is_sensitive("assume_role"),
        arn: block.required("role_arn")?,
        session: block.string("session_name")?,
        external_id: block.string("external_id")?,
        policy: block.string("policy")?,
        policies: block.plain_strings("policy_arns")?,
        tags: block
            .map("tags")?
            .into_iter()
            .map(|(key, value)| (key, value.text))
            .collect(),
        seconds: block
            .integer("duration_seconds")?
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0),
    }))
}

fn refused(option: &str, way_out: &str) -> Error {
    Error::new(
        Class::Template,
        "run/aws-option",
        format!("the option `{option}` cannot be used here"),
    )
    .help(way_out)
}

fn alone(given: &str, missing: &str) -> Error {
    Error::new(
        Class::Template,
        "run/aws-option",
        format!("`{given}` is set and `{missing}` is not"),
    )
    .help("set both, or neither: credentials then come from the environment or a profile")
}

/// The accounts of a process. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts(Arc<Mutex<HashMap<Access, Opened>>>);

type Opened = Arc<OnceCell<Arc<Account>>>;

impl Accounts {
    /// The access in a region that a record leads to: one that this process has used for it, with the keys of the template and
    /// all; else what is on record.
    fn led_to(&self, reach: &BTreeMap<String, String>, region: &str) -> Access {
        let mut of_access = reach.clone();
        of_access.remove(ACCOUNT);
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = accounts.keys().find(|access| access.reach() == of_access);
        let access = used.cloned();
        access
            .unwrap_or_else(|| Access::from_reach(reach))
            .in_region(region)
    }

    /// The account that a record leads back to; an error where the credentials at hand are of another one.
    pub(crate) async fn back(
        &self,
        reach: &BTreeMap<String, String>,
        region: &str,
    ) -> Result<Arc<Account>> {
        let account = self.get(&self.led_to(reach, region)).await?;
        account.has(reach, region).await?;
        Ok(account)
    }

    /// The account of an access; made when it is asked for first. Nothing is asked of Amazon yet.
    pub(crate) async fn get(&self, access: &Access) -> Result<Arc<Account>> {
        let cell = {
            let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            accounts.entry(access.clone()).or_default().clone()
        };
        cell.get_or_try_init(|| async { Account::open(access).await.map(Arc::new) })
            .await
            .cloned()
    }
}

/// An account, and the clients for its regions.
#[derive(Debug)]
pub(crate) struct Account {
    config: SdkConfig,
    renewable: Option<Renewable>,
    access: Access,
    home: String,
    regions: Mutex<BTreeMap<String, RegionClient>>,
}

impl Account {
    async fn open(access: &Access) -> Result<Self> {
        profile::check(access).await?;
        let mut config = load(access).await;
        let Some(home) = config.region().map(ToString::to_string) else {
            return Err(
                Error::new(Class::Environment, "run/aws-account", "no region is set")
                    .help("set `region` in the source, AWS_REGION, or `region` in the profile"),
            );
        };
        if access.endpoint.is_none() && !access.any_region {
            region::check(&home)?;
            if config.endpoint_url().is_none() {
                region::exists(&home).await?;
            }
        }
        let mut renewable = None;
        if let Some(provider) = config.credentials_provider() {
            let found = Renewable::new(access, provider);
            config = config
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(found.clone()))
                .build();
            renewable = Some(found);
        }
        Ok(Self {
            config,
            renewable,
            access: access.clone(),
            home,
            regions: Mutex::default(),
        })
    }

    /// Whether Amazon has a region, where it is Amazon that is asked; an error that names the one that is meant.
    pub(crate) async fn check_region(&self, name: &str) -> Result<()> {
        match self.access.any_region || self.endpoint().is_some() {
            true => Ok(()),
            false => region::exists(name).await,
        }
    }

    /// The region the build works in.
    pub(crate) fn home(&self) -> &str {
        &self.home
    }

    /// What leads back to it in another process, for a record: with its number, once credentials have told it.
    pub(crate) fn reach(&self) -> BTreeMap<String, String> {
        let mut reach = self.access.reach();
        let number = self.renewable.as_ref().and_then(Renewable::number);
        reach.extend(number.map(|number| (ACCOUNT.to_owned(), number)));
        reach
    }

    /// An error where what is on record in a region is of another account.
    pub(crate) async fn has(&self, reach: &BTreeMap<String, String>, region: &str) -> Result<()> {
        let Some(recorded) = reach.get(ACCOUNT) else {
            return Ok(());
        };
        match self.number().await {
            Some(number) if number != *recorded => Err(Error::new(
                Class::Environment,
                OTHER_ACCOUNT,
                format!(
                    "what is on record in {region} is of the account {recorded}, and the credentials at hand are of {number}"
                ),
            )
            .help(format!(
                "nothing was changed; use credentials of the account {recorded} (AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY), and run it again"
            ))),
            _ => Ok(()),
        }
    }

    /// Its number, as the credentials have it; nobody at Amazon is asked.
    pub(crate) async fn number(&self) -> Option<String> {
        let renewable = self.renewable.as_ref()?;
        // Where there are none, whoever asks for something is told.
        let _ = renewable.provide_credentials().await;
        renewable.number()
    }

    /// Its credentials, for clients that shall have them renewed.
    pub(crate) fn renewable(&self) -> Option<Renewable> {
        self.renewable.clone()
    }

    /// The SDK's configuration, for services that are asked rarely.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The client for a region.
    pub(crate) fn region(self: &Arc<Self>, name: &str) -> RegionClient {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let pace = Pace::default();
            // Fifty builds are refused more often than the SDK's own allowance for repetitions holds: the pace is what slows
            // them down, and each request has its attempts.
            let partition = RetryPartition::custom(format!("ec2 of {name}"));
            let mut config = aws_sdk_ec2::config::Builder::from(&self.config)
                .region(Region::new(name.to_owned()))
                .retry_partition(partition.token_bucket(TokenBucket::unlimited()).build())
                .retry_classifier(client::Capacity)
                .retry_classifier(client::Foreign)
                .retry_classifier(client::Silent::default())
                .retry_classifier(pace.clone());
            if let Some(renewable) = &self.renewable {
                config = config.retry_classifier(renewable.clone());
            }
            if let Some(endpoint) = &self.access.endpoint {
                config = config.endpoint_url(endpoint);
            }
            let mut identities = aws_sdk_sts::config::Builder::from(&self.config)
                .retry_classifier(client::Silent::default())
                .retry_classifier(pace.clone())
                .region(Region::new(name.to_owned()));
            let mut quotas = aws_sdk_servicequotas::config::Builder::from(&self.config)
                .retry_classifier(client::Silent::default())
                .retry_classifier(pace.clone())
                .region(Region::new(name.to_owned()));
            if let Some(renewable) = &self.renewable {
                identities = identities.retry_classifier(renewable.clone());
                quotas = quotas.retry_classifier(renewable.clone());
            }
            RegionClient::new(
                aws_sdk_ec2::Client::from_conf(config.build()),
                (
                    aws_sdk_sts::Client::from_conf(identities.build()),
                    aws_sdk_servicequotas::Client::from_conf(quotas.build()),
                ),
                name,
                self.access.reach(),
                pace,
                (&self.config, self.renewable.clone()),
            )
        };
        regions.entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// Where EC2 is when it is not at Amazon's usual place: the address a caller has for it is not the public one then.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        let own = self.access.endpoint.as_deref();
        own.or_else(|| self.config.endpoint_url())
    }
}

/// Configuration and credentials as they are found now.
async fn load(access: &Access) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(connect::client())
        .time_source(Clock)
        // Ours keeps them, and renews them.
        .identity_cache(IdentityCache::no_cache())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(access.attempts.unwrap_or(ATTEMPTS))
                .with_initial_backoff(BACKOFF)
                .with_max_backoff(Duration::from_secs(20)),
        );
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(files) = files(access) {
        loader = loader.profile_files(files);
    }
    if let Some(keys) = &access.keys {
        loader = loader.credentials_provider(Credentials::new(
            &keys.id,
            &keys.secret,
            keys.token.clone(),
            None,
            "template",
        ));
    }
    let mut config = loader.load().await;
    if let Some(provider) = profile::provider(access, &config).await {
        config = config.into_builder().credentials_provider(provider).build();
    }
    let Some(role) = &access.role else {
        return config;
    };
    let provider = assume(role, &config).await;
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}

/// The files with profiles, where a template names one.
fn files(access: &Access) -> Option<EnvConfigFiles> {
    let file = access.credentials_file.as_ref()?;
    let files = EnvConfigFiles::builder()
        .include_default_config_file(true)
        .with_file(EnvConfigFileKind::Credentials, file);
    Some(files.build())
}

/// Where credentials come from, looked for anew.
pub(crate) async fn provider(access: &Access) -> Option<SharedCredentialsProvider> {
    load(access).await.credentials_provider()
}

async fn assume(role: &Role, base: &SdkConfig) -> AssumeRoleProvider {
    let mut builder = AssumeRoleProvider::builder(&role.arn)
        .configure(base)
        .session_name(role.session.as_deref().unwrap_or("imgc"));
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    if let Some(policy) = &role.policy {
        builder = builder.policy(policy);
    }
    if !role.policies.is_empty() {
        builder = builder.policy_arns(role.policies.clone());
    }
    if !role.tags.is_empty() {
        builder = builder.tags(role.tags.clone());
    }
    if let Some(seconds) = role.seconds {
        builder = builder.session_length(Duration::from_secs(seconds));
    }
    builder.build().await
}
