//! Requests for several things at once: what is asked for while one is under way goes with the next.
//!
//! In: what builds want done with a thing each, where the API takes many in one request. Out: for each of them what came of it. A
//! build that is alone does not wait for others; fifty that stop their instances make a few requests. Where a request for several
//! fails, each is asked for by itself: one that is wrong spoils it for nobody else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_ec2::types::Image;
use futures_util::future::BoxFuture;
use imgc_runtime::error::{Error, Result};
use tokio::sync::oneshot;

use crate::error::{Meaning, answer, copy, failed};
use crate::region::{RegionClient, filter, pages};
use crate::resource::finish;

/// Things in one request: fewer than the 200 values that a filter may have.
const MOST: usize = 100;

/// What is done for several builds at once.
#[derive(Debug)]
pub(crate) struct Together {
    /// The images of this account that have a name.
    pub(crate) names: Gathering<String, Vec<Image>>,
    /// Stopping an instance.
    pub(crate) stops: Gathering<String, ()>,
    /// Ending an instance; whether there is one.
    pub(crate) ends: Gathering<String, bool>,
    /// Taking the mark of something temporary from an image and its snapshots, all by their ids.
    pub(crate) keeps: Gathering<Vec<String>, ()>,
}

impl Default for Together {
    fn default() -> Self {
        Self {
            names: Gathering::new(find),
            stops: Gathering::new(stop),
            ends: Gathering::new(end),
            keeps: Gathering::new(keep),
        }
    }
}

/// Does something with several things; what came of each, in their order.
pub(crate) type Perform<T, R> = fn(RegionClient, Vec<T>) -> BoxFuture<'static, Result<Vec<R>>>;

/// Those who want the same done in a region.
#[derive(Debug)]
pub(crate) struct Gathering<T, R> {
    perform: Perform<T, R>,
    queue: Arc<Mutex<Queue<T, R>>>,
}

#[derive(Debug)]
struct Queue<T, R> {
    wishes: Vec<Wish<T, R>>,
    /// Whether somebody serves them.
    served: bool,
}

type Wish<T, R> = (T, oneshot::Sender<Result<R>>);

impl<T: Clone + Send + 'static, R: Send + 'static> Gathering<T, R> {
    pub(crate) fn new(perform: Perform<T, R>) -> Self {
        let queue = Queue {
            wishes: Vec::new(),
            served: false,
        };
        Self {
            perform,
            queue: Arc::new(Mutex::new(queue)),
        }
    }

    /// Has it done with a thing.
    pub(crate) async fn with(&self, region: &RegionClient, thing: T) -> Result<R> {
        let (tell, told) = oneshot::channel();
        {
            let mut queue = lock(&self.queue);
            queue.wishes.push((thing, tell));
            if !queue.served {
                queue.served = true;
                tokio::spawn(serve(self.queue.clone(), region.clone(), self.perform));
            }
        }
        told.await.unwrap_or_else(|_| Err(Error::cancelled()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves as long as there are wishes.
async fn serve<T: Clone + Send + 'static, R: Send + 'static>(
    queue: Arc<Mutex<Queue<T, R>>>,
    region: RegionClient,
    perform: Perform<T, R>,
) {
    loop {
        let wishes: Vec<Wish<T, R>> = {
            let mut queue = lock(&queue);
            // Who has gone away does not want it any more.
            queue.wishes.retain(|(_, tell)| !tell.is_closed());
            let count = queue.wishes.len().min(MOST);
            queue.served = count > 0;
            queue.wishes.drain(..count).collect()
        };
        if wishes.is_empty() {
            return;
        }
        settle(wishes, |things| perform(region.shared(), things)).await;
    }
}

/// Has it done for all at once; where that fails for what one of them may be to blame for, for each by itself.
async fn settle<T: Clone, R, F>(wishes: Vec<Wish<T, R>>, perform: impl Fn(Vec<T>) -> F)
where
    F: Future<Output = Result<Vec<R>>>,
{
    let (things, tells): (Vec<T>, Vec<_>) = wishes.into_iter().unzip();
    // Where nobody listens the build was stopped in the meantime.
    match perform(things.clone()).await {
        Ok(outcomes) => {
            for (tell, outcome) in tells.into_iter().zip(outcomes) {
                let _ = tell.send(Ok(outcome));
            }
        }
        Err(error) if tells.len() == 1 || is_for_all(&error) => {
            for tell in tells {
                let _ = tell.send(Err(copy(&error)));
            }
        }
        Err(_) => {
            for (thing, tell) in things.into_iter().zip(tells) {
                let mut alone = perform(vec![thing]).await;
                let outcome = match &mut alone {
                    Ok(outcomes) => outcomes.pop().ok_or_else(Error::cancelled),
                    Err(error) => Err(copy(error)),
                };
                let _ = tell.send(outcome);
            }
        }
    }
}

/// Whether whoever asks would be told the same.
fn is_for_all(error: &Error) -> bool {
    matches!(
        error.id,
        "run/aws-account" | "run/aws-throttled" | "run/aws-unreachable"
    )
}

fn find(region: RegionClient, names: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<Image>>>> {
    Box::pin(async move {
        let request = region.ec2().describe_images().owners("self");
        let literals = names.iter().map(|name| literal(name));
        let request = request.filters(filter("name", literals));
        let attempt = "see whether the name is free";
        let region = &region;
        let images = pages(|next| {
            let request = request.clone().set_next_token(next).send();
            let answer = region.call("DescribeImages", attempt, request);
            async { answer.await.map(|page| (page.images, page.next_token)) }
        });
        let images = images.await?;
        let of = |name: &String| {
            let images = images.iter();
            let named = images.filter(|image| image.name.as_ref() == Some(name));
            named.cloned().collect()
        };
        Ok(names.iter().map(of).collect())
    })
}

/// A name for a filter, in which `*` and `?` would stand for others.
fn literal(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        if matches!(letter, '*' | '?' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

fn stop(region: RegionClient, ids: Vec<String>) -> BoxFuture<'static, Result<Vec<()>>> {
    Box::pin(async move {
        let done = vec![(); ids.len()];
        let request = region.ec2().stop_instances().set_instance_ids(Some(ids));
        let answer = region.call("StopInstances", "stop the instance", request.send());
        answer.await.map(|_| done)
    })
}

fn end(region: RegionClient, ids: Vec<String>) -> BoxFuture<'static, Result<Vec<bool>>> {
    Box::pin(async move {
        let count = ids.len();
        let request = region.ec2().terminate_instances();
        let request = request.set_instance_ids(Some(ids)).send();
        match region.ask(request).await {
            Ok(_) => Ok(vec![true; count]),
            Err(error) if answer(&error) == Some(Meaning::Missing) && count == 1 => Ok(vec![false]),
            Err(error) => Err(failed("TerminateInstances", "end an instance", &error)),
        }
    })
}

fn keep(region: RegionClient, ids: Vec<Vec<String>>) -> BoxFuture<'static, Result<Vec<()>>> {
    Box::pin(async move {
        let done = vec![(); ids.len()];
        let finished = finish(&region, ids.concat(), "mark an image as finished");
        finished.await.map(|()| done)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_looked_for_as_they_are() {
        assert_eq!(literal("web (a*b)?"), "web (a\\*b)\\?");
    }
}
