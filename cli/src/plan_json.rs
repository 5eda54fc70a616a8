//! The plan for programs: `plan --json`, plan files, described in `docs/plan-json.md`.
//!
//! In: a [`Plan`]. Out: JSON without a secret in it. What is sensitive or unknown is said with objects that no template
//! can write by accident: `{"$sensitive": true}` and `{"$unknown": "string"}`; a key of a template's own object that
//! begins with `$` gets a second one. A digest that follows from a secret is left out, since a short secret could be
//! guessed from it.

use imgc_compiler::plan::{Build, Key, NeedKind, Plan, Step, StepKind};
use imgc_compiler::value::{Data, Value};
use imgc_runtime::event::Redact;
use imgc_runtime::redact::Redactor;
use serde_json::{Map, Value as Json, json};

use crate::plan_shape::{component, kind_word, tainted, totals, waves};

/// Version of the form; grows when a program that reads it could break.
pub(crate) const VERSION: u32 = 1;

/// The plan as JSON.
pub(crate) fn plan(plan: &Plan) -> Json {
    // For secrets that reached a value without their mark.
    let redact = Redactor::declared(plan);
    let value = |one: &Value| masked(value(one), &redact);
    let tainted = tainted(plan);
    let steps = plan.steps.iter().zip(&tainted);
    let steps: Vec<Json> = steps
        .map(|(step, tainted)| self::step(plan, step, *tainted, &value))
        .collect();
    let order: Vec<Json> = waves(plan)
        .iter()
        .map(|wave| {
            wave.iter()
                .map(|id| plan.step(*id).address.as_str())
                .collect()
        })
        .collect();
    let totals = totals(plan);
    json!({
        "format": "imgc-plan",
        "version": VERSION,
        "imgc": env!("CARGO_PKG_VERSION"),
        "root": plan.root.display().to_string(),
        "builds": plan.builds.iter().map(|one| build(plan, one, &value)).collect::<Vec<_>>(),
        "steps": steps,
        "order": order,
        "variables": plan.variables.iter().map(|variable| json!({
            "name": variable.name.as_str(),
            "value": value(&variable.value),
            "sensitive": variable.value.contains_sensitive(),
            "origin": variable.origin,
        })).collect::<Vec<_>>(),
        "inputs": plan.inputs.iter().map(|input| json!({
            "kind": input.kind,
            "name": input.name,
            // What the environment holds may be a secret, and short.
            "digest": (input.kind != "environment").then_some(&input.digest),
        })).collect::<Vec<_>>(),
        "outputs": plan.outputs.iter().map(|output| json!({
            "name": output.name.as_str(),
            "description": output.description,
            "value": value(output.value.value()),
            "uses": output.uses.iter().map(|used| plan.build(*used).address.as_str()).collect::<Vec<_>>(),
            "complete": output.complete,
        })).collect::<Vec<_>>(),
        "totals": { "builds": totals.builds, "steps": totals.steps, "artifacts": totals.artifacts },
    })
}

fn build(plan: &Plan, build: &Build, value: &dyn Fn(&Value) -> Json) -> Json {
    let mut object = json!({
        "address": build.address,
        "name": build.name,
        "builder": build.builder.as_str(),
        "source": build.source_name.as_str(),
        "keys": build.keys.iter().map(|key| match key {
            Key::Text(text) => json!(text.as_str()),
            Key::Index(index) => json!(index),
        }).collect::<Vec<_>>(),
        "description": build.description,
        "timeout": build.timeout.map(|limit| limit.as_secs_f64()),
        "communicator": build.communicator.as_str(),
        "options": value(build.source.value()),
        "uses": build.uses.iter().map(|used| plan.build(*used).address.as_str()).collect::<Vec<_>>(),
        "selected": build.selected,
        "cleanup": inside(&build.cleanup, value),
    });
    if !build.checks.is_empty() {
        object["checks"] = inside(&build.checks, value);
    }
    object
}

/// Steps that are no steps of the graph by themselves.
fn inside(steps: &[Step], value: &dyn Fn(&Value) -> Json) -> Json {
    let steps = steps.iter();
    let steps = steps.map(|step| {
        json!({
            "address": step.address,
            "component": component(step),
            "options": value(step.options.value()),
            "limits": limits(step),
        })
    });
    steps.collect()
}

fn limits(step: &Step) -> Json {
    let limits = &step.limits;
    let seconds = |duration: Option<std::time::Duration>| duration.map(|d| d.as_secs_f64());
    json!({
        "pause_before": seconds(limits.pause_before),
        "timeout": seconds(limits.timeout),
        "max_retries": limits.max_retries,
        "continue_on_error": limits.continue_on_error,
    })
}

