//! Whether the quota of virtual processors lets the instance start.

use aws_sdk_ec2::types::{InstanceLifecycleType, InstanceType, InstanceTypeInfo};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::options::Spot;
use crate::region::{RegionClient, filter};

/// What the quota means for the build.
pub(super) enum Found {
    Fits(String),
    Exceeds(String),
}

/// Quotas of virtual processors: the first letters of instance types, and the codes of the quotas, on demand and spot.
const QUOTAS: &[(&str, &str, &str)] = &[
    ("dl", "L-6E869C2A", "L-85EED4F7"),
    ("f", "L-74FC7D96", "L-88CF9481"),
    ("g", "L-DB2E81BA", "L-3819A6DF"),
    ("hpc", "L-F7808C92", ""),
    ("inf", "L-1945791B", "L-B5D1601B"),
    ("p", "L-417A185B", "L-7212CCBC"),
    ("trn", "L-2C3B7624", "L-6B0D517C"),
    ("u", "L-43DA4232", ""),
    ("vt", "L-DB2E81BA", "L-3819A6DF"),
    ("x", "L-7295265B", "L-E3A00192"),
    // The standard ones share one.
    ("a", "L-1216C47A", "L-34B43A08"),
    ("c", "L-1216C47A", "L-34B43A08"),
    ("d", "L-1216C47A", "L-34B43A08"),
    ("h", "L-1216C47A", "L-34B43A08"),
    ("i", "L-1216C47A", "L-34B43A08"),
    ("im", "L-1216C47A", "L-34B43A08"),
    ("is", "L-1216C47A", "L-34B43A08"),
    ("m", "L-1216C47A", "L-34B43A08"),
    ("r", "L-1216C47A", "L-34B43A08"),
    ("t", "L-1216C47A", "L-34B43A08"),
    ("z", "L-1216C47A", "L-34B43A08"),
];

/// The letters before the generation: `t` of `t3.micro`, `inf` of `inf2.xlarge`.
fn letters(kind: &str) -> &str {
    let end = kind.find(|letter: char| !letter.is_ascii_lowercase());
    kind.get(..end.unwrap_or(kind.len())).unwrap_or(kind)
}

/// The code of the quota that instances of a type share.
fn code(kind: &str, spot: bool) -> Option<&'static str> {
    let family = QUOTAS.iter().find(|(name, ..)| *name == letters(kind))?;
    let code = if spot { family.2 } else { family.1 };
    (!code.is_empty()).then_some(code)
}

/// What cannot be said of it, and why.
pub(super) fn unknown(why: impl Into<String>) -> Error {
    Error::new(Class::Remote, "run/aws-request", why)
}

/// How the instance fits in: the first of its types that does, else the first.
pub(super) async fn quota(region: &RegionClient, options: &Options<'_>) -> Result<Found> {
    let spot = Spot::read(options)?;
    let kinds = match &spot {
        Some(spot) => spot.types.clone(),
        None => vec![options.required("instance_type")?],
    };
    let mut exceeds = None;
    for kind in &kinds {
        match quota_of(region, kind, spot.is_some()).await? {
            Found::Fits(text) => return Ok(Found::Fits(text)),
            found @ Found::Exceeds(_) => {
                exceeds.get_or_insert(found);
            }
        }
    }
    exceeds.ok_or_else(|| unknown("no instance type is given"))
}

async fn quota_of(region: &RegionClient, kind: &str, spot: bool) -> Result<Found> {
    let Some(code) = code(kind, spot) else {
        return Err(unknown(format!(
            "which quota {kind} counts for is not known"
        )));
    };
    let (info, limit, used) = tokio::join!(
        Box::pin(info(region, kind)),
        Box::pin(limit(region, code)),
        Box::pin(used(region, code, spot)),
    );
    let need = info?.v_cpu_info.and_then(|cpus| cpus.default_v_cpus);
    let Some(need) = need.map(i64::from) else {
        return Err(unknown(format!(
            "how many processors {kind} has is not told"
        )));
    };
    let (limit, used) = (limit?, used?);
    let free = limit - used;
    let text = format!("{kind} has {need} vCPUs; {used} of {limit} are in use (quota {code})");
    Ok(match need <= free {
        true => Found::Fits(text),
        false => Found::Exceeds(format!(
            "{text}: the instance cannot start; end what is not needed, or ask for more under Service Quotas"
        )),
    })
}

async fn info(region: &RegionClient, kind: &str) -> Result<InstanceTypeInfo> {
    let request = region.ec2().describe_instance_types();
    let request = request.instance_types(InstanceType::from(kind)).send();
    let answer = region.call(
        "DescribeInstanceTypes",
        "look at the instance type",
        request,
    );
    let found = answer.await?.instance_types.unwrap_or_default();
    found.into_iter().next().ok_or_else(|| {
        Error::new(
            Class::Template,
            "run/aws-option",
            format!("there is no instance type `{kind}` in {}", region.name()),
        )
        .help("`aws ec2 describe-instance-type-offerings` lists those of a region")
    })
}

async fn limit(region: &RegionClient, code: &str) -> Result<i64> {
    let request = region.quotas().get_service_quota();
    let request = request.service_code("ec2").quota_code(code).send();
    let attempt = "look at the quota of vCPUs";
    let answer = region.call("servicequotas:GetServiceQuota", attempt, request);
    let value = answer.await?.quota.and_then(|quota| quota.value);
    value
        .map(|value| value as i64)
        .ok_or_else(|| unknown("the quota has no value"))
}

/// How many processors are in use of a quota.
async fn used(region: &RegionClient, wanted: &str, spot: bool) -> Result<i64> {
    let states = filter("instance-state-name", ["pending", "running"]);
    let mut used = 0;
    let mut next = None;
    loop {
        let request = region.ec2().describe_instances().filters(states.clone());
        let request = request.set_next_token(next).send();
        let answer = region
            .call("DescribeInstances", "see what is running", request)
            .await?;
        next = answer.next_token.clone();
        let reservations = answer.reservations.unwrap_or_default();
        let instances = reservations
            .iter()
            .flat_map(|reservation| reservation.instances());
        for instance in instances {
            let lifecycle = instance.instance_lifecycle.as_ref();
            let is_spot = lifecycle == Some(&InstanceLifecycleType::Spot);
            let kind = instance
                .instance_type
                .as_ref()
                .map_or("", |kind| kind.as_str());
            if is_spot != spot || code(kind, spot) != Some(wanted) {
                continue;
            }
            let cpus = instance.cpu_options.as_ref();
            let cores = cpus.and_then(|cpus| cpus.core_count).unwrap_or(1);
            let threads = cpus.and_then(|cpus| cpus.threads_per_core).unwrap_or(1);
            used += i64::from(cores) * i64::from(threads);
        }
        if next.is_none() {
            return Ok(used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_share_quotas() {
        assert_eq!(code("t3.micro", false), Some("L-1216C47A"));
        assert_eq!(code("m7g.large", true), Some("L-34B43A08"));
        assert_eq!(code("inf2.xlarge", false), Some("L-1945791B"));
        assert_eq!(code("p5.48xlarge", false), Some("L-417A185B"));
        assert_eq!(code("u-6tb1.metal", false), Some("L-43DA4232"));
        assert_eq!(code("mac2.metal", false), None);
    }
}
