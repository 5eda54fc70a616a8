//! Why a build is not up to date: what has changed since its steps were done, in words.

use super::{Foresight, Looking, Lost, Why, resume};
use crate::error::Result;
use crate::fingerprint::{Fingerprint, explain, follows};
use crate::identity::Fate;
use crate::state::StepRecord;

/// How many earlier runs of a step are looked at.
const LOOK_BACK: u32 = 20;

impl Looking<'_> {
    /// Why the build is not up to date: the first step that has not been done like this, and what else has changed in those
    /// after it.
    pub(super) async fn changes(&self, foresight: &Foresight) -> Result<Vec<Why>> {
        let mut found = Vec::new();
        let mut runs = false;
        for (id, step) in self.steps() {
            if self.is_replaced(id) {
                let named = self.reuse.replace.contains(&step.address);
                let address = match named {
                    true => step.address.clone(),
                    false => self.plan.build(self.build).address.clone(),
                };
                found.push(why(&address, "`--replace` asks for it"));
                return Ok(found);
            }
            let Some(own) = foresight.chain.get(id) else {
                continue;
            };
            if runs {
                found.extend(self.own_change(&step.address, own).await?);
                continue;
            }
            if !own.moving.is_empty() {
                let moved = own.moving.iter();
                found.extend(moved.map(|(name, text)| {
                    why(
                        &step.address,
                        &format!("`{name}` changes in every run: {text}"),
                    )
                }));
            }
            let done = self.state.done(&step.address, LOOK_BACK).await?;
            let same = |record: &&StepRecord| record.fingerprint.as_deref() == Some(&own.digest);
            if let Some(last) = done.iter().find(same)
                && last.shell
                // With `-resume` it counts all the same.
                && !foresight.is_done(id)
                && !found.iter().any(is_entered)
            {
                found.push(entered(&step.address, &last.run));
            }
            if done.iter().any(|record| same(&record) && !record.shell) {
                if let Some(fallen) = self.fallen(id, own).await? {
                    found.push(fallen);
                    runs = true;
                }
                continue;
            }
            if done.iter().any(|record| same(&record)) {
                return Ok(found);
            }
            if let Some(changed) = self.change(&step.address, own, done.first()).await? {
                found.push(changed);
            }
            if done.is_empty() {
                return Ok(found);
            }
            runs = true;
        }
        Ok(found)
    }

    /// What has changed in a step that runs in any case, besides what comes before it.
    async fn own_change(&self, address: &str, own: &Fingerprint) -> Result<Option<Why>> {
        let done = self.state.done(address, 1).await?;
        let Some(mut why) = self.change(address, own, done.first()).await? else {
            return Ok(None);
        };
        let is_new = why.differences.is_empty();
        why.differences.retain(|one| !follows(&one.name));
        Ok(Some(why).filter(|why| is_new || !why.differences.is_empty()))
    }

    async fn change(
        &self,
        address: &str,
        own: &Fingerprint,
        last: Option<&StepRecord>,
    ) -> Result<Option<Why>> {
        let Some(fingerprint) = last.and_then(|last| last.fingerprint.as_deref()) else {
            return Ok(Some(why(address, "it has not been done before")));
        };
        let old = self.state.inputs(fingerprint).await?;
        let differences = explain(&old, &own.inputs);
        let Some(first) = differences.first() else {
            return Ok(None);
        };
        let text = match (&first.old, &first.new) {
            _ if follows(&first.name) => "what comes before it has changed".to_owned(),
            (None, Some(_)) => format!("`{}` is new", first.name),
            (Some(_), None) => format!("`{}` is not there any more", first.name),
            _ => format!("`{}` has changed", first.name),
        };
        Ok(Some(Why {
            address: address.to_owned(),
            text,
            differences,
            lost: false,
            gone: None,
        }))
    }
}

pub(super) fn why(address: &str, text: &str) -> Why {
    Why {
        address: address.to_owned(),
        text: text.to_owned(),
        differences: Vec::new(),
        lost: false,
        gone: None,
    }
}

/// How it is said that somebody had a shell; the run follows.
const SHELL: &str = "somebody had a shell on the machine in run ";

fn entered(address: &str, run: &str) -> Why {
    why(address, &format!("{SHELL}{}", resume::short(run)))
}

fn is_entered(why: &Why) -> bool {
    why.text.starts_with(SHELL)
}

pub(super) fn gone(address: &str, lost: &Lost) -> Why {
    let is_gone = lost.fate == Fate::Gone;
    let happened = match lost.fate {
        Fate::Gone => "has been deleted",
        Fate::Elsewhere => "is of another account than the credentials at hand",
        Fate::Altered | Fate::Same => "has been altered",
    };
    Why {
        lost: true,
        gone: lost.thing.clone().filter(|_| is_gone),
        ..why(address, &format!("`{}` {happened}", lost.what))
    }
}
