//! A relay on a loopback port, for the ways that `ssh` itself does not know.
//!
//! Through a SOCKS5 proxy (RFC 1928, RFC 1929): the usual helper (`nc -X`) is not on every machine and takes no password.
//! To a socket of the bastion's master that leads to a machine which no command line may name, as `ssh -W` would.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use imgc_runtime::error::{Class, Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

use crate::settings::{Hop, Proxy};

/// Where a relay leads.
#[derive(Clone)]
pub(crate) enum Way {
    /// Through a proxy to the machine.
    Proxy(Proxy, Hop),
    /// To a socket on this machine.
    Socket(PathBuf),
}

/// A running relay; it ends with the value.
pub(crate) struct Relay {
    pub(crate) port: u16,
    accepting: JoinHandle<()>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Relay {
    /// Starts a relay to the machine.
    pub(crate) async fn start(way: Way) -> Result<Self> {
        let cannot = |error| {
            Error::new(
                Class::Environment,
                "run/ssh-proxy",
                "no loopback port for the way to the machine",
            )
            .because(error)
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        let failure = Arc::new(Mutex::new(None));
        let noting = Arc::clone(&failure);
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (way, noting) = (way.clone(), Arc::clone(&noting));
                tokio::spawn(async move {
                    if let Err(text) = way.relay(&mut client).await {
                        *noting.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
                    }
                });
            }
        });
        Ok(Self {
            port,
            accepting,
            failure,
        })
    }

    /// What the way last answered, if it led nowhere.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Way {
    /// Takes one connection to the machine, until either side ends it.
    async fn relay(&self, client: &mut TcpStream) -> Result<(), String> {
        match self {
            Self::Proxy(proxy, target) => {
                let server = through(proxy, target).await;
                let mut server = server
                    .map_err(|error| format!("proxy {}:{}: {error}", proxy.host, proxy.port))?;
                let _ = tokio::io::copy_bidirectional(client, &mut server).await;
            }
            Self::Socket(path) => {
                let server = UnixStream::connect(path).await;
                let mut server =
                    server.map_err(|error| format!("the way through the bastion: {error}"))?;
                let _ = tokio::io::copy_bidirectional(client, &mut server).await;
            }
        }
        Ok(())
    }
}

async fn through(proxy: &Proxy, target: &Hop) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await?;
    stream.set_nodelay(true)?;
    let method = if proxy.login.is_some() { 2 } else { 0 };
    stream.write_all(&[5, 1, method]).await?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await?;
    if answer != [5, method] {
        return Err(io::Error::other(
            "it is no SOCKS5 proxy, or wants another kind of login",
        ));
    }
    if let Some((user, password)) = &proxy.login {
        let mut login = vec![1];
        for text in [user, password] {
            let length = u8::try_from(text.len())
                .map_err(|_| io::Error::other("user name or password is too long"))?;
            login.push(length);
            login.extend_from_slice(text.as_bytes());
        }
        stream.write_all(&login).await?;
        stream.read_exact(&mut answer).await?;
        if answer[1] != 0 {
            return Err(io::Error::other("it refuses user name and password"));
        }
    }
    let length = u8::try_from(target.host.len())
        .map_err(|_| io::Error::other("the host's name is too long"))?;
    let mut request = vec![5, 1, 0, 3, length];
    request.extend_from_slice(target.host.as_bytes());
    request.extend_from_slice(&target.port.to_be_bytes());
    stream.write_all(&request).await?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    if head[1] != 0 {
        let reason = match head[1] {
            2 => "it does not allow the connection",
            3 | 4 => "it finds no way to the machine",
            5 => "the machine refuses the connection",
            _ => "it cannot connect to the machine",
        };
        return Err(io::Error::other(reason));
    }
    let rest = match head[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await?),
    };
    let mut bound = vec![0; rest + 2];
    stream.read_exact(&mut bound).await?;
    Ok(stream)
}