fn step(plan: &Plan, step: &Step, tainted: bool, value: &dyn Fn(&Value) -> Json) -> Json {
    let needs = step.needs.iter();
    let outputs = step.outputs.iter();
    let mut object = json!({
        "address": step.address,
        "build": plan.build(step.build).address,
        "kind": kind_word(&step.kind),
        "component": component(step),
        "options": value(step.options.value()),
        "needs": needs.map(|need| json!({
            "step": plan.step(need.step).address,
            "kind": match need.kind { NeedKind::Data => "data", NeedKind::Order => "order" },
        })).collect::<Vec<_>>(),
        "outputs": outputs.map(|(name, ty)| (name.to_string(), Json::from(ty.to_string())))
            .collect::<Map<_, _>>(),
        "undo": step.undo,
        "limits": limits(step),
        "digest": (!tainted).then_some(&step.digest),
    });
    if let StepKind::PostProcess { keep_input, .. } = step.kind {
        object["keep_input"] = json!(keep_input);
    }
    if step.checkpoint {
        object["checkpoint"] = json!(true);
    }
    if let StepKind::Publish { makes, .. } = &step.kind {
        object["makes"] = value(&Value::string(makes.as_str()));
    }
    object
}

/// A value without its secrets.
pub(crate) fn value(value: &Value) -> Json {
    if value.is_sensitive() {
        return json!({ "$sensitive": true });
    }
    match value.data() {
        Data::Unknown(ty) => json!({ "$unknown": ty.to_string() }),
        Data::Null(_) => Json::Null,
        Data::Bool(truth) => json!(truth),
        Data::Number(number) => {
            // Numbers of any size keep their digits.
            let text = number.to_string();
            text.parse::<serde_json::Number>()
                .ok()
                .filter(|parsed| parsed.to_string() == text)
                .map_or(Json::String(text), Json::Number)
        }
        Data::String(text) => json!(text.as_str()),
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
            elements.iter().map(self::value).collect()
        }
        Data::Map(_, entries) | Data::Object(entries) => entries
            .iter()
            .map(|(key, entry)| {
                let key = match key.starts_with('$') {
                    true => format!("${key}"),
                    false => key.to_string(),
                };
                (key, self::value(entry))
            })
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// With secrets masked in texts; `<sensitive>` is no object, since only a part of a text may be one.
pub(crate) fn masked(json: Json, redact: &dyn Redact) -> Json {
    match json {
        Json::String(text) => Json::String(redact.redact(&text)),
        Json::Array(parts) => parts.into_iter().map(|part| masked(part, redact)).collect(),
        Json::Object(members) => members
            .into_iter()
            .map(|(name, part)| (redact.redact(&name), masked(part, redact)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::types::Type;

    use super::*;
    use crate::sample;

    #[test]
    fn values_without_secrets() {
        let object = Value::object([
            ("plain", Value::string("x")),
            ("$sensitive", Value::bool(true)),
            ("secret", Value::string("hunter2").mark(true)),
            ("later", Value::unknown(Type::list(Type::String))),
        ]);
        insta::assert_snapshot!(value(&object).to_string(), @r#"{"$$sensitive":true,"later":{"$unknown":"list(string)"},"plain":"x","secret":{"$sensitive":true}}"#);
    }

    #[test]
    fn the_sample_plan() {
        let json = plan(&sample::plan());
        let text = serde_json::to_string_pretty(&json).unwrap();
        assert!(!text.contains(sample::SECRET));
        insta::assert_snapshot!(text, @r#"
        {
          "format": "imgc-plan",
          "version": 1,
          "imgc": "0.1.0",
          "root": ".",
          "builds": [
            {
              "address": "build.web.null.base",
              "name": "web.null.base",
              "builder": "null",
              "source": "base",
              "keys": [],
              "description": "A web server.",
              "timeout": null,
              "communicator": "ssh",
              "options": {
                "communicator": "ssh",
                "pause_before_connecting": "10s",
                "ssh_host": "192.0.2.1",
                "ssh_password": {
                  "$sensitive": true
                },
                "ssh_port": 22,
                "ssh_timeout": "5m",
                "ssh_username": "root",
                "winrm_host": null
              },
              "uses": [],
              "selected": true,
              "cleanup": []
            },
            {
              "address": "build.note.file.readme",
              "name": "note.file.readme",
              "builder": "file",
              "source": "base",
              "keys": [],
              "description": null,
              "timeout": null,
              "communicator": "none",
              "options": {
                "content": "hello\n",
                "target": "readme.txt"
              },
              "uses": [],
              "selected": true,
              "cleanup": [
                {
                  "address": "build.note.file.readme.error-cleanup-provisioner[0]",
                  "component": "shell",
                  "options": {
                    "inline": [
                      "echo sorry"
                    ]
                  },
                  "limits": {
                    "pause_before": 90.0,
                    "timeout": 600.0,
                    "max_retries": 2,
                    "continue_on_error": false
                  }
                }
              ]
            }
          ],
          "steps": [
            {
              "address": "build.web.null.base.prepare",
              "build": "build.web.null.base",
              "kind": "prepare",
              "component": null,
              "options": {},
              "needs": [],
              "outputs": {},
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": null
            },
            {
              "address": "build.web.null.base.launch",
              "build": "build.web.null.base",
              "kind": "launch",
              "component": null,
              "options": {},
              "needs": [
                {
                  "step": "build.web.null.base.prepare",
                  "kind": "order"
                }
              ],
              "outputs": {},
              "undo": "release the machine",
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": null
            },
            {
              "address": "build.web.null.base.connect",
              "build": "build.web.null.base",
              "kind": "connect",
              "component": null,
              "options": {},
              "needs": [
                {
                  "step": "build.web.null.base.launch",
                  "kind": "order"
                }
              ],
              "outputs": {},
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": null
            },
            {
              "address": "build.web.null.base.provisioner[0]",
              "build": "build.web.null.base",
              "kind": "provision",
              "component": "shell",
              "options": {
                "environment_vars": [
                  {
                    "$sensitive": true
                  }
                ],
                "inline": [
                  "apt-get update",
                  "apt-get install --yes nginx-light openssl curl ca-certificates",
                  "echo done"
                ]
              },
              "needs": [
                {
                  "step": "build.web.null.base.connect",
                  "kind": "order"
                }
              ],
              "outputs": {},
              "undo": null,
              "limits": {
                "pause_before": 90.0,
                "timeout": 600.0,
                "max_retries": 2,
                "continue_on_error": false
              },
              "digest": null
            },
            {
              "address": "build.web.null.base.provisioner[1]",
              "build": "build.web.null.base",
              "kind": "provision",
              "component": "shell",
              "options": {
                "inline": {
                  "$unknown": "string"
                }
              },
              "needs": [
                {
                  "step": "build.web.null.base.provisioner[0]",
                  "kind": "order"
                }
              ],
              "outputs": {},
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": null
            },
            {
              "address": "build.web.null.base.capture",
              "build": "build.web.null.base",
              "kind": "capture",
              "component": null,
              "options": {},
              "needs": [
                {
                  "step": "build.web.null.base.provisioner[1]",
                  "kind": "order"
                }
              ],
              "outputs": {},
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": null
            },
            {
              "address": "build.note.file.readme.launch",
              "build": "build.note.file.readme",
              "kind": "launch",
              "component": null,
              "options": {},
              "needs": [],
              "outputs": {},
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": "0606060606060606060606060606060606060606060606060606060606060606"
            },
            {
              "address": "build.note.file.readme.capture",
              "build": "build.note.file.readme",
              "kind": "capture",
              "component": null,
              "options": {},
              "needs": [
                {
                  "step": "build.note.file.readme.launch",
                  "kind": "order"
                }
              ],
              "outputs": {},
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": "0707070707070707070707070707070707070707070707070707070707070707"
            },
            {
              "address": "build.note.file.readme.post-processor[0][0]",
              "build": "build.note.file.readme",
              "kind": "post-process",
              "component": "checksum",
              "options": {},
              "needs": [
                {
                  "step": "build.note.file.readme.capture",
                  "kind": "data"
                }
              ],
              "outputs": {
                "artifact": "any"
              },
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": "0808080808080808080808080808080808080808080808080808080808080808",
              "keep_input": null
            },
            {
              "address": "build.note.file.readme.post-processor[1][0]",
              "build": "build.note.file.readme",
              "kind": "post-process",
              "component": "manifest",
              "options": {},
              "needs": [
                {
                  "step": "build.note.file.readme.capture",
                  "kind": "data"
                }
              ],
              "outputs": {
                "artifact": "any"
              },
              "undo": null,
              "limits": {
                "pause_before": null,
                "timeout": null,
                "max_retries": 0,
                "continue_on_error": false
              },
              "digest": "0909090909090909090909090909090909090909090909090909090909090909",
              "keep_input": null
            }
          ],
          "order": [
            [
              "build.web.null.base.prepare",
              "build.note.file.readme.launch"
            ],
            [
              "build.web.null.base.launch",
              "build.note.file.readme.capture"
            ],
            [
              "build.web.null.base.connect",
              "build.note.file.readme.post-processor[0][0]",
              "build.note.file.readme.post-processor[1][0]"
            ],
            [
              "build.web.null.base.provisioner[0]"
            ],
            [
              "build.web.null.base.provisioner[1]"
            ],
            [
              "build.web.null.base.capture"
            ]
          ],
          "variables": [
            {
              "name": "name",
              "value": "web",
              "sensitive": false,
              "origin": "default"
            },
            {
              "name": "password",
              "value": {
                "$sensitive": true
              },
              "sensitive": true,
              "origin": "environment PKR_VAR_password"
            }
          ],
          "inputs": [
            {
              "kind": "file",
              "name": "setup.sh",
              "digest": "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"
            },
            {
              "kind": "environment",
              "name": "PKR_VAR_password",
              "digest": null
            }
          ],
          "outputs": [],
          "totals": {
            "builds": 2,
            "steps": 10,
            "artifacts": 1
          }
        }
        "#);
    }
}
