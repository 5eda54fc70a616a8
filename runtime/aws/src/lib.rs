//! Amazon: image builders, data sources, secrets.
//!
//! A leaf crate: nothing else of the project sees the AWS SDK. Credentials, region and endpoint come from the template's options and
//! from where the SDK finds them: environment, profiles, the metadata of an instance or container. How the pieces fit stands in
//! `docs/design/amazon.md`.

mod account;
mod boxed;
mod builders;
mod client;
mod clock;
mod connect;
#[cfg(test)]
mod coverage;
mod credentials;
mod data;
mod diagnose;
mod error;
mod gather;
mod identity;
mod image;
mod instance;
mod lookup;
mod options;
mod pace;
mod parameters;
mod poll;
mod post;
mod preview;
mod publish;
mod random;
mod region;
mod rehearsal;
mod resource;
mod rights;
mod rollback;
mod secrets;
mod share;
mod simulation;
mod tags;

use std::sync::Arc;

use imgc_runtime::registry::Registry;
use imgc_runtime::settings::Remover;

use builders::{AmazonChroot, OnInstance};

pub use data::{Ami, ParameterStore, SecretsManager};
pub use error::IDS;
pub use post::{Import, Retention, SsmParameter};
pub use resource::AwsRemover;
pub use rollback::{Held, Obstacle, Outlook, can_be_undone};
pub use secrets::{raw_secret, secret};

/// Everything of Amazon in one process: components and remover share accounts, clients and limits. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Aws {
    accounts: account::Accounts,
}

impl Aws {
    /// Nothing is read or asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the components.
    pub fn register(&self, registry: &mut Registry) {
        let family = builders::Family::new(self.accounts.clone());
        let builders = &mut registry.builders;
        let ebs = OnInstance::<options::Ebs>::new(family.clone());
        builders.insert("amazon-ebs", Arc::new(ebs));
        let chroot = AmazonChroot::new(family.clone());
        builders.insert("amazon-chroot", Arc::new(chroot));
        let surrogate = OnInstance::<options::Surrogate>::new(family.clone());
        builders.insert("amazon-ebssurrogate", Arc::new(surrogate));
        let volumes = OnInstance::<options::EbsVolume>::new(family.clone());
        builders.insert("amazon-ebsvolume", Arc::new(volumes));
        let store = OnInstance::<options::Bundle>::new(family);
        builders.insert("amazon-instance", Arc::new(store));
        let parameter = SsmParameter::new(self.accounts.clone());
        let import = Import::new(self.accounts.clone());
        let post = &mut registry.post_processors;
        post.insert("amazon-import", Arc::new(import));
        let retention = Retention::new(self.accounts.clone());
        post.insert("amazon-retention", Arc::new(retention));
        post.insert("amazon-ssm-parameter", Arc::new(parameter));
        let data = &mut registry.data_sources;
        data.insert("amazon-ami", Arc::new(Ami));
        data.insert("amazon-parameterstore", Arc::new(ParameterStore));
        data.insert("amazon-secretsmanager", Arc::new(SecretsManager));
    }

    /// What removes the things of records.
    pub fn remover(&self) -> Arc<dyn Remover> {
        Arc::new(AwsRemover::new(self.accounts.clone()))
    }
}
