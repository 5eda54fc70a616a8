//! Where names are declared and used.
#![allow(clippy::unwrap_used)]

use crate::fixture::{Seen, fixture, name};

fn place(analysis: &crate::Analysis, path: &std::path::Path, start: u32, end: u32) -> String {
    let text = analysis.text(path).unwrap_or_default();
    let before = &text[..start as usize];
    let line = before.matches('\n').count() + 1;
    let column = start as usize - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    let words = &text[start as usize..end as usize];
    format!("{}:{line}:{column} {words}", name(path))
}

fn definition(text: &str) -> String {
    let f = fixture(text);
    let found = f.analysis.definition(&f.path, f.offset).unwrap();
    let shown = found.iter().map(|target| {
        assert!(target.range.covers(target.focus));
        place(
            &f.analysis,
            &target.path,
            target.focus.start,
            target.focus.end,
        )
    });
    shown.collect::<Vec<_>>().join("\n   ")
}

fn references(text: &str) -> String {
    let f = fixture(text);
    let found = f.analysis.references(&f.path, f.offset, true).unwrap();
    let shown = found.iter().map(|place_| {
        place(
            &f.analysis,
            &place_.path,
            place_.range.start,
            place_.range.end,
        )
    });
    shown.collect::<Vec<_>>().join("\n   ")
}

#[test]
fn definitions() {
    let mut seen = Seen::default();
    let cases = [
        "locals { y = var.$0x }\n//- b.pkr.hcl\nvariable \"x\" {}\n",
        "locals {\n  a = 1\n  b = \"${local.$0a}\"\n}",
        "data \"http\" \"d\" { url = \"u\" }\nlocals { b = data.http.d$0.body }",
        "source \"null\" \"a\" {}\nbuild { sources = [source.null.$0a] }",
        "source \"null\" \"a\" {}\nbuild { sources = [\"null.$0a\"] }",
        "source \"null\" \"a\" {}\nbuild {\n  source \"source.null.$0a\" {}\n}",
        "provisioners \"g\" {}\nbuild {\n  provisioners \"$0g\" {}\n}",
        "build {\n  provisioner \"shell\" {\n    script = \"a$0.sh\"\n  }\n}\n//- a.sh\n",
        "module \"m\" {\n  source = \"./m\"\n  na$0me = 1\n}\n//- m/main.pkr.hcl\nvariable \"name\" {}\n",
        "module \"m\" {\n  source = \"./$0m\"\n}\n//- m/main.pkr.hcl\nvariable \"name\" {}\n",
        "module \"m\" { source = \"./m\" }\nlocals { x = module.m.o$0ut }\n//- m/main.pkr.hcl\noutput \"out\" { value = 1 }\n",
        "//- a.auto.pkrvars.hcl\n$0x = 1\n//- b.pkr.hcl\nvariable \"x\" {}\n",
        "//- dev.pkrvars.hcl\n$0x = 1\n//- b.pkr.hcl\nvariable \"x\" {}\n",
        "//- a.json\n{ \"variables\": {\"v\": \"\"}, \"builders\": [{\"type\": \"null\", \"ssh_host\": \"{{user `$0v`}}\"}] }",
        "//- a.imgc.toml\n[variable.v]\ndefault = 1\n[locals]\nx = \"${var.$0v}\"\n",
        "locals { y = var.$0none }",
    ];
    for case in cases {
        seen.add(case, &definition(case));
    }
    seen.check("definitions");
}

#[test]
fn all_uses() {
    let mut seen = Seen::default();
    let cases = [
        "variable \"$0x\" {}\nlocals {\n  a = var.x\n  b = \"${var.x}\"\n  c = var[\"x\"]\n  d = [for x in [] : x]\n}\n//- a.auto.pkrvars.hcl\nx = 1\n//- dev.pkrvars.hcl\nx = 2\n",
        "source \"null\" \"$0a\" {}\nsource \"null\" \"b\" { extends = source.null.a }\nbuild {\n  name = \"w\"\n  sources = [\"source.null.a\", source.null.b]\n  provisioner \"shell\" {\n    only = [\"null.a\"]\n    except = [\"w.null.a\", \"null.b\"]\n    override = {\n      \"null.a\" = {}\n    }\n  }\n}",
        "build {\n  name = \"$0w\"\n  sources = [\"null.a\"]\n}\nsource \"null\" \"a\" {}\nbuild {\n  sources = [\"null.a\"]\n  provisioner \"shell\" {\n    inline = [build.w.artifact.id]\n    only = [\"w.null.a\"]\n  }\n}",
        "//- a.pkr.json\n{\"variable\": {\"$0v\": {\"default\": 1}}, \"locals\": {\"l\": \"${var.v}\"}}",
    ];
    for case in cases {
        seen.add(case, &references(case));
    }
    seen.check("all_uses");
}

#[test]
fn highlights_tell_writing_from_reading() {
    let f = fixture("variable \"x\" {}\nlocals { a = var.$0x }\n");
    let found = f.analysis.highlights(&f.path, f.offset).unwrap();
    let kinds: Vec<_> = found.iter().map(|highlight| highlight.kind).collect();
    use crate::HighlightKind::{Read, Write};
    assert_eq!(kinds, [Write, Read]);
}

#[test]
fn a_local_is_made_of_what_it_refers_to() {
    let f = fixture("variable \"x\" {}\nlocals { a = var.x }\nlocals { b = local.$0a }\n");
    let found = f.analysis.type_definition(&f.path, f.offset).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].focus.start, 10);
}
