//! What the builds of a run have in common: made by the first that needs it, removed with the last that has it.
//!
//! In: what is needed, and the request that makes it. Out: the thing, with a record of its own for each build that has it. A build
//! that ends gives up its record; only with the last one the thing itself goes. A run that dies leaves a record of each, and
//! removing the same thing twice is no error.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imgc_runtime::context::Context;
use imgc_runtime::error::Result;
use imgc_runtime::ledger::{CloudResource, Resource};
use tokio::sync::OnceCell;

use crate::boxed::boxed;
use crate::resource::Made;

/// Who has what, by its unique name. One for the process: whoever removes may have come to the account by another way than
/// whoever made.
static HELD: Mutex<BTreeMap<String, Holders>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct Holders {
    /// Records of it.
    count: usize,
    run: String,
}

/// What becomes of a thing when one of its holders lets go of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    /// Others of this process have it.
    Kept,
    /// It goes; the run of those who had it.
    Last(String),
    /// It goes; nobody of this process has had it.
    Unheld,
}

/// Somebody of this process has a thing from now on: to be said in the moment in which it has a record.
pub(crate) fn hold(cx: &Context, name: &str) {
    let mut held = lock(&HELD);
    let holders = held.entry(name.to_owned()).or_insert_with(|| Holders {
        count: 0,
        run: cx.run_id.to_string(),
    });
    holders.count += 1;
}

/// One holder of a thing lets go of it.
pub(crate) fn release(name: &str) -> Release {
    let mut held = lock(&HELD);
    let Some(holders) = held.get_mut(name) else {
        return Release::Unheld;
    };
    holders.count = holders.count.saturating_sub(1);
    if holders.count > 0 {
        return Release::Kept;
    }
    match held.remove(name) {
        Some(holders) => Release::Last(holders.run),
        None => Release::Unheld,
    }
}

/// One more has a thing, unless the last one has let go of it.
fn join(name: &str) -> bool {
    match lock(&HELD).get_mut(name) {
        Some(holders) => {
            holders.count += 1;
            true
        }
        None => false,
    }
}

/// Things of a kind in a region, by what they are needed for.
pub(crate) struct Shares<K, T>(Mutex<BTreeMap<K, Cell<T>>>);

type Cell<T> = Arc<OnceCell<(CloudResource, T)>>;

impl<K, T> Default for Shares<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// What belongs to a thing may be a secret.
impl<K, T> fmt::Debug for Shares<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares").finish_non_exhaustive()
    }
}

impl<K: Ord + Clone, T: Clone> Shares<K, T> {
    /// The thing for `key`, and what belongs to it; `make` makes it through the ledger where there is none. Where that fails
    /// for one build the next one tries it for itself.
    pub(crate) async fn get<F>(
        &self,
        cx: &Context,
        key: K,
        make: impl Fn() -> F,
    ) -> Result<(Made, T)>
    where
        F: Future<Output = Result<(Made, T)>>,
    {
        loop {
            let cell = lock(&self.0).entry(key.clone()).or_default().clone();
            let mut own = None;
            let made = &mut own;
            let make = cell.get_or_try_init(|| async {
                let (thing, more) = boxed(&make).await?;
                hold(cx, &thing.record.name);
                let record = thing.record.clone();
                *made = Some(thing);
                Ok((record, more))
            });
            let (record, more) = Box::pin(make).await?.clone();
            let made = match own {
                Some(own) => Some(own),
                None => joined(cx, &record).await?,
            };
            if let Some(made) = made {
                return Ok((made, more));
            }
            let mut cells = lock(&self.0);
            if cells
                .get(&key)
                .is_some_and(|known| Arc::ptr_eq(known, &cell))
            {
                cells.remove(&key);
            }
        }
    }
}

/// Records that one more build has a thing; `None` where it has just gone with those who had it.
async fn joined(cx: &Context, record: &CloudResource) -> Result<Option<Made>> {
    let resource = Resource::Cloud(record.clone());
    // Recorded first: whoever lets go of it in this moment must not be the last one who had a record.
    let join = async { Ok((resource.clone(), join(&record.name))) };
    let (number, joined) = cx
        .ledger
        .create_as(&cx.address, resource.clone(), join)
        .await?;
    if !joined {
        cx.ledger.forget(number);
        return Ok(None);
    }
    let record = record.clone();
    Ok(Some(Made { number, record }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use imgc_runtime::error::{Class, Error};
    use imgc_runtime::report::Recorder;
    use imgc_runtime::testing::context;

    use super::*;

    type Things = Shares<&'static str, ()>;

    fn surroundings() -> Context {
        context(Arc::new(Recorder::default()), std::path::Path::new("/"))
    }

    /// Makes things with names that begin with `kind`.
    async fn get(things: &Things, cx: &Context, kind: &str, number: &AtomicUsize) -> Made {
        let make = || async {
            let record = CloudResource {
                provider: "aws".to_owned(),
                kind: "security-group".to_owned(),
                place: "eu-west-1".to_owned(),
                name: format!("{kind}-{}", number.fetch_add(1, Ordering::SeqCst)),
                id: Some("sg-1".to_owned()),
                reach: BTreeMap::new(),
                asked: None,
            };
            let intent = Resource::Cloud(record.clone());
            let (number, ()) = cx
                .ledger
                .create(&cx.address, intent, async { Ok(()) })
                .await?;
            // Others come while it is being made.
            tokio::task::yield_now().await;
            Ok((Made { number, record }, ()))
        };
        things.get(cx, "one", make).await.unwrap().0
    }

    #[tokio::test]
    async fn what_several_have_goes_with_the_last_of_them() {
        let (things, cx, number) = (Things::default(), surroundings(), AtomicUsize::new(0));
        let (one, other) = tokio::join!(
            get(&things, &cx, "several", &number),
            get(&things, &cx, "several", &number),
        );
        assert_eq!((one.id(), &one.record), (other.id(), &other.record));
        assert_ne!(one.number, other.number, "each has a record");
        assert_eq!(cx.ledger.outstanding("").len(), 2);
        let name = &one.record.name;
        assert_eq!(release(name), Release::Kept);
        let third = get(&things, &cx, "several", &number).await;
        assert_eq!(third.record.name, *name);
        assert_eq!(release(name), Release::Kept);
        assert_eq!(release(name), Release::Last(cx.run_id.to_string()));
        assert_eq!(release(name), Release::Unheld);
        // Whoever comes then has one of its own, and no record of the other.
        let records = cx.ledger.outstanding("").len();
        let next = get(&things, &cx, "several", &number).await;
        assert_ne!(next.record.name, *name);
        assert_eq!(cx.ledger.outstanding("").len(), records + 1);
        assert_eq!(number.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn where_one_cannot_make_it_the_next_one_tries() {
        let (things, cx, number) = (Things::default(), surroundings(), AtomicUsize::new(0));
        let refuse = || async { Err(Error::new(Class::Remote, "run/aws-request", "refused")) };
        let refused = things.get(&cx, "one", refuse);
        let (refused, made) = tokio::join!(refused, get(&things, &cx, "next", &number));
        assert_eq!(refused.unwrap_err().message, "refused");
        assert_eq!(made.record.name, "next-0");
        assert_eq!(release("next-0"), Release::Last(cx.run_id.to_string()));
    }
}
