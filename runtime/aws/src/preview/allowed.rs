//! Whether what a build does is allowed: what makes things, as dry runs; what is done with them, as IAM has it.
//!
//! In: what the template says, and the image to start from. Out: a line for each of the two ways, with all that is missing.

use aws_sdk_ec2::types::Image;
use imgc_runtime::error::{Error, Result};
use imgc_runtime::preview::Preview;

use super::{View, Written, note};
use crate::lookup::Place;
use crate::rehearsal::{Plans, Refusal, Scene, refused, rehearse};
use crate::rights::{self, parts};
use crate::simulation::{Simulated, simulate};

/// What actions that make things are called in a plan, and those that are done with things.
const RIGHTS: &str = "rights";
const BY_POLICIES: &str = "rights by policies";

impl View<'_> {
    /// Whether what makes things is allowed, and what is done with them.
    pub(super) async fn allowed(
        &self,
        shown: &mut Preview,
        source: Option<&Image>,
        place: Option<&Place>,
        groups: Option<Vec<String>>,
    ) {
        let (rehearsed, simulated) = tokio::join!(
            Box::pin(self.rehearsed(source, place, groups)),
            Box::pin(self.simulated()),
        );
        match rehearsed {
            Err(error) => note(shown, RIGHTS, &error),
            // What else is not known has been said.
            Ok(None) if source.is_none() || place.is_none() => {}
            Ok(None) => shown.unknown(RIGHTS, "what will be started is known to the run alone"),
            Ok(Some(refusals)) => match refused(&refusals) {
                Ok(()) => shown.known(RIGHTS, "to make what is needed are there"),
                Err(error) => forbidden(shown, RIGHTS, &error),
            },
        }
        if let Some(simulated) = simulated {
            by_policies(shown, simulated);
        }
    }

    /// The actions that make things and are not allowed; nothing where it is not known what will be made.
    async fn rehearsed(
        &self,
        source: Option<&Image>,
        place: Option<&Place>,
        groups: Option<Vec<String>>,
    ) -> Result<Option<Vec<Refusal>>> {
        let Written {
            cx,
            family,
            options,
            ..
        } = &self.written;
        if source.is_none() && !options.is_given("from_scratch") {
            return Ok(None);
        }
        let scene = Scene {
            family: *family,
            options,
            source,
            place,
            groups,
        };
        let plans = Plans::of(cx, &self.region, &scene)?;
        if !plans.has_machine() {
            return Ok(None);
        }
        let refusals = rehearse(cx, &self.region, &plans).await?;
        Ok(Some(refusals))
    }

    /// What the policies make of the rest.
    async fn simulated(&self) -> Option<Result<Simulated>> {
        let caller = self.caller.as_ref()?;
        let (family, options) = (self.written.family, &self.written.options);
        let in_region = |region: &str| rights::Place {
            region: region.to_owned(),
            account: Some(caller.account.clone()),
        };
        let home = self.region.name();
        let mut own = parts(family, options);
        if !self.written.wanted.checkpoints.is_empty() {
            own.extend(rights::CHECKPOINT);
        }
        let mut needed = rights::rights(&own, &in_region(home), false);
        let (regions, parts) = rights::copies(options, home);
        for region in regions.iter().filter(|region| !region.is_empty()) {
            needed.extend(rights::rights(&parts, &in_region(region), false));
        }
        Some(simulate(&self.region, caller, &needed).await)
    }
}

/// Adds what IAM has said of policies.
pub(crate) fn by_policies(shown: &mut Preview, simulated: Result<Simulated>) {
    let said = match simulated {
        Ok(simulated) => simulated,
        Err(error) => {
            // Few may ask, and what nobody knows before stops no plan.
            let why = format!(
                "IAM does not say what its policies allow: {}",
                error.message
            );
            return shown.unknown(BY_POLICIES, why);
        }
    };
    match refused(&said.refusals) {
        Ok(()) => shown.known(
            BY_POLICIES,
            format!(
                "to do what is needed with it are there: {} actions",
                said.asked
            ),
        ),
        Err(error) => forbidden(shown, BY_POLICIES, &error),
    }
}

fn forbidden(shown: &mut Preview, what: &str, error: &Error) {
    let help = error.help.clone().unwrap_or_default();
    shown.trouble(what, format!("{}; {help}", error.message));
}
