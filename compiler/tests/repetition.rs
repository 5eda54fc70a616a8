//! What repeated blocks promise beyond what a plan shows: addresses that stay, digests that follow content and not names,
//! expressions that are evaluated again at run time with the same elements.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgc_compiler::compile::{Compilation, Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::plan::{Plan, RunValues};
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_compiler::value::Value;

fn compiled(text: &str, request: Request) -> Compilation {
    let mut sources = Memory::default();
    sources.insert("main.pkr.hcl", text.as_bytes().to_vec());
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    compile(&request, &sources, &world, &Everything)
}

fn plan(text: &str) -> Plan {
    let compilation = compiled(text, Request::default());
    let problems = plain::render(&compilation.sources, &compilation.diagnostics);
    assert_eq!(problems, "");
    compilation.plan.unwrap()
}

fn digest<'p>(plan: &'p Plan, address: &str) -> &'p str {
    let step = plan.steps.iter().find(|step| step.address == address);
    &step.unwrap_or_else(|| panic!("no step {address}")).digest
}

const BUILD: &str = r#"
source "null" "base" {
  for_each     = KEYS
  communicator = "none"
}
build {
  name     = "web"
  for_each = KEYS
  sources  = ["source.null.base"]
  provisioner "shell-local" {
    for_each = ["x", "y"]
    inline   = ["echo"]
  }
  provisioner "shell-local" {
    inline = ["echo ${each.key}"]
  }
}
"#;

#[test]
fn digests_follow_content_and_not_keys() {
    let plan = plan(&BUILD.replace("KEYS", r#"["a", "b"]"#));
    for step in ["prepare", "provisioner[0][\"x\"]"] {
        let of = |keys: &str| digest(&plan, &format!("build.web{keys}.{step}"));
        let first = of(r#"["a"].null.base["a"]"#);
        assert_eq!(first, of(r#"["a"].null.base["b"]"#), "{step}");
        assert_eq!(first, of(r#"["b"].null.base["a"]"#), "{step}");
    }
    let last = |keys: &str| digest(&plan, &format!("build.web{keys}.provisioner[1]"));
    assert_eq!(
        last(r#"["a"].null.base["a"]"#),
        last(r#"["a"].null.base["b"]"#)
    );
    assert_ne!(
        last(r#"["a"].null.base["a"]"#),
        last(r#"["b"].null.base["a"]"#)
    );
}

#[test]
fn addresses_are_unique_and_stay_when_an_instance_goes() {
    let addresses = |keys: &str| -> BTreeSet<String> {
        let plan = plan(&BUILD.replace("KEYS", keys));
        let all: BTreeSet<String> = plan.steps.iter().map(|step| step.address.clone()).collect();
        assert_eq!(all.len(), plan.steps.len());
        all
    };
    let (three, two) = (addresses(r#"["a", "b", "c"]"#), addresses(r#"["c", "a"]"#));
    assert!(two.is_subset(&three));
    assert!(three.contains(r#"build.web["c"].null.base["a"].provisioner[0]["y"]"#));
}

#[test]
fn run_time_sees_the_same_elements() {
    let plan = plan(
        r#"
source "null" "base" {
  for_each     = { k = "v" }
  communicator = "none"
}
provisioners "group" {
  provisioner "shell-local" {
    count  = 2
    inline = ["${build.ID} ${each.value} ${count.index} ${source.key} ${build.name}"]
  }
}
build {
  name    = "web"
  sources = ["source.null.base"]
  provisioners "group" {
    for_each = { g = "used" }
  }
  dynamic "post-processor" {
    for_each = ["shell-local"]
    iterator = it
    labels   = [it.value]
    content {
      inline = ["${build.ID} ${it.key}"]
    }
  }
}
"#,
    );
    let values = RunValues {
        build: BTreeMap::from([
            ("ID".into(), Value::string("i-1")),
            ("name".into(), Value::string("web")),
        ]),
        ..RunValues::default()
    };
    let resolved = |address: &str| {
        let address = format!("build.web.null.base[\"k\"].{address}");
        let step = plan.steps.iter().find(|step| step.address == address);
        let options = &step.unwrap().options;
        assert!(options.is_deferred());
        let value = options.resolve(&values, &FixedWorld::default()).unwrap();
        value.get("inline").unwrap().display()
    };
    assert_eq!(
        resolved("provisioner[0][\"g\"][1]"),
        r#"["i-1 used 1 k web"]"#
    );
    assert_eq!(resolved("post-processor[0][0][0]"), r#"["i-1 0"]"#);
}

/// `validate` does not read data sources: what depends on them may be right.
#[test]
fn elements_that_only_data_sources_know_are_no_mistake_when_checking() {
    let text = r#"
data "http" "regions" {
  url = "http://192.0.2.1/"
}
locals {
  regions = jsondecode(data.http.regions.body)
}
source "null" "base" {
  for_each     = local.regions
  communicator = "none"
  ssh_username = each.key
}
source "null" "one" {
  extends = source.null.base["eu"]
}
build {
  sources = ["source.null.base", "source.null.base[\"eu\"]", "source.null.one"]
  dynamic "provisioner" {
    for_each = local.regions
    labels   = [provisioner.value.type]
    content {
      inline = [provisioner.key]
    }
  }
  provisioner "shell-local" {
    count   = length(local.regions)
    enabled = local.regions.eu
    inlin   = ["${count.index}"]
  }
}
"#;
    let ids = |check_only: bool| -> Vec<&str> {
        let request = Request {
            check_only,
            ..Request::default()
        };
        let found = compiled(text, request).diagnostics;
        let mut ids: Vec<&str> = found
            .iter()
            .filter(|d| d.is_error())
            .map(|d| d.id)
            .collect();
        ids.dedup();
        ids
    };
    assert_eq!(ids(true), ["check/unknown-option"]);
    assert_eq!(
        ids(false),
        ["check/unknown-at-plan-time", "check/unknown-option"]
    );
}

#[test]
fn a_thousand_builds_of_twenty_steps() {
    let provisioner = "  provisioner \"shell-local\" {\n    inline = [\"echo\"]\n  }\n".repeat(20);
    let plan = plan(&format!(
        "source \"null\" \"base\" {{\n  communicator = \"none\"\n}}\nbuild {{\n  count = 1000\n  \
         sources = [\"source.null.base\"]\n{provisioner}}}\n"
    ));
    assert_eq!(plan.builds.len(), 1000);
    assert_eq!(plan.steps.len(), 24_000);
    assert_eq!(plan.steps[23_999].address, "build[999].null.base.release");
}
