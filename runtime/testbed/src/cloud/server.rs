//! The server in front of moto: takes connections, keeps the record, lets things go wrong, and hands requests on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::call::{Call, Calls};
use super::faults::{self, Fate};
use super::keys::Keys;
use super::machines::Fleet;
use super::request::Request;
use super::state::State;
use super::{account, ec2, upstream};

/// Where a call is when a [`Hook`] sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has arrived and has had no effect.
    Before,
    /// It has had its effect; the answer is not sent.
    After,
}

/// What a [`Hook`] wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// To let it go on.
    GoOn,
    /// To end the connection.
    HangUp,
    /// To answer with this status, error code and message.
    Refuse(u16, String, String),
}

/// Is shown every call twice, and may take as long as it likes: the caller waits.
pub type Hook = dyn Fn(&Call, Moment) -> Then + Send + Sync;

/// The path at which a caller is told its own address.
pub(crate) const CALLER: &str = "/testbed/caller";

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) moto: SocketAddr,
    pub(crate) since: Instant,
    pub(crate) fleet: Fleet,
    pub(crate) keys: Keys,
    /// Held while something is changed, so that looking and changing are one step.
    pub(crate) changing: tokio::sync::Mutex<()>,
    behaviour: Mutex<Arc<Behaviour>>,
    state: Mutex<State>,
    calls: Mutex<Vec<Call>>,
    hook: Mutex<Option<Arc<Hook>>>,
}

/// The caller gets no answer.
#[derive(Debug)]
struct HungUp;

impl std::fmt::Display for HungUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is ended on purpose")
    }
}

impl std::error::Error for HungUp {}

impl Shared {
    pub(crate) fn new(moto: SocketAddr, behaviour: Behaviour, fleet: Fleet) -> Self {
        Self {
            moto,
            since: Instant::now(),
            fleet,
            keys: Keys::default(),
            changing: tokio::sync::Mutex::default(),
            behaviour: Mutex::new(Arc::new(behaviour)),
            state: Mutex::default(),
            calls: Mutex::default(),
            hook: Mutex::default(),
        }
    }

    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        Arc::clone(&locked(&self.behaviour))
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(Arc::make_mut(&mut locked(&self.behaviour)));
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub(crate) fn calls(&self) -> Calls {
        Calls(locked(&self.calls).clone())
    }

    pub(crate) fn hook(&self, hook: Option<Arc<Hook>>) {
        *locked(&self.hook) = hook;
    }

    /// Forgets everything but the behaviour.
    pub(crate) fn forget(&self) {
        self.fleet.end_all();
        *self.state() = State::default();
        self.forget_calls();
    }

    pub(crate) fn forget_calls(&self) {
        locked(&self.calls).clear();
    }

    fn begin(&self, request: &Request) -> usize {
        let mut calls = locked(&self.calls);
        let number = calls.len() + 1;
        calls.push(Call {
            number,
            at: self.since.elapsed(),
            took: Duration::ZERO,
            account: request.account.clone(),
            region: request.region.clone(),
            service: request.service.clone(),
            action: request.action.clone(),
            parameters: request.parameters.clone(),
            status: None,
            error: None,
        });
        number - 1
    }

    fn end(&self, at: usize, answer: Option<&Answer>) {
        let mut calls = locked(&self.calls);
        // The record may have been cleared in the meantime.
        if let Some(call) = calls.get_mut(at) {
            call.took = self.since.elapsed().saturating_sub(call.at);
            call.status = answer.map(|answer| answer.status);
            call.error = answer.and_then(Answer::error_code);
        }
    }

    /// Shows a call to the hook, away from the threads that serve.
    async fn show(&self, at: usize, moment: Moment) -> Then {
        let hook = locked(&self.hook).clone();
        let call = locked(&self.calls).get(at).cloned();
        let call = call.filter(|call| !call.is_dry());
        let (Some(hook), Some(call)) = (hook, call) else {
            return Then::GoOn;
        };
        tokio::task::spawn_blocking(move || hook(&call, moment))
            .await
            .unwrap_or(Then::HangUp)
    }

    /// Passes a request to moto.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        upstream::send(self.moto, request)
            .await
            .unwrap_or_else(|error| {
                let message = format!("moto cannot be asked: {error}");
                Answer::error(request, 502, "TestbedBroken", &message)
            })
    }
}

/// A lock that does not mind a test that has failed while it held it.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(Arc::clone(&shared), request));
            // A client that hangs up, or that we hang up on, is no error of ours.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn handle(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, HungUp> {
    if request.uri().path() == CALLER {
        let caller = format!("{}\n", shared.behaviour().caller);
        return Ok(hyper::Response::new(Full::new(caller.into())));
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let mut request = Request::new(&parts, body);
    if let Some(account) = shared.state().assumed.get(&request.credential) {
        request.account.clone_from(account);
    }
    let place = (request.account.clone(), request.region.clone());
    shared.state().places.insert(place);
    let at = shared.begin(&request);
    // What is begun is done, even when the client hangs up while we are at it.
    let task = tokio::spawn({
        let shared = Arc::clone(&shared);
        async move {
            let answer = answer(&shared, &request, at).await;
            shared.end(at, answer.as_ref());
            answer
        }
    });
    let answer = task.await.ok().flatten().ok_or(HungUp)?;
    let ahead = shared.behaviour().clock_ahead;
    Ok(response(answer, ahead))
}

/// The whole way of a request; `None` when the caller is to get no answer.
async fn answer(shared: &Shared, request: &Request, at: usize) -> Option<Answer> {
    let behaviour = shared.behaviour();
    match shared.show(at, Moment::Before).await {
        Then::GoOn => {}
        Then::HangUp => return None,
        Then::Refuse(status, code, message) => {
            return Some(Answer::error(request, status, &code, &message));
        }
    }
    tokio::time::sleep(behaviour.latency).await;
    let fate = faults::fate(request, &behaviour, &mut shared.state());
    let answer = match fate {
        Fate::Cut => return None,
        Fate::Refused(answer) => return Some(answer),
        Fate::Served | Fate::Lost => served(shared, request, &behaviour).await,
    };
    shared.end(at, Some(&answer));
    match shared.show(at, Moment::After).await {
        Then::HangUp => return None,
        Then::Refuse(status, code, message) => {
            return Some(Answer::error(request, status, &code, &message));
        }
        Then::GoOn => {}
    }
    (!matches!(fate, Fate::Lost)).then_some(answer)
}

async fn served(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Answer {
    if let Some(answer) = faults::denied(request, behaviour) {
        return answer;
    }
    match request.service.as_str() {
        "ec2" => ec2::serve(shared, request, behaviour).await,
        _ => account::serve(shared, request, behaviour).await,
    }
}

fn response(answer: Answer, clock_ahead: i64) -> hyper::Response<Full<Bytes>> {
    let mut built = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        built = built.header(name, value.as_slice());
    }
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(clock_ahead);
    built = built.header(
        "date",
        now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
    );
    let empty = || hyper::Response::new(Full::default());
    built
        .body(Full::new(answer.body))
        .unwrap_or_else(|_| empty())
}
