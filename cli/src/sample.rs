//! A hand-made plan for tests of its views: two builds, a secret, something unknown, limits, a chain.

use std::path::PathBuf;
use std::time::Duration;

use imgc_compiler::plan::{
    Build, BuildId, Input, Limits, Need, NeedKind, Options, Plan, Step, StepId, StepKind, Variable,
};
use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use imgc_compiler::{FileId, Span};

/// Must not be found in anything that is shown or written.
pub(crate) const SECRET: &str = "hunter2-correct-horse";

/// The plan.
pub(crate) fn plan() -> Plan {
    let mut plan = Plan {
        root: PathBuf::from("."),
        ..Plan::default()
    };
    let web = build(&mut plan, "build.web.null.base", "web.null.base", "null");
    plan.builds[0].description = Some("A web server.".to_owned());
    plan.builds[0].source = Options::known(Value::object([
        ("communicator", Value::string("ssh")),
        ("ssh_host", Value::string("192.0.2.1")),
        ("ssh_password", Value::string(SECRET).mark(true)),
        ("ssh_port", Value::number(22)),
        ("ssh_timeout", Value::string("5m")),
        ("ssh_username", Value::string("root")),
        (
            "winrm_host",
            Value::from_data(imgc_compiler::value::Data::Null(Type::String)),
        ),
        ("pause_before_connecting", Value::string("10s")),
    ]));
    let shell = |index| StepKind::Provision {
        provisioner: "shell".into(),
        index,
    };
    let prepare = step(&mut plan, web, "prepare", StepKind::Prepare, &[]);
    let launch = step(&mut plan, web, "launch", StepKind::Launch, &[prepare]);
    plan.steps[launch.0 as usize].undo = Some("release the machine");
    let connect = step(&mut plan, web, "connect", StepKind::Connect, &[launch]);
    let first = step(&mut plan, web, "provisioner[0]", shell(0), &[connect]);
    let lines = [
        "apt-get update",
        "apt-get install --yes nginx-light openssl curl ca-certificates",
    ];
    let options = Value::object([
        (
            "inline",
            Value::strings(lines.into_iter().chain(["echo done"])),
        ),
        (
            "environment_vars",
            Value::list(Type::String, [Value::string(SECRET).mark(true)]),
        ),
    ]);
    plan.steps[first.0 as usize].options = Options::known(options);
    plan.steps[first.0 as usize].limits = Limits {
        pause_before: Some(Duration::from_secs(90)),
        timeout: Some(Duration::from_secs(600)),
        max_retries: 2,
        continue_on_error: false,
    };
    let second = step(&mut plan, web, "provisioner[1]", shell(1), &[first]);
    let host = Value::unknown(Type::String);
    plan.steps[second.0 as usize].options = Options::known(Value::object([("inline", host)]));
    step(&mut plan, web, "capture", StepKind::Capture, &[second]);

    let note = build(
        &mut plan,
        "build.note.file.readme",
        "note.file.readme",
        "file",
    );
    plan.builds[1].communicator = "none".into();
    plan.builds[1].source = Options::known(Value::object([
        ("content", Value::string("hello\n")),
        ("target", Value::string("readme.txt")),
    ]));
    let mut cleanup = plan.steps[first.0 as usize].clone();
    cleanup.address = "build.note.file.readme.error-cleanup-provisioner[0]".to_owned();
    cleanup.options = Options::known(Value::object([("inline", Value::strings(["echo sorry"]))]));
    plan.builds[1].cleanup = vec![cleanup];
    let launch = step(&mut plan, note, "launch", StepKind::Launch, &[]);
    let capture = step(&mut plan, note, "capture", StepKind::Capture, &[launch]);
    for (chain, name) in ["checksum", "manifest"].into_iter().enumerate() {
        let kind = StepKind::PostProcess {
            post_processor: name.into(),
            chain: chain as u32,
            position: 0,
            keep_input: None,
        };
        let address = format!("post-processor[{chain}][0]");
        let id = step(&mut plan, note, &address, kind, &[capture]);
        plan.steps[id.0 as usize].needs[0].kind = NeedKind::Data;
        plan.steps[id.0 as usize].outputs = vec![("artifact".into(), Type::Any)];
    }
    let variable = |name: &str, value, origin: &str| Variable {
        name: name.into(),
        value,
        origin: origin.to_owned(),
        written: None,
    };
    plan.variables = vec![
        variable("name", Value::string("web"), "default"),
        variable(
            "password",
            Value::string(SECRET).mark(true),
            "environment PKR_VAR_password",
        ),
    ];
    let input = |kind, name: &str| Input {
        kind,
        name: name.to_owned(),
        digest: "f0".repeat(32),
    };
    plan.inputs = vec![
        input("file", "setup.sh"),
        input("environment", "PKR_VAR_password"),
    ];
    plan
}

fn build(plan: &mut Plan, address: &str, name: &str, builder: &str) -> BuildId {
    let number = plan.builds.len() as u32;
    plan.builds.push(Build {
        address: address.to_owned(),
        name: name.to_owned(),
        block_name: name.split('.').next().unwrap_or_default().to_owned(),
        block_span: Span::new(FileId(0), number, number + 1),
        builder: builder.into(),
        source_name: "base".into(),
        keys: Vec::new(),
        description: None,
        timeout: None,
        communicator: "ssh".into(),
        source: Options::default(),
        checks: Vec::new(),
        cleanup: Vec::new(),
        uses: Vec::new(),
        selected: true,
        span: Span::new(FileId(0), 0, 0),
    });
    BuildId(plan.builds.len() as u32 - 1)
}

fn step(plan: &mut Plan, build: BuildId, name: &str, kind: StepKind, needs: &[StepId]) -> StepId {
    let id = StepId(plan.steps.len() as u32);
    let needs = needs.iter().map(|step| Need {
        step: *step,
        kind: NeedKind::Order,
    });
    plan.steps.push(Step {
        address: format!("{}.{name}", plan.build(build).address),
        build,
        kind,
        options: Options::default(),
        needs: needs.collect(),
        outputs: Vec::new(),
        undo: None,
        limits: Limits::default(),
        cache: true,
        checkpoint: false,
        digest: format!("{:02x}", id.0).repeat(32),
        span: Span::new(FileId(0), 0, 0),
    });
    id
}
