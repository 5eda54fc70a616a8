//! Post-processors: what is done with an artifact.

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::artifact::Artifact;
use crate::builder::Problem;
use crate::context::Context;
use crate::error::Result;
use crate::preview::{Origin, Preview, Right, Scope};

/// Turns an artifact into another, or has an effect.
#[async_trait]
pub trait PostProcessor: Send + Sync {
    /// Looks at the options without touching the outside.
    fn check(&self, options: &Value) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// Looks at the options together with what makes its artifact, without touching the outside. Asked where nothing between
    /// the builder and this one makes another artifact; what [`check`](Self::check) says need not be said again.
    fn check_behind(&self, options: &Value, origin: Origin<'_>) -> Vec<Problem> {
        let _ = (options, origin);
        Vec::new()
    }

    /// Whether the artifact that it yields is always the one that it is given.
    fn passes_on(&self) -> bool {
        false
    }

    /// Whether what it hands on unchanged is listed once more at the end of the run, as Packer does. Not where Packer knows no
    /// such post-processor: a script that reads the list goes on to work when one is added.
    fn lists_again(&self) -> bool {
        true
    }

    /// The options that are written down as they are, into the state and what is shown of it: they name what has to be found
    /// again. No secret may be part of one.
    fn recorded_options(&self) -> &'static [&'static str] {
        &[]
    }

    /// The rights that it takes of the service it works with; parts of the options may be unknown. `origin` is what makes its
    /// artifact, for those that ask in the name of whoever has made it.
    async fn rights(
        &self,
        cx: &Context,
        options: &Value,
        origin: Origin<'_>,
        scope: Scope,
    ) -> Vec<Right> {
        let _ = (cx, options, origin, scope);
        Vec::new()
    }

    /// What a plan shows of the outside, read-only; parts of the options may be unknown. What cannot be asked is left unknown,
    /// never an error. `None` where there is nothing to show.
    async fn preview(&self, cx: &Context, options: &Value, origin: Origin<'_>) -> Option<Preview> {
        let _ = (cx, options, origin);
        None
    }

    /// Does the work. It never removes its input; the runtime does, after all uses, where nobody keeps it.
    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed>;
}

/// What a post-processor yields.
#[derive(Clone, Debug)]
pub struct Processed {
    /// The new artifact; the input itself where nothing was made.
    pub artifact: Artifact,
    /// Whether the input is kept when the template does not say (`keep_input_artifact`).
    pub keep_by_default: bool,
    /// Whether the input is kept whatever the template says: the new artifact needs it.
    pub must_keep: bool,
}
