//! `imgc output`: what the last run of a template gave.

use imgc_compiler::diagnostic::nearest;
use serde_json::{Value as Json, json};

use crate::args::OutputArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::outputs;
use crate::terminal::print;

use super::json_text;

pub(super) fn run(args: &OutputArgs) -> Outcome {
    let outputs::Outputs {
        made: all,
        not_made,
    } = outputs::of(&args.look)?;
    let Some(name) = &args.name else {
        if args.raw {
            return Err(
                Failure::usage("`-raw` prints one output").help("name it: `imgc output -raw NAME`")
            );
        }
        let text = match args.json {
            true => {
                let members = all.iter().map(|(name, output)| {
                    let json = json!({
                        "value": output.value,
                        "type": output.ty,
                        "sensitive": output.sensitive,
                        "description": output.description,
                    });
                    (name.clone(), json)
                });
                json_text(&members.collect())
            }
            false => outputs::lines(
                all.iter()
                    .map(|(name, output)| (name.as_str(), output.value.as_ref())),
            ),
        };
        return print(&text).map(|()| Exit::Done);
    };
    if not_made.contains(name) {
        return Err(Failure::new(
            Exit::Environment,
            format!("no run has made the output `{name}` so far"),
        )
        .help("the builds it is made from were left out or failed: run `imgc apply` with them"));
    }
    let Some(output) = all.get(name) else {
        let failure = Failure::new(Exit::Environment, format!("there is no output `{name}`"));
        return Err(
            match nearest(name, all.keys().chain(&not_made).map(String::as_str)) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help("`imgc output` lists all of them"),
            },
        );
    };
    let Some(value) = &output.value else {
        return Err(Failure::new(
            Exit::Environment,
            format!("the output `{name}` is sensitive: its value is kept nowhere"),
        )
        .help("a post-processor such as `shell-local` can hand it to where it is needed"));
    };
    let text = match (args.raw, value) {
        (false, value) if args.json => json_text(value),
        (true, Json::String(text)) => text.clone(),
        (true, Json::Bool(_) | Json::Number(_)) => value.to_string(),
        (true, _) => {
            return Err(Failure::usage(format!(
                "`-raw` prints texts, numbers and bools, and `{name}` is {}",
                output.ty
            ))
            .help(format!("write `imgc output -json {name}`")));
        }
        (false, value) => format!(
            "{}\n",
            imgc_compiler::value::Value::from_json(value).display()
        ),
    };
    print(&text).map(|()| Exit::Done)
}
