//! What is offered where.
#![allow(clippy::unwrap_used)]

use crate::fixture::{Seen, fixture};

/// The labels offered at the cursor, in order; `!` stands before those that must be given.
fn offered(text: &str) -> String {
    let fixture = fixture(text);
    let items = fixture.analysis.completions(&fixture.path, fixture.offset);
    let labels = items.unwrap().into_iter().map(|item| {
        let must = if item.sort.starts_with('0') { "!" } else { "" };
        format!("{must}{}", item.label)
    });
    labels.collect::<Vec<_>>().join(" ")
}

/// The first labels offered.
fn first(text: &str, count: usize) -> String {
    let all = offered(text);
    all.split(' ').take(count).collect::<Vec<_>>().join(" ")
}

/// The file after accepting the item of a label.
fn accept(text: &str, label: &str) -> String {
    let fixture = fixture(text);
    let items = fixture
        .analysis
        .completions(&fixture.path, fixture.offset)
        .unwrap();
    let item = items.iter().find(|item| item.label == label);
    let Some(item) = item else {
        let labels: Vec<&str> = items.iter().map(|item| item.label.as_str()).collect();
        panic!("`{label}` is not offered, but {labels:?}");
    };
    let mut text = fixture.analysis.text(&fixture.path).unwrap().to_string();
    let range = item.edit.range;
    assert!(range.touches(fixture.offset), "the edit is elsewhere");
    text.replace_range(range.start as usize..range.end as usize, &item.edit.text);
    text
}

impl Seen {
    fn offered(&mut self, text: impl AsRef<str>) {
        self.add(text.as_ref(), &offered(text.as_ref()));
    }

    fn first(&mut self, text: impl AsRef<str>, count: usize) {
        self.add(text.as_ref(), &first(text.as_ref(), count));
    }

    fn accept(&mut self, text: impl AsRef<str>, label: &str) {
        let result = accept(text.as_ref(), label);
        self.add(&format!("{}\n<- {label}", text.as_ref()), &result);
    }
}

#[test]
fn blocks_at_the_top_and_in_builds() {
    let mut seen = Seen::default();
    seen.offered("$0");
    seen.offered("so$0");
    seen.offered("build {\n  pro$0\n}");
    seen.accept("build {\n  pro$0\n}", "provisioner");
    seen.check("blocks_at_the_top_and_in_builds");
}

#[test]
fn options_of_a_component() {
    let mut seen = Seen::default();
    seen.first(
        "source \"amazon-ebs\" \"a\" {\n  ami_name = \"x\"\n  $0\n}",
        8,
    );
    seen.offered("build {\n  provisioner \"shell\" {\n    inline = [\"a\"]\n    $0");
    seen.accept("source \"amazon-ebs\" \"a\" {\n  ami_na$0\n}", "ami_name");
    seen.accept(
        "source \"amazon-ebs\" \"a\" {\n  am$0 = \"x\"\n}",
        "ami_name",
    );
    seen.check("options_of_a_component");
}

#[test]
fn labels() {
    let mut seen = Seen::default();
    seen.accept("build {\n  provisioner \"sh$0\"\n}", "shell");
    seen.accept("source \"amazon-e$0", "amazon-ebs");
    seen.accept("source \"amazon$0\" \"x\" {\n}", "amazon-ebs");
    seen.accept("source ama$0", "amazon-ebs");
    seen.offered("source \"null\" \"a\" {}\nbuild {\n  source \"$0\" {}\n}");
    seen.check("labels");
}

#[test]
fn references() {
    let mut seen = Seen::default();
    let two =
        "variable \"region\" { default = \"x\" }\nlocals { n = 1 }\nsource \"null\" \"a\" {}\n";
    seen.offered(format!("{two}locals {{\n  y = var.$0\n}}"));
    seen.offered(format!("{two}locals {{\n  y = \"${{local.$0\"\n}}"));
    seen.offered(format!("{two}build {{\n  sources = [\"$0\n}}"));
    seen.accept(
        format!("{two}build {{\n  sources = [\"source.nu$0\"]\n}}"),
        "source.null.a",
    );
    seen.offered(format!("{two}build {{\n  sources = [source.$0]\n}}"));
    seen.first(format!("{two}build {{\n  sources = [$0]\n}}"), 3);
    seen.first(format!("{two}locals {{\n  y = $0\n}}"), 9);
    seen.check("references");
}

