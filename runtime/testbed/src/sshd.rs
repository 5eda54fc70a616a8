//! The system's OpenSSH server on a free loopback port.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getuid};
use tempfile::TempDir;

/// The password of both accounts of a server with [`Options::accounts`].
pub const PASSWORD: &str = "open sesame, testbed";

/// The login name without privileges of a server with [`Options::accounts`].
pub const ORDINARY_USER: &str = "tester";

/// What stands beside the keys of a server with [`Options::first_boot`]: somebody else's.
pub const FOREIGN_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHP+Ve8daaD08FDQAUGG5Xhra7A2HbKfaScyizquaLN7 ops@example.com";

/// [`PASSWORD`] as `crypt(3)` stores it (SHA-512).
const PASSWORD_HASH: &str = "$6$imgctest$DuLIjfD/ceQfVfzr4bWWnTW6JEzGwDiMhiugh4AsQJEwUkuf7qf.hi/GW9lr2ob9jEnzcSAeyUmaNL1qDUILE/";

/// User and group number of [`ORDINARY_USER`].
const ORDINARY_ID: u32 = 54_321;

/// What kind of server to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A port to listen on; a free one if `None`.
    pub port: Option<u16>,
    /// The loopback address to listen on; 127.0.0.1 if `None`.
    pub address: Option<Ipv4Addr>,
    /// The private host key; a new one if `None`.
    pub host_key: Option<String>,
    /// Further public keys that are accepted, as in `authorized_keys`.
    pub authorized_keys: Vec<String>,
    /// Whether those are in the home of its sessions, with [`FOREIGN_KEY`], as the first boot of a machine leaves them: whoever takes
    /// one from there locks it out.
    pub first_boot: bool,
    /// Whether passwords are accepted and [`ORDINARY_USER`] exists. Needs root: the server then runs in a mount
    /// namespace of its own, where `/etc/passwd`, `/etc/group` and `/etc/shadow` are copies with these accounts. The
    /// machine's own files stay as they are.
    pub accounts: bool,
    /// Further lines for `sshd_config`, before all others, so that they win.
    pub config: Vec<String>,
    /// A directory of programs that come before all others in its sessions.
    pub programs: Option<PathBuf>,
}

/// A running server; it and all it has started end when the value is dropped.
#[derive(Debug)]
pub struct Sshd {
    directory: TempDir,
    options: Options,
    port: u16,
    marker: String,
    server: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Sshd {
    /// Starts a server and returns when it listens.
    pub fn start(options: Options) -> io::Result<Self> {
        let program = program()?;
        if options.accounts && !getuid().is_root() {
            return Err(io::Error::other(
                "accounts for sshd can only be made as root",
            ));
        }
        let directory = tempfile::Builder::new().prefix("imgc-sshd-").tempdir()?;
        // The server reads authorized keys as the user who logs in.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))?;
        let host = directory.path().join("host");
        match &options.host_key {
            Some(key) => keep_key(&host, key)?,
            None => generate_key(&host)?,
        }
        generate_key(&directory.path().join("client"))?;
        let authorized = directory.path().join("authorized_keys");
        let mut keys = fs::read_to_string(directory.path().join("client.pub"))?;
        for home in ["home", "home-ordinary"] {
            fs::create_dir(directory.path().join(home))?;
        }
        let lines = |keys: &[String]| {
            keys.iter()
                .map(|key| format!("{key}\n"))
                .collect::<String>()
        };
        match options.first_boot {
            true => {
                let own = directory.path().join("home/.ssh");
                fs::create_dir(&own)?;
                let own = own.join("authorized_keys");
                let text = format!("{FOREIGN_KEY}\n{}", lines(&options.authorized_keys));
                fs::write(&own, text)?;
                fs::set_permissions(&own, fs::Permissions::from_mode(0o644))?;
            }
            false => keys.push_str(&lines(&options.authorized_keys)),
        }
        fs::write(&authorized, keys)?;
        fs::set_permissions(&authorized, fs::Permissions::from_mode(0o644))?;
        if options.accounts {
            write_accounts(directory.path())?;
        }
        if getuid().is_root() {
            // What the distribution's service file makes before it starts the server.
            fs::create_dir_all("/run/sshd")?;
        }
        let marker = format!("IMGC_TESTBED={}", directory.path().display());
        let mut sshd = Self {
            directory,
            port: 0,
            marker,
            server: None,
            log: Arc::default(),
            options,
        };
        for _ in 0..20 {
            sshd.port = match sshd.options.port {
                Some(port) => port,
                None => free_port()?,
            };
            if sshd.launch(&program)? {
                return Ok(sshd);
            }
            if sshd.options.port.is_some() {
                break;
            }
        }
        Err(io::Error::other(format!(
            "sshd does not start:\n{}",
            sshd.log()
        )))
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((
            self.options.address.unwrap_or(Ipv4Addr::LOCALHOST),
            self.port,
        ))
    }

    /// The login name whose key is accepted: that of this process.
    pub fn user(&self) -> String {
        nix::unistd::User::from_uid(getuid())
            .ok()
            .flatten()
            .map_or_else(|| "root".to_owned(), |user| user.name)
    }

    /// A private key it accepts; the public key is beside it as `client.pub`.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("client")
    }

