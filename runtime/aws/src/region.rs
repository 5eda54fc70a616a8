//! A region of an account: the one place where EC2 is asked.
//!
//! In: a request and what it is for. Out: its answer, or an [`Error`] in the runtime's words. A limit of requests at the same time
//! and the pollers are shared by all builds in the region.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_config::{Region, SdkConfig};
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{
    DescribeFastLaunchImagesSuccessItem, Filter, Image, Instance, InstanceStateName, Snapshot,
    Volume,
};
use aws_sdk_servicequotas::Client as Quotas;
use aws_sdk_sts::Client as Identities;
use futures_util::future::BoxFuture;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::ACCOUNT;
use tokio::sync::Semaphore;

use crate::client;
use crate::clock;
use crate::credentials::Renewable;
use crate::error::{self, Meaning};
use crate::gather::Together;
use crate::instance::Common;
use crate::pace::Pace;
use crate::poll::Poller;
use crate::rehearsal::Rehearsals;
use crate::rights::Place;

/// Requests at the same time for one region of an account, of builds and of what is done for many at once; after a refusal their
/// pace is slower as well.
const REQUESTS: usize = 8;
const SHARED_REQUESTS: usize = 4;

/// A region's client. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct RegionClient {
    inner: Arc<Inner>,
    /// Whether its requests are for many builds.
    is_shared: bool,
}

#[derive(Debug)]
struct Inner {
    ec2: Client,
    name: String,
    reach: BTreeMap<String, String>,
    requests: Semaphore,
    /// Requests for many builds do not queue behind those that each build makes for itself: the sooner one build goes on, the less
    /// all do the same at the same time.
    shared_requests: Semaphore,
    pace: Pace,
    identities: Identities,
    quotas: Quotas,
    rehearsals: Rehearsals,
    instances: Poller<Instance>,
    states: Poller<InstanceStateName>,
    images: Poller<Image>,
    fast_launches: Poller<DescribeFastLaunchImagesSuccessItem>,
    /// Images this process has made, as they were when they were available.
    made: Mutex<BTreeMap<String, Image>>,
    snapshots: Poller<Snapshot>,
    volumes: Poller<Volume>,
    together: Together,
    common: Common,
    /// For services that are asked rarely.
    config: SdkConfig,
    renewable: Option<Renewable>,
    iam: OnceLock<aws_sdk_iam::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
}

impl RegionClient {
    pub(crate) fn new(
        ec2: Client,
        (identities, quotas): (Identities, Quotas),
        name: &str,
        reach: BTreeMap<String, String>,
        pace: Pace,
        (config, renewable): (&SdkConfig, Option<Renewable>),
    ) -> Self {
        let inner = Inner {
            ec2,
            identities,
            quotas,
            rehearsals: Rehearsals::default(),
            name: name.to_owned(),
            reach,
            requests: Semaphore::new(REQUESTS),
            shared_requests: Semaphore::new(SHARED_REQUESTS),
            pace,
            instances: Poller::new(describe_instances),
            states: Poller::new(describe_states),
            images: Poller::new(describe_images),
            fast_launches: Poller::new(describe_fast_launches),
            made: Mutex::default(),
            snapshots: Poller::new(describe_snapshots),
            volumes: Poller::new(describe_volumes),
            together: Together::default(),
            common: Common::default(),
            config: config
                .to_builder()
                .region(Region::new(name.to_owned()))
                .build(),
            renewable,
            iam: OnceLock::new(),
            s3: OnceLock::new(),
            ssm: OnceLock::new(),
        };
        Self {
            inner: Arc::new(inner),
            is_shared: false,
        }
    }

