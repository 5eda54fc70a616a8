//! The builders that work on a temporary instance, as rows of a table: what is asserted of one is asserted of all.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Left, stock};

use super::{behaviour, bundles, of, user};
use crate::harness::Test;

/// A builder, and what it makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// As `-only` would have it, without the source's name.
    pub(super) builder: &'static str,
    /// What is left of a build that has ended well.
    pub(super) makes: &'static str,
    options: &'static str,
}

const EBS: Member = Member {
    builder: "amazon-ebs",
    makes: "1 image, 1 snapshot",
    options: r#"  ami_name      = "web-1"
  instance_type = "t3.micro""#,
};

const SURROGATE: Member = Member {
    builder: "amazon-ebssurrogate",
    makes: "1 image, 1 snapshot",
    options: r#"  ami_name                = "web-1"
  ami_virtualization_type = "hvm"
  instance_type           = "m5.large"
  launch_block_device_mappings {
    device_name           = "/dev/xvdf"
    volume_size           = 10
    delete_on_termination = true
  }
  ami_root_device {
    source_device_name = "/dev/xvdf"
    device_name        = "/dev/xvda"
  }"#,
};

/// The same, whose disk takes the place of the root.
const SWAPPED: Member = Member {
    builder: "amazon-ebssurrogate",
    makes: "1 image, 1 snapshot",
    options: r#"  ami_name                = "web-1"
  ami_virtualization_type = "hvm"
  instance_type           = "m5.large"
  use_create_image        = true
  launch_block_device_mappings {
    device_name           = "/dev/xvdf"
    volume_size           = 10
    delete_on_termination = true
  }
  ami_root_device {
    source_device_name = "/dev/xvdf"
    device_name        = "/dev/xvda"
  }"#,
};

const VOLUMES: Member = Member {
    builder: "amazon-ebsvolume",
    makes: "1 snapshot, 1 volume",
    options: r#"  instance_type = "m5.large"
  ebs_volumes {
    device_name = "/dev/sdf"
    volume_size = 10
    tags        = { from = "{{ .SourceAMI }}" }
  }
  ebs_volumes {
    device_name           = "/dev/sdg"
    volume_size           = 4
    delete_on_termination = true
    snapshot_volume       = true
    snapshot_users        = ["210987654321"]
  }"#,
};

const STORE: Member = Member {
    builder: "amazon-instance",
    makes: "2 S3 object, 1 image",
    options: r#"  ami_name           = "web-1"
  instance_type      = "m3.medium"
  account_id         = "123456789012"
  s3_bucket          = "images"
  x509_cert_path     = "keys/cert.pem"
  x509_key_path      = "keys/key.pem"
  x509_upload_path   = "/PLACE/machine"
  bundle_destination = "/PLACE/machine/bundle""#,
};

/// All of them.
pub(super) const ALL: [Member; 5] = [EBS, SURROGATE, SWAPPED, VOLUMES, STORE];

/// Those that the older tests of `amazon-ebs` do not try already.
pub(super) const OTHERS: [Member; 4] = [SURROGATE, SWAPPED, VOLUMES, STORE];

impl Member {
    /// For messages.
    pub(super) fn name(&self) -> &'static str {
        match self.options.contains("use_create_image") {
            true => "amazon-ebssurrogate with use_create_image",
            false => self.builder,
        }
    }

    /// A cloud for it.
    pub(super) fn cloud(&self) -> Cloud {
        let cloud = Cloud::with(behaviour()).unwrap();
        self.furnish(&cloud);
        cloud
    }

    /// Puts into an empty cloud what it needs.
    pub(super) fn furnish(&self, cloud: &Cloud) {
        if self.builder == "amazon-instance" {
            bundles::bucket(cloud);
        }
    }

    fn has_store(&self) -> bool {
        self.builder == "amazon-instance"
    }

    /// A directory with its template: `steps` is what stands in the build behind `sources`.
    pub(super) fn test(&self, cloud: &Cloud, steps: &str) -> Test {
        let test = of(cloud, "");
        let place = test.path(".").canonicalize().unwrap();
        let place = place.to_str().unwrap();
        let source = match self.has_store() {
            true => stock::INSTANCE_STORE,
            false => stock::UBUNTU,
        };
        let mut options = self.options.replace("/PLACE", place);
        if self.has_store() {
            std::fs::create_dir(test.path("machine")).unwrap();
            test.write("keys/cert.pem", "CERTIFICATE\n");
            test.write("keys/key.pem", "SECRET-KEY\n");
            let (bundle, upload) = bundles::commands(cloud);
            let text = |text: &str| serde_json::to_string(text).unwrap();
            options.push_str(&format!(
                "\n  bundle_vol_command = {}\n  bundle_upload_command = {}",
                text(&bundle),
                text(&upload)
            ));
        }
        test.write(
            "main.pkr.hcl",
            format!(
                r#"source "{}" "web" {{
{options}
  source_ami   = "{source}"
  ssh_username = "{}"
  ssh_port     = {}
  run_tags     = {{ team = "web" }}
}}
build {{
  sources = ["{}.web"]
{}
}}
"#,
                self.builder,
                user(),
                cloud.ssh_port(),
                self.builder,
                steps.replace("/PLACE", place),
            ),
        );
        test
    }

    /// One with a single step.
    pub(super) fn simple(&self, cloud: &Cloud) -> Test {
        self.test(
            cloud,
            "  provisioner \"shell\" {\n    inline = [\"echo inside the machine\"]\n  }",
        )
    }

    /// Whether what is left is what somebody can use, and no more.
    pub(super) fn is_finished(&self, cloud: &Cloud, left: &Left) -> bool {
        let temporary = left.iter().any(|one| one.tags.contains_key("imgc:expires"));
        if temporary || left.summary() != self.makes {
            return false;
        }
        let images = cloud.ec2("us-east-1", "DescribeImages", &[("Owner.1", "self")]);
        let available = "<imageState>available</imageState>";
        self.builder == "amazon-ebsvolume" || images.unwrap().contains(available)
    }
}
