//! What is shown under the pointer.
#![allow(clippy::unwrap_used)]

use crate::fixture::{Seen, fixture};

fn hover(text: &str) -> String {
    let fixture = fixture(text);
    let hover = fixture.analysis.hover(&fixture.path, fixture.offset);
    let Some(hover) = hover.unwrap() else {
        return String::new();
    };
    assert!(hover.range.touches(fixture.offset));
    let text = fixture.analysis.text(&fixture.path).unwrap();
    format!("[{}]\n{}", hover.range.of(&text), hover.markdown)
}

impl Seen {
    fn hover(&mut self, text: &str) {
        self.add(text, &hover(text));
    }
}

#[test]
fn names_say_what_they_are() {
    let mut seen = Seen::default();
    seen.hover("variable \"x\" {\n  type = number\n  default = 1\n  description = \"how many\"\n}\nlocals { y = var.$0x }");
    seen.hover("variable \"x\" {\n  default = 1\n}\nlocals { y = var.$0x }\n//- a.auto.pkrvars.hcl\nx = 2\n");
    seen.hover("variable \"x\" {\n  type = string\n}\nlocals { y = var.$0x }\n");
    seen.hover("locals {\n  a = [1, \"b\"]\n  b = local.$0a\n}");
    seen.hover("locals {\n  $0a = upper(\"x\")\n}");
    seen.hover("source \"null\" \"web\" { communicator = \"none\" }\nbuild { sources = [\"source.null.w$0eb\"] }");
    seen.hover("locals { y = var.no$0ne }");
    seen.check("names_say_what_they_are");
}

#[test]
fn options_components_and_functions() {
    let mut seen = Seen::default();
    seen.hover("source \"amazon-ebs\" \"a\" {\n  source_$0ami = \"x\"\n}");
    seen.hover("source \"amazon-ebs\" \"a\" {\n  communi$0cator = \"ssh\"\n}");
    seen.hover("source \"amazon$0-ebs\" \"a\" {}");
    seen.hover("build {\n  pro$0visioner \"shell\" {}\n}");
    seen.hover("build {\n  provisioner \"shell\" {\n    max_ret$0ries = 1\n  }\n}");
    seen.hover("locals { x = jo$0in(\",\", [\"a\"]) }");
    seen.hover("locals { x = \"a${1 $0+ 2}\" }");
    seen.hover("locals { x = $0timestamp() }");
    seen.hover("build {\n  sources = [\"null.a\"]\n  provisioner \"shell\" {\n    inline = [build.$0ID]\n  }\n}");
    seen.check("options_components_and_functions");
}

#[test]
fn other_languages() {
    let mut seen = Seen::default();
    seen.hover(
        "//- a.json\n{ \"builders\": [{ \"type\": \"nu$0ll\", \"communicator\": \"none\" }] }",
    );
    seen.hover(
        "//- a.json\n{ \"builders\": [{ \"type\": \"null\", \"communi$0cator\": \"none\" }] }",
    );
    seen.hover("//- a.json\n{ \"variables\": { \"v\": \"1\" }, \"builders\": [{ \"type\": \"null\", \"ssh_host\": \"{{user `$0v`}}\" }] }");
    seen.hover(
        "//- a.imgc.toml\n[variable.v]\ndefault = 1\n[source.null.a]\nssh_host = \"${var.$0v}\"\n",
    );
    seen.hover("//- a.pkr.json\n{ \"source\": {\"null\": {\"a\": { \"ssh$0_host\": \"x\" }}} }");
    seen.check("hover_in_other_languages");
}

#[test]
fn secrets_are_never_shown() {
    let texts = [
        "variable \"p\" {\n  default = \"xyzzy-42\"\n  sensitive = true\n}\nlocals {\n  a = \"x-${var.p}\"\n  b = { c = var.p }\n  d = upper(var.p)\n}\nsource \"null\" \"a\" {\n  communicator = \"none\"\n  ssh_password = var.p\n}\n",
        "variable \"p\" {\n  type = string\n  sensitive = true\n}\nlocals { a = \"x-${var.p}\" }\n//- a.auto.pkrvars.hcl\np = \"xyzzy-42\"\n",
        "local \"s\" {\n  expression = \"xyzzy-42\"\n  sensitive = true\n}\nlocals { t = [local.s] }\n",
    ];
    for text in texts {
        let files = fixture(text);
        let (path, text) = &files.files[0];
        for offset in 0..=text.len() as u32 {
            if let Some(hover) = files.analysis.hover(path, offset).unwrap() {
                let shown = hover.markdown.to_lowercase();
                assert!(!shown.contains("xyzzy-42"), "at {offset}: {shown}");
            }
            for item in files.analysis.completions(path, offset).unwrap() {
                let shown = format!("{item:?}").to_lowercase();
                assert!(!shown.contains("xyzzy-42"), "at {offset}: {shown}");
            }
        }
    }
}