    /// The same region for requests that are made for many builds at once.
    pub(crate) fn shared(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            is_shared: true,
        }
    }

    /// Its name, such as `eu-west-1`.
    pub(crate) fn name(&self) -> &str {
        &self.inner.name
    }

    /// What leads back to the account in another process, for a record: with its number, once credentials have told it.
    pub(crate) fn reach(&self) -> BTreeMap<String, String> {
        let mut reach = self.inner.reach.clone();
        let number = self.inner.renewable.as_ref().and_then(Renewable::number);
        reach.extend(number.map(|number| (ACCOUNT.to_owned(), number)));
        reach
    }

    /// A build makes something here: where its credentials expire it rather waits for new ones than fails.
    pub(crate) fn attend(&self, cx: &Context) {
        clock::tell(&cx.output);
        if let Some(renewable) = &self.inner.renewable {
            renewable.attend(cx);
        }
    }

    /// For making requests, which go through [`RegionClient::call`] or [`RegionClient::ask`].
    pub(crate) fn ec2(&self) -> &Client {
        &self.inner.ec2
    }

    /// For asking who asks, and what a refusal means.
    pub(crate) fn identities(&self) -> &Identities {
        &self.inner.identities
    }

    /// For asking how much may be used.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.inner.quotas
    }

    /// What was rehearsed in this region.
    pub(crate) fn rehearsals(&self) -> &Rehearsals {
        &self.inner.rehearsals
    }

    /// Those who wait for instances.
    pub(crate) fn instances(&self) -> &Poller<Instance> {
        &self.inner.instances
    }

    /// Those who wait for a state of instances that have been seen, and want to know no more of them.
    pub(crate) fn states(&self) -> &Poller<InstanceStateName> {
        &self.inner.states
    }

    /// Those who wait for images.
    pub(crate) fn images(&self) -> &Poller<Image> {
        &self.inner.images
    }

    /// Those who wait for images that are prepared for a fast start.
    pub(crate) fn fast_launches(&self) -> &Poller<DescribeFastLaunchImagesSuccessItem> {
        &self.inner.fast_launches
    }

    /// Keeps an image that is available, for steps that come later: they need not ask.
    pub(crate) fn remember(&self, id: &str, image: &Image) {
        let mut made = self
            .inner
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        made.insert(id.to_owned(), image.clone());
    }

    /// An image that this process has made.
    pub(crate) fn recall(&self, id: &str) -> Option<Image> {
        let made = self
            .inner
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        made.get(id).cloned()
    }

    /// Those who wait for snapshots.
    pub(crate) fn snapshots(&self) -> &Poller<Snapshot> {
        &self.inner.snapshots
    }

    /// Those who wait for volumes.
    pub(crate) fn volumes(&self) -> &Poller<Volume> {
        &self.inner.volumes
    }

    /// What is done for several builds at once.
    pub(crate) fn together(&self) -> &Together {
        &self.inner.together
    }

    /// What is made once for the builds of a run.
    pub(crate) fn common(&self) -> &Common {
        &self.inner.common
    }

    /// For making requests of IAM, which go the same ways.
    pub(crate) fn iam(&self) -> &aws_sdk_iam::Client {
        let make = || {
            let mut config = aws_sdk_iam::config::Builder::from(&self.inner.config);
            if let Some(renewable) = &self.inner.renewable {
                config = config.retry_classifier(renewable.clone());
            }
            config = config
                .retry_classifier(client::Silent::default())
                .retry_classifier(self.inner.pace.clone());
            aws_sdk_iam::Client::from_conf(config.build())
        };
        self.inner.iam.get_or_init(make)
    }

    /// For making requests of S3, which go the same ways.
    pub(crate) fn s3(&self) -> &aws_sdk_s3::Client {
        let make = || {
            let config = &self.inner.config;
            // Where S3 is not Amazon's, a bucket has no name of its own in the network.
            let own_place = config.endpoint_url().is_some();
            let mut config = aws_sdk_s3::config::Builder::from(config).force_path_style(own_place);
            if let Some(renewable) = &self.inner.renewable {
                config = config.retry_classifier(renewable.clone());
            }
            config = config.retry_classifier(self.inner.pace.clone());
            aws_sdk_s3::Client::from_conf(config.build())
        };
        self.inner.s3.get_or_init(make)
    }

    /// For making requests of Systems Manager, which go the same ways.
    pub(crate) fn ssm(&self) -> &aws_sdk_ssm::Client {
        let make = || {
            let mut config = aws_sdk_ssm::config::Builder::from(&self.inner.config);
            if let Some(renewable) = &self.inner.renewable {
                config = config.retry_classifier(renewable.clone());
            }
            config = config.retry_classifier(self.inner.pace.clone());
            aws_sdk_ssm::Client::from_conf(config.build())
        };
        self.inner.ssm.get_or_init(make)
    }

    /// Where Systems Manager is, for programs that ask it themselves.
    pub(crate) fn ssm_endpoint(&self) -> String {
        let own = self.inner.config.endpoint_url().map(str::to_owned);
        own.unwrap_or_else(|| {
            let region = self.name();
            let domain = match region.starts_with("cn-") {
                true => "amazonaws.com.cn",
                false => "amazonaws.com",
            };
            format!("https://ssm.{region}.{domain}")
        })
    }

    /// Makes a request when its turn comes. The SDK's error, for those who look at its code.
    pub(crate) async fn ask<T, E, R>(
        &self,
        request: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, SdkError<E, R>> {
        // The future of a request is some tens of kilobytes: it would be part of every future above it.
        let request = Box::pin(request);
        let line = match self.is_shared {
            true => &self.inner.shared_requests,
            false => &self.inner.requests,
        };
        let _turn = line.acquire().await;
        self.inner.pace.turn().await;
        let answer = request.await;
        if answer.is_ok() {
            self.inner.pace.faster();
        }
        answer
    }

    /// Makes a request when its turn comes. `action` as the API calls it, `attempt` in words, without a full stop.
    pub(crate) async fn call<T, E>(
        &self,
        action: &str,
        attempt: &str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match self.ask(Box::pin(request)).await {
            Ok(answer) => Ok(answer),
            Err(failed) if error::answer(&failed) == Some(Meaning::Denied) => {
                let message = failed.message().unwrap_or("without a reason");
                Err(Box::pin(self.denied(action, attempt, message)).await)
            }
            Err(failed) => Err(error::failed(action, attempt, &failed)),
        }
    }

    /// The failure of a request that is refused for want of a right, with what the account says about it where it may be
    /// asked.
    pub(crate) async fn denied(&self, action: &str, attempt: &str, message: &str) -> Error {
        let mut decoded = None;
        if let Some(encoded) = error::encoded_part(message) {
            let request = self.inner.identities.decode_authorization_message();
            let request = request.encoded_message(encoded).send();
            let answer = self.ask(request).await.ok();
            decoded = answer.and_then(|answer| answer.decoded_message);
        }
        let place = Place {
            region: self.name().to_owned(),
            account: error::account_in(decoded.as_deref().unwrap_or(message)),
        };
        error::denied(action, attempt, message, &place, decoded.as_deref())
    }
}

