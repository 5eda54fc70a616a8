//! The machines behind instances: each a real sshd on an address of its own, all on the same port.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::server::locked;
use crate::sshd::{Options, Sshd};

/// What is to become of the way into a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// It can be connected to.
    Open,
    /// It is stopped; it can be started again.
    Closed,
    /// It has ended.
    Gone,
}

/// All machines of a cloud.
pub(crate) struct Fleet {
    port: u16,
    next: AtomicU32,
    machines: Mutex<BTreeMap<String, Arc<Machine>>>,
}

struct Machine {
    address: Ipv4Addr,
    options: Options,
    inner: Mutex<Inner>,
}

struct Inner {
    door: Door,
    sshd: Option<Sshd>,
    trouble: Option<String>,
}

impl Fleet {
    pub(crate) fn new() -> io::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        Ok(Self {
            port,
            next: AtomicU32::new(2),
            machines: Mutex::default(),
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts a machine for an instance; its address is known at once, and it listens a little later.
    pub(crate) fn boot(&self, id: &str, options: Options) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::from(0x7f00_0000 + number);
        let machine = Arc::new(Machine {
            address,
            options: Options {
                address: Some(address),
                port: Some(self.port),
                ..options
            },
            inner: Mutex::new(Inner {
                door: Door::Open,
                sshd: None,
                trouble: None,
            }),
        });
        locked(&self.machines).insert(id.to_owned(), Arc::clone(&machine));
        thread::spawn(move || machine.apply());
    }

    /// The address of an instance's machine.
    pub(crate) fn address(&self, id: &str) -> Option<Ipv4Addr> {
        locked(&self.machines)
            .get(id)
            .map(|machine| machine.address)
    }

    /// Opens or closes the door of an instance's machine, if it has one.
    pub(crate) fn set(&self, id: &str, door: Door) {
        let machine = match door {
            Door::Gone => locked(&self.machines).remove(id),
            _ => locked(&self.machines).get(id).cloned(),
        };
        if let Some(machine) = machine {
            // Stopping and starting take a few milliseconds, and others are served in the meantime.
            tokio::task::block_in_place(|| {
                locked(&machine.inner).door = door;
                machine.apply();
            });
        }
    }

    /// Something of a machine that has started; `None` when there is none, or not yet.
    pub(crate) fn with<T>(&self, id: &str, look: impl FnOnce(&Sshd) -> T) -> Option<T> {
        let machine = locked(&self.machines).get(id).cloned()?;
        locked(&machine.inner).sshd.as_ref().map(look)
    }

    /// Why an instance's machine did not start.
    pub(crate) fn trouble(&self, id: &str) -> Option<String> {
        let machine = locked(&self.machines).get(id).cloned()?;
        locked(&machine.inner).trouble.clone()
    }

    pub(crate) fn end_all(&self) {
        let machines = std::mem::take(&mut *locked(&self.machines));
        for machine in machines.into_values() {
            locked(&machine.inner).door = Door::Gone;
            machine.apply();
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end_all();
    }
}

impl Machine {
    /// Makes it as its door says.
    fn apply(&self) {
        let mut inner = locked(&self.inner);
        let done = match (inner.door, &mut inner.sshd) {
            (Door::Open, None) => Sshd::start(self.options.clone()).map(|sshd| {
                inner.sshd = Some(sshd);
            }),
            (Door::Open, Some(sshd)) => sshd.restart(),
            (Door::Closed, Some(sshd)) => {
                sshd.stop();
                Ok(())
            }
            (Door::Closed, None) => Ok(()),
            (Door::Gone, _) => {
                inner.sshd = None;
                Ok(())
            }
        };
        inner.trouble = done.err().map(|error| error.to_string());
    }
}