#[test]
fn values_of_options() {
    let mut seen = Seen::default();
    seen.first("source \"amazon-ebs\" \"a\" {\n  communicator = $0\n}", 5);
    seen.offered("source \"amazon-ebs\" \"a\" {\n  communicator = \"$0\"\n}");
    seen.first("source \"amazon-ebs\" \"a\" {\n  ebs_optimized = $0\n}", 2);
    seen.offered("variable \"x\" {\n  type = $0\n}");
    seen.check("values_of_options");
}

#[test]
fn files() {
    let mut seen = Seen::default();
    let text = "build {\n  provisioner \"shell\" {\n    script = \"scr$0\"\n  }\n}\n//- scripts/a.sh\n//- scripts/b.sh\n//- x.txt\n";
    seen.offered(text);
    seen.offered(text.replace("scr$0", "scripts/$0"));
    seen.accept(text.replace("scr$0", "scripts/$0"), "b.sh");
    seen.offered(text.replace("script = \"scr$0\"", "scripts = [\"${path.root}/scripts/$0"));
    seen.check("files");
}

#[test]
fn names_in_templates_of_components() {
    let mut seen = Seen::default();
    seen.first(
        "build {\n  provisioner \"shell\" {\n    execute_command = \"{{ .$0\"\n  }\n}",
        4,
    );
    seen.check("names_in_templates_of_components");
}

#[test]
fn nothing_in_comments_and_numbers() {
    let mut seen = Seen::default();
    seen.offered("# $0");
    seen.offered("locals { x = 1$0 }");
    seen.check("nothing_in_comments_and_numbers");
}

/// Return after a text that has just been closed is no answer to a list.
#[test]
fn nothing_behind_what_is_written_out() {
    let mut seen = Seen::default();
    seen.offered("build {\n  description = \"pages\"$0\n}");
    seen.offered("build {\n  description = \"pages\" $0\n}");
    seen.offered("build {\n  sources = []$0\n}");
    seen.offered("build {\n} $0");
    seen.offered("source \"null\" \"a\" { communicat$0 }");
    seen.check("nothing_behind_what_is_written_out");
}

#[test]
fn other_languages() {
    let mut seen = Seen::default();
    seen.offered("//- a.json\n{ \"builders\": [{ \"type\": \"null\", \"$0\" }] }");
    seen.offered("//- a.json\n{ \"builders\": [{ \"type\": \"nu$0\" }] }");
    seen.offered("//- a.json\n{ \"$0\", \"builders\": [] }");
    seen.offered("//- a.json\n{ \"variables\": {\"a\": \"\"}, \"builders\": [{ \"type\": \"null\", \"ssh_host\": \"{{user `$0`}}\" }] }");
    seen.offered(
        "//- a.pkr.json\n{ \"source\": {\"null\": {\"a\": { \"communicator\": \"$0\" }}} }",
    );
    seen.first("//- a.pkr.json\n{ \"source\": {\"$0\"} }", 3);
    seen.offered("//- a.imgc.toml\n[source.null.a]\ncommunicator = \"$0\"\n");
    seen.first("//- a.imgc.toml\n[source.null.a]\nssh$0\n", 3);
    seen.offered("//- a.imgc.toml\n[variable.v]\ndefault = \"1\"\n[source.null.a]\nssh_host = \"${var.$0}\"\n");
    seen.offered("//- main.pkr.hcl\nvariable \"a\" {}\nvariable \"b\" { default = 1 }\n//- x.pkrvars.hcl\n$0\n");
    seen.check("other_languages");
}

#[test]
fn plugins_and_objects() {
    let mut seen = Seen::default();
    seen.first("packer {\n  required_plugins {\n    am$0\n  }\n}", 2);
    seen.accept("packer {\n  required_plugins {\n    am$0\n  }\n}", "amazon");
    seen.offered("packer {\n  required_plugins {\n    amazon = {\n      $0\n    }\n  }\n}");
    seen.first(
        "packer {\n  required_plugins {\n    amazon = {\n      source = \"$0\"\n    }\n  }\n}",
        2,
    );
    seen.offered("source \"null\" \"a\" {}\nbuild {\n  provisioner \"shell\" {\n    override = {\n      $0\n    }\n  }\n}");
    seen.first("source \"null\" \"a\" {}\nbuild {\n  provisioner \"shell\" {\n    override = {\n      \"null.a\" = {\n        $0\n      }\n    }\n  }\n}", 2);
    seen.offered(
        "source \"null\" \"a\" {}\nbuild {\n  provisioner \"shell\" {\n    only = [\"$0\"]\n  }\n}",
    );
    seen.offered("variable \"o\" {\n  type = object({ a = string, b = number })\n  default = { a = \"x\", b = 1 }\n}\nlocals { x = var.o.$0 }");
    seen.offered("data \"http\" \"d\" { url = \"u\" }\nlocals { x = data.http.d.$0 }");
    seen.first(
        "build {\n  provisioner \"shell\" {\n    inline = [build.$0]\n  }\n}",
        3,
    );
    seen.offered("build {\n  dynamic \"$0\" {}\n}");
    seen.first("locals { x = [for item in [1] : it$0] }", 2);
    seen.offered("module \"m\" {\n  source = \"./m\"\n  $0\n}\n//- m/a.pkr.hcl\nvariable \"size\" {}\nvariable \"zone\" { default = 1 }\n");
    seen.offered("module \"m\" { source = \"./m\" }\nlocals { x = module.m.$0 }\n//- m/a.pkr.hcl\noutput \"out\" { value = 1 }\n");
    seen.offered("module \"m\" { source = \"./$0\" }\n//- m/a.pkr.hcl\n");
    seen.check("plugins_and_objects");
}

