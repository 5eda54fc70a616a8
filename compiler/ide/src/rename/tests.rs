//! Names that change, and those that do not.
#![allow(clippy::unwrap_used)]

use crate::fixture::{Seen, fixture, name};

fn rename(text: &str, to: &str) -> String {
    let f = fixture(text);
    let edit = match f
        .analysis
        .rename(&f.path, f.offset, to, &["/t".into()])
        .unwrap()
    {
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
    ];
    for (case, to) in cases {
        seen.add(&format!("{case}\n<- {to}"), &rename(case, to));
    }
    seen.check("what_would_go_wrong_is_refused");
}

/// A module, and templates that use it: directly, through another module, and not at all.
fn modules(cursor: &str) -> String {
    let files = [
        (
            "m/a.pkr.hcl",
            "variable \"size\" {\n  default = 1\n}\noutput \"id\" {\n  value = var.size\n}\n",
        ),
        (
            "a/main.pkr.hcl",
            "variable \"size\" {}\nmodule \"one\" {\n  source = \"../m\"\n  size = var.size\n}\nlocals {\n  id = module.one.id\n}\n",
        ),
        (
            "b/main.imgc.toml",
            "[module.two]\nsource = \"../other/../m/\"\nfor_each = [\"x\"]\nsize = 2\n[locals]\nid = \"${module.two[\\\"x\\\"].id}\"\n",
        ),
        (
            "c/main.pkr.json",
            "{\"module\": {\"three\": {\"source\": \"../d\"}}, \"locals\": {\"size\": 1}}\n",
        ),
        (
            "d/main.pkr.hcl",
            "module \"inner\" {\n  source = \"../m\"\n  size = 3\n}\noutput \"id\" {\n  value = module.inner.id\n}\n",
        ),
        (
            "e/main.pkr.hcl",
            "variable \"size\" {}\noutput \"id\" {\n  value = var.size\n}\n",
        ),
    ];
    let mut found = String::new();
    for (name, text) in files {
        let (file, place) = cursor.split_once(':').unwrap();
        let text = match name == file {
            true => text.replacen(place, &format!("$0{place}"), 1),
            false => text.to_owned(),
        };
        found.push_str(&format!("//- {name}\n{text}"));
    }
    found
}

#[test]
fn variables_and_outputs_of_a_module_change_in_all_who_use_it() {
    let mut seen = Seen::default();
    let variable = rename(&modules("m/a.pkr.hcl:size"), "disk");
    seen.add("m/a.pkr.hcl: size", &variable);
    // From where it is used it is the same.
    assert_eq!(
        rename(&modules("a/main.pkr.hcl:size = var"), "disk"),
        variable
    );
    assert_eq!(
        rename(&modules("b/main.imgc.toml:size = 2"), "disk"),
        variable
    );
    let output = rename(&modules("m/a.pkr.hcl:id\" {"), "name");
    seen.add("m/a.pkr.hcl: id", &output);
    assert_eq!(rename(&modules("a/main.pkr.hcl:id\n"), "name"), output);
    assert_eq!(rename(&modules("d/main.pkr.hcl:id\n"), "name"), output);
    // Of a module that is used by one which is used as well.
    seen.add(
        "d/main.pkr.hcl: id",
        &rename(&modules("d/main.pkr.hcl:id\" {"), "name"),
    );
    seen.add(
        "e/main.pkr.hcl: size",
        &rename(&modules("e/main.pkr.hcl:size"), "disk"),
    );
    seen.add(
        "m/a.pkr.hcl: size <- count",
        &rename(&modules("m/a.pkr.hcl:size"), "count"),
    );
    let fetched = "module \"m\" {\n  source = \"./.imgc/modules/x\"\n  $0x = 1\n}\n//- .imgc/modules/x/a.pkr.hcl\nvariable \"x\" {}\n";
    seen.add(fetched, &rename(fetched, "y"));
    seen.check("variables_and_outputs_of_a_module");
}

#[test]
fn what_is_broken_elsewhere_stops_a_rename_only_where_the_name_may_be_in_it() {
    let mut seen = Seen::default();
    let cases = [
        // Another file, another block, a comment, another word.
        "variable \"$0x\" {}\nlocals { a = var.x }\n//- b.pkr.hcl\nlocals {\n  b = var.\n}\nlocals { c = [var.x] }\n",
        "variable \"$0x\" {}\n# x\nlocals {\n  a = \n}\nlocals { c = var.x }\n",
        "variable \"$0x\" {}\nlocals {\n  a = \n  b = var.x\n  c = var.x-y\n}\n",
        "variable \"$0x\" {}\n//- b.imgc.toml\n[locals]\na = \nb = \"${var.x}\"\n",
        // A use that is not understood, and a name that would then be there twice.
        "variable \"$0x\" {}\nlocals {\n  a = [1, = var.x\n}\n",
        "variable \"$0x\" {}\nlocals {\n  a = = x\n}\n",
        "variable \"$0x\" {}\nvariable y {\n  = 1\n}\nlocals { a = = y }\n",
        "variable \"$0x\" {}\n//- b.imgc.toml\n[locals]\na = = x\n",
    ];
    for case in cases {
        seen.add(case, &rename(case, "y"));
    }
    seen.check("what_is_broken_elsewhere");
}
