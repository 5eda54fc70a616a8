//! Parsing again after edits gives what parsing the whole text gives.
#![allow(clippy::unwrap_used)]

mod support;

use imgc_syntax::hcl::{Parse, parse, reparse};
use support::corpus;

/// Small numbers that follow from a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// What is typed: parts of templates, whole and half.
const TYPED: &[&str] = &[
    "a",
    " ",
    "\n",
    "}",
    "{",
    "\"",
    "=",
    "var.",
    "[",
    "]",
    "(",
    "x = 1\n",
    "x = \n",
    "# c\n",
    "/*",
    "*/",
    "<<EOT\n",
    "EOT\n",
    "${",
    "source \"null\" \"a\" {\n}\n",
    "locals {\n",
    "\n}\n",
    "é",
    "\r\n",
    "%{ if",
    "<<<<<<<",
    ",",
    "\t",
];

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// How many of the edits of a text were read in part.
fn types(start: &str, edits: usize, numbers: &mut Numbers) -> usize {
    let mut text = start.to_owned();
    let mut tree: Parse = parse(&text);
    let mut parts = 0;
    let mut last: Vec<(String, Parse)> = Vec::new();
    // Most of what is typed stands near to what was typed before.
    let focus = numbers.below(text.len());
    for _ in 0..edits {
        // Often back to what was: typing is mostly half a word and then a whole one.
        if let Some((before, parsed)) = last.pop().filter(|_| numbers.below(2) == 0) {
            let again = reparse(&tree, &text, &before);
            if let Some(again) = again {
                parts += 1;
                assert_eq!(again.parse.green, parsed.green, "{text:?} -> {before:?}");
                assert_eq!(again.parse.errors, parsed.errors, "{text:?} -> {before:?}");
                tree = again.parse;
            } else {
                tree = parsed;
            }
            text = before;
            continue;
        }
        let from = focus + numbers.below(60);
        let from = floor(&text, from.min(text.len()));
        let to = floor(
            &text,
            (from + [0, 0, 1, 7][numbers.below(4)]).min(text.len()),
        )
        .max(from);
        let mut next = text.clone();
        next.replace_range(from..to, TYPED[numbers.below(TYPED.len())]);
        let whole = parse(&next);
        let known = reparse(&tree, &text, &next);
        last.push((text.clone(), tree.clone()));
        if let Some(again) = known {
            parts += 1;
            assert_eq!(again.parse.green, whole.green, "{text:?} -> {next:?}");
            assert_eq!(again.parse.errors, whole.errors, "{text:?} -> {next:?}");
            tree = again.parse;
        } else {
            tree = whole;
        }
        text = next;
        if parse(&text).errors().len() > 6 {
            text = start.to_owned();
            tree = parse(&text);
            last.clear();
        }
    }
    parts
}

/// Blocks as people lay them out.
fn blocks(at: usize) -> String {
    format!(
        "# Number {at}.\nvariable \"v{at}\" {{\n  type    = string\n  default = \"a-${{upper(\"x\")}}\"\n}}\n\nlocals {{\n  a{at} = [\n    for x in [1, 2] : x\n  ]\n  \
         b{at} = <<-EOT\n    text ${{var.v{at}}}\n  EOT\n}}\n\nbuild {{\n  provisioner \"shell\" {{\n    inline = [\"true\"]\n    env = {{\n      A = 1\n    }}\n  }}\n}}\n\n"
    )
}

#[test]
fn an_edit_gives_the_tree_of_the_whole_text() {
    let mut numbers = Numbers(7);
    let (mut parts, mut edits) = (0, 0);
    let all: String = (0..12).map(blocks).collect();
    for _ in 0..60 {
        parts += types(&all, 20, &mut numbers);
        edits += 20;
    }
    for (_, text) in corpus() {
        types(&text, 20, &mut numbers);
    }
    assert!(parts * 10 > edits, "{parts} of {edits}");
}

#[test]
fn typing_in_one_block_reads_that_block() {
    let block = |name: &str, value: &str| {
        format!("source \"null\" \"{name}\" {{\n  ssh_host = {value}\n}}\n\n")
    };
    let before: String = (0..20).map(|at| block(&format!("s{at}"), "1")).collect();
    let mut text = before.clone();
    let mut tree = parse(&text);
    let at = text.find("s7").unwrap();
    let at = at + text[at..].find("= 1").unwrap() + 3;
    // The first mistake is read in all of the text, what follows in the block.
    let steps = ["2", " +", " +", " 3", "\n  ssh_port = \"", "x", "\""];
    let mut in_parts = Vec::new();
    let mut at = at;
    for step in steps {
        let mut next = text.clone();
        next.insert_str(at, step);
        at += step.len();
        let again = reparse(&tree, &text, &next);
        in_parts.push(again.is_some());
        if let Some(again) = &again {
            assert!(again.new.1 - again.new.0 < 120, "{again:?}");
        }
        tree = again.map_or_else(|| parse(&next), |again| again.parse);
        assert_eq!(tree.green, parse(&next).green);
        assert_eq!(tree.errors, parse(&next).errors);
        text = next;
    }
    assert_eq!(in_parts, [true, false, true, true, true, true, true]);
}
