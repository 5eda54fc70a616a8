//! `moto`, which answers as AWS does.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::cloud::stock;

/// How long the server may take to start.
const START: Duration = Duration::from_secs(120);

/// The region that requests are for.
const REGION: &str = "us-east-1";

/// A server of its own on a free loopback port, with nothing in it. It ends when the value is dropped.
#[derive(Debug)]
pub struct Moto {
    server: Child,
    address: SocketAddr,
    // Removed with the value; moto reads the file with its first request.
    _images: NamedTempFile,
}

impl Moto {
    /// Starts `moto_server`: the one `xtask/setup.sh` has installed below `target`, else the one on `PATH`.
    pub fn start() -> io::Result<Self> {
        let own = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/testbed/moto/bin/moto_server"
        );
        let program = if Path::new(own).exists() {
            own
        } else {
            "moto_server"
        };
        // The port is free when the server asks for it, unless somebody is faster.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        // moto's own images are more than a thousand, and its first answer waits for all of them.
        let images = NamedTempFile::new()?;
        serde_json::to_writer(&images, &stock::file())?;
        let server = Command::new(program)
            .env("MOTO_AMIS_PATH", images.path())
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .env_remove("AWS_ENDPOINT_URL")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| {
                let message = format!("{program} cannot be started ({error}); see xtask/setup.sh");
                io::Error::new(error.kind(), message)
            })?;
        let mut moto = Self {
            server,
            address,
            _images: images,
        };
        moto.wait()?;
        Ok(moto)
    }

    fn wait(&mut self) -> io::Result<()> {
        let since = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.server.try_wait()? {
                return Err(io::Error::other(format!("moto_server ended: {status}")));
            }
            if since.elapsed() > START {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Removes everything that anybody made.
    pub fn reset(&self) -> io::Result<()> {
        let request = "POST /moto-api/reset HTTP/1.1\r\nContent-Length: 0\r\n";
        self.send(request, "").map(|_| ())
    }

    /// The environment in which AWS is this server.
    pub fn env(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ACCESS_KEY_ID", "testing".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "testing".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Calls an operation of a service that speaks JSON, such as `secretsmanager.CreateSecret`: the body of the answer, or
    /// an error with it.
    pub fn call(&self, service: &str, operation: &str, body: &str) -> io::Result<String> {
        self.call_in(REGION, service, operation, body)
    }

    /// The same in a region.
    pub fn call_in(
        &self,
        region: &str,
        service: &str,
        operation: &str,
        body: &str,
    ) -> io::Result<String> {
        // The signature is not checked; from the credential the server knows which service is meant.
        let head = format!(
            "POST / HTTP/1.1\r\nX-Amz-Target: {service}.{operation}\r\n\
             Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/{region}/{service}/aws4_request, \
             SignedHeaders=host, Signature=none\r\n",
            body.len(),
        );
        self.send(&head, body)
    }

    /// Sends a request: the body of the answer, or an error with the whole of it.
    fn send(&self, head: &str, body: &str) -> io::Result<String> {
        send(self.address, head, body)
    }
}

fn send(address: SocketAddr, head: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{head}Host: {address}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(io::Error::other(answer)),
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
