//! `cargo xtask aws-smoke`: one image at Amazon itself, looked at from outside, and nothing left.
//!
//! In: credentials as the AWS command line finds them, and a flag that says that it costs money. Out: each step with its time, and
//! the verdict. With `--here` it is the tests' cloud on this machine instead, so that the task itself is known to work; nothing is paid.
//! The judge is boto3, which comes with moto, the tests' server.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Machines};
use serde_json::Value;
use tempfile::TempDir;

use crate::workspace::Workspace;

const PAYS: &str = "--yes-this-costs-money";
const TEMPLATE: &str = include_str!("smoke/smoke.pkr.hcl");
const JUDGE: &str = include_str!("smoke/judge.py");
const WARNING: &str = "\
aws-smoke makes things in the account of your AWS credentials: a t4g.nano with 8 GiB of disk for a few minutes, a key pair, a security
group that lets in this machine's address alone, an image and its snapshot; and removes them again. That is below one US cent at list
prices: 0.0042 to 0.005 dollars for an hour of the instance, 0.08 to 0.1 for a month of each GiB, by the second.";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    pays: bool,
    here: bool,
    region: Option<String>,
    imgc: Option<PathBuf>,
}

/// Runs the task.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let options = options(args)?;
    if !options.pays && !options.here {
        println!("{WARNING}\nRun it with {PAYS}, or here, against the tests' cloud, with --here.");
        return Ok(ExitCode::from(2));
    }
    let imgc = match &options.imgc {
        Some(path) => path.clone(),
        None => compiled(workspace)?,
    };
    let imgc = imgc
        .canonicalize()
        .with_context(|| format!("there is no {}", imgc.display()))?;
    let cloud = options.here.then(cloud).transpose()?;
    let smoke = Smoke::new(workspace, imgc, &options, cloud.as_ref())?;
    let verdict = smoke.run();
    // Whatever came of it.
    let cleared = smoke.clear();
    verdict?;
    cleared?;
    if let Some(cloud) = &cloud {
        let left = cloud.left();
        ensure!(left.is_empty(), "the tests' cloud has things left:\n{left}");
    }
    println!("well: an image was made, was right, and nothing is left");
    Ok(ExitCode::SUCCESS)
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || {
            args.next()
                .with_context(|| format!("`{arg}` needs a value"))
        };
        match arg.as_str() {
            PAYS => options.pays = true,
            "--here" => options.here = true,
            "--region" => options.region = Some(value()?.clone()),
            "--imgc" => options.imgc = Some(value()?.into()),
            _ => bail!("`aws-smoke` has no `{arg}`: {PAYS}, --here, --region NAME, --imgc PATH"),
        }
    }
    Ok(options)
}

fn compiled(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    let status = cargo
        .args(["build", "--locked", "--package", "imgc"])
        .status()?;
    ensure!(status.success(), "imgc does not compile");
    Ok(workspace.target().join("debug/imgc"))
}

fn cloud() -> Result<Cloud> {
    let behaviour = Behaviour {
        machines: Some(Machines::default()),
        ..Behaviour::default()
    };
    Cloud::with(behaviour).context("the tests' cloud does not start")
}

