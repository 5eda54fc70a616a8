//! Over SSH to a real server on loopback: a command, a tree of small files near and far, one big file.
//!
//! The plain tools are measured beside the two programs: they are what the same line allows. Every copy is compared
//! with its source.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use imgc_testbed::{DelayProxy, Options, Sshd, tree as small_files};

use super::Bench;
use super::process::Job;
use super::result::{Check, Quantity, Row, Series, Spread};
use super::templates::{self, Machine};
use super::turns::{self, Contender};

const FILES: usize = 2_000;
/// The two layouts: how many directories the files are in, and how that is called.
const LAYOUTS: [(usize, &str); 2] = [(140, "140 directories"), (1, "one directory")];
const ROUND_TRIP: Duration = Duration::from_millis(20);
const BIG: u64 = 500 * 1000 * 1000;

/// One build with one `shell`.
pub(crate) fn ssh_one(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(15, 5);
    let directory = bench.directory("ssh-one")?;
    let server = Server::near(&directory)?;
    let shell = "  provisioner \"shell\" {\n    inline = [\"echo provisioned\"]\n  }";
    let template = server.template(&directory, "shell", shell)?;
    let args = ["build", "-color=false", template.as_str()];
    let mut contenders = vec![Contender::new("packer", bench.peer(&directory, &args)?)];
    contenders.extend(
        bench
            .ours(&directory, &args)?
            .map(|job| Contender::new("imgc", job)),
    );
    contenders.push(Contender::new(
        "ssh alone",
        server.shell(&directory, &format!("{} true", server.ssh()))?,
    ));
    let mut series = turns::time(&contenders, 1, turns)?;
    series.extend(turns::weigh(&contenders, 3)?);
    let mut row = Row {
        name: "ssh-one".to_owned(),
        work: "one build over SSH to a loopback sshd with one `shell`".to_owned(),
        how: format!(
            "Whole process, {turns} turns; `ssh alone` connects with the same key and runs `true`."
        ),
        series,
        checks: Vec::new(),
    };
    let wall = Spread::of_ratio(
        row.samples("imgc", Quantity::Wall),
        row.samples("packer", Quantity::Wall),
    );
    row.checks
        .extend(wall.map(|spread| Check::at_most("no slower than Packer", spread, 1.0, "×")));
    Ok(row)
}

/// 2,000 small files, near.
pub(crate) fn tree(bench: &Bench) -> Result<Row> {
    let directory = bench.directory("tree")?;
    let server = Server::near(&directory)?;
    trees(
        bench,
        &directory,
        &server,
        "tree",
        bench.turns(7, 2),
        Duration::from_secs(60),
        &|name| name.to_owned(),
    )
}

/// The same over a line with a round trip of 20 ms.
pub(crate) fn tree_distant(bench: &Bench) -> Result<Row> {
    let directory = bench.directory("tree-distant")?;
    let server = Server::far(&directory)?;
    trees(
        bench,
        &directory,
        &server,
        "tree-distant",
        bench.turns(3, 1),
        Duration::from_secs(100),
        &|name| format!("{name}, 20 ms"),
    )
}

fn trees(
    bench: &Bench,
    directory: &Path,
    server: &Server,
    name: &str,
    turns: usize,
    limit: Duration,
    label: &dyn Fn(&str) -> String,
) -> Result<Row> {
    let mut row = Row {
        name: name.to_owned(),
        work: label("tree of 2,000 small files over SSH"),
        how: format!(
            "8 MB in files of 200 to 8,000 bytes, in 140 directories and all in one; {turns} turns, given up after {} s. \
            Packer by its `file` provisioner with scp.",
            limit.as_secs()
        ),
        series: Vec::new(),
        checks: Vec::new(),
    };
    for (directories, layout) in LAYOUTS {
        let source = directory.join(format!("source-{directories}"));
        small_files::write(&source, FILES, directories)?;
        let expected = small_files::listing(&source)?;
        let copies = |found: &Path| {
            if small_files::listing(found)? == expected {
                Ok(())
            } else {
                bail!("the copy of {layout} differs from the source")
            }
        };
        let series = copy(bench, directory, server, &source, turns, limit, &copies)?;
        let samples = |who: &str| {
            series
                .iter()
                .find(|series| series.who == who && series.quantity == Quantity::Wall)
                .map_or(&[][..], |series| &series.samples)
        };
        let wall = Spread::of_ratio(samples("imgc"), samples(TAR));
        row.checks.extend(wall.map(|spread| {
            Check::at_most(
                format!("within 1.2 times of the tar pipe, {layout}"),
                spread,
                1.2,
                "×",
            )
        }));
        row.series.extend(series.into_iter().map(|series| Series {
            who: format!("{}, {layout}", series.who),
            ..series
        }));
    }
    Ok(row)
}

/// One file of 500 MB, near.
pub(crate) fn big_file(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(5, 2);
    let directory = bench.directory("big-file")?;
    let server = Server::near(&directory)?;
    let source = directory.join("source");
    std::fs::create_dir_all(&source)?;
    small_files::write_file(&source.join("big.bin"), BIG)?;
    let same = |found: &Path| {
        if same_content(&source.join("big.bin"), &found.join("big.bin"))? {
            Ok(())
        } else {
            bail!("the copy differs from the source")
        }
    };
    let series = copy(
        bench,
        &directory,
        &server,
        &source,
        turns,
        Duration::from_secs(60),
        &same,
    )?;
    let mut row = Row {
        name: "big-file".to_owned(),
        work: "one 500 MB file, loopback".to_owned(),
        how: format!("Content that does not compress; {turns} turns."),
        series,
        checks: Vec::new(),
    };
    let wall = Spread::of(row.samples("imgc", Quantity::Wall));
    row.checks
        .extend(wall.map(|spread| Check::at_most("at most 1.1 s", spread, 1.1, "s")));
    Ok(row)
}

