//! What a plan shows of the outside, before anything runs.
//!
//! In: a plan and the components. Out: for each build what its builder has found out by asking, read-only ([`Preview`]), and the
//! rights that the build takes ([`Right`]), of which policies are made. Nothing of it is part of the plan itself: what the
//! outside says today is no reason for a plan file to be out of date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use imgc_compiler::components::ComponentKind;
use imgc_compiler::plan::{BuildId, Plan, RunValues, Step, StepKind};
use imgc_compiler::source::World;
use imgc_compiler::value::Value;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::builder::Builder;
use crate::context::Onlooker;
use crate::post_processor::PostProcessor;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::template;

/// What was found out about a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Facts, in the order in which people want to read them.
    pub findings: Vec<Finding>,
    /// What will be made, in order.
    pub makes: Vec<Making>,
    /// What of others, or of earlier runs, will be removed.
    pub removes: Vec<Removing>,
    /// What keeps others from the machine and from what is made, unless the template says otherwise.
    pub guards: Vec<Guard>,
}

/// A safe default, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guard {
    /// What it is about: `host key`.
    pub what: String,
    /// Whether it holds.
    pub state: Hold,
    /// What is done.
    pub value: String,
    /// `default`, or the option that has decided it.
    pub by: String,
}

/// Whether a safe default holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// It does.
    On,
    /// The template has turned it off.
    Off,
    /// There is nothing for it to do.
    Idle,
    /// Only the run knows.
    Unknown,
}

/// Something that is there and will be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removing {
    /// The address of the step that removes it, or of the build where its machine is made for it. A component gives the part
    /// behind that of the build, such as `publish["eu-west-1"]`; empty for the build, and for a post-processor's own step.
    pub by: String,
    /// What it is, for people.
    pub what: String,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `source image`.
    pub what: String,
    /// How sure it is.
    pub state: Certainty,
    /// What is there, or why that is not known.
    pub text: String,
    /// The address of the post-processor that asks; empty for the builder.
    #[serde(skip)]
    pub by: String,
}

/// How sure a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// It was asked, or the template says so.
    Known,
    /// It could not be asked, or only the run knows.
    Unknown,
    /// The run will fail of it.
    Trouble,
}

/// Something that will be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Making {
    /// What it is: `security group`.
    pub what: String,
    /// Where, such as a region.
    pub place: String,
    /// More about it.
    pub about: String,
    /// Who else can reach or use it; empty where nobody can.
    pub open_to: Vec<String>,
    /// Whether it is there when the build has ended well.
    pub stays: bool,
    /// The address of what makes it, as in [`Removing::by`].
    pub by: String,
}

/// What a plan asks of a build beside the options of its builder, as parts behind the address of the build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The step that checks the artifact on a machine of its own, such as `check`.
    pub check: Option<String>,
    /// The steps behind which the machine is kept as it is, such as `provisioner[0]`.
    pub checkpoints: Vec<String>,
    /// Nobody is asked: what only an answer would tell is left unknown.
    pub offline: bool,
}

impl Wanted {
    /// What of it the builder does; what it does not, is said where the template is checked.
    fn of(plan: &Plan, id: BuildId, builder: &dyn Builder, offline: bool) -> Self {
        let mut wanted = Self {
            offline,
            ..Self::default()
        };
        for step in plan.steps.iter().filter(|step| step.build == id) {
            let own = step.address.strip_prefix(plan.build(id).address.as_str());
            let part = own.map_or(step.address.as_str(), |own| own.trim_start_matches('.'));
            if step.kind == StepKind::Check {
                wanted.check = Some(part.to_owned());
            }
            if step.checkpoint && builder.keeps_checkpoints() {
                wanted.checkpoints.push(part.to_owned());
            }
        }
        wanted
    }
}

impl Preview {
    /// Adds something that is known.
    pub fn known(&mut self, what: &str, text: impl Into<String>) {
        self.add(what, Certainty::Known, text.into());
    }

    /// Adds something that is not known, and why.
    pub fn unknown(&mut self, what: &str, why: impl Into<String>) {
        self.add(what, Certainty::Unknown, why.into());
    }

    /// Adds a reason for the run to fail.
    pub fn trouble(&mut self, what: &str, why: impl Into<String>) {
        self.add(what, Certainty::Trouble, why.into());
    }

    /// Adds something that will be removed; `by` as [`Removing::by`] has it.
    pub fn remove(&mut self, by: impl Into<String>, what: impl Into<String>) {
        self.removes.push(Removing {
            by: by.into(),
            what: what.into(),
        });
    }

    fn add(&mut self, what: &str, state: Certainty, text: String) {
        let what = what.to_owned();
        self.findings.push(Finding {
            what,
            state,
            text,
            by: String::new(),
        });
    }

    /// Adds something that will be made; those to whom it is open are added to what is given back.
    pub fn make(&mut self, what: &str, place: &str, about: impl Into<String>) -> &mut Making {
        self.makes.push(Making {
            what: what.to_owned(),
            place: place.to_owned(),
            about: about.into(),
            open_to: Vec::new(),
            stays: false,
            by: String::new(),
        });
        self.makes.last_mut().expect("it was just added")
    }
}