/// A filter of a describe.
pub(crate) fn filter(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
    let values = values.into_iter().map(Into::into).collect();
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

/// All that a list has: `page` asks for the page that a token stands for, the first without one.
pub(crate) async fn pages<T, F>(page: impl Fn(Option<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<(Option<Vec<T>>, Option<String>)>>,
{
    let mut all = Vec::new();
    let mut next = None;
    loop {
        // As in `ask`: a page may hold a request.
        let (found, following) = Box::pin(page(next.clone())).await?;
        all.extend(found.unwrap_or_default());
        let following = following.filter(|token| !token.is_empty());
        // A server that gives the same token again would never come to an end.
        if following.is_none() || following == next {
            return Ok(all);
        }
        next = following;
    }
}

/// An answer lacks what the API promises.
pub(crate) fn incomplete(action: &str, what: &str) -> Error {
    Error::new(
        Class::Remote,
        "run/aws-request",
        format!("the answer to {action} has no {what}"),
    )
    .permanent()
}

// A filter finds what is there; an id that is not there yet would make the whole answer an error.

fn describe_instances(
    region: RegionClient,
    ids: Vec<String>,
) -> BoxFuture<'static, Result<Vec<(String, Instance)>>> {
    Box::pin(async move {
        let request = region.ec2().describe_instances();
        let request = request.filters(filter("instance-id", ids));
        let region = &region;
        let reservations = pages(|next| {
            let request = request.clone().set_next_token(next).send();
            let answer = region.call("DescribeInstances", "look at instances", request);
            async {
                answer
                    .await
                    .map(|page| (page.reservations, page.next_token))
            }
        });
        let instances = reservations
            .await?
            .into_iter()
            .flat_map(|reservation| reservation.instances.unwrap_or_default());
        Ok(instances
            .filter_map(|instance| Some((instance.instance_id.clone()?, instance)))
            .collect())
    })
}

/// A small answer, where that of `DescribeInstances` has a page for each instance. Other than that it knows no filter by id, and
/// gives nothing where it lacks one of the instances, or the right. Who asks by ids gets them all in one page.
fn describe_states(
    region: RegionClient,
    ids: Vec<String>,
) -> BoxFuture<'static, Result<Vec<(String, InstanceStateName)>>> {
    Box::pin(async move {
        let request = region.ec2().describe_instance_status();
        let request = request.include_all_instances(true);
        let request = request.set_instance_ids(Some(ids.clone())).send();
        let statuses = match region.ask(request).await {
            Ok(answer) => answer.instance_statuses.unwrap_or_default(),
            // Who is asked too often, or in trouble, is not asked something else instead.
            Err(failed)
                if !matches!(
                    error::answer(&failed),
                    None | Some(Meaning::Throttled | Meaning::Server)
                ) =>
            {
                let instances = describe_instances(region, ids).await?.into_iter();
                let state = |instance: Instance| instance.state?.name;
                return Ok(instances
                    .filter_map(|(id, instance)| Some((id, state(instance)?)))
                    .collect());
            }
            Err(failed) => {
                let attempt = "look at the states of instances";
                return Err(error::failed("DescribeInstanceStatus", attempt, &failed));
            }
        };
        let statuses = statuses.into_iter();
        Ok(statuses
            .filter_map(|status| Some((status.instance_id?, status.instance_state?.name?)))
            .collect())
    })
}

fn describe_images(
    region: RegionClient,
    ids: Vec<String>,
) -> BoxFuture<'static, Result<Vec<(String, Image)>>> {
    Box::pin(async move {
        let request = region.ec2().describe_images().owners("self");
        let request = request.filters(filter("image-id", ids));
        let region = &region;
        let images = pages(|next| {
            let request = request.clone().set_next_token(next).send();
            let answer = region.call("DescribeImages", "look at images", request);
            async { answer.await.map(|page| (page.images, page.next_token)) }
        });
        let images = images.await?.into_iter();
        Ok(images
            .filter_map(|image| Some((image.image_id.clone()?, image)))
            .collect())
    })
}

