//! The event loop: one thread to which everything comes.
//!
//! Edits are applied here, at once. Questions go to the workers with a snapshot of the moment they came in. An edit makes
//! those questions outdated that are under way about the same template, or one that uses it: they are answered so, and what
//! comes of them later is dropped.

mod diagnose;
mod life;
mod notices;
mod outgoing;
mod questions;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crossbeam_channel::{Receiver, never};
use imgc_ide::{AnalysisHost, Outside};
use lsp_server::{Connection, Message, Notification};
use serde_json::Value;

use self::diagnose::{Diagnoses, Found};
use self::outgoing::Outgoing;
use self::questions::{Answered, Questions};
use crate::Host;
use crate::client::{Client, Settings};
use crate::documents::Documents;
use crate::memory::Memory;
use crate::snapshot::{Part, Snapshot};
use crate::workers::{Done, Pool};

pub use self::life::ServerError;
pub(crate) use self::life::run;

/// Everything that can happen.
enum Event {
    /// The editor says something.
    Message(Message),
    /// The editor says nothing any more.
    HungUp,
    /// The editor's process is gone.
    EditorDied,
    /// A worker is ready.
    Done(Done<Outcome>),
    /// Something is due.
    Tick,
}

/// What a worker brings.
enum Outcome {
    /// The answer to a question.
    Answer(Answered),
    /// A part of one; the rest follows.
    Part(Part),
    /// The problems of all templates with open documents.
    Problems(Found),
}

/// The state of a session.
struct Server<'a> {
    connection: &'a Connection,
    reports: Receiver<Done<Outcome>>,
    editor_died: Receiver<()>,
    pool: Pool<Outcome>,
    host: Arc<Host>,
    analysis: AnalysisHost,
    documents: Documents,
    /// Documents whose text the analysis does not know yet.
    unseen: Vec<PathBuf>,
    client: Arc<Client>,
    settings: Arc<Settings>,
    folders: Arc<Vec<PathBuf>>,
    memory: Arc<Memory>,
    questions: Questions,
    diagnoses: Diagnoses,
    outgoing: Outgoing,
    /// The number of the last job.
    jobs: u64,
    /// `shutdown` was answered.
    is_shut_down: bool,
}

/// The least and the most threads that read.
const THREADS: (usize, usize) = (2, 4);

impl<'a> Server<'a> {
    fn new(connection: &'a Connection, host: Host, params: &Value) -> Self {
        let client = Client::new(params);
        let cores = std::thread::available_parallelism().map_or(THREADS.0, usize::from);
        let (pool, reports) = Pool::new(cores.clamp(THREADS.0, THREADS.1));
        let options = params.get("initializationOptions");
        Self {
            connection,
            reports,
            editor_died: client.process.map_or_else(never, watch::process),
            pool,
            analysis: AnalysisHost::new(Outside {
                sources: Arc::clone(&host.sources),
                world: Arc::clone(&host.world),
                components: Arc::clone(&host.components),
            }),
            host: Arc::new(host),
            documents: Documents::default(),
            unseen: Vec::new(),
            settings: Arc::new(options.map(Settings::new).unwrap_or_default()),
            folders: Arc::new(crate::client::folders(params)),
            memory: Arc::default(),
            questions: Questions::new(client.limit),
            client: Arc::new(client),
            diagnoses: Diagnoses::default(),
            outgoing: Outgoing::default(),
            jobs: 0,
            is_shut_down: false,
        }
    }

    /// Waits for what happens, until the session is over.
    fn serve(&mut self) -> Result<(), ServerError> {
        loop {
            match self.next() {
                Event::Message(Message::Notification(note)) if note.method == "exit" => {
                    return match self.is_shut_down {
                        true => Ok(()),
                        false => Err(ServerError::Exit),
                    };
                }
                Event::Message(message) => self.message(message),
                Event::HungUp => return Err(ServerError::Disconnected),
                Event::EditorDied => return Err(ServerError::EditorDied),
                Event::Done(done) => self.done(done),
                Event::Tick => self.tick(),
            }
        }
    }

    fn next(&self) -> Event {
        let due = [self.questions.next_limit(), self.diagnoses.next()];
        let due = due.into_iter().flatten().min();
        let tick = due.map_or_else(never, crossbeam_channel::at);
        crossbeam_channel::select! {
            recv(self.connection.receiver) -> message => message.map_or(Event::HungUp, Event::Message),
            recv(self.editor_died) -> _ => Event::EditorDied,
            recv(self.reports) -> done => done.map_or(Event::Tick, Event::Done),
            recv(tick) -> _ => Event::Tick,
        }
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Request(request) => self.request(request),
            Message::Notification(note) => self.notice(note),
            Message::Response(response) => self.answered(response),
        }
    }

    fn done(&mut self, done: Done<Outcome>) {
        match done.result {
            Some(Outcome::Problems(found)) => self.diagnosed(done.number, Some(found)),
            Some(Outcome::Answer(answered)) => self.answer(done.number, Some(answered)),
            Some(Outcome::Part(part)) => self.part(done.number, part),
            None if self.diagnoses.is(done.number) => self.diagnosed(done.number, None),
            None => self.answer(done.number, None),
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.end_late(now);
        self.diagnose_if_due(now);
    }

    /// Everything as it is now, for one job, which `cancel` takes back.
    fn snapshot(&mut self, cancel: &Arc<AtomicBool>) -> Snapshot {
        for path in std::mem::take(&mut self.unseen) {
            if let Some(document) = self.documents.get(&path) {
                self.analysis.set_text(&path, document.text.as_str());
            }
        }
        Snapshot::new(
            self.analysis.analysis().for_request(Arc::clone(cancel)),
            self.documents.clone(),
            Arc::clone(&self.client),
            Arc::clone(&self.settings),
            Arc::clone(&self.folders),
            Arc::clone(&self.host),
            Arc::clone(&self.memory),
        )
    }

    fn job(&mut self) -> u64 {
        self.jobs += 1;
        self.jobs
    }

    fn send(&self, message: impl Into<Message>) {
        // An editor that is gone shows up as the end of the messages from it.
        let _ = self.connection.sender.send(message.into());
    }

    fn notify(&self, method: &str, params: impl serde::Serialize) {
        self.send(Notification::new(method.to_owned(), params));
    }
}