#[test]
fn half_written_and_other_places() {
    let mut seen = Seen::default();
    let t = "//- a.imgc.toml\n";
    seen.first(format!("{t}[source.ama$0]\n"), 3);
    seen.first(
        format!("{t}[source.amazon-ebs.web]\nami_name = \"x\"\n$0\n\n[locals]\na = 1\n"),
        3,
    );
    seen.first(format!("{t}[[build.provisioner]]\ntype = \"sh$0\"\n"), 3);
    seen.first(
        format!("{t}[[build.provisioner]]\ntype = \"shell\"\nin$0\n"),
        3,
    );
    seen.offered(format!("{t}[source.null.a]\n[build]\nsources = [\"$0\"]\n"));
    seen.first(format!("{t}[$0]\n"), 3);
    seen.first(
        "//- a.pkr.json\n{\"source\": {\"null\": {\"a\": {\"communicator\": $0}}}}",
        3,
    );
    seen.accept(
        "//- a.pkr.json\n{\"source\": {\"null\": {\"a\": {\"communicator\": $0}}}}",
        "ssh",
    );
    seen.accept(
        "//- a.pkr.json\n{\"source\": {\"null\": {\"a\": {$0}}}}",
        "ssh_host",
    );
    seen.accept(
        "//- a.pkr.json\n{\"build\": {\"provisioner\": [{\"she$0",
        "shell",
    );
    seen.first(
        "//- a.json\n{\"builders\": [], \"provisioners\": [{\"type\": \"shell\", \"$0\"}]}",
        3,
    );
    seen.first(
        "//- a.json\n{\"builders\": [], \"post-processors\": [[\"$0\"]]}",
        3,
    );
    seen.offered("//- a.json\n{\"builders\": [{\"type\": \"null\", \"name\": \"web\"}], \"provisioners\": [{\"type\": \"shell\", \"only\": [\"$0\"]}]}");
    seen.offered(
        "source \"null\" \"a\" {}\nbuild {\n  sources = [\"source.null.a\", $0]\n}"
            .replace(", $0", ", \"$0\""),
    );
    seen.accept(
        "build {\r\n  provisioner \"shell\" {\r\n    inl$0\r\n\r\nvariable \"x\" {\r\n}\r\n",
        "inline",
    );
    seen.first("source \"null\" \"a\" {}\nbuild {\n  sources = [$0\n", 1);
    seen.first(
        "build {\n  post-processors {\n    post-processor \"man$0\" {}\n  }\n}",
        2,
    );
    seen.first("build {\n  post-processors {\n    $0\n  }\n}", 2);
    seen.offered("source \"amazon-ebs\" \"a\" {\n  source_ami_filter {\n    $0\n  }\n}");
    seen.accept(
        "source \"amazon-ebs\" \"a\" {\n  source_ami_f$0\n}",
        "source_ami_filter",
    );
    seen.first("variable \"x\" {\n  type = list($0)\n}", 2);
    seen.offered("variable \"x\" {\n  validation {\n    condition = length(var.$0\n  }\n}");
    seen.first("source \"null\" \"a\" {\n  communicator =$0\n}", 2);
    seen.offered("variable \"x\" {\n  default = 1\n  $0\n}");
    seen.first(
        "source \"null\" \"a\" {\n  dynamic \"x\" {\n    $0\n  }\n}",
        4,
    );
    seen.offered("build {\n  provisioner \"file\" {\n    source = \"$0\n//- up.txt\n");
    seen.offered(
        "build {\n  provisioner \"shell\" {\n    inline = [<<EOT\n  echo ${v$0}\nEOT\n]\n  }\n}"
            .replace("${v$0}", "${path.$0}"),
    );
    seen.check("half_written_and_other_places");
}
