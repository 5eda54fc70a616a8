//! Names that change, and those that do not.
#![allow(clippy::unwrap_used)]

use crate::fixture::{Seen, fixture, name};

fn rename(text: &str, to: &str) -> String {
    let f = fixture(text);
    let edit = match f.analysis.rename(&f.path, f.offset, to).unwrap() {
        Ok(edit) => edit,
        Err(refused) => return format!("refused: {}", refused.0),
    };
    let mut shown = String::new();
    for (path, edits) in &edit.edits {
        let mut text = f.analysis.text(path).unwrap().to_string();
        for edit in edits.iter().rev() {
            let range = edit.range.start as usize..edit.range.end as usize;
            text.replace_range(range, &edit.text);
        }
        shown.push_str(&format!("//- {}\n{text}", name(path)));
    }
    shown
}

#[test]
fn names_change_everywhere() {
    let mut seen = Seen::default();
    let cases = [
        "variable \"x\" {}\nlocals { a = \"${var.$0x}-${var.x}\" }\n//- b.imgc.toml\n[locals]\nb = \"${var.x}\"\n//- a.auto.pkrvars.hcl\nx = 1\n//- dev.pkrvars.json\n{\"x\": 2}\n",
        "locals { $0x = 1 }\nlocals { a = [for x in [local.x] : x] }\n",
        "source \"null\" \"x\" { communicator = \"none\" }\nbuild {\n  name = \"w\"\n  sources = [\"source.null.$0x\"]\n  provisioner \"shell-local\" {\n    inline = [\"true\"]\n    only = [\"null.x\"]\n    except = [\"w.null.x\"]\n    override = { \"null.x\" = {} }\n  }\n}\n",
        "build {\n  name = \"$0x\"\n  sources = [\"null.a\"]\n}\nsource \"null\" \"a\" { communicator = \"none\" }\nbuild {\n  sources = [\"null.a\"]\n  provisioner \"shell-local\" {\n    inline = [build.x.artifact.id]\n  }\n}\n",
        "data \"http\" \"$0x\" { url = \"u\" }\nlocals { a = data.http.x.body }\n",
        "//- a.json\n{\"variables\": {\"$0x\": \"\"}, \"builders\": [{\"type\": \"null\", \"ssh_host\": \"{{user `x`}}\"}]}\n",
    ];
    for case in cases {
        seen.add(case, &rename(case, "better"));
    }
    seen.check("names_change_everywhere");
}

#[test]
fn what_would_go_wrong_is_refused() {
    let mut seen = Seen::default();
    let cases = [
        ("variable \"$0x\" {}\nvariable \"y\" {}\n", "y"),
        ("variable \"$0x\" {}\nlocals { a = var.y }\n", "y"),
        ("variable \"$0x\" {}\n", "a b"),
        ("variable \"$0x\" {}\n", "1a"),
        ("variable \"$0x\" {}\nlocals { a = }\n", "y"),
        ("locals { a = var.$0x }\n", "y"),
        ("locals { a = $01 }\n", "y"),
        (
            "source \"null\" \"$0x\" {}\nsource \"null\" \"y\" {}\n",
            "y",
        ),
        (
            "//- a.json\n{\"builders\": [{\"type\": \"$0null\"}]}\n",
            "y",
        ),
        (
            "module \"m\" {\n  source = \"./m\"\n  $0x = 1\n}\n//- m/a.pkr.hcl\nvariable \"x\" {}\n",
            "y",
        ),
    ];
    for (case, to) in cases {
        seen.add(&format!("{case}\n<- {to}"), &rename(case, to));
    }
    seen.check("what_would_go_wrong_is_refused");
}
