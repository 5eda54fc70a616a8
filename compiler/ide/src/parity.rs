//! The same template in HCL, TOML and JSON: what an editor is told must be the same, and where it is not, the snapshot
//! says so.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use crate::fixture::{Fixture, Seen, fixture};
use crate::outline::Symbol;
use crate::place::PARSES;
use crate::{SemanticToken, TextRange, TokenKind};

const HCL: &str = r#"//- main.pkr.hcl
variable "region" {
  type    = string
  default = "here"
}
variable "spare" {
  type = string
}
locals {
  host = "h-${upper(var.region)}"
}
source "null" "s" {
  communicator = "ssh"
  ssh_host     = "${local.host}"
  ssh_username = "${var.regoin}"
}
build {
  sources = ["source.null.s"]
  provisioner "shell" {
    script = "run.sh"
    only   = ["null.s"]
  }
  provisioner "file" {
    source = "run.sh"
  }
}
//- run.sh
true
"#;

const TOML: &str = r#"//- main.imgc.toml
[variable.region]
type = "string"
default = "here"
[variable.spare]
type = "string"
[locals]
host = "h-${upper(var.region)}"
[source.null.s]
communicator = "ssh"
ssh_host = "${local.host}"
ssh_username = "${var.regoin}"
[[build]]
sources = ["source.null.s"]
[[build.provisioner]]
type = "shell"
script = "run.sh"
only = ["null.s"]
[[build.provisioner]]
type = "file"
source = "run.sh"
//- run.sh
true
"#;

const JSON: &str = r#"//- main.pkr.json
{
  "variable": {
    "region": {
      "type": "string",
      "default": "here"
    },
    "spare": {
      "type": "string"
    }
  },
  "locals": {
    "host": "h-${upper(var.region)}"
  },
  "source": {
    "null": {
      "s": {
        "communicator": "ssh",
        "ssh_host": "${local.host}",
        "ssh_username": "${var.regoin}"
      }
    }
  },
  "build": {
    "sources": ["source.null.s"],
    "provisioner": [
      {
        "shell": {
          "script": "run.sh",
          "only": ["null.s"]
        }
      },
      {
        "file": {
          "source": "run.sh"
        }
      }
    ]
  }
}
//- run.sh
true
"#;

/// The template with the cursor behind the first of these words, which stands after another one.
fn at(text: &str, after: &str, word: &str) -> Fixture {
    let from = text.find(after).unwrap();
    let place = from + text[from..].find(word).unwrap() + word.len();
    fixture(&format!("{}$0{}", &text[..place], &text[place..]))
}

fn names(symbols: &[Symbol], out: &mut Vec<String>) {
    for symbol in symbols {
        out.push(format!("{:?} {}", symbol.kind, symbol.name));
        names(&symbol.children, out);
    }
}

/// The words of a text that have a kind.
fn words(text: &str, tokens: &[SemanticToken], kind: TokenKind) -> String {
    let found = tokens.iter().filter(|token| token.kind == kind);
    let mut words: Vec<&str> = found.map(|token| token.range.of(text)).collect();
    words.sort_unstable();
    words.join(" ")
}

fn joined<T>(items: impl IntoIterator<Item = T>, show: impl Fn(T) -> String) -> String {
    let mut shown: Vec<String> = items.into_iter().map(show).collect();
    shown.sort();
    shown.join(", ")
}

/// What is said about a place, besides where it is.
type Ask = fn(&Fixture) -> String;

