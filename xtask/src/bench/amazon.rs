//! `amazon-ebs` builds against servers of the tests: moto as EC2, and a real sshd as the machine.

use std::cell::RefCell;
use std::path::Path;

use anyhow::{Context, Result};
use imgc_testbed::cloud::{Behaviour, Delay, Machines, Waits, stock};
use imgc_testbed::{Cloud, Options, Sshd};
use serde_json::{Value, json};

use super::Bench;
use super::result::{Check, Quantity, Row, Spread};
use super::turns::{self, Contender};

/// One build with one `shell`.
pub(crate) fn one(bench: &Bench) -> Result<Row> {
    let (mut row, requests) = builds(bench, "amazon-one", 1, bench.turns(15, 3))?;
    row.work = "one `amazon-ebs` build against the tests' cloud, with one `shell` on a real sshd"
        .to_owned();
    let wall = Spread::of(row.samples("imgc", Quantity::Wall));
    let memory = Spread::of_ratio(
        row.samples("packer", Quantity::Memory),
        row.samples("imgc", Quantity::Memory),
    );
    let faster = Spread::of_ratio(
        row.samples("packer", Quantity::Wall),
        row.samples("imgc", Quantity::Wall),
    );
    row.checks
        .extend(wall.map(|spread| Check::at_most("at most 0.5 s", spread, 0.5, "s")));
    row.checks.extend(
        faster.map(|spread| Check::at_least("at most half of Packer's time", spread, 2.0, "×")),
    );
    row.checks.extend(
        memory.map(|spread| Check::at_least("at most a fifth of the memory", spread, 5.0, "×")),
    );
    let [peer, ours] = requests.map(|counted| Spread::of(&counted));
    if let (Some(peer), Some(ours)) = (peer, ours) {
        let target = format!(
            "at most Packer's {} requests, dry runs among them",
            peer.median
        );
        row.checks
            .push(Check::at_most(target, ours, peer.median, "requests"));
    }
    Ok(row)
}

/// Fifty builds of one template.
pub(crate) fn fifty(bench: &Bench) -> Result<Row> {
    const BUILDS: usize = 50;
    let (mut row, requests) = builds(bench, "amazon-fifty", BUILDS, bench.turns(3, 1))?;
    row.work = format!("{BUILDS} `amazon-ebs` builds of one template, the same");
    let wall = Spread::of(row.samples("imgc", Quantity::Wall));
    let memory = Spread::of(row.samples("imgc", Quantity::Memory));
    row.checks
        .extend(wall.map(|spread| Check::at_most("at most 4 s", spread, 4.0, "s")));
    row.checks
        .extend(memory.map(|spread| Check::at_most("under 200 MiB", spread, 200.0, "MiB")));
    let [peer, ours] = requests.map(|counted| Spread::of(&counted));
    row.checks.extend(ours.map(|spread| {
        let most = 5 * BUILDS;
        let peer = peer.map_or_else(String::new, |peer| {
            format!(" (Packer: {})", peer.show_whole())
        });
        let target = format!("at most {most} requests, dry runs among them{peer}");
        Check::at_most(target, spread, most as f64, "requests")
    }));
    Ok(row)
}

/// An image that is not there at once: what waiting for it costs.
pub(crate) fn pending(bench: &Bench) -> Result<Row> {
    const ANSWERS: u32 = 6;
    let turns = bench.turns(3, 1);
    let directory = bench.directory("amazon-pending")?;
    let cloud = |image| {
        Cloud::with(Behaviour {
            waits: Waits {
                image,
                ..Waits::default()
            },
            machines: Some(Machines::default()),
            ..Behaviour::default()
        })
    };
    let (quick, slow) = (cloud(Delay::None)?, cloud(Delay::Answers(ANSWERS))?);
    let mut contenders = Vec::new();
    for (cloud, which) in [(&quick, "at once"), (&slow, "later")] {
        let place = directory.join(which.replace(' ', "-"));
        std::fs::create_dir_all(&place)?;
        let mut builder = source(&cloud.url(), 0, &login(), cloud.ssh_port());
        // Every instance has an address of its own.
        builder
            .as_object_mut()
            .context("an object")?
            .remove("ssh_host");
        let template = write(&place, &[builder])?;
        let args = ["build", "-color=false", template.as_str()];
        let names = [format!("packer, {which}"), format!("imgc, {which}")];
        contenders.push(Contender::new(names[0].clone(), bench.peer(&place, &args)?));
        let ours = bench.ours(&place, &args)?;
        contenders.extend(ours.map(|job| Contender::new(names[1].clone(), job)));
    }
    let mut row = Row {
        name: "amazon-pending".to_owned(),
        work: format!("one `amazon-ebs` build whose image is pending for {ANSWERS} answers"),
        how: format!(
            "Against the tests' cloud, which is slower than moto alone; {turns} turns, beside the same where the image is \
             there at once."
        ),
        series: turns::time(&contenders, 0, turns)?,
        checks: Vec::new(),
    };
    let more = |who: &str| {
        let of = |which| Spread::of(row.samples(&format!("{who}, {which}"), Quantity::Wall));
        Some(of("later")?.median - of("at once")?.median)
    };
    if let (Some(ours), Some(peer)) = (more("imgc"), more("packer")) {
        let value = Spread {
            median: ours,
            min: ours,
            max: ours,
        };
        row.checks
            .push(Check::at_most("at most 8 s more", value, 8.0, "s"));
        row.how += &format!(" Waiting costs Packer {peer:.1} s, imgc {ours:.1} s.");
    }
    Ok(row)
}

