//! Measures connecting and copying against the plain tools, on the same server in the same run.
//!
//! `cargo run --release -p imgc-ssh --example transfer [-- ROUNDS]`. For each work it prints our time, the others' and
//! the ratios: medians of the rounds, with the smallest and the largest. Files lie in memory (`/dev/shm`) where there is
//! such a place. Targets are compared with their sources after the first round.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgc_compiler::value::Value;
use imgc_runtime::machine::{Attributes, Machine};
use imgc_testbed::{DelayProxy, Options, Sshd, tree};

#[allow(dead_code, unreachable_pub)]
#[path = "../tests/support/mod.rs"]
mod support;

use support::{Bench, with_key};

const BIG: u64 = 500 << 20;

struct Lab {
    sshd: Sshd,
    bench: Bench,
    place: tempfile::TempDir,
    rounds: usize,
}

#[tokio::main]
async fn main() {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    let shm = Path::new("/dev/shm");
    let base = if shm.is_dir() {
        shm.to_owned()
    } else {
        std::env::temp_dir()
    };
    let lab = Lab {
        sshd: Sshd::start(Options::default()).unwrap(),
        bench: Bench::new(),
        place: tempfile::tempdir_in(base).unwrap(),
        rounds,
    };
    println!(
        "{:<34} {:>22}   others: time, ratio ours/theirs",
        "work", "imgc: median (min-max)"
    );
    lab.connect().await;
    for (name, directories) in [("140 directories", 140), ("one directory", 1)] {
        let source = lab.place.path().join(format!("tree-{directories}"));
        tree::write(&source, 2000, directories).unwrap();
        lab.tree(&format!("2,000 files, {name}, loopback"), &source, None)
            .await;
        lab.tree(
            &format!("2,000 files, {name}, 20 ms"),
            &source,
            Some(Duration::from_millis(20)),
        )
        .await;
    }
    lab.big().await;
}

impl Lab {
    fn target(&self) -> PathBuf {
        self.place.path().join("target")
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(self.target());
        fs::create_dir(self.target()).unwrap();
    }

    async fn machine(&self, port: u16) -> Arc<dyn Machine> {
        let options = with_key(
            &self.sshd,
            &[
                ("ssh_port", Value::number(u64::from(port))),
                ("host_key", Value::string("insecure")),
            ],
        );
        self.bench.connect(options).await.unwrap()
    }

    /// `ssh` with the options of the reference.
    fn ssh(&self, port: u16) -> String {
        format!(
            "ssh -F none -p {port} -i {} -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR {}@127.0.0.1",
            self.sshd.key().display(),
            self.sshd.user()
        )
    }

    fn scp(&self, port: u16, source: &Path, flags: &str) -> String {
        format!(
            "scp {flags} -q -p -F none -P {port} -i {} -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR {} {}@127.0.0.1:{}",
            self.sshd.key().display(),
            source.display(),
            self.sshd.user(),
            self.target().display()
        )
    }

    async fn connect(&self) {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..self.rounds {
            let start = Instant::now();
            let machine = self.machine(self.sshd.port()).await;
            machine
                .query(&imgc_runtime::machine::Command::new("true"))
                .await
                .unwrap();
            machine.disconnect().await.unwrap();
            ours.push(start.elapsed());
            theirs.push(shell(&format!("{} true", self.ssh(self.sshd.port()))));
        }
        report(
            "connect, one command, disconnect",
            &ours,
            &[("ssh true", &theirs)],
        );
    }

    /// Ours includes connecting and disconnecting, as the others do.
    async fn tree(&self, name: &str, source: &Path, round_trip: Option<Duration>) {
        let proxy =
            round_trip.map(|time| DelayProxy::start(self.sshd.address(), time, None).unwrap());
        let port = proxy.as_ref().map_or(self.sshd.port(), DelayProxy::port);
        let target = self.target();
        let (mut ours, mut alone, mut tar, mut scp) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds {
            self.clear();
            let start = Instant::now();
            let machine = self.machine(port).await;
            let connected = Instant::now();
            machine
                .upload_tree(source, target.to_str().unwrap(), &Attributes::default())
                .await
                .unwrap();
            alone.push(connected.elapsed());
            machine.disconnect().await.unwrap();
            ours.push(start.elapsed());
            if round == 0 {
                assert_eq!(
                    tree::listing(source).unwrap(),
                    tree::listing(&target).unwrap()
                );
            }
            self.clear();
            tar.push(shell(&format!(
                "tar -C {} -cf - . | {} 'tar -C {} -xf -'",
                source.display(),
                self.ssh(port),
                target.display()
            )));
            // Over a long way scp takes minutes: several round trips for each file.
            if round_trip.is_none() {
                self.clear();
                scp.push(shell(&self.scp(port, &source.join("."), "-r")));
            }
        }
        match round_trip {
            None => report(name, &ours, &[("tar|ssh", &tar), ("scp -r", &scp)]),
            Some(_) => report(name, &ours, &[("tar|ssh", &tar)]),
        }
        report("   the upload alone", &alone, &[]);
    }

    async fn big(&self) {
        let source = self.place.path().join("big");
        tree::write_file(&source, BIG).unwrap();
        let target = self.target().join("big");
        let port = self.sshd.port();
        let (mut ours, mut alone, mut tar, mut scp) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds {
            self.clear();
            let start = Instant::now();
            let machine = self.machine(port).await;
            let connected = Instant::now();
            machine
                .upload_file(&source, target.to_str().unwrap(), &Attributes::default())
                .await
                .unwrap();
            alone.push(connected.elapsed());
            machine.disconnect().await.unwrap();
            ours.push(start.elapsed());
            if round == 0 {
                let same = Command::new("cmp")
                    .arg(&source)
                    .arg(&target)
                    .status()
                    .unwrap();
                assert!(same.success());
            }
            self.clear();
            tar.push(shell(&format!(
                "tar -C {} -cf - big | {} 'tar -C {} -xf -'",
                self.place.path().display(),
                self.ssh(port),
                self.target().display()
            )));
            self.clear();
            scp.push(shell(&self.scp(port, &source, "")));
        }
        report(
            "one file of 500 MB, loopback",
            &ours,
            &[("tar|ssh", &tar), ("scp", &scp)],
        );
        report("   the upload alone", &alone, &[]);
    }
}

fn shell(line: &str) -> Duration {
    let start = Instant::now();
    let status = Command::new("bash")
        .args(["-o", "pipefail", "-c", line])
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{line}");
    start.elapsed()
}

fn report(name: &str, ours: &[Duration], others: &[(&str, &[Duration])]) {
    let (low, middle, high) = spread(ours);
    let mut line = format!("{name:<34} {middle:>7.3} ({low:.3}-{high:.3}) s ");
    for (other, times) in others {
        let (low, theirs, high) = spread(times);
        line.push_str(&format!(
            "  {other} {theirs:.3} ({low:.3}-{high:.3}) s, x{:.2}",
            middle / theirs
        ));
    }
    println!("{line}");
}

fn spread(times: &[Duration]) -> (f64, f64, f64) {
    let mut times: Vec<_> = times.iter().map(Duration::as_secs_f64).collect();
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2], times[times.len() - 1])
}