    /// Its host key as in `known_hosts`, without the host: `ssh-ed25519 AAAA…`.
    pub fn host_key(&self) -> String {
        let text = fs::read_to_string(self.directory.path().join("host.pub")).unwrap_or_default();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// A line for `known_hosts`.
    pub fn known_hosts_line(&self) -> String {
        let address = self.address();
        format!("[{}]:{} {}\n", address.ip(), self.port, self.host_key())
    }

    /// A directory for a test's own files; readable by [`ORDINARY_USER`].
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The home directory of its sessions.
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// Number of connections it serves.
    pub fn connections(&self) -> usize {
        let Some(server) = &self.server else { return 0 };
        processes()
            .values()
            .filter(|process| process.parent == server.id())
            .count()
    }

    /// Numbers of the processes that sessions of this server have started and that still run.
    pub fn commands(&self) -> Vec<u32> {
        processes()
            .into_keys()
            .filter(|pid| has_marker(*pid, &self.marker))
            .collect()
    }

    /// Cuts every connection, as a machine does that goes away; the server goes on listening.
    pub fn drop_connections(&self) {
        if let Some(server) = &self.server {
            let processes = processes();
            for pid in descendants(&processes, server.id()) {
                if processes
                    .get(&pid)
                    .is_some_and(|process| process.name == "sshd")
                {
                    end(pid);
                }
            }
        }
    }

    /// Ends the server and everything it has started. [`restart`](Self::restart) brings it back.
    pub fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        for pid in descendants(&processes(), server.id()) {
            end(pid);
        }
        let _ = server.kill();
        let _ = server.wait();
        for pid in self.commands() {
            end(pid);
        }
    }

    /// Starts it again on the same port, with the same keys.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop();
        if self.launch(&program()?)? {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "sshd does not start:\n{}",
                self.log()
            )))
        }
    }

    /// Gives it another host key, as a machine that was replaced has; takes effect with the next connection.
    pub fn change_host_key(&mut self) -> io::Result<()> {
        let path = self.directory.path().join("host");
        fs::remove_file(&path)?;
        generate_key(&path)?;
        self.restart()
    }

    /// Starts the process; `false` when it ends before it listens (the port is taken).
    fn launch(&mut self, program: &Path) -> io::Result<bool> {
        let config = self.directory.path().join("sshd_config");
        fs::write(&config, self.config())?;
        let mut command = if self.options.accounts {
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--", "sh", "-c", ENTER_ACCOUNTS])
                .arg(program)
                .arg(self.directory.path());
            command
        } else {
            Command::new(program)
        };
        let mut server = command
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut lines = BufReader::new(server.stderr.take().expect("stderr is piped")).lines();
        let log = Arc::clone(&self.log);
        let keep = move |line: String| {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        };
        loop {
            let Some(Ok(line)) = lines.next() else {
                server.wait()?;
                return Ok(false);
            };
            let listens = line.starts_with("Server listening on");
            keep(line);
            if listens {
                break;
            }
        }
        thread::spawn(move || lines.map_while(Result::ok).for_each(keep));
        self.server = Some(server);
        Ok(true)
    }

    fn config(&self) -> String {
        let directory = self.directory.path().display();
        let mut lines = self.options.config.clone();
        lines.extend([
            format!("ListenAddress {}", self.address().ip()),
            format!("Port {}", self.port),
            format!("HostKey {directory}/host"),
            format!(
                "AuthorizedKeysFile {directory}/authorized_keys {directory}/home/.ssh/authorized_keys"
            ),
            "PidFile none".to_owned(),
            "StrictModes no".to_owned(),
            "UsePAM no".to_owned(),
            "UseDNS no".to_owned(),
            "PermitRootLogin yes".to_owned(),
            format!(
                "PasswordAuthentication {}",
                if self.options.accounts { "yes" } else { "no" }
            ),
            "KbdInteractiveAuthentication no".to_owned(),
            "MaxStartups 1000".to_owned(),
            "LogLevel VERBOSE".to_owned(),
            "Subsystem sftp internal-sftp".to_owned(),
        ]);
        // A bare home: start-up files of the user who runs the tests cost time and change the environment.
        let marker = &self.marker;
        let programs = self.options.programs.as_ref();
        let programs = programs.map_or_else(String::new, |first| format!("{}:", first.display()));
        let path =
            format!("PATH={programs}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        lines.extend([
            format!("Match User {ORDINARY_USER}"),
            format!("SetEnv {marker} {path}"),
            "Match all".to_owned(),
            format!("SetEnv {marker} {path} HOME={directory}/home"),
        ]);
        lines.join("\n") + "\n"
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Run by `sh -c` in a fresh mount namespace: `$0` is sshd, `$1` the directory with the accounts, the rest arguments.
const ENTER_ACCOUNTS: &str = r#"set -e
directory=$1; shift
for name in passwd group shadow; do mount --bind "$directory/$name" "/etc/$name"; done
exec "$0" "$@""#;

