//! A builder, its machine, a provisioner and a post-processor that do what a script says and record what is asked of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::artifact::Artifact;
use crate::builder::{Builder, Instance, Known, Pin, Sealed, Target};
use crate::checkpoint::{Capability, Checkpoint};
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::event::{Level, Output};
use crate::ledger::Resource;
use crate::machine::{Attributes, Command, Exit, Machine};
use crate::post_processor::{PostProcessor, Processed};
use crate::provisioner::Provisioner;
use crate::registry::Registry;
use crate::state::{Memory, State as _};

/// A machine's files: content and attributes by path.
pub type Files = BTreeMap<String, (Vec<u8>, Attributes)>;

/// What a scripted call does, once.
#[derive(Clone, Debug)]
pub enum Act {
    /// Ends well.
    Well,
    /// Fails with this class.
    Fail(Class),
    /// Never ends.
    Hang,
    /// Panics.
    Panic,
    /// Ends well after a while.
    Takes(Duration),
    /// Makes a file through the ledger, then fails.
    LitterAndFail(std::path::PathBuf),
    /// Makes a file through the ledger, then hangs.
    LitterAndHang(std::path::PathBuf),
    /// Says a line, then ends well.
    Says(String),
    /// Somebody gets a shell on the machine meanwhile, as this state is told.
    Shell(Arc<Memory>),
}

