//! Broken text: cut, delete and insert at every few tokens of every template. Nothing panics, no byte is lost, and what
//! stands around a mistake survives.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use imgc_syntax::hcl::ast::{AstNode, Body, Item};
use imgc_syntax::hcl::{MAX_DEPTH, Parse, parse, parse_template};
use support::{corpus, visit};

/// Parses, checks what holds for every text, and visits every view.
fn survives(text: &str) -> Parse {
    let parse = parse(text);
    check(&parse, text);
    parse
}

fn check(parse: &Parse, text: &str) {
    let root = parse.syntax();
    assert_eq!(root.text().to_string(), text);
    for error in parse.errors() {
        assert!(
            error.start <= error.end && error.end as usize <= text.len(),
            "{error:?}"
        );
        assert!(
            text.is_char_boundary(error.start as usize)
                && text.is_char_boundary(error.end as usize),
            "{error:?} in {text:?}"
        );
    }
    assert!(parse.errors().is_sorted_by_key(|error| error.start));
    assert!(visit(&root) <= MAX_DEPTH + 8, "too deep");
}

/// Where each token of a text begins.
fn boundaries(text: &str) -> Vec<usize> {
    let root = parse(text).syntax();
    root.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .map(|token| token.text_range().start().into())
        .collect()
}

#[test]
fn cut_at_every_token() {
    for (_, text) in corpus() {
        for at in boundaries(&text) {
            survives(&text[..at]);
        }
    }
}

#[test]
fn every_second_token_deleted() {
    for (_, text) in corpus() {
        let starts = boundaries(&text);
        for pair in starts.windows(2).step_by(2) {
            survives(&format!("{}{}", &text[..pair[0]], &text[pair[1]..]));
        }
    }
}

#[test]
fn rests_after_every_third_token() {
    for (_, text) in corpus() {
        for at in boundaries(&text).into_iter().step_by(3) {
            survives(&text[at..]);
        }
    }
}

#[test]
fn something_inserted_at_every_fifth_token() {
    let inserts = [
        "\"",
        "{",
        "}",
        "(",
        "]",
        "${",
        "%{ if x }",
        "<<E\n",
        "=",
        "\n",
        "for",
        "\\",
        "\0",
        "'",
        "/*",
        "é",
        "\r",
    ];
    for (_, text) in corpus() {
        for (number, at) in boundaries(&text).into_iter().step_by(5).enumerate() {
            survives(&format!(
                "{}{}{}",
                &text[..at],
                inserts[number % inserts.len()],
                &text[at..]
            ));
        }
    }
}

#[test]
fn hand_picked_texts() {
    for text in [
        "\u{feff}\u{feff}a=1",
        "\0",
        "a\0b = \0",
        "\r",
        "\r\r\n",
        "\"",
        "\"\\",
        "\"\\u",
        "\"\\u{",
        "\"${",
        "\"${~",
        "\"${~}",
        "\"${\"",
        "\"%{",
        "\"%{if",
        "\"%{if}%{else}",
        "<<",
        "<<-",
        "<<A",
        "a=<<A",
        "a=<<A\n",
        "a=<<A\nA",
        "a=<<A\n${",
        "a=<<A\n${\nA\n",
        "a=<<A\n${<<A\nA\nA",
        "a=<<A\n${/*\nA\n*/}\nA",
        "a=<<A\n${\"\nA\n",
        "/*",
        "//",
        "#",
        "a {",
        "a{b{c{",
        "}}}",
        "a=[[[",
        "a=]]]",
        "a=((",
        "a.b.",
        "a=b.*",
        "a=b[*",
        "a=b[",
        "a=b?",
        "a=b?c:",
        "a=for",
        "a=[for",
        "a=[for x",
        "a=[for x in",
        "a=[for x in y",
        "a=[for x in y:",
        "a={for",
        "a={for x in y:z=>",
        "a={b=",
        "a={b",
        "a={,",
        "a=f(",
        "a=f(,",
        "a=f(b...",
        "a=x::",
        "a=x::y",
        "1",
        "a=1.",
        "a=1e",
        "a=1.e5",
        "a=.5.5",
        "'",
        "a='",
        "a=“b”",
        "a=“",
        "é",
        "é=é",
        "\u{200b}a = 1",
        "a\u{a0}=\u{a0}1",
        "a = -",
        "a = !",
        "a = not",
        "a = b and",
        "a \"b\" \"c",
        "a b c",
        "a b c {",
        "\"a\" = ",
        "\"a\" {",
        "a = {{{",
        "a = \"${{}}\"",
        "a = \"${}${}\"",
        "a = \"}\"",
        "a = ~}",
        "a = ${b}",
        "a {\n",
        "a {\n}\n}\n",
        "x = \"${\n}\n",
    ] {
        survives(text);
        survives(&format!("{text}\nb = 2\n"));
        survives(&format!("c {{\n  {text}\n}}\n"));
        survives(&format!("c = [\n  {text}\n]\n"));
        survives(&format!("c = \"${{{text}}}\"\n"));
        check(&parse_template(text), text);
    }
}