/// The server's program: `sshd` insists on being called by its absolute path.
fn program() -> io::Result<PathBuf> {
    let candidates = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"];
    candidates
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "there is no sshd on this machine: install the package openssh-server",
            )
        })
}

fn generate_key(path: &Path) -> io::Result<()> {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }
}

/// Writes a private key and its public half beside it.
fn keep_key(path: &Path, key: &str) -> io::Result<()> {
    fs::write(path, key)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let output = Command::new("ssh-keygen")
        .args(["-y", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    fs::write(path.with_extension("pub"), output.stdout)
}

/// Copies of the machine's accounts in which root has [`PASSWORD`] and [`ORDINARY_USER`] exists.
fn write_accounts(directory: &Path) -> io::Result<()> {
    let home = directory.join("home-ordinary");
    std::os::unix::fs::chown(&home, Some(ORDINARY_ID), Some(ORDINARY_ID))?;
    let passwd = fs::read_to_string("/etc/passwd")?;
    let group = fs::read_to_string("/etc/group")?;
    let account = format!(
        "{ORDINARY_USER}:x:{ORDINARY_ID}:{ORDINARY_ID}::{}:/bin/sh\n",
        home.display()
    );
    fs::write(directory.join("passwd"), passwd + &account)?;
    fs::write(
        directory.join("group"),
        group + &format!("{ORDINARY_USER}:x:{ORDINARY_ID}:\n"),
    )?;
    let shadow = directory.join("shadow");
    fs::write(
        &shadow,
        ["root", ORDINARY_USER]
            .map(|user| format!("{user}:{PASSWORD_HASH}:19000:0:99999:7:::\n"))
            .concat(),
    )?;
    fs::set_permissions(&shadow, fs::Permissions::from_mode(0o600))
}

/// A port that was free a moment ago; [`Sshd::start`] tries again when somebody else was quicker.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

struct Process {
    parent: u32,
    name: String,
}

fn processes() -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (head, tail) = stat.rsplit_once(')')?;
            let name = head.split_once('(')?.1.to_owned();
            let mut fields = tail.split_whitespace();
            let state = fields.next()?;
            let parent = fields.next()?.parse().ok()?;
            (state != "Z").then_some((pid, Process { parent, name }))
        })
        .collect()
}

fn descendants(processes: &BTreeMap<u32, Process>, root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = processes
            .iter()
            .filter(|(_, process)| process.parent == parent);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

fn has_marker(pid: u32, marker: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == marker.as_bytes())
    })
}

fn end(pid: u32) {
    // It may have ended by itself in the meantime.
    let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ssh(sshd: &Sshd, command: &str) -> std::process::Output {
        let known_hosts = sshd.directory().join("known_hosts");
        fs::write(&known_hosts, sshd.known_hosts_line()).unwrap();
        Command::new("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args(["-o", "LogLevel=ERROR", "-p", &sshd.port().to_string()])
            .arg(format!("-oUserKnownHostsFile={}", known_hosts.display()))
            .arg("-i")
            .arg(sshd.key())
            .arg(format!("{}@127.0.0.1", sshd.user()))
            .arg(command)
            .output()
            .unwrap()
    }

    #[test]
    fn it_serves_and_comes_back_and_leaves_nothing() {
        let mut sshd = Sshd::start(Options::default()).unwrap();
        let output = ssh(
            &sshd,
            "echo $HOME; (setsid sleep 1000 > /dev/null 2>&1 < /dev/null &)",
        );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            sshd.home().to_str().unwrap(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let left = sshd.commands();
        assert_eq!(left.len(), 1);
        sshd.restart().unwrap();
        assert!(ssh(&sshd, "true").status.success());
        let directory = sshd.directory().to_owned();
        drop(sshd);
        assert!(!directory.exists());
        assert!(!processes().contains_key(&left[0]));
    }
}
