//! A TCP proxy that delays, and can cut or hold up, what passes through it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at once.
const CHUNK: usize = 128 * 1024;
/// Chunks under way in one direction: with [`CHUNK`], far more than a window of ssh, so that only the delay is felt.
const UNDER_WAY: usize = 2048;

/// A proxy on a free loopback port that adds half of a round trip in each direction without limiting the throughput.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    one_way: Duration,
    drop_after: Option<u64>,
    closed: AtomicBool,
    passed: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
    silent: Mutex<bool>,
    woken: Condvar,
}

impl DelayProxy {
    /// Starts a proxy to `target`. With `drop_after_bytes`, each connection is cut once that many bytes have come from
    /// the client.
    pub fn start(
        target: SocketAddr,
        round_trip: Duration,
        drop_after_bytes: Option<u64>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target,
            one_way: round_trip / 2,
            drop_after: drop_after_bytes,
            closed: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
            silent: Mutex::new(false),
            woken: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    let shared = Arc::clone(&accepting);
                    thread::spawn(move || {
                        // A target that refuses closes the client's connection: all a proxy can do.
                        let _ = shared.connection(client);
                    });
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Bytes that have come from clients so far.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// Cuts all open connections; new ones are accepted.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// From now on nothing arrives anywhere, the end of a connection included, as with a cable that is pulled: neither side
    /// is told. New connections are taken and stay without an answer.
    pub fn silence(&self) {
        self.shared.set_silent(true);
    }

    /// What was sent in the meantime arrives, as when TCP has sent it again.
    pub fn wake(&self) {
        self.shared.set_silent(false);
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.cut();
        self.shared.set_silent(false);
        // Wakes the accepting thread, which then sees the flag; if that fails it has ended already.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn connection(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        self.wait_until_woken();
        if self.closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let server = TcpStream::connect(self.target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.push(client.try_clone()?);
            open.push(server.try_clone()?);
        }
        let up = self.pump(client.try_clone()?, server.try_clone()?, self.drop_after);
        let down = self.pump(server, client, None);
        let _ = (up.join(), down.join());
        Ok(())
    }

    /// One direction: this thread's child reads, another writes when the time has come.
    fn pump(
        self: &Arc<Self>,
        mut from: TcpStream,
        to: TcpStream,
        limit: Option<u64>,
    ) -> thread::JoinHandle<()> {
        let shared = Arc::clone(self);
        thread::spawn(move || {
            let (sender, receiver) = sync_channel(UNDER_WAY);
            let delivering = Arc::clone(&shared);
            let writer = thread::spawn(move || delivering.deliver(&receiver, to));
            shared.read(&mut from, &sender, limit);
            drop(sender);
            let _ = writer.join();
        })
    }

    fn read(
        &self,
        from: &mut TcpStream,
        sender: &SyncSender<(Instant, Vec<u8>)>,
        limit: Option<u64>,
    ) {
        let mut passed = 0;
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            passed += length as u64;
            self.passed.fetch_add(length as u64, Ordering::SeqCst);
            if limit.is_some_and(|limit| passed > limit) {
                self.cut();
                return;
            }
            let due = Instant::now() + self.one_way;
            if sender.send((due, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    }

    fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn deliver(&self, receiver: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            self.wait_until_woken();
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        self.wait_until_woken();
        let _ = to.shutdown(Shutdown::Write);
    }

    fn set_silent(&self, silent: bool) {
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = silent;
        self.woken.notify_all();
    }

    fn wait_until_woken(&self) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        while *silent {
            silent = self
                .woken
                .wait(silent)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..length]).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    #[test]
    fn a_round_trip_takes_its_time_and_keeps_the_bytes() {
        let proxy = DelayProxy::start(echo(), Duration::from_millis(40), None).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let start = Instant::now();
        stream.write_all(b"there and back").unwrap();
        let mut answer = [0; 14];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"there and back");
        assert!(start.elapsed() >= Duration::from_millis(40));
    }

    #[test]
    fn a_connection_is_cut_after_so_many_bytes() {
        let proxy = DelayProxy::start(echo(), Duration::ZERO, Some(1000)).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        stream.write_all(&[1; 900]).unwrap();
        let mut answer = [0; 900];
        stream.read_exact(&mut answer).unwrap();
        stream.write_all(&[1; 200]).unwrap();
        assert!(matches!(stream.read(&mut answer), Ok(0) | Err(_)));
    }

    #[test]
    fn nothing_passes_while_it_is_silent_and_all_of_it_afterwards() {
        let proxy = DelayProxy::start(echo(), Duration::ZERO, None).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let patience = |stream: &TcpStream, millis| {
            stream
                .set_read_timeout(Some(Duration::from_millis(millis)))
                .unwrap();
        };
        proxy.silence();
        let mut later = TcpStream::connect(proxy.address()).unwrap();
        for stream in [&mut stream, &mut later] {
            stream.write_all(b"hello").unwrap();
            patience(stream, 100);
            assert!(stream.read(&mut [0; 5]).is_err());
        }
        proxy.wake();
        for stream in [&mut stream, &mut later] {
            patience(stream, 10_000);
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"hello");
        }
    }
}
