#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::Instant;

use super::*;
use crate::event::Redact as _;
use crate::redact::{MASK, Redactor};

fn masked(secret: &str, text: &str) -> String {
    let redactor = Redactor::new();
    redactor.add(secret);
    redactor.redact(text)
}

/// The line with what the escapes alone find taken out.
fn found(secret: &str, line: &str) -> String {
    let mut found = Vec::new();
    Escapes::of([secret]).within(line, &mut found);
    let mut rest = line.to_owned();
    for range in found.into_iter().rev() {
        rest.replace_range(range, "§");
    }
    rest
}

#[test]
fn what_programs_print() {
    let euro = "pass€wort 12";
    let apostrophe = "Schlüssel'x2";
    let slash = "Grün/Haus12";
    let marks = "it's \"a\\b\"";
    let tab = "Schl\tüssel'x2";
    let smile = "<a&b>😀'$x\\n%41";
    for (secret, text, rest) in [
        // bash: printf %q, ${x@Q}, declare -p, set -x; in the locale C as well.
        (euro, r"pass€wort\ 12", "§"),
        (euro, r"$'pass\342\202\254wort 12'", "$'§'"),
        (apostrophe, r"Schlüssel\'x2", "§"),
        (apostrophe, r"'Schlüssel'\''x2'", "'§'"),
        (apostrophe, r"$'Schl\303\274ssel\'x2'", "$'§'"),
        (slash, r"+ : $'Gr\303\274n/Haus12'", "+ : $'§'"),
        (marks, r#"it\'s\ \"a\\b\""#, "§"),
        (
            marks,
            r#"declare -x v="it's \"a\\b\"""#,
            "declare -x v=\"§\"",
        ),
        (marks, r#"'it'\''s "a\b"'"#, "'§'"),
        (tab, r"$'Schl\tüssel\'x2'", "$'§'"),
        (tab, r"$'Schl\t\303\274ssel\'x2'", "$'§'"),
        (tab, "'Schl\tüssel'\\''x2'", "'§'"),
        // zsh and fish.
        (tab, r"Schl$'\t'üssel\'x2", "§"),
        (tab, r"Schl\tüssel\'x2", "§"),
        // ls in the locale C.
        (apostrophe, r#"'Schl'$'\303\274''ssel'\''x2'"#, "'§'"),
        (apostrophe, r"Schl\303\274ssel'x2", "§"),
        // JSON of PHP, of jq, in JSON, in JSON of JSON, with all that is not ASCII escaped.
        (slash, r#""Gr\u00fcn\/Haus12""#, "\"§\""),
        (
            slash,
            r#"{"a":"{\"b\":\"Gr\\u00fcn\\\/Haus12\"}"}"#,
            r#"{"a":"{\"b\":\"§\"}"}"#,
        ),
        (
            marks,
            r#""\"\\\"it's \\\\\\\"a\\\\\\\\b\\\\\\\"\\\"\"""#,
            r#""\"\\\"§\\\"\"""#,
        ),
        (
            smile,
            r#""\u003ca\u0026b\u003e\ud83d\ude00'$x\\n%41""#,
            "\"§\"",
        ),
        (
            smile,
            r#""\"\\u003Ca\\u0026b\\u003E\\ud83d\\ude00\\u0027$x\\\\n%41\"""#,
            r#""\"§\"""#,
        ),
        // Python's repr and ascii, of characters and of bytes, and of JSON.
        (marks, r#"'it\'s "a\\b"'"#, "'§'"),
        (marks, r#"'"it\'s \\"a\\\\b\\""'"#, r#"'"§"'"#),
        (apostrophe, r#""Schl\xfcssel'x2""#, "\"§\""),
        (tab, r#"b"Schl\t\xc3\xbcssel'x2""#, "b\"§\""),
        (euro, r#"'"pass\\u20acwort 12"'"#, r#"'"§"'"#),
        (smile, r"'<a&b>\U0001f600\'$x\\n%41'", "'§'"),
        // Rust, Perl.
        (smile, r#""<a&b>\u{1f600}'$x\\n%41""#, "\"§\""),
        (
            tab,
            r#"$VAR1 = "Schl\t\303\274ssel'x2";"#,
            r#"$VAR1 = "§";"#,
        ),
        // XML.
        (marks, "<p>it&apos;s &quot;a\\b&quot;</p>", "<p>§</p>"),
        (
            smile,
            "&amp;lt;a&amp;amp;b&amp;gt;&#x1f600;&#39;$x\\n%41",
            "§",
        ),
        // URLs, and URLs in URLs.
        (slash, "?p=Gr%c3%BCn/Haus12&q", "?p=§&q"),
        (marks, "?p=it's+%22a%5cb%22&q", "?p=§&q"),
        (marks, "?p=it%2527s%2520%2522a%255Cb%2522&q", "?p=§&q"),
        // Compose files and units.
        ("50%'$x", r"50%%\'$$x", "§"),
    ] {
        assert_eq!(found(secret, text), rest, "{secret}: {text}");
        assert!(masked(secret, text).contains(MASK), "{secret}: {text}");
    }
}

/// Runs those that are on this machine; a shell is on each.
#[test]
fn what_programs_on_this_machine_print() {
    let secrets = [
        "pass€wort 12",
        "Schlüssel'x2",
        "Grün/Haus12",
        "it's \"a\\b\"",
        "Schl\tüssel'x2",
        "a$b`c!d😀 \"e\"&<f>",
        "''q\"\"ß\\\\n",
    ];
    let redactor = Redactor::new();
    for secret in secrets {
        redactor.add(secret);
    }
    let sh = r#"for v; do export v; set -x; : "$v" "x=$v"; { set +x; } 2>&-; export -p; done"#;
    let bash = r#"for v; do printf '%q\n' "$v"; echo "${v@Q}"; declare -p v; set -x; : "$v"; { set +x; } 2>&-; done"#;
    let python = "import json,shlex,sys,urllib.parse as u\nfor v in sys.argv[1:]:\n j=json.dumps(v)\n \
        for x in repr(v),ascii(v),v.encode(),j,json.dumps(j),repr(j),repr(repr(v)),shlex.quote(v),u.quote_plus(v),u.quote(u.quote(v)):print(x)";
    let node = "j=JSON.stringify;e=encodeURIComponent;for(const v of process.argv.slice(1))\
        for(const x of [[v],j(j(v)),e(e(v))])console.log(x)";
    let jq = "$ARGS.positional[] | (., [.]) | tojson, tojson, (.[]? // .), (tostring|@sh), (tostring|@uri), (tostring|@html)";
    let programs: [&[&str]; 7] = [
        &["sh", "-c", sh, "sh"],
        &["bash", "-c", bash, "bash"],
        &["python3", "-c", python],
        &["node", "-e", node, "--"],
        &["jq", "-n", jq, "--args"],
        &["jq", "-an", jq, "--args"],
        // Says in its error what it does not find.
        &["ls", "--quoting-style=shell-escape", "-d", "--"],
    ];
    for locale in ["C", "C.UTF-8"] {
        let mut seen = Vec::new();
        for program in programs {
            let mut command = Command::new(program[0]);
            command.args(&program[1..]).args(secrets);
            command
                .env("LC_ALL", locale)
                .env("PYTHONIOENCODING", "utf-8");
            let Ok(output) = command.output() else {
                continue;
            };
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8_lossy(&printed);
            for line in printed.lines().filter(|line| !is_other(line)) {
                let shown = redactor.redact(line);
                assert!(shown.contains(MASK), "{program:?} {locale}: {line}");
                seen.push(program[0]);
            }
        }
        let from_shell = seen.iter().filter(|program| **program == "sh").count();
        assert!(from_shell >= 2 * secrets.len(), "{seen:?}");
    }
}

/// Other variables, and errors of old versions, have no secret in them.
fn is_other(line: &str) -> bool {
    let names = ["export ", "declare -x "];
    let name = names.iter().find_map(|word| line.strip_prefix(word));
    name.is_some_and(|name| !name.starts_with("v="))
        || line.contains("set +x")
        || line.contains("bad substitution")
}

#[test]
fn ordinary_text_stays() {
    for (secret, text) in [
        ("it's", r#""its" a \ b"#),
        ("its", r#""it's" \n"#),
        ("hot", "h\\o\\t"),
        ("abc", r#"{"a":"b","c":"'abd'"}"#),
        ("abc", r#""a""b""c" 'a'\''bc'"#),
        ("a\tb", r#""atb" \"#),
        ("atb", r#""a\tb" 'a	b'"#),
        ("a b", r#""a+\b" "ab" "a\nb""#),
        ("100", "%31 100% of 1%00"),
        (r"pass\x41word", r#""passAword""#),
        ("&lt;x", "\"<x\""),
        ("a%b", r"'ab' %"),
        ("key=1", r#"{"key":"1","key\\":1}"#),
    ] {
        let shown = found(secret, text);
        let plain = text.contains(secret);
        assert!(plain || shown == text, "{secret}: {text} -> {shown}");
    }
}

#[test]
fn nothing_that_looks_like_an_escape_is_one_by_force() {
    for text in [
        "\\",
        "\\\\\\",
        "%",
        "%2",
        "%25",
        "%252",
        "&",
        "&amp",
        "&amp;",
        "&#",
        "&#x;",
        "&#xd800;",
        "&#-1;",
        "\\x",
        "\\xc",
        "\\xc3",
        "\\xc3\\",
        "\\xc3\\x",
        "\\xff",
        "\\u",
        "\\u{",
        "\\u{}",
        "\\u{110000}",
        "\\u12",
        "\\ud83d",
        "\\ud83d\\",
        "\\ud83d\\u0041",
        "\\ud83dx",
        "\\udc00",
        "\\U",
        "\\U0001f60",
        "\\3",
        "\\30",
        "\\389",
        "\\0+1",
        "\\x+1",
        "€\\€",
        "\\u00é",
        "\\x€",
        "%€",
        "&#€;",
    ] {
        let line = format!("{text}\\\"secret12{text}");
        let shown = found("\"secret12", &line);
        let before = text.trim_end_matches('\\');
        assert_eq!(shown, format!("{before}§{text}"));
        let line = format!("é{text}");
        assert_eq!(found("secret12", &line), line);
    }
}

#[test]
fn secrets_that_are_escapes_themselves() {
    for (secret, text) in [
        (r"C:\303\new\u00e4", r#""C:\\303\\new\\u00e4""#),
        (r"C:\303\new\u00e4", r"C:\\303\\new\\u00e4"),
        ("100%de'x", r"'100%de'\''x'"),
        ("100%de'x", "100%25de%27x"),
        ("a&amp;b\"c", r#""a&amp;b\"c""#),
        ("a&amp;b\"c", r#"a&amp;amp;b&quot;c"#),
        (r"é\é", r#""\u00e9\\\u00e9""#),
    ] {
        let shown = found(secret, text);
        assert!(shown.contains('§'), "{secret}: {text} -> {shown}");
        assert!(shown.chars().count() <= 3, "{secret}: {text} -> {shown}");
    }
}

#[test]
fn much_output_is_quick() {
    let redactor = Redactor::new();
    for n in 0..200 {
        redactor.add(&format!("it's \"secret\" number \\{n:04}€"));
    }
    let line = r#"{"level":"info","message":"it's \"quoted\" \\ and 100% \u00fc ordinary","path":"C:\\303\\it's"}"#;
    let text = format!("{line}\n").repeat(10_000)
        + &line.repeat(5_000)
        + &"\\".repeat(100_000)
        + &"'\\".repeat(50_000);
    let start = Instant::now();
    assert_eq!(redactor.redact(&text), text);
    // 1.7 MB; unoptimised builds on a loaded machine included.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
