//! Nothing that a template may say to a component of Amazon is passed over in silence.
//!
//! In: the catalogue, and the code that reads options, watched while it reads. Every option of every component, those in blocks too,
//! is looked at when a template is checked (and carried out, or refused by name); or it stands in one of two tables: what only the run
//! reads, with the file that does, and what asks for nothing, with the reason.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::schema::{self, BodySchema};
use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use imgc_runtime::options::looked;
use imgc_runtime::registry::Registry;

use crate::Aws;

/// Options that are read when the instance is there, and the file that does it.
const READ_BY_THE_RUN: &[(&str, &str)] = &[
    ("pause_before_ssm", "instance/session.rs"),
    ("session_manager_port", "instance/session.rs"),
    ("windows_password_timeout", "builders/launch.rs"),
];

/// Options without an effect, and why nothing is lost.
const ASK_FOR_NOTHING: &[(&str, &str)] = &[
    (
        "decode_authorization_messages",
        "a refusal is always decoded, where the account allows it",
    ),
    (
        "skip_credential_validation",
        "credentials are not tried for their own sake: the first question tells",
    ),
    (
        "skip_metadata_api_check",
        "the metadata service is asked only where nothing else gives credentials",
    ),
    (
        "skip_profile_validation",
        "a profile is not looked for before the instance is asked for with it",
    ),
    (
        "spot_price_auto_product",
        "the price is Amazon's own: nothing is computed from the history of a product",
    ),
    (
        "temporary_security_group_source_public_ip",
        "it is the default: the port is open to the caller's own address",
    ),
];

/// The same for data sources.
const IDLE_IN_DATA: &[(&str, &str)] = &[("aws_polling", "a data source waits for nothing")];

/// What a communicator reads.
const COMMUNICATOR: &str = "communicator";

/// Options that change which others are looked at.
fn settings() -> Vec<Vec<(&'static str, Value)>> {
    let text = Value::string;
    vec![
        vec![],
        vec![("access_key", text("AKIA")), ("secret_key", text("x"))],
        vec![("spot_price", text("auto"))],
        vec![("spot_instance_types", Value::tuple([text("m5.large")]))],
        vec![("from_scratch", Value::bool(true))],
        vec![("keep", Value::string("3"))],
    ]
}

/// What components need before they look further.
fn base() -> Vec<(&'static str, Value)> {
    let device = |extra: &'static str| {
        Value::object([
            ("device_name", Value::string("/dev/xvdf")),
            (extra, Value::string("/dev/xvdf")),
        ])
    };
    let mut all = vec![
        (
            "launch_block_device_mappings",
            Value::tuple([device("device_name")]),
        ),
        ("ami_root_device", device("source_device_name")),
        ("root_volume_size", Value::string("10")),
        ("root_device_name", Value::string("/dev/xvdf")),
        (
            "ami_block_device_mappings",
            Value::tuple([device("device_name")]),
        ),
        ("ebs_volumes", Value::tuple([device("device_name")])),
        ("pre_mount_commands", Value::tuple([Value::string("true")])),
    ];
    let texts = [
        ("account_id", "123456789012"),
        ("ami_name", "web"),
        ("ami_virtualization_type", "hvm"),
        ("family", "web"),
        ("instance_type", "m5.large"),
        ("parameter", "/web/ami"),
        ("s3_bucket", "bucket"),
        ("s3_bucket_name", "bucket"),
        ("source_ami", "ami-1"),
        ("ssh_username", "admin"),
        ("x509_cert_path", "cert.pem"),
        ("x509_key_path", "key.pem"),
    ];
    all.extend(texts.map(|(name, text)| (name, Value::string(text))));
    all
}

/// A value of a type.
fn some(name: &str, ty: &Type) -> Value {
    match (name, ty) {
        ("device_name" | "source_device_name", _) => Value::string("/dev/xvdf"),
        ("Effect", _) => Value::string("Allow"),
        (_, Type::Bool) => Value::bool(true),
        (_, Type::Number) => Value::string("2"),
        (_, Type::List(inner) | Type::Set(inner)) => Value::tuple([some(name, inner)]),
        (_, Type::Map(inner)) => Value::object([("key", some(name, inner))]),
        _ => Value::string("x"),
    }
}

/// A block with everything in it.
fn whole(body: &BodySchema) -> Value {
    let attributes = body.attributes.iter();
    let mut entries: Vec<(String, Value)> = attributes
        .map(|(name, attribute)| (name.to_string(), some(name, &attribute.ty)))
        .collect();
    for (name, block) in &body.blocks {
        entries.push((name.to_string(), many(block.repeated, whole(&block.body))));
    }
    object(entries)
}

