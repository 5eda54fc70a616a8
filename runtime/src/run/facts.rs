//! The template's `build` object.

use std::collections::BTreeMap;

use imgc_compiler::plan::Build;
use imgc_compiler::value::Value;
use smol_str::SmolStr;

use crate::options::Options;

/// Values that every build has; empty where nobody knows better. Packer says `<unknown>`.
const ALWAYS: &[&str] = &[
    "ConnType",
    "Host",
    "ID",
    "PackerHTTPAddr",
    "PackerHTTPIP",
    "PackerHTTPPort",
    "Password",
    "Port",
    "SSHPrivateKey",
    "SSHPublicKey",
    "User",
    "WinRMPassword",
];

/// Values that are secret by nature.
pub(super) const SECRET: &[&str] = &["Password", "SSHPrivateKey", "WinRMPassword"];

/// The object: first what the source's options say, then what the builder, then what the machine says.
pub(super) fn object(
    build: &Build,
    run_id: &str,
    source: Option<&Value>,
    instance: BTreeMap<String, String>,
    machine: BTreeMap<String, String>,
) -> BTreeMap<SmolStr, Value> {
    let mut facts: BTreeMap<String, String> = ALWAYS
        .iter()
        .map(|name| ((*name).to_owned(), String::new()))
        .collect();
    facts.insert("name".into(), build.block_name.clone());
    facts.insert("PackerRunUUID".into(), run_id.to_owned());
    facts.insert("ConnType".into(), build.communicator.to_string());
    if let Some(source) = source {
        let options = Options::new("source", source);
        let prefix = if build.communicator == "winrm" {
            "winrm"
        } else {
            "ssh"
        };
        for (name, option) in [
            ("Host", "host"),
            ("Port", "port"),
            ("User", "username"),
            ("Password", "password"),
        ] {
            if let Ok(Some(text)) = options.string(&format!("{prefix}_{option}")) {
                facts.insert(name.into(), text);
            }
        }
        if let Ok(Some(password)) = options.string("winrm_password") {
            facts.insert("WinRMPassword".into(), password);
        }
    }
    facts.extend(instance);
    facts.extend(machine);
    // Passwords that nobody has declared as sensitive: what everybody uses would be hidden everywhere.
    let options = source.and_then(Value::as_map).into_iter().flatten();
    let natural = options.filter(|(_, value)| value.is_sensitive_by_nature());
    let natural: Vec<&str> = natural.filter_map(|(_, value)| value.as_str()).collect();
    facts
        .into_iter()
        .map(|(name, text)| {
            let secret = SECRET.contains(&name.as_str());
            let declared = secret && !natural.contains(&text.as_str());
            let value = Value::string(text).mark_by_nature(secret);
            (SmolStr::from(name), value.mark(declared))
        })
        .collect()
}
