//! A cloud for tests: moto, and a server before it that behaves as AWS does and moto does not.
//!
//! It takes requests of every service on one loopback port, keeps a record of them ([`Cloud::calls`]), and answers: from
//! moto, corrected where moto is too kind or too simple. What a test wants to see go wrong it asks for in a [`Behaviour`].
//! With [`Behaviour::machines`] there is a real sshd behind every instance. [`Cloud::left`] says what nobody has removed.
//!
//! In: [`Behaviour`], at the start and at any time. Out: an endpoint, the environment that leads to it, the record.

mod account;
mod answer;
mod behaviour;
mod call;
mod console;
mod describe;
mod disks;
mod ec2;
mod faults;
mod filters;
mod fleet;
mod image;
mod import;
mod keys;
mod launch;
mod left;
mod lifecycle;
mod machines;
mod metadata;
mod removal;
mod request;
mod server;
mod shown;
mod state;
pub mod stock;
mod upstream;
mod user_data;
mod xml;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use tokio::runtime::Runtime;

pub use behaviour::{Behaviour, Bucket, Delay, Machines, Odds, Waits};
pub use call::{Call, Calls};
pub use left::{Left, Thing};
pub use server::{Hook, Moment, Then};

use crate::Moto;
use request::{ACCOUNT, Request};
use server::Shared;
use upstream::REGION;

/// A cloud of its own, with nothing in it but a few images. It ends, with all its machines, when the value is dropped.
pub struct Cloud {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    moto: Moto,
}

impl Cloud {
    /// Starts a cloud that answers at once and never fails, with instances that nobody can log in to.
    pub fn start() -> io::Result<Self> {
        Self::with(Behaviour::default())
    }

