//! What a cold release build takes: all of imgc, imgc without clouds, and as the peer the two SDKs that imgc needs most.
//!
//! Each is compiled into an empty directory, one after the other, by all processors. What is downloaded is there before.
//! Machines differ, and so do their hours; the ratio to the SDKs is what the targets come to: 12 and 3 minutes where
//! these take 6.6.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::process::Job;
use super::result::{Check, Quantity, Row, Spread};
use super::turns::{self, Contender};
use crate::workspace::Workspace;

const ALL: &str = "imgc";
const WITHOUT: &str = "imgc without clouds";
const SDKS: &str = "the SDKs of EC2 and SSM";
/// Minutes that the SDKs took where the targets were set, and the targets.
const MINUTES: (f64, f64, f64) = (6.6, 12.0, 3.0);
const LIMIT: Duration = Duration::from_secs(3600);
/// A program that lists images and reads a parameter; versions are those of the workspace.
const MANIFEST: &str = r#"
[package]
name = "sdks"
version = "0.0.0"
edition = "2024"

[dependencies]
aws-config = { version = "1", default-features = false, features = ["rt-tokio"] }
aws-sdk-ec2 = { version = "1", default-features = false, features = ["rt-tokio"] }
aws-sdk-ssm = { version = "1", default-features = false, features = ["rt-tokio"] }
aws-smithy-http-client = { version = "1", default-features = false, features = ["rustls-ring"] }
tokio = { version = "1", features = ["rt"] }

[workspace]
"#;
const PROGRAM: &str = r#"
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(http).load().await;
        println!("{:?}", aws_sdk_ec2::Client::new(&config).describe_images().send().await);
        println!("{:?}", aws_sdk_ssm::Client::new(&config).get_parameter().name("/a").send().await);
    });
}
"#;

/// Takes three times what a cold build takes, which is why nobody gets it without asking for it.
pub(crate) fn cold_build(bench: &Bench) -> Result<Row> {
    let workspace = Workspace::find()?;
    let scratch = bench.disk("cold-build")?;
    let sdks = scratch.join("sdks");
    std::fs::create_dir_all(sdks.join("src"))?;
    std::fs::write(sdks.join("Cargo.toml"), MANIFEST)?;
    std::fs::write(sdks.join("src/main.rs"), PROGRAM)?;
    std::fs::copy(workspace.path("Cargo.lock"), sdks.join("Cargo.lock"))?;
    for manifest in [workspace.path("Cargo.toml"), sdks.join("Cargo.toml")] {
        let mut fetch = workspace.cargo();
        fetch.arg("fetch").arg("--manifest-path").arg(&manifest);
        let status = fetch.current_dir(&scratch).status()?;
        ensure!(
            status.success(),
            "cannot fetch what {} needs",
            manifest.display()
        );
    }
    let ours = workspace.path("Cargo.toml");
    let few = ["--no-default-features", "--features", "rootfs,ssh"];
    let contenders = [
        contender(&scratch, ALL, &ours, &["--package", "imgc"])?,
        contender(
            &scratch,
            WITHOUT,
            &ours,
            &[&["--package", "imgc"][..], &few[..]].concat(),
        )?,
        contender(&scratch, SDKS, &sdks.join("Cargo.toml"), &[])?,
    ];
    let series = turns::time(&contenders, 0, 1)?;
    let mut row = Row {
        name: "cold-build".to_owned(),
        work: "a cold `cargo build --release` of everything, beside a program that has just the SDKs of EC2 and SSM"
            .to_owned(),
        how: "Each into an empty directory, with everything downloaded; once each, one after the other.".to_owned(),
        series,
        checks: Vec::new(),
    };
    let of = |who: &str| row.samples(who, Quantity::Wall).to_vec();
    let (all, without, sdks) = (of(ALL), of(WITHOUT), of(SDKS));
    let (their, whole, small) = MINUTES;
    let mut checks = Vec::new();
    for (what, samples, minutes) in [("whole", &all, whole), ("without clouds", &without, small)] {
        let spread = Spread::of(samples).context("it was not compiled")?;
        let target = format!("{what}: at most {minutes} min");
        checks.push(Check::at_most(target, spread, minutes * 60.0, "s"));
        let wanted = minutes / their;
        let ratio = Spread::of_ratio(samples, &sdks).context("nothing to compare with")?;
        let target = format!(
            "{what}: at most {wanted:.2} of the time of the SDKs (as {minutes} min to {their})"
        );
        checks.push(Check::at_most(target, ratio, wanted, "×"));
    }
    let program = target(&scratch, ALL).join("release/imgc");
    let megabytes = size(&program)? as f64 / 1e6;
    let spread = Spread::of(&[megabytes]).context("it has a size")?;
    checks.push(Check::at_most(
        "whole, stripped: at most 60 MB",
        spread,
        60.0,
        "MB",
    ));
    row.checks = checks;
    Ok(row)
}

fn target(scratch: &Path, who: &str) -> PathBuf {
    scratch.join(who.replace(' ', "-")).join("target")
}

fn contender<'a>(
    scratch: &Path,
    who: &str,
    manifest: &Path,
    args: &[&str],
) -> Result<Contender<'a>> {
    let target = target(scratch, who);
    // Cargo's settings are those of the directory it is called in.
    let project = manifest.parent().context("a manifest is in a directory")?;
    let mut command: Vec<std::ffi::OsString> = vec!["env".into(), "-C".into(), project.into()];
    command.extend(["cargo", "build"].map(Into::into));
    command.extend(["--release", "--quiet", "--offline", "--manifest-path"].map(Into::into));
    command.push(manifest.into());
    command.extend(args.iter().map(Into::into));
    let mut job = Job::new(&scratch.join(who.replace(' ', "-")), command)?.limit(LIMIT);
    let home = std::env::var_os("HOME").context("there is no HOME")?;
    for (name, usual) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let value = std::env::var_os(name).unwrap_or_else(|| Path::new(&home).join(usual).into());
        job.environment.push((name.into(), value));
    }
    job.environment
        .push(("CARGO_TARGET_DIR".into(), target.clone().into()));
    let empty = move || match std::fs::remove_dir_all(&target) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    };
    Ok(Contender::new(who, job).before(empty))
}

/// In bytes, without symbols.
fn size(program: &Path) -> Result<u64> {
    let stripped = program.with_extension("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(program)
        .status();
    ensure!(
        status.context("there is no `strip`")?.success(),
        "cannot strip {}",
        program.display()
    );
    Ok(std::fs::metadata(stripped)?.len())
}