/// Values of condition keys, by operator and key.
pub type Conditions = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Rights that a component takes, as policies of its service write them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Who needs it, in words: an account, a role. The rights of one holder make one policy.
    pub holder: String,
    /// Actions, such as `ec2:RunInstances`.
    pub actions: BTreeSet<String>,
    /// What they are allowed on.
    pub resources: BTreeSet<String>,
    /// Under which conditions.
    pub conditions: Conditions,
}

impl Right {
    /// As a statement of a policy.
    pub fn statement(&self) -> Json {
        let mut statement = json!({
            "Effect": "Allow",
            "Action": self.actions,
            "Resource": self.resources,
        });
        if !self.conditions.is_empty() {
            statement["Condition"] = json!(self.conditions);
        }
        statement
    }
}

/// One policy document for each holder. Statements that differ in one thing only are one.
pub fn policies(rights: &[Right]) -> BTreeMap<String, Json> {
    let mut holders: BTreeMap<&str, Vec<Right>> = BTreeMap::new();
    for right in rights {
        holders
            .entry(&right.holder)
            .or_default()
            .push(right.clone());
    }
    let policy = |(holder, rights): (&str, Vec<Right>)| {
        let statements = joined(rights)
            .iter()
            .map(Right::statement)
            .collect::<Vec<_>>();
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        (holder.to_owned(), document)
    };
    holders.into_iter().map(policy).collect()
}

fn joined(rights: Vec<Right>) -> Vec<Right> {
    let mut by_place: BTreeMap<(BTreeSet<String>, Conditions), BTreeSet<String>> = BTreeMap::new();
    for right in rights {
        let key = (right.resources, right.conditions);
        by_place.entry(key).or_default().extend(right.actions);
    }
    let mut by_actions: BTreeMap<(BTreeSet<String>, Conditions), BTreeSet<String>> =
        BTreeMap::new();
    for ((resources, conditions), actions) in by_place {
        by_actions
            .entry((actions, conditions))
            .or_default()
            .extend(resources);
    }
    let rights = by_actions.into_iter();
    rights
        .map(|((actions, conditions), resources)| Right {
            holder: String::new(),
            actions,
            resources,
            conditions,
        })
        .collect()
}

/// Which rights are wanted, and how they are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Also what plans and diagnoses read; else what builds cannot do without, undoing included.
    pub full: bool,
    /// Nobody is asked who asks.
    pub offline: bool,
}

/// What a post-processor's artifact comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The builder.
    pub builder: &'a str,
    /// Its options, parts of which may be unknown.
    pub options: &'a Value,
    /// The post-processors of the build that have ended before this one begins.
    pub before: &'a [Earlier<'a>],
    /// Nobody is asked, as in [`Wanted::offline`].
    pub offline: bool,
}

/// A post-processor that runs before another one.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// Its name, such as `amazon-ssm-parameter`.
    pub name: &'a str,
    /// Its options, parts of which may be unknown.
    pub options: &'a Value,
}

/// Who looks at a plan.
pub struct Look<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The components.
    pub registry: &'a Registry,
    /// Limits, places.
    pub settings: &'a Settings,
    /// Files, clock, environment.
    pub world: &'a Arc<dyn World>,
}