fn describe_fast_launches(
    region: RegionClient,
    ids: Vec<String>,
) -> BoxFuture<'static, Result<Vec<(String, DescribeFastLaunchImagesSuccessItem)>>> {
    Box::pin(async move {
        let request = region.ec2().describe_fast_launch_images();
        let request = request.set_image_ids(Some(ids));
        let attempt = "see how far images are prepared for a fast start";
        let region = &region;
        let images = pages(|next| {
            let request = request.clone().set_next_token(next).send();
            let answer = region.call("DescribeFastLaunchImages", attempt, request);
            async {
                answer
                    .await
                    .map(|page| (page.fast_launch_images, page.next_token))
            }
        });
        let images = images.await?.into_iter();
        Ok(images
            .filter_map(|image| Some((image.image_id.clone()?, image)))
            .collect())
    })
}

fn describe_snapshots(
    region: RegionClient,
    ids: Vec<String>,
) -> BoxFuture<'static, Result<Vec<(String, Snapshot)>>> {
    Box::pin(async move {
        let request = region.ec2().describe_snapshots().owner_ids("self");
        let request = request.filters(filter("snapshot-id", ids));
        let region = &region;
        let snapshots = pages(|next| {
            let request = request.clone().set_next_token(next).send();
            let answer = region.call("DescribeSnapshots", "look at snapshots", request);
            async { answer.await.map(|page| (page.snapshots, page.next_token)) }
        });
        let snapshots = snapshots.await?.into_iter();
        Ok(snapshots
            .filter_map(|snapshot| Some((snapshot.snapshot_id.clone()?, snapshot)))
            .collect())
    })
}

fn describe_volumes(
    region: RegionClient,
    ids: Vec<String>,
) -> BoxFuture<'static, Result<Vec<(String, Volume)>>> {
    Box::pin(async move {
        let request = region.ec2().describe_volumes();
        let request = request.filters(filter("volume-id", ids));
        let region = &region;
        let volumes = pages(|next| {
            let request = request.clone().set_next_token(next).send();
            let answer = region.call("DescribeVolumes", "look at volumes", request);
            async { answer.await.map(|page| (page.volumes, page.next_token)) }
        });
        let volumes = volumes.await?.into_iter();
        Ok(volumes
            .filter_map(|volume| Some((volume.volume_id.clone()?, volume)))
            .collect())
    })
}