const TAR: &str = "tar | ssh tar";

/// Everybody copies `source` to a fresh directory; `same` looks at each copy.
fn copy(
    bench: &Bench,
    directory: &Path,
    server: &Server,
    source: &Path,
    turns: usize,
    limit: Duration,
    same: &dyn Fn(&Path) -> Result<()>,
) -> Result<Vec<Series>> {
    let target = directory.join("target");
    let (from, to) = (source.display(), target.display());
    let block = format!(
        "  provisioner \"file\" {{\n    source      = \"{from}/\"\n    destination = \"{to}\"\n  }}"
    );
    let name = source
        .file_name()
        .context("the source has a name")?
        .to_string_lossy();
    let template = server.template(directory, &name, &block)?;
    let args = ["build", "-color=false", template.as_str()];
    let ssh = server.ssh();
    let mut jobs = vec![("packer", bench.peer(directory, &args)?)];
    jobs.extend(bench.ours(directory, &args)?.map(|job| ("imgc", job)));
    jobs.push((
        TAR,
        server.shell(
            directory,
            &format!("tar -C '{from}' -cf - . | {ssh} \"tar -C '{to}' -xf -\""),
        )?,
    ));
    jobs.push((
        "scp -r",
        server.shell(
            directory,
            &format!("{} -r '{from}/.' {}:'{to}/'", server.scp(), server.login()),
        )?,
    ));
    let fresh = || {
        if target.exists() {
            std::fs::remove_dir_all(&target)?;
        }
        Ok(std::fs::create_dir(&target)?)
    };
    let contenders: Vec<Contender<'_>> = jobs
        .into_iter()
        .map(|(who, job)| {
            Contender::new(who, job.limit(limit))
                .before(fresh)
                .after(|| same(&target))
        })
        .collect();
    turns::time(&contenders, 0, turns)
}

/// A server and how to reach it, near or far.
struct Server {
    sshd: Sshd,
    proxy: Option<DelayProxy>,
    known_hosts: PathBuf,
}

impl Server {
    fn near(directory: &Path) -> Result<Self> {
        let sshd = Sshd::start(Options::default())?;
        Self {
            sshd,
            proxy: None,
            known_hosts: directory.join("known_hosts"),
        }
        .vouched()
    }

    fn far(directory: &Path) -> Result<Self> {
        let sshd = Sshd::start(Options::default())?;
        let proxy = DelayProxy::start(
            SocketAddr::from(([127, 0, 0, 1], sshd.port())),
            ROUND_TRIP,
            None,
        )?;
        Self {
            sshd,
            proxy: Some(proxy),
            known_hosts: directory.join("known_hosts"),
        }
        .vouched()
    }

    /// Writes down its host key for the plain tools.
    fn vouched(self) -> Result<Self> {
        std::fs::write(
            &self.known_hosts,
            format!("[127.0.0.1]:{} {}\n", self.port(), self.sshd.host_key()),
        )?;
        Ok(self)
    }

    fn port(&self) -> u16 {
        self.proxy
            .as_ref()
            .map_or_else(|| self.sshd.port(), DelayProxy::port)
    }

    fn login(&self) -> String {
        format!("{}@127.0.0.1", self.sshd.user())
    }

    fn options(&self) -> String {
        let (key, known_hosts) = (self.sshd.key(), self.known_hosts.display());
        format!(
            "-F none -i '{}' -o BatchMode=yes -o IdentitiesOnly=yes -o LogLevel=ERROR -o UserKnownHostsFile='{known_hosts}'",
            key.display()
        )
    }

    fn ssh(&self) -> String {
        format!("ssh -p {} {} {}", self.port(), self.options(), self.login())
    }

    fn scp(&self) -> String {
        format!("scp -q -P {} {}", self.port(), self.options())
    }

    fn shell(&self, directory: &Path, script: &str) -> Result<Job> {
        Job::new(&directory.join("tools"), ["sh", "-c", script])
    }

    fn template(&self, directory: &Path, name: &str, provisioner: &str) -> Result<String> {
        let machine = Machine {
            port: self.port(),
            user: self.sshd.user(),
            key: self.sshd.key(),
        };
        Ok(templates::over_ssh(directory, name, &machine, provisioner)?
            .display()
            .to_string())
    }
}

/// Whether two files have the same bytes, without either of them in memory.
fn same_content(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (std::fs::File::open(one)?, std::fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 18], vec![0; 1 << 18]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..length])?;
        if left[..length] != right[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn contents_are_compared_to_the_last_byte() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let (one, same) = (file("one", &[7; 600_000]), file("same", &[7; 600_000]));
        let mut changed = vec![7; 600_000];
        changed[599_999] = 8;
        assert!(same_content(&one, &same).unwrap());
        assert!(!same_content(&one, &file("changed", &changed)).unwrap());
        assert!(!same_content(&one, &file("short", &[7; 599_999])).unwrap());
    }
}