/// One run of it.
struct Smoke {
    imgc: PathBuf,
    python: PathBuf,
    directory: TempDir,
    region: String,
    name: String,
    /// Variables of the template beside name and region.
    variables: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Smoke {
    fn new(
        workspace: &Workspace,
        imgc: PathBuf,
        options: &Options,
        cloud: Option<&Cloud>,
    ) -> Result<Self> {
        let environment = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let region = match (&options.region, cloud) {
            (Some(region), _) => region.clone(),
            (None, Some(_)) => "us-east-1".to_owned(),
            (None, None) => environment("AWS_REGION")
                .or_else(|| environment("AWS_DEFAULT_REGION"))
                .context("name a region: --region eu-central-1")?,
        };
        let directory = tempfile::Builder::new().prefix("imgc-smoke-").tempdir()?;
        std::fs::write(directory.path().join("smoke.pkr.hcl"), TEMPLATE)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut smoke = Self {
            imgc,
            python: python(workspace)?,
            directory,
            region,
            name: format!("imgc smoke {now}"),
            variables: Vec::new(),
            environment: Vec::new(),
        };
        if let Some(cloud) = cloud {
            let own = cloud.environment().into_iter();
            smoke.environment = own.map(|(name, value)| (name.to_owned(), value)).collect();
            let user = nix::unistd::User::from_uid(nix::unistd::getuid())?;
            let user = user.map_or_else(|| "root".to_owned(), |user| user.name);
            smoke.variables = vec![
                format!("login={user}"),
                format!("port={}", cloud.ssh_port()),
            ];
        }
        Ok(smoke)
    }

    fn run(&self) -> Result<()> {
        let name = format!("name={}", self.name);
        let region = format!("region={}", self.region);
        let mut arguments = vec!["build", "-color=false", "-var", &name, "-var", &region];
        arguments.extend(self.variables.iter().flat_map(|one| ["-var", one.as_str()]));
        arguments.push(".");
        self.step("the image is made", || self.imgc(&arguments).map(|_| ()))?;
        let image = self.image()?;
        println!("   {image} in {}", self.region);
        let looked = self.step("it is looked at", || self.judge("look", &image));
        let looked = looked.and_then(|shown| check(&shown, &self.name));
        self.step("it is deregistered", || self.judge("deregister", &image))?;
        looked
    }

    /// Removes what is left of the run, and checks that nothing is.
    fn clear(&self) -> Result<()> {
        let cloud = ["gc", "--cloud", "aws", "--region", self.region.as_str()];
        self.step("what its state knows of goes", || self.imgc(&["gc"]))?;
        let mut looks = cloud.to_vec();
        // Other runs of this account are none of ours.
        looks.push("--dry-run");
        let said = self.step("what carries its tags is looked for", || self.imgc(&looks))?;
        let runs = self.imgc(&["history", "-json"])?;
        let runs: Value = serde_json::from_str(&runs).context("the history is no JSON")?;
        for run in runs.as_array().into_iter().flatten() {
            let id = run["id"].as_str().or_else(|| run["run"].as_str());
            let id = id.with_context(|| format!("a run without an id: {run}"))?;
            ensure!(
                !said.contains(id),
                "something of run {id} was left:\n{said}"
            );
            let mut own = cloud.to_vec();
            own.extend(["--run", id]);
            let said = self.imgc(&own)?;
            ensure!(
                said.trim() == "nothing is left behind",
                "something of run {id} was left:\n{said}"
            );
        }
        Ok(())
    }

    /// The id of the image that the manifest names.
    fn image(&self) -> Result<String> {
        let manifest = std::fs::read(self.directory.path().join("made.json"))?;
        let manifest: Value = serde_json::from_slice(&manifest)?;
        let id = manifest["builds"][0]["artifact_id"].as_str();
        let id = id
            .and_then(|id| id.split_once(':'))
            .context("the manifest names no image")?;
        ensure!(id.0 == self.region, "the image is in {}", id.0);
        Ok(id.1.to_owned())
    }

    fn imgc(&self, arguments: &[&str]) -> Result<String> {
        self.output(&self.imgc, arguments)
    }

    fn judge(&self, task: &str, image: &str) -> Result<Value> {
        let printed = self.output(&self.python, &["-c", JUDGE, task, &self.region, image])?;
        serde_json::from_str(&printed).with_context(|| format!("the judge says: {printed}"))
    }

    fn output(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.directory.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} does not start", program.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            output.status.success(),
            "{} {} failed:\n{}{}",
            program.display(),
            arguments.first().unwrap_or(&""),
            text(&output.stdout),
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }

    fn step<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        let done = work();
        let end = if done.is_ok() { "" } else { ": not well" };
        println!("== {what}, {:.1} s{end}", begun.elapsed().as_secs_f64());
        done
    }
}

/// Whether the image is what the template asks for.
fn check(shown: &Value, name: &str) -> Result<()> {
    println!("   {shown}");
    ensure!(
        shown["name"] == name,
        "the image is called {}",
        shown["name"]
    );
    ensure!(
        shown["state"] == "available",
        "the image is {}",
        shown["state"]
    );
    ensure!(
        shown["architecture"] == "arm64",
        "the image is for {}",
        shown["architecture"]
    );
    ensure!(shown["public"] == false, "the image is public");
    ensure!(
        shown["metadata"] == "v2.0",
        "the image lets instances use version 1 of the metadata service"
    );
    ensure!(
        shown["snapshots"] == 1,
        "the image has {} snapshots",
        shown["snapshots"]
    );
    for tags in shown["tags"].as_array().context("no tags")? {
        ensure!(
            tags["purpose"] == "cargo xtask aws-smoke",
            "a tag is missing: {tags}"
        );
        ensure!(
            tags["imgc:run"].is_string(),
            "the run's tag is missing: {tags}"
        );
        ensure!(
            tags["imgc:expires"].is_null(),
            "a finished thing expires: {tags}"
        );
    }
    Ok(())
}

/// A Python that has boto3: the machine's, or that of the tests' moto.
fn python(workspace: &Workspace) -> Result<PathBuf> {
    let own = workspace.target().join("testbed/moto/bin/python");
    let candidates = [
        own,
        workspace.path("target/testbed/moto/bin/python"),
        "python3".into(),
    ];
    let has_boto3 = |python: &PathBuf| {
        let mut command = Command::new(python);
        command
            .args(["-c", "import boto3"])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    candidates.into_iter().find(has_boto3).context(
        "no Python here has boto3: xtask/test installs one with moto, or `pip install boto3`",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_is_paid_without_the_flag() {
        let read = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
            options(&args)
        };
        assert!(!read(&["--region", "eu-west-1"]).unwrap().pays);
        assert!(read(&[PAYS]).unwrap().pays);
        assert!(read(&["--yes"]).is_err());
        assert!(read(&["--region"]).is_err());
    }

    #[test]
    fn an_image_that_is_not_as_asked_is_found_out() {
        let good = serde_json::json!({
            "name": "n", "state": "available", "architecture": "arm64", "public": false, "metadata": "v2.0",
            "snapshots": 1, "tags": [{"purpose": "cargo xtask aws-smoke", "imgc:run": "r"}]
        });
        check(&good, "n").unwrap();
        assert!(check(&good, "other").is_err());
        for (name, wrong) in [
            ("public", serde_json::json!(true)),
            ("metadata", serde_json::json!("")),
            (
                "tags",
                serde_json::json!([{"purpose": "cargo xtask aws-smoke"}]),
            ),
        ] {
            let mut bad = good.clone();
            bad[name] = wrong;
            assert!(check(&bad, "n").is_err(), "{name}");
        }
    }
}
