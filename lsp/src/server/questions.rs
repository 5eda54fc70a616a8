//! The client's requests: handed to workers, answered exactly once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lsp_server::{ErrorCode, Request, RequestId, Response, ResponseError};
use serde_json::{Value, json};

use super::{Outcome, Server};
use crate::dispatch::{self, Reply};
use crate::snapshot::{Refused, Snapshot};

/// How many requests may wait.
const WAITING: usize = 1000;

/// Work over the whole workspace may take this many times as long as the rest.
const PATIENCE: u32 = 6;

/// The requests under way, by the number of their job.
pub(super) struct Questions {
    open: BTreeMap<u64, Question>,
    limit: Duration,
}

struct Question {
    id: RequestId,
    method: String,
    limit: Instant,
    cancel: Arc<AtomicBool>,
    work: Work,
    came: Instant,
}

/// What a worker takes when it begins. Taken away before, it holds no texts while it stands in the queue.
type Work = Arc<Mutex<Option<(Snapshot, Value)>>>;

impl Question {
    /// Nobody waits for it any more.
    fn take_back(&self) {
        self.cancel.store(true, Ordering::Relaxed);
        begin(&self.work);
    }
}

fn begin(work: &Work) -> Option<(Snapshot, Value)> {
    work.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What a worker found out.
pub(super) struct Answered(Result<Reply, Refused>);

impl Questions {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            open: BTreeMap::new(),
            limit,
        }
    }

    /// When the next of them takes too long.
    pub(super) fn next_limit(&self) -> Option<Instant> {
        self.open.values().map(|question| question.limit).min()
    }

    fn number(&self, id: &RequestId) -> Option<u64> {
        let mut open = self.open.iter();
        open.find(|(_, question)| question.id == *id)
            .map(|(number, _)| *number)
    }
}

fn over_workspace(method: &str) -> bool {
    method.starts_with("workspace/")
}

impl Server<'_> {
    /// A request came in.
    pub(super) fn request(&mut self, request: Request) {
        let refuse = |code: ErrorCode, reason: &str| {
            Response::new_err(request.id.clone(), code as i32, reason.to_owned())
        };
        if self.is_shut_down {
            return self.send(refuse(
                ErrorCode::InvalidRequest,
                "after `shutdown` only `exit` is left",
            ));
        }
        match request.method.as_str() {
            "shutdown" => {
                self.is_shut_down = true;
                self.outdate();
                return self.send(Response::new_ok(request.id, Value::Null));
            }
            "initialize" => {
                return self.send(refuse(ErrorCode::InvalidRequest, "`initialize` comes once"));
            }
            method if !dispatch::knows(method) => {
                let reason = format!("imgc does not answer `{method}`");
                return self.send(refuse(ErrorCode::MethodNotFound, &reason));
            }
            _ => {}
        }
        if self.questions.number(&request.id).is_some() {
            return self.send(refuse(
                ErrorCode::InvalidRequest,
                "there is a request of this number already",
            ));
        }
        if self.questions.open.len() >= WAITING {
            return self.send(refuse(
                ErrorCode::RequestFailed,
                "too many requests wait for an answer",
            ));
        }
        if request.method.ends_with("/diagnostic") {
            self.stop_pushing();
        }
        self.ask(request);
    }

    fn ask(&mut self, request: Request) {
        let cancel = Arc::new(AtomicBool::new(false));
        let snapshot = self.snapshot(&cancel);
        let number = self.job();
        let patience = match over_workspace(&request.method) {
            true => self.questions.limit * PATIENCE,
            false => self.questions.limit,
        };
        let now = Instant::now();
        let work: Work = Arc::new(Mutex::new(Some((snapshot, request.params))));
        let question = Question {
            id: request.id,
            method: request.method.clone(),
            limit: now + patience,
            cancel,
            work: Arc::clone(&work),
            came: now,
        };
        self.questions.open.insert(number, question);
        self.pool.send(number, move || {
            let reply = match begin(&work) {
                Some((snapshot, params)) => dispatch::reply(&request.method, &snapshot, params),
                None => Err(Refused::Cancelled),
            };
            Outcome::Answer(Answered(reply))
        });
    }

    /// A worker is ready with a question, or has failed.
    pub(super) fn answer(&mut self, number: u64, answered: Option<Answered>) {
        let Some(question) = self.questions.open.remove(&number) else {
            return;
        };
        log::debug!("{} took {:?}", question.method, question.came.elapsed());
        let Some(Answered(reply)) = answered else {
            let reason = format!(
                "imgc made a mistake over `{}`; its log says more",
                question.method
            );
            return self.respond(question.id, Err(error(ErrorCode::InternalError, reason)));
        };
        match reply {
            Ok(reply) => {
                if let Some((label, edit)) = reply.edit {
                    self.apply_edit(&label, edit);
                }
                self.respond(question.id, Ok(reply.result));
            }
            // Only what nobody waits for is cancelled, and that is answered when it happens; but for files that changed
            // on the disk.
            Err(Refused::Cancelled) => self.respond(question.id, Err(outdated(&question.method))),
            Err(Refused::Params(reason)) => {
                self.respond(question.id, Err(error(ErrorCode::InvalidParams, reason)));
            }
            Err(Refused::Failed(reason)) => {
                self.respond(question.id, Err(error(ErrorCode::RequestFailed, reason)));
            }
            Err(Refused::Nothing) => {
                let nothing = dispatch::nothing(&question.method);
                self.respond(question.id, Ok(nothing));
            }
        }
    }

    fn respond(&self, id: RequestId, result: Result<Value, ResponseError>) {
        self.send(Response {
            id,
            response_result: result,
        });
    }

    /// The client takes a request back.
    pub(super) fn cancel(&mut self, id: &RequestId) {
        let Some(number) = self.questions.number(id) else {
            return;
        };
        if let Some(question) = self.questions.open.remove(&number) {
            question.take_back();
            let reason = "the client took the request back".to_owned();
            self.respond(question.id, Err(error(ErrorCode::RequestCanceled, reason)));
        }
    }

    /// The text has changed: what is under way is about another one.
    pub(super) fn outdate(&mut self) {
        for question in std::mem::take(&mut self.questions.open).into_values() {
            question.take_back();
            self.respond(question.id, Err(outdated(&question.method)));
        }
    }

    /// Ends what takes too long.
    pub(super) fn end_late(&mut self, now: Instant) {
        let late = self.questions.open.iter();
        let late = late.filter(|(_, question)| question.limit <= now);
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        for number in late {
            let Some(question) = self.questions.open.remove(&number) else {
                continue;
            };
            question.take_back();
            self.pool.leave_behind(number);
            let took = now.duration_since(question.came);
            log::error!("{} took longer than {took:?}", question.method);
            let reason = format!("`{}` took too long", question.method);
            self.respond(question.id, Err(error(ErrorCode::RequestFailed, reason)));
        }
    }
}

fn error(code: ErrorCode, message: String) -> ResponseError {
    ResponseError {
        code: code as i32,
        message,
        data: None,
    }
}

/// As the protocol wants it said: whoever asks for diagnostics is to ask again.
fn outdated(method: &str) -> ResponseError {
    let message = "the text has changed".to_owned();
    match method.ends_with("/diagnostic") {
        true => ResponseError {
            data: Some(json!({ "retriggerRequest": true })),
            ..error(ErrorCode::ServerCancelled, message)
        },
        false => error(ErrorCode::ContentModified, message),
    }
}
