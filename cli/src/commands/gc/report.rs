//! What `imgc gc` has found, as text and as JSON.

use serde_json::json;

use crate::plan_text::counted;
use crate::state;
use crate::terminal::harmless;

use super::Gc;

/// What has become of something.
pub(super) enum Fate {
    /// It is gone, or would be.
    Removed,
    /// Its record is dropped: the user says that it is gone.
    Forgotten,
    /// It could not be removed.
    Failed(String),
    /// It is left alone.
    Left(String),
}

/// Something that a run has left.
pub(super) struct Found {
    pub(super) what: String,
    /// The machine it is on, if that is another one, or the account it is in.
    pub(super) machine: Option<String>,
    pub(super) run: String,
    pub(super) owner: Option<String>,
    pub(super) fate: Fate,
}

impl Gc {
    /// For people: a line for each thing, and a sum.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let (mut removed, mut forgotten, mut left) = (0, 0, 0);
        for one in &self.found {
            let by = one
                .owner
                .as_deref()
                .map_or_else(String::new, |owner| format!(", {}", harmless(owner)));
            let what = format!(
                "{} (run {}{by})",
                harmless(&one.what),
                harmless(state::short(&one.run))
            );
            let line = match &one.fate {
                Fate::Removed if self.dry_run => format!("would remove {what}\n"),
                Fate::Removed => format!("removed {what}\n"),
                Fate::Forgotten if self.dry_run => format!("would forget {what}\n"),
                Fate::Forgotten => format!("forgot {what}\n"),
                Fate::Failed(why) => format!("cannot remove {what}: {}\n", harmless(why)),
                Fate::Left(why) => format!("left {what}: {}\n", harmless(why)),
            };
            match one.fate {
                Fate::Removed => removed += 1,
                Fate::Forgotten => forgotten += 1,
                Fate::Failed(_) | Fate::Left(_) => left += 1,
            }
            text.push_str(&line);
        }
        for unseen in &self.unseen {
            text.push_str(&format!(
                "cannot look at {}: {}\n",
                harmless(&unseen.what),
                harmless(&unseen.why)
            ));
        }
        let verb = if self.dry_run { "to remove" } else { "removed" };
        let mut parts = Vec::new();
        if removed > 0 || left > 0 {
            parts.push(format!("{} {verb}", counted(removed, "thing")));
        }
        if forgotten > 0 {
            parts.push(format!("{forgotten} forgotten"));
        }
        if left > 0 {
            parts.push(format!("{left} left"));
        }
        match parts.is_empty() {
            true if !self.unseen.is_empty() => {
                text.push_str("nothing is left behind where it could be looked\n");
            }
            true => text.push_str("nothing is left behind\n"),
            false => text.push_str(&format!("{}\n", parts.join(", "))),
        }
        text
    }

    /// For programs.
    pub(super) fn object(&self) -> serde_json::Value {
        let list = |wanted: fn(&Fate) -> bool| -> Vec<serde_json::Value> {
            let found = self.found.iter().filter(|one| wanted(&one.fate));
            found
                .map(|one| match &one.fate {
                    Fate::Removed | Fate::Forgotten => {
                        json!({ "what": one.what, "run": one.run, "owner": one.owner })
                    }
                    Fate::Failed(why) | Fate::Left(why) => {
                        json!({ "what": one.what, "run": one.run, "owner": one.owner, "why": why })
                    }
                })
                .collect()
        };
        let unseen = self.unseen.iter();
        let unseen: Vec<serde_json::Value> = unseen
            .map(|one| json!({ "what": one.what, "why": one.why }))
            .collect();
        json!({
            "dry_run": self.dry_run,
            "removed": list(|fate| matches!(fate, Fate::Removed)),
            "forgotten": list(|fate| matches!(fate, Fate::Forgotten)),
            "failed": list(|fate| matches!(fate, Fate::Failed(_))),
            "left": list(|fate| matches!(fate, Fate::Left(_))),
            "unseen": unseen,
        })
    }
}