fn many(repeated: bool, one: Value) -> Value {
    if repeated { Value::tuple([one]) } else { one }
}

fn object(entries: Vec<(String, Value)>) -> Value {
    let entries = entries.iter();
    Value::object(entries.map(|(name, value)| (name.as_str(), value.clone())))
}

/// Everything a component looks at when it is given these options.
fn seen(
    registry: &Registry,
    kind: ComponentKind,
    name: &str,
    options: &Value,
) -> BTreeSet<(String, String)> {
    looked::at(|| {
        match kind {
            ComponentKind::Builder => drop(registry.builders[name].check(options)),
            _ => drop(registry.post_processors[name].check(options)),
        };
        let options = imgc_runtime::options::Options::new("access", options);
        let _ = crate::account::Access::read(&options);
    })
}

/// What is looked at outside of blocks, and inside of each block.
struct Looks {
    all: BTreeSet<(String, String)>,
    /// The names of the blocks.
    blocks: BTreeSet<String>,
}

impl Looks {
    fn at(&self, name: &str) -> bool {
        let mut all = self.all.iter();
        all.any(|(place, seen)| seen == name && !self.blocks.contains(place.trim_matches('`')))
    }

    fn within(&self, block: &str, name: &str) -> bool {
        let mut all = self.all.iter();
        all.any(|(place, seen)| seen == name && place.trim_matches('`') == block)
    }
}

fn looks(registry: &Registry, kind: ComponentKind, name: &str, body: &BodySchema) -> Looks {
    let mut all = BTreeSet::new();
    let mut look = |more: Vec<(String, Value)>| {
        let mut entries: Vec<(String, Value)> = base()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        for (name, value) in more {
            entries.retain(|(known, _)| *known != name);
            entries.push((name, value));
        }
        all.extend(seen(registry, kind, name, &object(entries)));
    };
    for setting in settings() {
        let setting = setting.into_iter();
        look(
            setting
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        );
    }
    for (block, schema) in &body.blocks {
        // One part may keep the others from being looked at: each is left out once.
        let names = schema.body.attributes.keys();
        for without in names.map(Some).chain([None]) {
            let mut body = schema.body.clone();
            if let Some(name) = without {
                body.attributes.shift_remove(name);
            }
            let mut more = vec![(block.to_string(), many(schema.repeated, whole(&body)))];
            if block.starts_with("fleet_") {
                more.push(("spot_price".to_owned(), Value::string("auto")));
            }
            if block == "source_ami_filter" {
                more.push(("source_ami".to_owned(), Value::string("")));
            }
            look(more);
        }
    }
    let mut blocks = BTreeSet::new();
    name_blocks(body, &mut blocks);
    Looks { all, blocks }
}

fn name_blocks(body: &BodySchema, names: &mut BTreeSet<String>) {
    for (name, block) in &body.blocks {
        names.insert(name.to_string());
        name_blocks(&block.body, names);
    }
}

fn source(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join("src").join(file)).unwrap()
}

fn is_named(file: &str, name: &str) -> bool {
    source(file).contains(&format!("\"{name}\""))
}

fn in_a_table(name: &str) -> bool {
    let is = |(known, _): &(&str, &str)| *known == name;
    READ_BY_THE_RUN.iter().any(is) || ASK_FOR_NOTHING.iter().any(is)
}

/// The options that nobody looks at, by the path in the component.
fn unseen(looks: &Looks, body: &BodySchema, path: &str, block: Option<&str>) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, attribute) in &body.attributes {
        let theirs = attribute.group.as_deref() == Some(COMMUNICATOR);
        let found = match block {
            Some(block) => looks.within(block, name),
            None => looks.at(name),
        };
        if !found && !theirs && !in_a_table(name) {
            missing.push(format!("{path}{name}"));
        }
    }
    for (name, inner) in &body.blocks {
        let found = match block {
            Some(block) => looks.within(block, name),
            None => looks.at(name),
        };
        let path = format!("{path}{name}");
        // What is refused as a whole is not looked into.
        if name == "vault_aws_engine" && found {
            continue;
        }
        if !found {
            missing.push(path.clone());
        }
        missing.extend(unseen(looks, &inner.body, &format!("{path}."), Some(name)));
    }
    missing
}

