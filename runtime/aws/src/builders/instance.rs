//! Builder `amazon-instance`: the disk of an instance is bundled on the instance itself, uploaded to S3, and registered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_ec2::types::BlockDeviceMapping;
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Known, Pin, Problem, Publish, Target};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::machine::Machine;
use imgc_runtime::options::Options;

use crate::account::Access;
use crate::builders::artifact::of_image;
use crate::builders::bundle::{Bundled, bundle};
use crate::builders::family::{Family, problems_of_image};
use crate::builders::launch::{Temporary, check_root, finish, wanted};
use crate::image::{self, Contents};
use crate::instance::LogIn;
use crate::options::{Bundle, Device, Traits};
use crate::publish;

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazon.instance";
const COMPONENT: &str = "builder `amazon-instance`";

/// The builder `amazon-instance`.
#[derive(Clone, Debug, Default)]
pub struct InstanceStore {
    family: Family,
}

impl InstanceStore {
    /// One of the family of this process.
    pub(crate) fn new(family: Family) -> Self {
        Self { family }
    }
}

#[async_trait]
impl Builder for InstanceStore {
    fn check(&self, value: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, value);
        let read = Access::read(&options)
            .and_then(|_| Bundle::read(&options))
            .and_then(|_| LogIn::read(&options));
        let read = read.and_then(|log_in| reachable(&log_in));
        problems_of_image(value, read)
    }

    fn publish_options(&self) -> &'static [&'static str] {
        publish::OPTIONS
    }

    fn publishes(&self, options: &Value) -> Vec<Publish> {
        publish::publishes(options)
    }

    async fn publish(
        &self,
        cx: &Context,
        options: &Value,
        step: &str,
        artifact: &Artifact,
    ) -> Result<Artifact> {
        let options = Options::new(COMPONENT, options);
        publish::publish(self.family.accounts(), cx, &options, step, artifact).await
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let options = Options::new(COMPONENT, options);
        let read = Bundle::read(&options)?;
        let _ = cx;
        self.family.pins(&options, &read.launch.source, known).await
    }

    async fn prepare(&self, cx: &Context, value: &Value) -> Result<()> {
        publish::verify(value)?;
        let options = Options::new(COMPONENT, value);
        let read = Bundle::read(&options)?;
        for (option, file) in [
            ("x509_cert_path", &read.certificate),
            ("x509_key_path", &read.private_key),
        ] {
            let path = cx.world.working_directory().join(file);
            if let Err(error) = std::fs::File::open(&path) {
                return Err(Error::new(
                    Class::Template,
                    "run/missing-file",
                    format!("`{option}` cannot be read: {}: {error}", path.display()),
                )
                .help("make one with openssl, and register the certificate with the account"));
            }
        }
        let (source, image) = (&read.launch.source, Some(&read.image));
        let source = self.family.prepare(cx, &options, source, image).await?;
        check_root(
            &source,
            "instance-store",
            "use the builder `amazon-ebs` for an image on EBS",
        )
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let options = Options::new(COMPONENT, options);
        let read = Bundle::read(&options)?;
        let temporary = Temporary::launch(cx, &self.family, &options, &read.launch).await?;
        Ok(Arc::new(StoreInstance {
            temporary,
            read,
            bundled: Mutex::default(),
        }))
    }
}

/// The commands run on the machine: there must be a way to it.
fn reachable(log_in: &LogIn) -> Result<()> {
    match log_in {
        LogIn::None => Err(Error::new(
            Class::Template,
            "run/aws-option",
            "the disk is bundled on the machine itself, and `communicator` is `none`",
        )
        .help("set `ssh_username`, and leave `communicator` out")),
        _ => Ok(()),
    }
}

struct StoreInstance {
    temporary: Temporary,
    read: Bundle,
    bundled: Mutex<Option<Bundled>>,
}

#[async_trait]
impl Instance for StoreInstance {
    fn target(&self) -> Target {
        self.temporary.target.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.temporary.texts()
    }

    async fn host_keys(&self, cx: &Context) -> Result<Vec<String>> {
        self.temporary.host_keys(cx).await
    }

    async fn finish(&self, cx: &Context, machine: &dyn Machine) -> Result<()> {
        let bundled = bundle(cx, &self.temporary, &self.read, machine).await?;
        *self.bundled.lock().unwrap_or_else(PoisonError::into_inner) = Some(bundled);
        Ok(())
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        let read = &self.read;
        let region = &self.temporary.region;
        let bundled = {
            let bundled = self.bundled.lock().unwrap_or_else(PoisonError::into_inner);
            let bundled = bundled.as_ref();
            bundled.map(|bundled| (bundled.manifest.clone(), bundled.made.record.clone()))
        };
        let (location, bundle) = bundled.ok_or_else(|| {
            Error::new(
                Class::Bug,
                "run/aws-image",
                "the bundle is not there when it is to be registered",
            )
        })?;
        let wanted = wanted(cx, &self.temporary.facts, &read.image)?;
        if read.image.replaces || cx.force {
            image::let_go(cx, region, &read.image).await?;
        }
        cx.output
            .say(format!("registering AMI {}", read.image.name));
        let devices: Vec<BlockDeviceMapping> =
            read.image.devices.iter().map(Device::mapping).collect();
        let contents = Contents::Manifest { location, devices };
        // The manifest says the architecture.
        let traits = Traits {
            architecture: None,
            ..read.traits.clone()
        };
        let (made, finished) = Box::pin(image::register(
            cx,
            region,
            &wanted,
            contents,
            &traits,
            read.polling,
        ))
        .await?;
        finish(region, &read.launch.run.encryption, &finished).await?;
        let mut artifact = of_image(BUILDER_ID, region, &made, &finished);
        artifact.things.push(bundle);
        Ok(artifact)
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        self.temporary.release(cx).await
    }
}