/// The row of so many builds, and how many requests each turn of Packer and of imgc made.
fn builds(bench: &Bench, name: &str, number: usize, turns: usize) -> Result<(Row, [Vec<f64>; 2])> {
    let directory = bench.directory(name)?;
    // moto alone answers 500 to tags of snapshots in `CreateImage`.
    let cloud = Cloud::start()?;
    let sshd = machine(&cloud)?;
    let builders: Vec<Value> = (0..number)
        .map(|at| source(&cloud.url(), at, &sshd.user(), sshd.port()))
        .collect();
    let template = write(&directory, &builders)?;
    let args = ["build", "-color=false", template.as_str()];
    let requests = [const { RefCell::new(Vec::new()) }; 2];
    // Everybody begins with an empty cloud: moto is the slower the more it holds.
    let contender = |who: &str, at: usize, job| {
        let (cloud, counted) = (&cloud, &requests[at]);
        Contender::new(who, job)
            .before(move || {
                cloud.reset()?;
                // moto makes what a region has from the start with the first request.
                let first = cloud.ec2("us-east-1", "DescribeInstances", &[]);
                first.map_err(anyhow::Error::msg).map(|_| ())
            })
            .after(move || {
                let asked = cloud.calls().len() + cloud.dry_runs().len();
                counted.borrow_mut().push(asked as f64);
                Ok(())
            })
    };
    let mut contenders = vec![contender("packer", 0, bench.peer(&directory, &args)?)];
    let ours = bench.ours(&directory, &args)?;
    contenders.extend(ours.map(|job| contender("imgc", 1, job)));
    let mut series = turns::time(&contenders, 1, turns)?;
    series.extend(turns::weigh(&contenders, turns.min(3))?);
    drop(contenders);
    let row = Row {
        name: name.to_owned(),
        work: String::new(),
        how: format!(
            "Whole process, {turns} turns; the tests' cloud (moto and a server before it), emptied before each, and one sshd \
             for both."
        ),
        series,
        checks: Vec::new(),
    };
    Ok((row, requests.map(RefCell::into_inner)))
}

/// An sshd that lets in whoever has one of the cloud's key pairs.
pub(crate) fn machine(cloud: &Cloud) -> Result<Sshd> {
    let config = [
        format!("AuthorizedKeysFile {}", cloud.authorized_keys()?.display()),
        // Packer 1.6 signs as it was done then.
        "PubkeyAcceptedAlgorithms +ssh-rsa".to_owned(),
        "MaxStartups 1000".to_owned(),
        "MaxSessions 1000".to_owned(),
    ];
    let options = Options {
        config: config.to_vec(),
        ..Options::default()
    };
    Ok(Sshd::start(options)?)
}

fn login() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid())
        .ok()
        .flatten()
        .map_or_else(|| "root".to_owned(), |user| user.name)
}

pub(crate) fn source(endpoint: &str, at: usize, user: &str, port: u16) -> Value {
    json!({
        "type": "amazon-ebs",
        "name": format!("b{at}"),
        "region": "us-east-1",
        "access_key": "testing",
        "secret_key": "testing",
        "custom_endpoint_ec2": endpoint,
        "skip_region_validation": true,
        "skip_metadata_api_check": true,
        "temporary_security_group_source_cidrs": ["127.0.0.1/32"],
        "source_ami": stock::UBUNTU,
        "instance_type": "t3.micro",
        "ami_name": format!("bench-{at}-{{{{uuid}}}}"),
        "communicator": "ssh",
        "ssh_host": "127.0.0.1",
        "ssh_port": port,
        "ssh_username": user,
        "ssh_timeout": "300s",
    })
}

pub(crate) fn write(directory: &Path, builders: &[Value]) -> Result<String> {
    let path = directory.join("template.json");
    let provisioner = json!({ "type": "shell", "inline": ["true"] });
    let template = json!({ "builders": builders, "provisioners": [provisioner] });
    std::fs::write(&path, template.to_string())?;
    Ok(path.display().to_string())
}