#[test]
fn every_option_of_the_catalogue_is_read_or_refused() {
    let mut registry = imgc_runtime::registry::builtin();
    Aws::new().register(&mut registry);
    let builders = registry.builders.keys();
    let builders = builders.map(|name| (ComponentKind::Builder, *name));
    let post = registry.post_processors.keys();
    let post = post.map(|name| (ComponentKind::PostProcessor, *name));
    let components: Vec<_> = builders
        .chain(post)
        .filter(|(_, name)| name.starts_with("amazon-"))
        .collect();
    assert_eq!(components.len(), 8, "{components:?}");
    let mut missing = Vec::new();
    for (kind, name) in components {
        let body = &schema::component(kind, name).unwrap().body;
        let looks = looks(&registry, kind, name, body);
        missing.extend(unseen(&looks, body, &format!("{name}."), None));
    }
    assert!(missing.is_empty(), "nobody looks at {missing:#?}");
}

/// What the test above would say of options that nobody reads.
#[test]
fn an_option_that_the_catalogue_gains_is_missed_where_nobody_looks_at_it() {
    let mut registry = imgc_runtime::registry::builtin();
    Aws::new().register(&mut registry);
    let (kind, name) = (ComponentKind::Builder, "amazon-ebs");
    let mut body = schema::component(kind, name).unwrap().body.clone();
    let attribute = body.attributes["ami_name"].clone();
    body.attributes.insert("made_up".into(), attribute.clone());
    let block = body.blocks.get_mut("aws_polling").unwrap();
    // Read, but not in this block.
    let inner = &mut block.body.attributes;
    inner.insert("ami_name".into(), attribute);
    let looks = looks(&registry, kind, name, &body);
    assert_eq!(
        unseen(&looks, &body, "", None),
        ["made_up", "aws_polling.ami_name"]
    );
}

#[test]
fn every_option_of_a_data_source_is_read() {
    let access = looked::at(|| {
        let options = Value::object(
            [("access_key", "x"), ("secret_key", "x")]
                .map(|(name, value)| (name, Value::string(value))),
        );
        let options = imgc_runtime::options::Options::new("access", &options);
        let _ = crate::account::Access::read(&options);
    });
    let mut missing = Vec::new();
    for (name, file) in [
        ("amazon-ami", "data/ami.rs"),
        ("amazon-parameterstore", "data/parameterstore.rs"),
        ("amazon-secretsmanager", "data/secretsmanager.rs"),
    ] {
        let body = &schema::component(ComponentKind::DataSource, name)
            .unwrap()
            .body;
        for option in body.attributes.keys().chain(body.blocks.keys()) {
            let read = access.iter().any(|(_, seen)| seen == option) || is_named(file, option);
            // These are read together, for all that have them.
            let read = read || ["filters", "filter", "owners"].contains(&option.as_str());
            let idle = IDLE_IN_DATA.iter().any(|(known, _)| option == known);
            if !read && !idle && !in_a_table(option) {
                missing.push(format!("{name}.{option}"));
            }
        }
    }
    assert!(missing.is_empty(), "nobody looks at {missing:#?}");
}

#[test]
fn the_tables_say_what_is_so() {
    for (name, file) in READ_BY_THE_RUN {
        assert!(is_named(file, name), "{file} does not read `{name}`");
    }
    let mut known = BTreeSet::new();
    for (kind, name) in [
        (ComponentKind::Builder, "amazon-ebs"),
        (ComponentKind::DataSource, "amazon-ami"),
    ] {
        let body = &schema::component(kind, name).unwrap().body;
        known.extend(body.attributes.keys().map(ToString::to_string));
    }
    for (name, why) in ASK_FOR_NOTHING {
        assert!(known.contains(*name), "no component has `{name}`");
        assert!(!why.is_empty());
    }
}

/// What the catalogue gives to communicators is read by ours for ssh; WinRM is refused as a communicator.
#[test]
fn options_of_the_communicator_are_read_by_it() {
    let mut text = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for place in ["../ssh/src", "src"] {
        let mut open = vec![root.join(place)];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.file_name().unwrap() != "coverage.rs" {
                    text.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
    }
    let body = &schema::component(ComponentKind::Builder, "amazon-ebs")
        .unwrap()
        .body;
    let missing: Vec<_> = body
        .attributes
        .iter()
        .filter(|(_, attribute)| attribute.group.as_deref() == Some(COMMUNICATOR))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with("winrm_") && !text.contains(&format!("\"{name}\"")))
        .collect();
    assert!(missing.is_empty(), "nobody looks at {missing:?}");
}
