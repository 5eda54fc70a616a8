//! How a builder reaches its machine: which options that way needs, and which it leaves idle.

use smol_str::SmolStr;

use super::{Given, Subject};
use crate::components::ComponentKind;
use crate::diagnostic::{Diagnostic, Severity};
use crate::eval::Context;
use crate::module::quoted_list;
use crate::schema::BodySchema;

/// Options of `ssh_…` that serve machines reached otherwise too: keys decrypt a first password, interfaces are chosen.
const SERVE_ALL: &[&str] = &[
    "ssh_agent_auth",
    "ssh_clear_authorized_keys",
    "ssh_interface",
    "ssh_key_id",
    "ssh_keypair_name",
    "ssh_private_key",
    "ssh_private_key_file",
    "ssh_public_key",
];

/// The communicator a body is for: what it says, or what is taken where it does not; `None` where that is not known yet.
pub(super) fn named<'v>(schema: &'v BodySchema, given: &'v Given) -> Option<&'v str> {
    let attribute = schema.attributes.get("communicator")?;
    match given.attributes.get("communicator") {
        Some((value, _)) if !value.is_known() => return None,
        Some((value, _)) => match value.as_str() {
            Some(name) if !name.is_empty() => return Some(name),
            _ => {}
        },
        None => {}
    }
    match &attribute.default {
        Some(default) => default.as_str(),
        None => Some("ssh"),
    }
}

/// Checks the options of the communicator a component uses.
pub(super) fn check(subject: &Subject<'_>, given: &Given, cx: &mut Context<'_>) {
    let schema = &subject.component.body;
    let Some(name) = named(schema, given) else {
        return;
    };
    idle(subject, name, given, cx);
    if is_null(subject) {
        existing(subject, name, given, cx);
    } else if name == "ssh" {
        bastion(subject, given, cx);
    }
}

fn is_null(subject: &Subject<'_>) -> bool {
    subject.component.kind == Some(ComponentKind::Builder) && subject.component.name == "null"
}

/// The builder `null` makes no machine: it must know where one is, and how to log in.
fn existing(subject: &Subject<'_>, communicator: &str, given: &Given, cx: &mut Context<'_>) {
    let (host, user, ways): (_, _, &[&str]) = match communicator {
        "ssh" => (
            "ssh_host",
            "ssh_username",
            &["ssh_password", "ssh_private_key_file", "ssh_agent_auth"],
        ),
        "winrm" => ("winrm_host", "winrm_username", &["winrm_password"]),
        _ => return,
    };
    let what = &subject.what;
    let mut missing = |names: &[&str], help: String| {
        let wanted = match names {
            [name] => format!("the option `{name}`"),
            names => format!("one of the options {}", quoted_list(names.iter().copied())),
        };
        let message = format!("{what} needs {wanted} for the communicator `{communicator}`");
        let place = names.iter().find_map(|name| given.place(name));
        let place = place.unwrap_or(subject.span);
        let mut diagnostic = Diagnostic::error("check/missing-option", place, message)
            .help(help)
            .lacking(names.iter().copied());
        if names
            .iter()
            .any(|name| given.computed_empty(name).is_some())
        {
            diagnostic.severity = Severity::Warning;
        }
        cx.report(diagnostic);
    };
    if !given.has(host) {
        let none = "`communicator = \"none\"` where no machine is wanted";
        return missing(&[host], format!("add `{host} = …`, or {none}"));
    }
    if !given.has(user) {
        missing(&[user], format!("add `{user} = …`"));
    }
    if !ways.iter().any(|way| given.has(way)) {
        missing(ways, format!("add `{} = …`", ways[0]));
    }
}

/// Options of a way that is not the one taken.
fn idle(subject: &Subject<'_>, communicator: &str, given: &Given, cx: &mut Context<'_>) {
    if given.computed.contains("communicator") {
        // Such a source is for several ways, with the options of all of them.
        return;
    }
    let others: &[&str] = match communicator {
        "ssh" => &["winrm_"],
        "winrm" => &["ssh_"],
        _ => return,
    };
    let is_idle = |name: &&SmolStr| {
        let schema = subject.component.body.attributes.get(name.as_str());
        let common = schema.is_some_and(|schema| schema.group.as_deref() == Some("communicator"));
        common
            && others.iter().any(|prefix| name.starts_with(prefix))
            && !SERVE_ALL.contains(&name.as_str())
            && given.has(name)
    };
    let names: Vec<&SmolStr> = given.attributes.keys().filter(is_idle).collect();
    let Some(place) = names.first().and_then(|name| given.place(name)) else {
        return;
    };
    let verb = if names.len() == 1 { "has" } else { "have" };
    let diagnostic = Diagnostic::warning(
        "check/idle-option",
        place,
        format!(
            "{} {verb} no effect: the communicator of {} is `{communicator}`",
            quoted_list(names.iter().map(|name| name.as_str())),
            subject.what
        ),
    );
    let said = given.place("communicator");
    cx.report(match (communicator, said) {
        ("ssh", None) => diagnostic.help("for WinRM, add `communicator = \"winrm\"`"),
        (_, Some(said)) => diagnostic
            .label(said, "chosen here")
            .help("remove them, or choose another communicator"),
        _ => diagnostic.help("remove them"),
    });
}

/// A host to go through needs a way to log in, and leaves no room for a proxy.
fn bastion(subject: &Subject<'_>, given: &Given, cx: &mut Context<'_>) {
    let Some(place) = given
        .place("ssh_bastion_host")
        .filter(|_| given.has("ssh_bastion_host"))
    else {
        return;
    };
    if given.has("ssh_proxy_host")
        && let Some(proxy) = given.place("ssh_proxy_host")
    {
        let what = &subject.what;
        let message =
            format!("`ssh_bastion_host` and `ssh_proxy_host` of {what} exclude each other");
        cx.report(
            Diagnostic::error("check/conflicting-options", proxy, message)
                .label(place, "`ssh_bastion_host` is given here")
                .help("remove one of them"),
        );
    }
    let ways = [
        "ssh_bastion_agent_auth",
        "ssh_bastion_password",
        "ssh_bastion_private_key_file",
        "ssh_bastion_interactive",
    ];
    let inherited = ["ssh_private_key_file", "ssh_password", "ssh_agent_auth"];
    if !ways.iter().chain(&inherited).any(|way| given.has(way)) {
        let message = "`ssh_bastion_host` needs a way to log in";
        cx.report(
            Diagnostic::error("check/conflicting-options", place, message).help(
                "add `ssh_bastion_private_key_file = …`, `ssh_bastion_password = …` or `ssh_bastion_agent_auth = true`",
            ),
        );
    }
}
