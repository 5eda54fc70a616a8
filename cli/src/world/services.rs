//! What services keep: asked through the leaf crates that are built in, once for each thing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use imgc_compiler::source::Lookup;

/// What was asked so far, with the answers. They may be secret: `Debug` shows none.
#[derive(Default)]
pub(super) struct Answers(Mutex<BTreeMap<Key, Result<String, String>>>);

type Key = (&'static str, String, Option<String>);

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

impl Answers {
    /// The answer, which is asked for the first time only.
    pub(super) fn get(&self, what: &Lookup<'_>) -> Result<String, String> {
        // Held while the service is asked: who asks for the same at the same time waits for the answer.
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.entry(key(what)).or_insert_with(|| ask(what));
        answer.clone()
    }
}

fn key(what: &Lookup<'_>) -> Key {
    let owned = |text: &&str| (*text).to_owned();
    match what {
        Lookup::Vault { path, key } => ("vault", owned(path), Some(owned(key))),
        Lookup::ConsulKey { key } => ("consul_key", owned(key), None),
        Lookup::AwsSecret { name, key } => {
            ("aws_secretsmanager", owned(name), key.as_ref().map(owned))
        }
        Lookup::AwsSecretRaw { name } => ("aws_secretsmanager_raw", owned(name), None),
    }
}

fn ask(what: &Lookup<'_>) -> Result<String, String> {
    match what {
        #[cfg(feature = "http")]
        Lookup::Vault { path, key } => imgc_http::secrets::vault(&env, path, key),
        #[cfg(feature = "http")]
        Lookup::ConsulKey { key } => imgc_http::secrets::consul_key(&env, key),
        #[cfg(feature = "aws")]
        Lookup::AwsSecret { name, key } => imgc_aws::secret(name, *key),
        #[cfg(feature = "aws")]
        Lookup::AwsSecretRaw { name } => imgc_aws::raw_secret(name),
        #[allow(unreachable_patterns, reason = "with all features none is left")]
        _ => Err("this program was built without what asks this service".to_owned()),
    }
}

#[cfg(feature = "http")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
