//! The options of `amazon-instance`: an image whose disk lies in S3, bundled on the machine itself by Amazon's AMI tools.

use std::path::PathBuf;

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::{Image, Launch, Polling, Traits};

/// Everything `amazon-instance` can be told, but how the account is reached and how one logs in.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    pub(crate) launch: Launch,
    pub(crate) image: Image,
    pub(crate) traits: Traits,
    /// Twelve digits.
    pub(crate) account: String,
    pub(crate) bucket: String,
    /// On the machine.
    pub(crate) destination: String,
    /// `None`: `image-` and the time.
    pub(crate) prefix: Option<String>,
    pub(crate) bundle_command: String,
    pub(crate) upload_command: String,
    /// Of this machine.
    pub(crate) certificate: PathBuf,
    pub(crate) private_key: PathBuf,
    /// On the machine.
    pub(crate) upload_path: String,
    pub(crate) polling: Polling,
}

/// Packer's commands.
const BUNDLE: &str = "sudo -i -n ec2-bundle-vol -k {{.KeyPath}} -u {{.AccountId}} -c {{.CertPath}} -r {{.Architecture}} \
                      -e {{.PrivatePath}}/* -d {{.Destination}} -p {{.Prefix}} --batch --no-filter";
const UPLOAD_WITH_KEYS: &str = "sudo -i -n ec2-upload-bundle -b {{.BucketName}} -m {{.ManifestPath}} -a {{.AccessKey}} \
                                -s {{.SecretKey}} -d {{.BundleDirectory}} --batch --region {{.Region}} --retry";
const UPLOAD_BY_PROFILE: &str = "sudo -i -n ec2-upload-bundle -b {{.BucketName}} -m {{.ManifestPath}} -d \
                                 {{.BundleDirectory}} --batch --region {{.Region}} --retry";

impl Bundle {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let launch = Launch::read(options, "launch_block_device_mappings")?;
        if launch.run.encryption.image {
            return Err(Error::new(
                Class::Template,
                "run/aws-option",
                "an image whose disk lies in S3 cannot be encrypted with a key of EBS (`encrypt_boot`, `kms_key_id`)",
            )
            .of("encrypt_boot")
            .of("kms_key_id")
            .help("use `amazon-ebs` for an encrypted image"));
        }
        let account = options.required("account_id")?.replace('-', "");
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::new(
                Class::Template,
                "run/aws-option",
                format!("`account_id` is `{account}`"),
            )
            .of("account_id")
            .help("it has twelve digits, such as 1234-5678-9012; `aws sts get-caller-identity` tells it"));
        }
        let has_profile = launch.run.profile.is_some() || launch.run.policy.is_some();
        let usual_upload = match has_profile {
            true => UPLOAD_BY_PROFILE,
            false => UPLOAD_WITH_KEYS,
        };
        let directory = |option: &str| -> Result<String> {
            let given = options.string(option)?;
            let path = given.as_deref().unwrap_or("/tmp");
            let short = path.trim_end_matches('/');
            Ok(if short.is_empty() { "/" } else { short }.to_owned())
        };
        let command = |option: &str, usual: &str| -> Result<String> {
            Ok(options.string(option)?.unwrap_or_else(|| usual.to_owned()))
        };
        Ok(Self {
            launch,
            image: Image::read(options)?,
            traits: Traits::read(options)?,
            account,
            bucket: options.required("s3_bucket")?,
            destination: directory("bundle_destination")?,
            prefix: options.string("bundle_prefix")?,
            bundle_command: command("bundle_vol_command", BUNDLE)?,
            upload_command: command("bundle_upload_command", usual_upload)?,
            certificate: options.required("x509_cert_path")?.into(),
            private_key: options.required("x509_key_path")?.into(),
            upload_path: directory("x509_upload_path")?,
            polling: Polling::read(options)?,
        })
    }
}

/// Whether the bundle is uploaded by Amazon's AMI tools, which make a bucket that is not there; not known counts as yes.
pub(crate) fn uploads_with_tools(options: &Options<'_>) -> bool {
    match options.string("bundle_upload_command") {
        Ok(Some(command)) => command.contains("ec2-upload-bundle"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use imgc_compiler::value::Value;

    use super::*;

    fn of(more: &[(&'static str, &'static str)]) -> Result<Bundle> {
        let mut entries = BTreeMap::from([
            ("account_id", "1234-5678-9012"),
            ("ami_name", "fleet"),
            ("instance_type", "m3.medium"),
            ("s3_bucket", "images"),
            ("source_ami", "ami-1"),
            ("x509_cert_path", "cert.pem"),
            ("x509_key_path", "key.pem"),
        ]);
        entries.extend(more.iter().copied());
        let entries = entries.into_iter();
        let value = Value::object(entries.map(|(name, text)| (name, Value::string(text))));
        Bundle::read(&Options::new("source", &value))
    }

    #[test]
    fn what_is_left_out_is_as_packer_has_it() {
        let usual = of(&[]).unwrap();
        assert_eq!(usual.account, "123456789012");
        assert_eq!((&*usual.destination, &*usual.upload_path), ("/tmp", "/tmp"));
        assert!(usual.upload_command.contains("-s {{.SecretKey}}"));
        let by_profile = of(&[("iam_instance_profile", "uploader")]).unwrap();
        assert!(!by_profile.upload_command.contains("SecretKey"));
        assert_eq!(
            of(&[("account_id", "me")]).unwrap_err().id,
            "run/aws-option"
        );
    }
}