    /// Starts a cloud that behaves as asked.
    pub fn with(behaviour: Behaviour) -> io::Result<Self> {
        let moto = Moto::start()?;
        let fleet = machines::Fleet::new()?;
        let shared = Arc::new(Shared::new(moto.address(), behaviour, fleet));
        stock::remember(&mut shared.state());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(server::serve(listener, Arc::clone(&shared)));
        let cloud = Self {
            address,
            shared,
            runtime: Some(runtime),
            moto,
        };
        // moto loads a service with its first request, and EC2 takes half a second; nobody's measurement is to have it.
        cloud
            .ask(|shared| async move {
                let first = Request::internal("ec2", ACCOUNT, REGION);
                describe::instances(&shared, &first, Default::default())
                    .await
                    .map(|_| ())
            })
            .map_err(|answer| {
                io::Error::other(String::from_utf8_lossy(&answer.body).into_owned())
            })?;
        Ok(cloud)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint of every service.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where a caller is told its own address ([`Behaviour::caller`]), as `checkip.amazonaws.com` does; not recorded.
    pub fn caller_url(&self) -> String {
        format!("http://{}{}", self.address, server::CALLER)
    }

    /// moto itself, for what a test wants to prepare without a trace.
    pub fn moto(&self) -> &Moto {
        &self.moto
    }

    /// The environment in which AWS is this cloud, for the account [`Self::account`] in `us-east-1`.
    pub fn environment(&self) -> [(&'static str, String); 6] {
        self.environment_of("testing", REGION)
    }

    /// The same for another account (twelve digits) or region.
    pub fn environment_of(&self, account: &str, region: &str) -> [(&'static str, String); 6] {
        [
            ("AWS_ACCESS_KEY_ID", account.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_REGION", region.to_owned()),
            ("AWS_DEFAULT_REGION", region.to_owned()),
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// The account of credentials that name none.
    pub fn account(&self) -> &'static str {
        ACCOUNT
    }

    /// A file with the public halves of all key pairs there are, for an sshd that stands for every machine
    /// (`AuthorizedKeysFile`); it is kept from now on.
    pub fn authorized_keys(&self) -> io::Result<PathBuf> {
        self.shared.keys.begin()
    }

    /// The port of every machine's sshd; each has an address of its own.
    pub fn ssh_port(&self) -> u16 {
        self.shared.fleet.port()
    }

    /// The address of an instance's machine.
    pub fn machine(&self, instance: &str) -> Option<Ipv4Addr> {
        self.shared.fleet.address(instance)
    }

    /// What an instance's sshd has logged, or why it did not start; empty when it has no machine.
    pub fn machine_log(&self, instance: &str) -> String {
        let log = self.shared.fleet.with(instance, crate::Sshd::log);
        log.or_else(|| self.shared.fleet.trouble(instance))
            .unwrap_or_default()
    }

    /// The public host key of an instance's machine, as soon as it listens.
    pub fn machine_key(&self, instance: &str) -> Option<String> {
        self.shared.fleet.with(instance, crate::Sshd::host_key)
    }

    /// Changes how it behaves from the next call on.
    pub fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        self.shared.change(change);
    }

    /// All calls since the start, [`Self::forget_calls`] or [`Self::reset`], but dry runs.
    pub fn calls(&self) -> Calls {
        self.shared.calls().only(|call| !call.is_dry())
    }

    /// The dry runs: calls that only ask whether they would be allowed.
    pub fn dry_runs(&self) -> Calls {
        self.shared.calls().only(Call::is_dry)
    }

    /// Begins a new record.
    pub fn forget_calls(&self) {
        self.shared.forget_calls();
    }

    /// Has every call that is no dry run shown to `hook`, before it takes effect and after; the hook may take its time, such as to end the
    /// process that calls.
    pub fn hook(&self, hook: impl Fn(&Call, Moment) -> Then + Send + Sync + 'static) {
        self.shared.hook(Some(Arc::new(hook)));
    }

    /// Ends that.
    pub fn unhook(&self) {
        self.shared.hook(None);
    }

    /// Removes everything that anybody made, and the record with it; the behaviour and the hook stay.
    pub fn reset(&self) -> io::Result<()> {
        self.shared.forget();
        self.moto.reset()?;
        stock::remember(&mut self.shared.state());
        Ok(())
    }

    /// Asks EC2 for something without a trace in the record and without anything that goes wrong: to prepare a test, and to
    /// look at what came of it. Gives the answer's XML, or the error's.
    pub fn ec2(
        &self,
        region: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, String> {
        let base = Request::internal("ec2", ACCOUNT, region);
        let request = base.ec2(action, parameters);
        let answer = self.ask(|shared| async move {
            let place = (request.account.clone(), request.region.clone());
            shared.state().places.insert(place);
            ec2::serve(&shared, &request, &Behaviour::default()).await
        });
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.is_ok() { Ok(text) } else { Err(text) }
    }

    /// The same, as the texts of the answer by their paths, members of lists numbered from 1:
    /// `imagesSet/1/blockDeviceMapping/1/deviceName`. Nothing where it is an error.
    pub fn texts(
        &self,
        region: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> BTreeMap<String, String> {
        let answer = self.ec2(region, action, parameters).unwrap_or_default();
        xml::Element::parse(answer.as_bytes())
            .map(|tree| tree.by_path())
            .unwrap_or_default()
    }

    /// What is left in every account and region that was ever asked for something, whether visible to callers or not.
    pub fn left(&self) -> Left {
        self.ask(|shared| async move { left::left(&shared).await })
    }

    /// Serves the metadata of an instance, as the link-local address does inside of it: the endpoint for
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`, for as long as the cloud is there.
    pub fn metadata(&self, region: &str, instance: &str) -> io::Result<String> {
        let id = instance.to_owned();
        let base = Request::internal("ec2", ACCOUNT, region);
        self.ask(|shared| async move {
            let instance = describe::instance(&shared, &base, &id).await;
            let instance = instance.map_err(|_| io::Error::other(format!("there is no {id}")))?;
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
            let address = listener.local_addr()?;
            let pages = metadata::pages(&instance, ACCOUNT, &base.region);
            tokio::spawn(metadata::serve(listener, pages));
            Ok(format!("http://{address}"))
        })
    }

    /// Shuts a machine down from inside, as `shutdown -P` does: the instance stops or ends as it was told to when it was
    /// started.
    pub fn shut_down(&self, instance: &str) {
        let id = instance.to_owned();
        self.ask(|shared| async move { lifecycle::shut_down(&shared, &id).await });
    }

    /// Does something with what the connections share, from outside of their runtime: a test may have one of its own.
    fn ask<F, T>(&self, ask: impl FnOnce(Arc<Shared>) -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let (send, receive) = mpsc::channel();
        let future = ask(Arc::clone(&self.shared));
        let runtime = self.runtime.as_ref().expect("it is there until the drop");
        runtime.spawn(async move { send.send(future.await) });
        receive.recv().expect("the task sends before it ends")
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.shared.hook(None);
        self.shared.fleet.end_all();
        if let Some(runtime) = self.runtime.take() {
            // The drop of a runtime blocks, which a test with a runtime of its own does not allow.
            runtime.shutdown_background();
        }
    }
}
