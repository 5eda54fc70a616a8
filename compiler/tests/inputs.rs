//! What a step is made from: every kind of change shows, and nothing else does.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::{ComponentKind, Everything};
use imgc_compiler::plan::inputs::{Content, Known, Read, StepInput, canonical, inputs};
use imgc_compiler::plan::{Plan, StepKind};
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_compiler::{plan, schema, value::Value};

fn world() -> FixedWorld {
    let mut world = FixedWorld::default();
    world.now = 1_700_000_000;
    world.files.insert("setup.sh", "echo one\n");
    world.files.insert("web/a.txt", "a");
    world.files.insert("web/b.txt", "b");
    world
}

fn planned(body: &str, world: FixedWorld) -> (Plan, Arc<dyn World>) {
    let text = format!(
        "variable \"color\" {{\n  default = \"blue\"\n}}\nvariable \"token\" {{\n  default = \"s3cret\"\n  sensitive = true\n}}\n\
         source \"null\" \"base\" {{\n  communicator = \"none\"\n}}\nbuild {{\n  name = \"x\"\n  sources = [\"source.null.base\"]\n{body}\n}}\n"
    );
    let sources = Memory::new([("main.pkr.hcl", text)]);
    let world: Arc<dyn World> = Arc::new(world);
    let request = Request {
        path: "main.pkr.hcl".into(),
        ..Request::default()
    };
    let compilation = compile(&request, &sources, &world, &Everything);
    assert!(!compilation.has_errors(), "{:#?}", compilation.diagnostics);
    (compilation.plan.unwrap(), world)
}

fn of(body: &str, world: FixedWorld) -> Vec<StepInput> {
    let (plan, world) = planned(body, world);
    let step = plan
        .steps
        .iter()
        .find(|step| matches!(step.kind, StepKind::Provision { .. }))
        .unwrap();
    let StepKind::Provision { provisioner, .. } = &step.kind else {
        unreachable!()
    };
    let known = Known {
        later: false,
        artifacts: &BTreeMap::new(),
        world: &*world,
        render: &|_| None,
    };
    let component = schema::component(ComponentKind::Provisioner, provisioner);
    inputs(component, &step.options, &known, &mut Read::default())
}

fn shell(options: &str) -> Vec<StepInput> {
    of(
        &format!("provisioner \"shell-local\" {{\n{options}\n}}"),
        world(),
    )
}

/// The inputs as comparable lines.
fn lines(inputs: &[StepInput]) -> Vec<String> {
    let line = |input: &StepInput| match &input.content {
        Content::Value(value) => format!("{} {:?}", input.name, canonical(value)),
        other => format!("{} {other:?}", input.name),
    };
    inputs.iter().map(line).collect()
}

fn changed(one: &str, other: &str) -> bool {
    lines(&shell(one)) != lines(&shell(other))
}

#[test]
fn options_and_values_in_them_show() {
    assert!(changed("inline = [\"a\"]", "inline = [\"b\"]"));
    assert!(changed(
        "inline = [\"a\", \"b\"]",
        "inline = [\"b\", \"a\"]"
    ));
    assert!(changed(
        "inline = [\"a\"]\nenvironment_vars = [\"A=1\"]",
        "inline = [\"a\"]\nenvironment_vars = [\"A=2\"]"
    ));
    // The order of attributes, comments and limits do not.
    assert!(!changed(
        "inline = [\"a\"]\nenvironment_vars = [\"A=1\"]",
        "# why\nenvironment_vars = [\"A=1\"]\ninline = [\"a\"]\ntimeout = \"5m\""
    ));
}

#[test]
fn expressions_that_wait_for_the_run_show_with_what_they_use() {
    let one = "inline = [\"echo ${build.ID} a\"]";
    assert!(changed(one, "inline = [\"echo ${build.ID} b\"]"));
    assert!(changed(one, "inline = [\"echo ${build.Host} a\"]"));
    assert!(!changed(
        one,
        "  inline   = [ \"echo ${build.ID} a\" ] # same"
    ));
    let body = "provisioner \"shell-local\" {\n  inline = [\"echo ${build.ID} ${var.color}\"]\n}";
    let mut other = world();
    other.env.insert("PKR_VAR_color".into(), "red".into());
    assert_ne!(lines(&of(body, world())), lines(&of(body, other)));
    // Both sides of a condition that is not known yet.
    let both = |file: &str| {
        format!("inline = [build.ID == \"x\" ? file(\"setup.sh\") : file(\"web/{file}\")]")
    };
    assert!(changed(&both("a.txt"), &both("b.txt")));
    let mut altered = world();
    altered.files.insert("web/a.txt", "changed");
    let body = format!("provisioner \"shell-local\" {{\n{}\n}}", both("a.txt"));
    assert_ne!(lines(&of(&body, world())), lines(&of(&body, altered)));
}