/// What is asked, where, and how.
const QUESTIONS: &[(&str, &str, &str, Ask)] = &[
    ("problems", "region", "region", |f| {
        let id = f.analysis.template_of(&f.path).unwrap();
        let files = f.analysis.diagnostics(&id).unwrap();
        joined(files.iter().flat_map(|file| &file.problems), |problem| {
            let fixes = problem.fixes.len();
            format!("{} ({fixes} fixes)", problem.id)
        })
    }),
    ("options", "ssh_host", "ssh_ho", |f| {
        let items = f.analysis.completions(&f.path, f.offset).unwrap();
        format!("{}: {}", items.len(), items[0].label)
    }),
    ("values", "communicator", "ssh", |f| {
        let items = f.analysis.completions(&f.path, f.offset).unwrap();
        joined(items, |item| item.label)
    }),
    ("names in expressions", "ssh_username", "var.", |f| {
        let items = f.analysis.completions(&f.path, f.offset).unwrap();
        joined(items, |item| item.label)
    }),
    ("files", "script", "run.", |f| {
        let items = f.analysis.completions(&f.path, f.offset).unwrap();
        joined(items, |item| item.label)
    }),
    ("sources of a build", "sources", "source.null.", |f| {
        let items = f.analysis.completions(&f.path, f.offset).unwrap();
        joined(items, |item| item.label)
    }),
    ("hover of an option", "ssh_host", "ssh_ho", |f| {
        let hover = f.analysis.hover(&f.path, f.offset).unwrap();
        hover.map_or("nothing".to_owned(), |hover| hover.markdown)
    }),
    ("hover of a name", "upper(", "var.reg", |f| {
        let hover = f.analysis.hover(&f.path, f.offset).unwrap();
        hover.map_or("nothing".to_owned(), |hover| hover.markdown)
    }),
    ("signature", "h-", "upper(", |f| {
        let help = f.analysis.signature_help(&f.path, f.offset).unwrap();
        help.map_or("nothing".to_owned(), |help| help.label)
    }),
    ("definition", "ssh_host", "local.ho", |f| {
        let text = f.analysis.text(&f.path).unwrap();
        let targets = f.analysis.definition(&f.path, f.offset).unwrap();
        joined(targets, |target| target.focus.of(&text).to_owned())
    }),
    ("references", "only", "null.", |f| {
        let found = f.analysis.references(&f.path, f.offset, true).unwrap();
        found.len().to_string()
    }),
    ("highlights", "upper(", "var.reg", |f| {
        let found = f.analysis.highlights(&f.path, f.offset).unwrap();
        joined(found, |found| format!("{:?}", found.kind))
    }),
    ("rename", "upper(", "var.reg", |f| {
        let edit = f.analysis.rename(&f.path, f.offset, "zone", &[]).unwrap();
        edit.map_or_else(
            |refused| refused.0,
            |edit| edit.edits.values().map(Vec::len).sum::<usize>().to_string(),
        )
    }),
    ("symbols", "region", "region", |f| {
        let mut found = Vec::new();
        names(&f.analysis.document_symbols(&f.path).unwrap(), &mut found);
        joined(found, |name| name)
    }),
    ("symbols of the workspace", "region", "region", |f| {
        let roots = [PathBuf::from("/t")];
        let found = f.analysis.workspace_symbols(&roots, "").unwrap();
        joined(found, |symbol| format!("{:?} {}", symbol.kind, symbol.name))
    }),
    ("folds", "region", "region", |f| {
        let found = f.analysis.folds(&f.path).unwrap();
        if found.is_empty() { "no" } else { "yes" }.to_owned()
    }),
    ("selection", "ssh_host", "local.ho", |f| {
        let found = f.analysis.selection_ranges(&f.path, f.offset).unwrap();
        if found.len() > 3 { "yes" } else { "no" }.to_owned()
    }),
    ("names by colour", "region", "region", |f| {
        let text = f.analysis.text(&f.path).unwrap();
        let tokens = f.analysis.semantic_tokens(&f.path, None).unwrap();
        words(&text, &tokens, TokenKind::Variable)
    }),
    ("functions and roots by colour", "region", "region", |f| {
        let text = f.analysis.text(&f.path).unwrap();
        let tokens = f.analysis.semantic_tokens(&f.path, None).unwrap();
        let of = |kind| words(&text, &tokens, kind);
        format!("{} {}", of(TokenKind::Function), of(TokenKind::Keyword))
    }),
    ("hints", "region", "region", |f| {
        let text = f.analysis.text(&f.path).unwrap();
        let all = TextRange::new(0, text.len() as u32);
        let hints = f.analysis.inlay_hints(&f.path, all).unwrap();
        joined(hints, |hint| hint.label)
    }),
    ("links", "region", "region", |f| {
        let links = f.analysis.document_links(&f.path).unwrap();
        joined(links, |link| format!("{:?}", link.target))
    }),
    ("layout", "region", "region", |f| {
        let edits = f.analysis.format(&f.path).unwrap();
        if edits.is_some() { "yes" } else { "no" }.to_owned()
    }),
    ("lenses", "region", "region", |f| {
        let lenses = f.analysis.code_lenses(&f.path).unwrap();
        joined(lenses, |lens| lens.title)
    }),
    ("actions at a value", "communicator", "ssh", |f| actions(f)),
    ("actions at a value with names", "locals", "h-", |f| {
        actions(f)
    }),
    ("actions at an unused variable", "spare", "spa", |f| {
        actions(f)
    }),
    ("actions at an unknown name", "ssh_username", "rego", |f| {
        actions(f)
    }),
    (
        "actions at a block that lacks something",
        "only",
        "file",
        |f| actions(f),
    ),
];

fn actions(f: &Fixture) -> String {
    let range = TextRange::at(f.offset);
    let found = f.analysis.code_actions(&f.path, range).unwrap();
    joined(found, |action| action.title)
}

#[test]
fn every_language_is_told_the_same() {
    let mut seen = Seen::default();
    for (what, after, word, ask) in QUESTIONS {
        let [hcl, toml, json] = [HCL, TOML, JSON].map(|text| ask(&at(text, after, word)));
        let other = |name: &str, answer: &str| match answer == hcl {
            true => format!("{name}: the same"),
            false => format!("{name}: {answer}"),
        };
        let shown = [
            format!("HCL: {hcl}"),
            other("TOML", &toml),
            other("JSON", &json),
        ];
        seen.add(what, &shown.join("\n"));
    }
    seen.check("every_language_is_told_the_same");
}

#[test]
fn a_place_is_found_with_one_look_at_the_text() {
    for text in [TOML, JSON] {
        for (what, after, word, _) in QUESTIONS {
            let f = at(text, after, word);
            PARSES.set(0);
            f.analysis.completions(&f.path, f.offset).unwrap();
            assert_eq!(PARSES.get(), 1, "{what} in {}", f.path.display());
        }
    }
    // Half-written, where nothing stands yet.
    let cases = [
        "//- a.pkr.json\n{\n  \"source\": {},\n  $0\n  \"build\": {}\n}",
        "//- a.pkr.json\n{\n  \"source\": {\"null\": {\"a\": {\"communicator\": $0}}}\n}",
        "//- a.imgc.toml\n[source.null.a]\n$0\nssh_host = \"\"\n",
        "//- a.imgc.toml\n[source.null.a]\ncommunicator = $0\n",
        "//- a.imgc.toml\n[$0]\n",
    ];
    for case in cases {
        let f = fixture(case);
        PARSES.set(0);
        assert!(
            !f.analysis
                .completions(&f.path, f.offset)
                .unwrap()
                .is_empty(),
            "{case}"
        );
        assert_eq!(PARSES.get(), 1, "{case}");
    }
}
