//! The client's requests: handed to workers, answered exactly once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gen_lsp_types::Uri;
use imgc_ide::{Analysis, TemplateId};
use lsp_server::{ErrorCode, Request, RequestId, Response, ResponseError};
use serde_json::{Value, json};

use super::{Outcome, Server};
use crate::convert;
use crate::dispatch::{self, Reply};
use crate::snapshot::{Part, Refused, Snapshot};
use crate::workers::Done;

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
    about: About,
    /// What it reads, to find out afterwards what that was.
    analysis: Analysis,
    /// What was edited meanwhile and did not seem to matter.
    edited: Vec<PathBuf>,
    limit: Instant,
    cancel: Arc<AtomicBool>,
    work: Work,
    came: Instant,
}

/// What a question is about: edits elsewhere do not outdate it.
enum About {
    /// A document, and the template it belongs to.
    Document(PathBuf, Option<TemplateId>),
    /// Any edit may change the answer.
    Everything,
    /// The answer is of the moment, whatever is edited.
    Moment,
}

impl About {
    fn new(method: &str, params: &Value, analysis: &Analysis) -> Self {
        let uri = match method {
            "workspace/symbol" => return Self::Moment,
            // It changes those who use a module as well.
            "textDocument/rename" => None,
            "workspace/executeCommand" => params.pointer("/arguments/0").and_then(|argument| {
                let uri = argument.get("uri").unwrap_or(argument);
                uri.as_str()
            }),
            _ => params.pointer("/textDocument/uri").and_then(Value::as_str),
        };
        let path = uri.and_then(|uri| convert::path(&Uri(uri.to_owned())));
        path.map_or(Self::Everything, |path| {
            let template = analysis.template_of(&path);
            Self::Document(path, template)
        })
    }
}

/// What a worker takes when it begins. Taken away before, it holds no texts while it stands in the queue.
type Work = Arc<Mutex<Option<(Snapshot, Value)>>>;

impl Question {
    /// Whether an edit of this file is known to change the answer.
    fn depends_on(&self, edited: &Path) -> bool {
        match &self.about {
            About::Everything => true,
            About::Moment => false,
            About::Document(path, template) => {
                path == edited
                    || template
                        .as_ref()
                        .is_some_and(|template| self.analysis.depends_on(template, edited))
            }
        }
    }

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
                self.outdate_all();
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
        let mut snapshot = self.snapshot(&cancel);
        let number = self.job();
        let reports = self.pool.reports();
        snapshot.tells = Some(Box::new(move |part| {
            // A server that is gone wants no part.
            let _ = reports.send(Done {
                number,
                result: Some(Outcome::Part(part)),
            });
        }));
        let analysis = snapshot.analysis.clone();
        let patience = match over_workspace(&request.method) {
            true => self.questions.limit * PATIENCE,
            false => self.questions.limit,
        };
        let now = Instant::now();
        let about = About::new(&request.method, &request.params, &analysis);
        let work: Work = Arc::new(Mutex::new(Some((snapshot, request.params))));
        let question = Question {
            id: request.id,
            method: request.method.clone(),
            about,
            analysis,
            edited: Vec::new(),
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
        // Only now it is known which files the template was made of.
        if question.edited.iter().any(|path| question.depends_on(path)) {
            return self.respond(question.id, Err(outdated(&question.method)));
        }
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

    /// Files have changed: questions under way about something that depends on them are about another text.
    pub(super) fn outdate(&mut self, paths: &[PathBuf]) {
        let open = self.questions.open.iter_mut();
        let mut gone = Vec::new();
        for (number, question) in open {
            match paths.iter().any(|path| question.depends_on(path)) {
                true => gone.push(*number),
                false => question.edited.extend_from_slice(paths),
            }
        }
        for number in gone {
            self.drop_question(number);
        }
    }

    /// The session ends: nothing is answered any more.
    pub(super) fn outdate_all(&mut self) {
        let open: Vec<u64> = self.questions.open.keys().copied().collect();
        for number in open {
            self.drop_question(number);
        }
    }

    fn drop_question(&mut self, number: u64) {
        if let Some(question) = self.questions.open.remove(&number) {
            question.take_back();
            self.respond(question.id, Err(outdated(&question.method)));
        }
    }

    /// A part of an answer: told to the client, if it still waits for the rest.
    pub(super) fn part(&self, number: u64, part: Part) {
        if self.questions.open.contains_key(&number) {
            let params = json!({ "token": part.token, "value": part.value });
            self.notify("$/progress", params);
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