#[test]
fn values_of_the_run_and_what_cannot_be_foreseen_are_named() {
    let found = shell("inline = [\"echo ${build.ID}\", file(\"web/${build.Host}.txt\")]");
    let run_values: Vec<&str> = found
        .iter()
        .filter_map(|input| match &input.content {
            Content::RunValue(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(run_values, ["Host", "ID"]);
    let open: Vec<&str> = found
        .iter()
        .filter_map(|input| match &input.content {
            Content::Unforeseeable(why) => Some(why.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        open,
        ["`file` gets something that is known only when the step runs"]
    );
}

#[test]
fn plan_digests_tell_expressions_apart() {
    let digest = |text: &str| {
        let body = format!("provisioner \"shell-local\" {{\n  inline = [\"{text}\"]\n}}");
        let (plan, _) = planned(&body, world());
        plan.steps.last().unwrap().digest.clone()
    };
    assert_ne!(digest("a ${build.ID}"), digest("b ${build.ID}"));
    assert_eq!(digest("a ${build.ID}"), digest("a ${build.ID}"));
    // What is secret stays out of them.
    assert_eq!(
        digest("a ${build.ID} ${var.token}"),
        digest("b ${build.ID} ${var.token}")
    );
}

#[test]
fn files_show_by_their_bytes_and_trees_by_names_modes_and_links() {
    let script = "provisioner \"shell-local\" {\n  script = \"setup.sh\"\n}";
    let tree = "provisioner \"file\" {\n  source = \"web\"\n  destination = \"/srv\"\n}";
    let base = (lines(&of(script, world())), lines(&of(tree, world())));
    let with = |change: &dyn Fn(&mut FixedWorld)| {
        let mut world = world();
        change(&mut world);
        world
    };
    let altered = with(&|world| world.files.insert("setup.sh", "echo two\n"));
    assert_ne!(lines(&of(script, altered)), base.0);
    let later = with(&|world| world.now += 1000);
    assert_eq!(lines(&of(tree, later)), base.1);
    let changes: [&dyn Fn(&mut FixedWorld); 5] = [
        &|world| world.files.insert("web/a.txt", "A"),
        &|world| world.files.insert("web/c.txt", ""),
        &|world| {
            world.modes.insert("web/a.txt".into(), 0o755);
        },
        &|world| {
            world.links.insert("web/l".into(), "a.txt".into());
        },
        &|world| {
            world.files = Memory::new([("web/a.txt", "a"), ("web/c.txt", "b")]);
        },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert_ne!(lines(&of(tree, with(change))), base.1, "change {at}");
    }
    let one = with(&|world| {
        world.links.insert("web/l".into(), "a.txt".into());
    });
    let two = with(&|world| {
        world.links.insert("web/l".into(), "b.txt".into());
    });
    assert_ne!(lines(&of(tree, one)), lines(&of(tree, two)));
}

#[test]
fn whether_a_local_script_may_be_executed_shows() {
    let with = |mode: u32, provisioner: &str| {
        let world = || {
            let mut world = world();
            world.modes.insert("setup.sh".into(), mode);
            world
        };
        let body = format!("  provisioner \"{provisioner}\" {{\n    script = \"setup.sh\"\n  }}");
        of(&body, world())
    };
    let runs = with(0o755, "shell-local");
    let does_not = with(0o644, "shell-local");
    assert_ne!(runs, does_not);
    // Who checks it out with another mask gets other permissions for the same.
    assert_eq!(runs, with(0o775, "shell-local"));
    assert_eq!(does_not, with(0o600, "shell-local"));
    // What is sent to a machine is made executable there.
    assert_eq!(with(0o755, "shell"), with(0o644, "shell"));
}

#[test]
fn cache_is_an_attribute_of_every_provisioner_and_post_processor() {
    let body = "provisioner \"shell-local\" {\n  inline = [\"a\"]\n  cache = false\n}\n\
                provisioner \"shell-local\" {\n  inline = [\"a\"]\n}\n\
                post-processor \"shell-local\" {\n  inline = [\"a\"]\n  cache = false\n}";
    let (plan, _) = planned(body, world());
    let uncached: Vec<&str> = plan
        .steps
        .iter()
        .filter(|step| !step.cache)
        .map(|step| step.address.as_str())
        .collect();
    assert_eq!(
        uncached,
        [
            "build.x.null.base.provisioner[0]",
            "build.x.null.base.post-processor[0][0]"
        ]
    );
}

#[test]
fn equal_values_have_equal_bytes_whatever_is_marked() {
    let plain = plan::Options::known(Value::object([("a", Value::string("x"))]));
    let marked = Value::object([("a", Value::string("x").mark(true))]);
    assert_eq!(canonical(plain.value()), canonical(&marked));
}
