//! Builder `amazon-instance`: the disk of an instance is bundled on the instance itself, uploaded to S3, and registered.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use aws_sdk_ec2::types::BlockDeviceMapping;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::machine::Machine;
use imgc_runtime::options::Options;

use crate::builders::artifact::of_image;
use crate::builders::bundle::{Bundled, bundle};
use crate::builders::launch::{Temporary, finish, wanted};
use crate::builders::on_instance::{Disk, Recipe};
use crate::image::{self, Contents};
use crate::instance::LogIn;
use crate::options::{Bundle, Device, Image, Launch, Traits};
use crate::rights;

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazon.instance";

/// How far the bundle is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// When it was tried first, in milliseconds.
    since: OnceLock<i64>,
    bundled: Mutex<Option<Bundled>>,
}

#[async_trait]
impl Recipe for Bundle {
    const COMPONENT: &'static str = "builder `amazon-instance`";
    const FAMILY: rights::Family = rights::Family::Store;
    const CAPTURE_OPTIONS: &'static [&'static str] = &[
        "account_id",
        "ami_block_device_mappings",
        "ami_description",
        "ami_name",
        "ami_virtualization_type",
        "aws_polling",
        "boot_mode",
        "bundle_destination",
        "bundle_prefix",
        "bundle_upload_command",
        "bundle_vol_command",
        "ena_support",
        "force_delete_snapshot",
        "force_deregister",
        "s3_bucket",
        "skip_save_build_region",
        "sriov_support",
        "tag",
        "tags",
        "tpm_support",
        "uefi_data",
        "x509_cert_path",
        "x509_key_path",
        "x509_upload_path",
    ];
    const ROOT: (&'static str, &'static str) = (
        "instance-store",
        "use the builder `amazon-ebs` for an image on EBS",
    );
    const DISK: Disk = Disk::Bundled;

    const BOOTS: bool = true;

    type Progress = Progress;

    fn read(options: &Options<'_>) -> Result<Self> {
        Self::read(options)
    }

    fn launch(&self) -> &Launch {
        &self.launch
    }

    fn image(&self) -> Option<&Image> {
        Some(&self.image)
    }

    fn check(&self, log_in: &LogIn) -> Result<()> {
        reachable(log_in)
    }

    fn look(&self, cx: &Context) -> Result<()> {
        for (option, file) in [
            ("x509_cert_path", &self.certificate),
            ("x509_key_path", &self.private_key),
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
        Ok(())
    }

    async fn finish(
        &self,
        cx: &Context,
        temporary: &Temporary,
        progress: &Progress,
        machine: &dyn Machine,
    ) -> Result<()> {
        let now = || jiff::Timestamp::now().as_millisecond();
        let since = *progress.since.get_or_init(now);
        let bundled = bundle(cx, temporary, self, machine, since).await?;
        *lock(&progress.bundled) = Some(bundled);
        Ok(())
    }

    async fn capture(
        &self,
        cx: &Context,
        temporary: &Temporary,
        progress: &Progress,
    ) -> Result<Artifact> {
        let region = &temporary.region;
        let bundled = {
            let bundled = lock(&progress.bundled);
            bundled
                .as_ref()
                .map(|bundled| (bundled.manifest.clone(), bundled.made.record.clone()))
        };
        let (location, bundle) = bundled.ok_or_else(|| {
            Error::new(
                Class::Bug,
                "run/aws-image",
                "the bundle is not there when it is to be registered",
            )
        })?;
        let wanted = wanted(cx, &temporary.facts, &self.image)?;
        if self.image.replaces_at_home(cx.force) {
            image::let_go(cx, region, &self.image).await?;
        }
        cx.output
            .say(format!("registering AMI {}", self.image.name));
        let devices: Vec<BlockDeviceMapping> =
            self.image.devices.iter().map(Device::mapping).collect();
        let contents = Contents::Manifest { location, devices };
        // The manifest says the architecture.
        let traits = Traits {
            architecture: None,
            ..self.traits.clone()
        };
        let (made, finished) = Box::pin(image::register(
            cx,
            region,
            &wanted,
            contents,
            &traits,
            self.polling,
        ))
        .await?;
        finish(
            cx,
            region,
            &self.launch.run.encryption,
            &self.image,
            &finished,
        )
        .await?;
        let mut artifact = of_image(BUILDER_ID, region, &self.image, &made, &finished);
        artifact.things.push(bundle);
        Ok(artifact)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
