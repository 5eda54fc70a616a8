//! `imgc plugins`: answers for scripts written for Packer, where components come with the program.

use imgc_compiler::eval;
use imgc_compiler::hir::{Attribute, ExprKind};
use std::fmt::Write as _;

use crate::args::{PluginAction, PluginsArgs, TemplateArgs};
use crate::diagnostics::render;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Terminal, complain, harmless, print};

use super::{compile, exit_of};

pub(super) fn run(args: &PluginsArgs, terminal: Terminal) -> Outcome {
    match (args.action, args.arguments.as_slice()) {
        (PluginAction::Required, [] | [_]) => required(args.arguments.first(), terminal),
        (PluginAction::Installed, []) => {
            complain("note: no plugins are installed: all components are part of imgc\n");
            Ok(Exit::Done)
        }
        (PluginAction::Install | PluginAction::Remove, [plugin] | [plugin, _]) => {
            print(&format!(
                "Nothing to do for {}: components are part of imgc. `imgc validate` says what a template uses that cannot run.\n",
                harmless(plugin)
            ))?;
            Ok(Exit::Done)
        }
        (PluginAction::Install | PluginAction::Remove, []) => {
            Err(Failure::usage("a plugin is missing")
                .help("name one such as `github.com/hashicorp/amazon`, and a version if you like"))
        }
        (_, more) => {
            let last = more.last().map_or("", String::as_str);
            Err(Failure::usage(format!("`{last}` is one argument too many"))
                .help("`imgc help plugins` lists what each subcommand takes"))
        }
    }
}

/// What `required_plugins` of a template ask for, in Packer's form: name, source, version.
fn required(path: Option<&String>, terminal: Terminal) -> Outcome {
    let template = TemplateArgs {
        path: path.map_or_else(|| ".".into(), Into::into),
        ..TemplateArgs::default()
    };
    let mut request = template.request();
    request.check_only = true;
    request.offline_files = true;
    let (compilation, _) = compile(&request);
    if compilation.unreadable.is_some() {
        complain(&render(&compilation, terminal.err));
        return Ok(exit_of(&compilation));
    }
    let settings = compilation.module.settings.iter();
    let lines: Vec<String> = settings
        .flat_map(|settings| &settings.required_plugins)
        .map(line)
        .collect();
    match lines.is_empty() {
        true => complain("note: the template requires no plugins\n"),
        false => print(&lines.concat())?,
    }
    Ok(Exit::Done)
}

fn line(plugin: &Attribute) -> String {
    let mut text = plugin.name.text.to_string();
    if let ExprKind::Object(entries) = &plugin.value.kind {
        let value = |wanted: &str| {
            let (_, value) = entries
                .iter()
                .find(|(key, _)| eval::constant(key, &mut Vec::new()).as_str() == Some(wanted))?;
            let value = eval::constant(value, &mut Vec::new());
            value.as_str().map(str::to_owned)
        };
        let source = value("source").unwrap_or_default();
        let version = value("version").unwrap_or_default();
        let _ = write!(text, " {source} {version:?}");
    }
    format!("{}\n", harmless(&text))
}
