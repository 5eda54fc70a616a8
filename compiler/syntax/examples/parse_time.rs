//! How fast files are parsed: `cargo run --release -p imgc-syntax --example parse_time [FILE…]`.
//!
//! Without files a template of some megabytes is made up. Prints the best of ten passes.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a tool for people, not part of the library"
)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use imgc_syntax::hcl::{ast, parse, tokens, tree_dump};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut texts = Vec::new();
    for path in std::env::args().skip(1) {
        texts.push((path.clone(), std::fs::read_to_string(path)?));
    }
    if texts.is_empty() {
        texts.push(("made up".into(), made_up(0.6)));
        texts.push(("made up".into(), made_up(6.0)));
    }
    for (name, text) in &texts {
        let megabytes = text.len() as f64 / 1e6;
        let rate = |time: Duration| megabytes / time.as_secs_f64();
        let lexing = best(|| tokens(text).count());
        let parsing = best(|| parse(text).green.text_len());
        let parsed = parse(text);
        let walking = best(|| walk(&parsed.file()));
        let errors = parsed.errors().len();
        println!("{name}: {megabytes:.2} MB, {errors} errors");
        if let Some(error) = parsed.errors().first() {
            println!("  {error:?}");
        }
        println!("  lex   {:7.1} MB/s  ({lexing:.1?})", rate(lexing));
        println!("  parse {:7.1} MB/s  ({parsing:.1?})", rate(parsing));
        println!(
            "  walk  {:7.1} MB/s  ({walking:.1?}, all items and expressions)",
            rate(walking)
        );
        if text.len() < 200 {
            println!("{}", tree_dump(&parsed.syntax()));
        }
    }
    Ok(())
}

fn best<T>(mut work: impl FnMut() -> T) -> Duration {
    (0..10)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(work());
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// Visits every item with its name and every expression with its range.
fn walk(file: &ast::File) -> u64 {
    use ast::AstNode;
    let nodes = file.syntax().descendants();
    nodes
        .filter_map(ast::Expr::cast)
        .map(|expr| u64::from(expr.range().1))
        .sum::<u64>()
        + file.body().iter().flat_map(ast::Body::items).count() as u64
}

/// Variables, sources and builds as people write them.
fn made_up(megabytes: f64) -> String {
    let mut text = String::new();
    let mut number = 0;
    while (text.len() as f64) < megabytes * 1e6 {
        number += 1;
        write!(
            text,
            r#"variable "region_{number}" {{
  type        = string
  default     = "eu-central-{number}"
  description = "Where image {number} is built" # shown by the editor
}}

source "amazon-ebs" "web_{number}" {{
  ami_name      = "web-${{var.region_{number}}}-${{formatdate("YYYYMMDD", timestamp())}}"
  instance_type = var.size == "big" ? "m5.large" : "t3.micro"
  region        = var.region_{number}

  source_ami_filter {{
    filters = {{
      name                = "debian-12-amd64-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }}
    most_recent = true
    owners      = ["136693071363", local.owners[0]]
  }}

  tags = merge(local.tags, {{ for key, value in var.extra : upper(key) => value if value != null }})
}}

build {{
  sources = ["source.amazon-ebs.web_{number}"]

  provisioner "shell" {{
    inline = [
      "apt-get update",
      "apt-get install -y nginx=${{var.version}}",
    ]
    environment_vars = [for name, value in local.env : "${{name}}=${{value}}"]
  }}

  provisioner "file" {{
    destination = "/etc/nginx/conf.d/site.conf"
    content     = <<-EOF
      server {{
        listen {number};
        %{{ for host in var.hosts ~}}
        server_name ${{host}};
        %{{ endfor ~}}
      }}
    EOF
  }}
}}

"#
        )
        .expect("writing to a string cannot fail");
    }
    text
}