impl Look<'_> {
    /// Asks the builders and post-processors of all builds at once. Builds that have nothing to show are left out. Offline they ask
    /// nobody, and show what the template says.
    pub async fn previews(&self) -> Vec<(BuildId, Preview)> {
        let onlooker = Onlooker::new(self.plan, self.settings, self.world);
        let offline = self.settings.known.offline;
        let ask = |at: usize| {
            let id = BuildId(at as u32);
            let build = self.plan.build(id);
            let onlooker = &onlooker;
            let builder = self.registry.builders.get(build.builder.as_str()).cloned();
            async move {
                let cx = onlooker.context(id);
                let options = self.options(
                    &cx,
                    &build.source,
                    template::late(ComponentKind::Builder, &build.builder),
                );
                let own = async {
                    let builder = builder.as_ref()?;
                    let wanted = Wanted::of(self.plan, id, &**builder, offline);
                    let mut shown = builder.preview(&cx, &options, &wanted).await?;
                    let removals = shown.removes.iter_mut().map(|removing| &mut removing.by);
                    let makings = shown.makes.iter_mut().map(|making| &mut making.by);
                    for by in removals.chain(makings) {
                        *by = match by.as_str() {
                            "" => build.address.to_string(),
                            step => format!("{}.{step}", build.address),
                        };
                    }
                    Some(shown)
                };
                let posts: Vec<_> = self
                    .posts(id)
                    .map(|(post, step, name)| {
                        let late = template::late(ComponentKind::PostProcessor, name);
                        (post, step, name, self.options(&cx, &step.options, late))
                    })
                    .collect();
                // Chains run one after the other, in the order of the plan.
                let earlier: Vec<Earlier<'_>> = posts
                    .iter()
                    .map(|(_, _, name, options)| Earlier { name, options })
                    .collect();
                let posts = posts.iter().enumerate().map(|(at, (post, step, _, own))| {
                    let origin = Origin {
                        builder: &build.builder,
                        options: &options,
                        before: &earlier[..at],
                        offline,
                    };
                    let cx = &cx;
                    async move {
                        let mut shown = post.preview(cx, own, origin).await?;
                        let removals = shown.removes.iter_mut().map(|removing| &mut removing.by);
                        let makings = shown.makes.iter_mut().map(|making| &mut making.by);
                        let findings = shown.findings.iter_mut().map(|finding| &mut finding.by);
                        for by in removals.chain(makings).chain(findings) {
                            by.clone_from(&step.address);
                        }
                        Some(shown)
                    }
                });
                let (own, posts) = tokio::join!(own, join_all(posts));
                let mut shown = own.into_iter().chain(posts.into_iter().flatten());
                let mut whole = shown.next()?;
                for more in shown {
                    whole.findings.extend(more.findings);
                    whole.makes.extend(more.makes);
                    whole.removes.extend(more.removes);
                    whole.guards.extend(more.guards);
                }
                Some((id, whole))
            }
        };
        let all = join_all((0..self.plan.builds.len()).map(ask)).await;
        all.into_iter().flatten().collect()
    }

    /// The rights that the builds take, and the data sources that they use. Asks at most who the caller is.
    pub async fn rights(&self, scope: Scope) -> Vec<Right> {
        let onlooker = Onlooker::new(self.plan, self.settings, self.world);
        let mut rights = Vec::new();
        for used in &self.plan.data {
            let source = self.registry.data_sources.get(used.component.as_str());
            if let Some(source) = source {
                rights.extend(source.rights(&used.options, scope).await);
            }
        }
        for (at, build) in self.plan.builds.iter().enumerate() {
            let cx = onlooker.context(BuildId(at as u32));
            let late = template::late(ComponentKind::Builder, &build.builder);
            let source = self.options(&cx, &build.source, late);
            if let Some(builder) = self.registry.builders.get(build.builder.as_str()) {
                let id = BuildId(at as u32);
                let wanted = Wanted::of(self.plan, id, &**builder, scope.offline);
                rights.extend(builder.rights(&cx, &source, &wanted, scope).await);
            }
            let origin = Origin {
                builder: &build.builder,
                options: &source,
                before: &[],
                offline: scope.offline,
            };
            for (post, step, name) in self.posts(BuildId(at as u32)) {
                let late = template::late(ComponentKind::PostProcessor, name);
                let options = self.options(&cx, &step.options, late);
                rights.extend(post.rights(&cx, &options, origin, scope).await);
            }
        }
        rights
    }

    /// The post-processors of a build, with their steps and names.
    fn posts(
        &self,
        build: BuildId,
    ) -> impl Iterator<Item = (&Arc<dyn PostProcessor>, &Step, &str)> {
        let steps = self.plan.steps.iter();
        let steps = steps.filter(move |step| step.build == build);
        steps.filter_map(|step| match &step.kind {
            StepKind::PostProcess { post_processor, .. } => {
                let found = self.registry.post_processors.get(post_processor.as_str());
                Some((found?, step, post_processor.as_str()))
            }
            _ => None,
        })
    }

    /// The options as far as they are known.
    fn options(
        &self,
        cx: &crate::context::Context,
        options: &imgc_compiler::plan::Options,
        late: &[&str],
    ) -> Value {
        let resolved = options.resolve(&RunValues::default(), &**self.world);
        let resolved = resolved.unwrap_or_else(|_| options.value().clone());
        let surroundings = template::Surroundings::from(cx);
        template::render_options(&resolved, late, &surroundings).unwrap_or(resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(holder: &str, action: &str, resource: &str) -> Right {
        Right {
            holder: holder.to_owned(),
            actions: BTreeSet::from([action.to_owned()]),
            resources: BTreeSet::from([resource.to_owned()]),
            conditions: Conditions::new(),
        }
    }

    #[test]
    fn statements_about_the_same_things_are_one_and_accounts_stay_apart() {
        let rights = [
            right("a", "ec2:StopInstances", "x"),
            right("a", "ec2:TerminateInstances", "x"),
            right("a", "ec2:StopInstances", "y"),
            right("a", "ec2:TerminateInstances", "y"),
            right("a", "ec2:DescribeImages", "*"),
            right("b", "ec2:DescribeImages", "*"),
        ];
        let found = policies(&rights);
        let a = json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": ["ec2:DescribeImages"], "Resource": ["*"] },
                {
                    "Effect": "Allow",
                    "Action": ["ec2:StopInstances", "ec2:TerminateInstances"],
                    "Resource": ["x", "y"],
                },
            ],
        });
        assert_eq!(found["a"], a);
        assert_eq!(found.len(), 2);
    }
}
