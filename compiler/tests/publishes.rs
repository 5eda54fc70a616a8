//! The steps that publish an artifact: where they stand, what they need, what waits for them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::{ComponentKind, Components, Problem, Publish};
use imgc_compiler::plan::{NeedKind, Plan};
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_compiler::value::Value;

/// Publishes what `null` makes in a place called by its `ssh_host`, and says something of it there.
struct Publisher;

impl Components for Publisher {
    fn has(&self, _: ComponentKind, _: &str) -> bool {
        true
    }

    fn check(&self, _: ComponentKind, _: &str, _: &Value) -> Vec<Problem> {
        Vec::new()
    }

    fn publishes(&self, builder: &str, options: &Value) -> Vec<Publish> {
        assert_eq!(builder, "null");
        let host = options.get("ssh_host").unwrap();
        let Some(host) = host.as_str() else {
            return vec![Publish::all()];
        };
        let copy = Publish {
            name: host.into(),
            makes: format!("a copy on {host}"),
            options: Value::object([("place", Value::string(host))]),
            needs: Vec::new(),
            open: false,
            makes_whole: false,
        };
        let share = Publish {
            name: "share".into(),
            makes: "everybody may use it".to_owned(),
            needs: vec![host.into()],
            ..copy.clone()
        };
        vec![copy, share]
    }

    fn read(&self, name: &str, _: &Value) -> Result<Value, Problem> {
        panic!("nobody reads {name}")
    }
}

fn plan(host: &str) -> Plan {
    let text = format!(
        r#"source "null" "first" {{
  communicator = "none"
  ssh_host     = "a"
}}
source "null" "second" {{
  communicator = "none"
  ssh_host     = {host}
}}
build {{
  sources = ["null.first"]
}}
build {{
  name    = "web"
  sources = ["null.second"]
  post-processor "manifest" {{}}
}}
"#
    );
    let request = Request {
        path: "main.pkr.hcl".into(),
        ..Request::default()
    };
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let sources = Memory::new([("main.pkr.hcl", text)]);
    let compilation = compile(&request, &sources, &world, &Publisher);
    assert!(!compilation.has_errors(), "{:#?}", compilation.diagnostics);
    compilation.plan.unwrap()
}

/// The steps of the second build from the capture on, each with what it needs; `=` before what it uses.
fn shown(plan: &Plan) -> String {
    let prefix = "build.web.null.second.";
    let short = |address: &str| address.replace(prefix, "").replace("build.null.", "");
    let steps = plan
        .steps
        .iter()
        .filter(|step| step.address.starts_with(prefix));
    let steps = steps.skip_while(|step| !step.address.ends_with("capture"));
    let lines = steps.map(|step| {
        let needs = step.needs.iter().map(|need| {
            let address = short(&plan.step(need.step).address);
            match need.kind {
                NeedKind::Data => format!(" ={address}"),
                NeedKind::Order => format!(" {address}"),
            }
        });
        format!("{}:{}\n", short(&step.address), needs.collect::<String>())
    });
    lines.collect()
}

#[test]
fn they_stand_behind_the_capture_and_before_post_processors() {
    assert_eq!(
        shown(&plan("\"eu\"")),
        "capture: =launch\n\
         publish[\"eu\"]: =capture\n\
         publish[\"share\"]: =capture =publish[\"eu\"]\n\
         release: capture\n\
         post-processor[0][0]: =capture =publish[\"eu\"] =publish[\"share\"] release\n"
    );
    assert_eq!(
        shown(&plan("build.null.first.artifact.id")).lines().nth(1),
        Some("publish[\"all\"]: =capture")
    );
}

#[test]
fn the_digest_follows_from_the_options() {
    let digest = |host: &str, end: &str| {
        let plan = plan(host);
        let mut steps = plan.steps.iter();
        steps
            .find(|step| step.address.ends_with(end))
            .unwrap()
            .digest
            .clone()
    };
    assert_ne!(
        digest("\"eu\"", "publish[\"eu\"]"),
        digest("\"us\"", "publish[\"us\"]")
    );
    assert_ne!(
        digest("\"eu\"", "publish[\"eu\"]"),
        digest("\"eu\"", "publish[\"share\"]")
    );
}