/// Builder, machine, provisioner and post-processor that do what a script says and record what is asked of them.
#[derive(Clone, Default)]
pub struct Theatre {
    calls: Arc<Mutex<Vec<String>>>,
    script: Arc<Mutex<BTreeMap<String, Vec<Act>>>>,
    files: Arc<Mutex<Files>>,
    exits: Arc<Mutex<Vec<Exit>>>,
    commands: Arc<Mutex<Vec<String>>>,
    capability: Capability,
    artifact: Arc<Mutex<Vec<std::path::PathBuf>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Theatre {
    /// The next acts of a call: `boot`, `passed`, `launch`, `provision`, `cleanup`, `capture`, `release`, `disconnect`, `post`, `prepare`,
    /// or one of them with a source's name: `launch a`.
    #[must_use]
    pub fn on(self, call: &str, acts: impl IntoIterator<Item = Act>) -> Self {
        lock(&self.script)
            .entry(call.to_owned())
            .or_default()
            .extend(acts);
        self
    }

    /// The exits of the machine's commands, in order; 0 after the last.
    #[must_use]
    pub fn exits(self, exits: impl IntoIterator<Item = Exit>) -> Self {
        lock(&self.exits).extend(exits);
        self
    }

    /// What the builder can go back to; with layers it makes a checkpoint of every step, with images of those that ask for it.
    #[must_use]
    pub fn capable(mut self, capability: Capability) -> Self {
        self.capability = capability;
        self
    }

    /// A file that captures write with what was provisioned, and that is the artifact's.
    #[must_use]
    pub fn captures(self, path: impl Into<std::path::PathBuf>) -> Self {
        lock(&self.artifact).push(path.into());
        self
    }

    /// What was called since the last time.
    pub fn new_calls(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.calls))
    }

    async fn checkpoint(&self, cx: &Context, address: &str, is_wanted: bool) -> Result<()> {
        let makes = match self.capability {
            Capability::Layer => true,
            Capability::Image => is_wanted,
            _ => false,
        };
        if let (true, Some(fingerprint), Some(checkpoints)) =
            (makes, &cx.fingerprint, &cx.checkpoints)
        {
            let checkpoint = Checkpoint {
                capability: self.capability,
                version: 1,
                data: serde_json::Value::Null,
                parts: Vec::new(),
                things: Vec::new(),
                expires: None,
            };
            checkpoints.put(fingerprint, address, checkpoint).await?;
        }
        Ok(())
    }

    /// What was called, in order: `launch a`.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.calls).clone()
    }

    /// The machine's files.
    pub fn files(&self) -> Files {
        lock(&self.files).clone()
    }

    /// The command lines the machine was given.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.commands).clone()
    }

    /// A registry with builder `fake`, provisioner `fake` and post-processor `fake` besides those of this crate.
    pub fn registry(&self) -> Registry {
        let mut registry = crate::registry::builtin();
        registry.builders.insert("fake", Arc::new(self.clone()));
        registry.provisioners.insert("fake", Arc::new(self.clone()));
        registry
            .post_processors
            .insert("fake", Arc::new(self.clone()));
        registry
    }

    /// The machine by itself.
    pub fn machine(&self) -> Arc<dyn Machine> {
        Arc::new(FakeMachine {
            theatre: self.clone(),
            name: "base".into(),
        })
    }

    async fn act(&self, cx: Option<&Context>, call: &str, name: &str) -> Result<()> {
        let full = format!("{call} {name}");
        lock(&self.calls).push(full.clone());
        let act = {
            let mut script = lock(&self.script);
            let key = if script.contains_key(&full) {
                full.as_str()
            } else {
                call
            };
            match script.get_mut(key) {
                Some(acts) if !acts.is_empty() => acts.remove(0),
                _ => Act::Well,
            }
        };
        let failure = |class| Error::new(class, "run/exit-code", format!("{call} of {name} fails"));
        let litter = async |path: std::path::PathBuf| -> Result<()> {
            if let Some(cx) = cx {
                cx.ledger
                    .create(&cx.address, Resource::File { path: path.clone() }, async {
                        std::fs::write(&path, "litter").expect("the test's directory is there");
                        Ok(())
                    })
                    .await?;
            }
            Ok(())
        };
        match act {
            Act::Well => Ok(()),
            Act::Fail(class) => Err(failure(class)),
            Act::Hang => std::future::pending().await,
            Act::Panic => panic!("{call} of {name} panics"),
            Act::Takes(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Act::LitterAndFail(path) => {
                litter(path).await?;
                Err(failure(Class::Provisioning))
            }
            Act::LitterAndHang(path) => {
                litter(path).await?;
                std::future::pending().await
            }
            Act::Shell(state) => {
                let run = cx.map_or("", |cx| &*cx.run_id);
                state.enter(run, &format!("build.fake.{name}"), 0).await
            }
            Act::Says(text) => {
                if let Some(cx) = cx {
                    cx.output.line(Level::Stdout, &text);
                }
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Builder for Theatre {
    async fn prepare(&self, cx: &Context, options: &Value) -> Result<()> {
        let _ = options;
        self.act(Some(cx), "prepare", &cx.source_name).await
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let _ = options;
        self.act(Some(cx), "launch", &cx.source_name).await?;
        self.checkpoint(cx, &cx.address, false).await?;
        Ok(Arc::new(FakeInstance {
            theatre: self.clone(),
            name: cx.source_name.to_string(),
        }))
    }

    fn capability(&self, options: &Value) -> Capability {
        let _ = options;
        self.capability
    }

    fn boots(&self) -> bool {
        true
    }

    async fn boot(
        &self,
        cx: &Context,
        options: &Value,
        artifact: &Artifact,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let _ = options;
        self.act(Some(cx), "boot", &artifact.id).await?;
        Ok(Some(Arc::new(FakeInstance {
            theatre: self.clone(),
            name: artifact.id.clone(),
        })))
    }

    async fn passed(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<()> {
        let _ = options;
        self.act(Some(cx), "passed", &artifact.id).await
    }

    fn capture_options(&self) -> &'static [&'static str] {
        &["image_name"]
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let _ = (cx, known);
        let base = options.get("base").and_then(Value::as_str);
        let pin = |value: &str| Pin {
            name: "fake base".into(),
            value: value.into(),
            about: String::new(),
        };
        Ok(base.map(pin).into_iter().collect())
    }

    async fn restore(
        &self,
        cx: &Context,
        options: &Value,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let _ = (options, checkpoint);
        self.act(Some(cx), "restore", &cx.source_name).await?;
        Ok(Some(Arc::new(FakeInstance {
            theatre: self.clone(),
            name: cx.source_name.to_string(),
        })))
    }
}

struct FakeInstance {
    theatre: Theatre,
    name: String,
}

#[async_trait]
impl Instance for FakeInstance {
    fn target(&self) -> Target {
        Target::Machine(Arc::new(FakeMachine {
            theatre: self.theatre.clone(),
            name: self.name.clone(),
        }))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("ID".into(), format!("i-{}", self.name))])
    }

    async fn seal(&self, cx: &Context, sealed: &Sealed<'_>) -> Result<()> {
        self.theatre.act(Some(cx), "seal", &self.name).await?;
        let Sealed {
            address, is_wanted, ..
        } = *sealed;
        self.theatre.checkpoint(cx, address, is_wanted).await
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        self.theatre.act(Some(cx), "capture", &self.name).await?;
        let files = lock(&self.theatre.artifact).clone();
        for file in &files {
            std::fs::write(file, &self.name).expect("the test's directory is there");
        }
        Ok(Artifact {
            files,
            builder_id: "fake".into(),
            id: format!("image-{}", self.name),
            description: format!("An image of {}", self.name),
            ..Artifact::default()
        })
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        self.theatre.act(Some(cx), "release", &self.name).await
    }
}

struct FakeMachine {
    theatre: Theatre,
    name: String,
}

#[async_trait]
impl Machine for FakeMachine {
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("Host".into(), "fake.example".into())])
    }

    async fn run(&self, command: &Command, output: &Output) -> Result<Exit> {
        lock(&self.theatre.commands).push(command.line.clone());
        output.line(Level::Stdout, "ran");
        self.theatre.act(None, "run", &self.name).await?;
        let mut exits = lock(&self.theatre.exits);
        Ok(if exits.is_empty() {
            Exit::Code(0)
        } else {
            exits.remove(0)
        })
    }

    async fn query(&self, command: &Command) -> Result<Vec<u8>> {
        lock(&self.theatre.commands).push(command.line.clone());
        let words: Vec<&str> = command.line.split(' ').collect();
        if let ["rm", "-f", paths @ ..] = &words[..] {
            let mut files = lock(&self.theatre.files);
            for path in paths {
                files.remove(*path);
            }
        }
        Ok(Vec::new())
    }

    async fn write(
        &self,
        content: &[u8],
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        lock(&self.theatre.files)
            .insert(destination.into(), (content.to_vec(), attributes.clone()));
        Ok(())
    }

    async fn upload_file(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        lock(&self.theatre.calls).push(format!("upload_file {} {destination}", source.display()));
        self.write(
            &std::fs::read(source).unwrap_or_default(),
            destination,
            attributes,
        )
        .await
    }

    async fn upload_tree(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let _ = attributes;
        lock(&self.theatre.calls).push(format!("upload_tree {} {destination}", source.display()));
        Ok(())
    }

    async fn download_file(&self, source: &str, destination: &Path) -> Result<()> {
        lock(&self.theatre.calls).push(format!("download_file {source} {}", destination.display()));
        Ok(())
    }

    async fn download_tree(&self, source: &str, destination: &Path) -> Result<()> {
        lock(&self.theatre.calls).push(format!("download_tree {source} {}", destination.display()));
        Ok(())
    }

    async fn reconnect(&self, limit: Duration) -> Result<()> {
        let _ = limit;
        self.theatre.act(None, "reconnect", &self.name).await
    }

    async fn disconnect(&self) -> Result<()> {
        self.theatre.act(None, "disconnect", &self.name).await
    }
}

#[async_trait]
impl Provisioner for Theatre {
    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let _ = machine;
        let call = crate::options::Options::new("fake", options)
            .string("call")?
            .unwrap_or_else(|| "provision".into());
        self.act(Some(cx), &call, &cx.source_name).await
    }
}

#[async_trait]
impl PostProcessor for Theatre {
    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        let name = crate::options::Options::new("fake", options)
            .string("name")?
            .unwrap_or_default();
        self.act(Some(cx), "post", &name).await?;
        Ok(Processed {
            artifact: Artifact {
                id: format!("{}+{name}", artifact.id),
                description: format!("{name} of {}", artifact.id),
                ..Artifact::default()
            },
            keep_by_default: false,
            must_keep: false,
        })
    }
}