/// How often each name of an attribute or block occurs in a text, at any depth.
fn names(body: &Body, found: &mut BTreeMap<String, usize>) {
    for item in body.items() {
        let (name, inner) = match item {
            Item::Attribute(attribute) => (attribute.name(), None),
            Item::Block(block) => {
                for label in block.labels() {
                    *found
                        .entry(format!("label {}", label.text().unwrap_or_default()))
                        .or_default() += 1;
                }
                (block.block_type(), block.body())
            }
        };
        if let Some(name) = name {
            *found.entry(name.text().to_owned()).or_default() += 1;
        }
        if let Some(inner) = inner {
            names(&inner, found);
        }
    }
}

fn names_of(parse: &Parse) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    names(&parse.file().body().unwrap(), &mut found);
    found
}

/// The rest of a line is gone, as while it is being typed: the first error is on that line, and every item that does not
/// begin on it is still there.
#[test]
fn an_unfinished_line_harms_only_itself() {
    let (mut broken, mut on_line, mut intact) = (0, 0, 0);
    let mut worst = Vec::new();
    for (path, text) in corpus() {
        let starts = boundaries(&text);
        let original = parse(&text);
        let all = names_of(&original);
        let mut line_start = 0;
        for line in text.split_inclusive('\n') {
            let line_end = line_start + line.trim_end_matches('\n').len();
            let own = items_within(&original, line_start, line_end);
            let code = line_end - line.trim_end_matches('\n').trim_start().len();
            for &at in starts.iter().filter(|&&at| at > code && at < line_end) {
                let cut = format!("{}{}", &text[..at], &text[line_end..]);
                let parse = survives(&cut);
                let Some(first) = parse.errors().first() else {
                    continue;
                };
                broken += 1;
                let same_line = (line_start..=at).contains(&(first.start as usize));
                on_line += usize::from(same_line);
                let left = names_of(&parse);
                let lost = all
                    .iter()
                    .filter(|(name, count)| {
                        left.get(*name).unwrap_or(&0) + own.get(*name).unwrap_or(&0) < **count
                    })
                    .count();
                intact += usize::from(lost == 0);
                if !same_line || lost > 0 {
                    worst.push(format!(
                        "{path}: `{}`: {} at {}, {lost} lost",
                        &text[line_start..at].trim(),
                        first.id,
                        first.start
                    ));
                }
            }
            line_start += line.len();
        }
    }
    let worst = worst.join("\n");
    assert!(broken > 1500, "only {broken} variants");
    assert!(
        on_line * 100 >= broken * 98,
        "first error on the line in {on_line} of {broken}\n{worst}"
    );
    assert_eq!(intact, broken, "all other items are there\n{worst}");
}

/// The names of the items, labels included, that begin between two offsets.
fn items_within(parse: &Parse, start: usize, end: usize) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for item in parse.syntax().descendants().filter_map(Item::cast) {
        let at = item.range().0 as usize;
        if (start..end).contains(&at) {
            let name = match &item {
                Item::Attribute(attribute) => attribute.name(),
                Item::Block(block) => {
                    for label in block.labels() {
                        *found
                            .entry(format!("label {}", label.text().unwrap_or_default()))
                            .or_default() += 1;
                    }
                    block.block_type()
                }
            };
            *found.entry(name.unwrap().text().to_owned()).or_default() += 1;
        }
    }
    found
}
