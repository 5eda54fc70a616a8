//! What was called: one [`Call`] for each request, and a list of them to make assertions about.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

/// A request and what became of it. It holds no credential: neither keys nor tokens nor signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// 1 for the first since the cloud was started or reset.
    pub number: usize,
    /// When it came, from the start of the cloud.
    pub at: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// The account that asked, twelve digits.
    pub account: String,
    /// The region asked.
    pub region: String,
    /// The service as in a signature: `ec2`, `ssm`, `s3`.
    pub service: String,
    /// What was asked: `RunInstances`, `PutObject`.
    pub action: String,
    /// Parameters, flattened: `TagSpecification.1.Tag.1.Key`.
    pub parameters: BTreeMap<String, String>,
    /// The status of the answer; `None` while there is none, and when the connection was ended instead.
    pub status: Option<u16>,
    /// The error code of the answer.
    pub error: Option<String>,
}

impl Call {
    /// Whether it only asks whether it would be allowed.
    pub fn is_dry(&self) -> bool {
        self.parameter("DryRun") == "true"
    }

    /// A parameter by its whole name; empty if there is none.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The members of a list: of `SecurityGroupId.1`, `SecurityGroupId.2` for `SecurityGroupId`, in their order.
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..)
            .map_while(|at| self.parameters.get(&format!("{name}.{at}")))
            .map(String::as_str)
            .collect()
    }

    /// The tags that this call gives to things of a kind (`instance`, `volume`, `image`) in the call that makes them, or,
    /// for `CreateTags`, gives at all.
    pub fn tags(&self, kind: &str) -> BTreeMap<&str, &str> {
        let prefixes: Vec<String> = if self.action == "CreateTags" {
            vec![String::new()]
        } else {
            let specification = |at: &usize| {
                ["TagSpecification", "LaunchTemplateData.TagSpecification"]
                    .map(|name| format!("{name}.{at}."))
            };
            (1..=20)
                .flat_map(|at| specification(&at))
                .filter(|prefix| self.parameter(&format!("{prefix}ResourceType")) == kind)
                .collect()
        };
        let mut tags = BTreeMap::new();
        for prefix in &prefixes {
            for at in 1.. {
                let Some(key) = self.parameters.get(&format!("{prefix}Tag.{at}.Key")) else {
                    break;
                };
                tags.insert(
                    key.as_str(),
                    self.parameter(&format!("{prefix}Tag.{at}.Value")),
                );
            }
        }
        tags
    }

    /// The address ranges of the rules in this call, sorted.
    pub fn ranges(&self) -> Vec<&str> {
        let mut ranges: Vec<_> = self
            .parameters
            .iter()
            .filter(|(name, _)| name.ends_with("CidrIp") || name.ends_with("CidrIpv6"))
            .map(|(_, value)| value.as_str())
            .collect();
        ranges.sort_unstable();
        ranges
    }
}

/// Calls in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(pub Vec<Call>);

impl Deref for Calls {
    type Target = [Call];

    fn deref(&self) -> &[Call] {
        &self.0
    }
}

impl Calls {
    /// The actions, separated by commas: `DescribeImages, RunInstances`.
    pub fn sequence(&self) -> String {
        let actions: Vec<_> = self.iter().map(|call| call.action.as_str()).collect();
        actions.join(", ")
    }

    /// Like [`Self::sequence`], where an action that comes several times in a row is written once.
    pub fn steps(&self) -> String {
        let mut actions: Vec<_> = self.iter().map(|call| call.action.as_str()).collect();
        actions.dedup();
        actions.join(", ")
    }

    /// How often each action was called.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for call in self.iter() {
            *counts.entry(call.action.as_str()).or_default() += 1;
        }
        counts
    }

    /// Those of an action.
    pub fn of(&self, action: &str) -> Calls {
        self.only(|call| call.action == action)
    }

    /// Those that are as asked.
    pub fn only(&self, wanted: impl Fn(&Call) -> bool) -> Calls {
        Calls(self.iter().filter(|call| wanted(call)).cloned().collect())
    }

    /// Those that change something: all but describes, gets, lists, heads and decodings.
    pub fn changes(&self) -> Calls {
        self.only(|call| !is_read(&call.action))
    }

    /// The only one of an action.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub fn one(&self, action: &str) -> Call {
        let mut found = self.of(action).0;
        assert_eq!(found.len(), 1, "{action} in {}", self.sequence());
        found.remove(0)
    }
}

/// Whether an action leaves everything as it is.
pub(crate) fn is_read(action: &str) -> bool {
    ["Describe", "Get", "List", "Head", "Decode", "Simulate"]
        .iter()
        .any(|prefix| action.starts_with(prefix))
}
