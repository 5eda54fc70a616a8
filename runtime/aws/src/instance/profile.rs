//! A profile for the instance, made for one build from the template's policy: a role with that policy, and the profile that holds it.

use aws_sdk_iam::types::Tag;
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;

use crate::region::RegionClient;
use crate::resource::{Kind, Made, PATH, POLICY, Thing, tag};
use crate::tags::Tags;

/// A profile that is made for a build.
#[derive(Debug)]
pub(crate) struct TemporaryProfile {
    role: Made,
    profile: Made,
}

impl TemporaryProfile {
    /// Makes it, with the template's `run_tags`. EC2 learns of it a little later.
    pub(crate) async fn make(
        cx: &Context,
        region: &RegionClient,
        policy: &str,
        own: &Tags,
    ) -> Result<Self> {
        let iam = region.iam();
        let thing = Thing::new(Kind::Role)?;
        // One name for both: whoever removes the profile knows the role in it.
        let name = thing.name.clone();
        cx.output
            .say(format!("creating a temporary instance profile: {name}"));
        let request = iam
            .create_role()
            .role_name(&name)
            .path(PATH)
            .description("temporary role of an image build by imgc")
            .assume_role_policy_document(trust(region.name()))
            .set_tags(Some(tags(&thing.tags(cx, own))?));
        let make = async {
            let attempt = "make a role for the instance";
            region
                .call("iam:CreateRole", attempt, request.send())
                .await?;
            Ok(name.clone())
        };
        let role = thing.make(cx, region, make).await?;
        let request = iam
            .put_role_policy()
            .role_name(&name)
            .policy_name(POLICY)
            .policy_document(policy);
        let attempt = "give the instance's role its policy";
        region
            .call("iam:PutRolePolicy", attempt, request.send())
            .await?;
        let thing = Thing {
            kind: Kind::InstanceProfile,
            name: name.clone(),
        };
        let request = iam
            .create_instance_profile()
            .instance_profile_name(&name)
            .path(PATH)
            .set_tags(Some(tags(&thing.tags(cx, own))?));
        let make = async {
            let attempt = "make an instance profile";
            region
                .call("iam:CreateInstanceProfile", attempt, request.send())
                .await?;
            Ok(name.clone())
        };
        let profile = thing.make(cx, region, make).await?;
        let request = iam
            .add_role_to_instance_profile()
            .instance_profile_name(&name)
            .role_name(&name);
        let attempt = "put the role into the instance profile";
        region
            .call("iam:AddRoleToInstanceProfile", attempt, request.send())
            .await?;
        Ok(Self { role, profile })
    }

    /// As EC2 is told of it.
    pub(crate) fn name(&self) -> &str {
        self.profile.id()
    }

    /// What it consists of, in the order in which it goes.
    pub(crate) fn parts(self) -> [Made; 2] {
        [self.profile, self.role]
    }
}

/// Who may take the role: EC2, under its name in that part of the world.
fn trust(region: &str) -> String {
    let domain = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": format!("ec2.{domain}")},
            "Action": "sts:AssumeRole",
        }],
    })
    .to_string()
}

fn tags(all: &Tags) -> Result<Vec<Tag>> {
    all.iter().map(|(key, value)| tag(key, value)).collect()
}
