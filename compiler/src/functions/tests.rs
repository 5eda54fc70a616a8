#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;

use super::{Purity, TABLE, get, names, signature};
use crate::eval::fixture::{check, eval, eval_default, eval_in, world};

/// The names of Packer's functions.
const PACKER: &str = "abs abspath alltrue anytrue aws_secretsmanager aws_secretsmanager_raw base64decode base64encode \
    base64gzip basename bcrypt can ceil chomp chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce \
    coalescelist compact concat consul_key contains convert csvdecode dirname distinct element endswith env file \
    filebase64 fileexists fileset flatten floor format formatdate formatlist indent index join jsondecode jsonencode \
    keys legacy_isotime legacy_strftime length log lookup lower max md5 merge min parseint pathexpand pow range regex \
    regex_replace regexall replace reverse rfc3339_parse rsadecrypt setintersection setproduct setunion sha1 sha256 \
    sha512 signum slice sort split startswith strcontains strrev substr sum templatefile textdecodebase64 \
    textencodebase64 timeadd timestamp title trim trimprefix trimspace trimsuffix try unix_timestamp_parse upper \
    urlencode uuidv4 uuidv5 values vault yamldecode yamlencode zipmap";

#[test]
fn every_function_of_packer_is_here() {
    let mut ours: Vec<&str> = names().collect();
    ours.sort_unstable();
    let theirs: Vec<&str> = PACKER.split_whitespace().collect();
    assert_eq!(ours, theirs);
    assert_eq!(theirs.len(), 104);
}

#[test]
fn examples_give_what_they_say() {
    for function in TABLE.iter() {
        let (expression, result) = function.example;
        // What a service gives is unknown as well while the world is offline.
        let later = match function.purity {
            Purity::Network => ": string",
            _ => "",
        };
        assert_eq!(
            eval_default(expression),
            format!("{result}{later}"),
            "{expression}"
        );
        assert!(expression.contains(function.name), "{expression}");
    }
}

#[test]
fn entries_are_complete() {
    for function in TABLE.iter() {
        assert!(function.doc.ends_with('.'), "{}", function.name);
        assert!(
            function
                .max_arguments()
                .is_none_or(|max| max >= function.min_arguments())
        );
        assert!(std::ptr::eq(get(function.name).unwrap(), *function));
    }
    assert_eq!(get("timestamp").unwrap().purity, Purity::Time);
    assert!(get("tostring").is_none());
}

#[test]
fn signatures() {
    let signature = |name: &str| signature(get(name).unwrap());
    assert_eq!(
        signature("join"),
        "join(separator: string, lists: list(string)...) -> string"
    );
    assert_eq!(
        signature("bcrypt"),
        "bcrypt(str: string, cost: number?) -> string"
    );
    assert_eq!(
        signature("convert"),
        "convert(value: any, type: type) -> any"
    );
    assert_eq!(signature("timestamp"), "timestamp() -> string");
}

#[test]
fn strings() {
    check(&[
        (r#"upper("straße")"#, r#""STRAßE""#),
        (r#"lower("ÄÖ")"#, r#""äö""#),
        (r#"upper(5)"#, r#""5""#),
        (r#"title("hello wörld_x y-z")"#, r#""Hello Wörld_x Y-Z""#),
        (r#"trim("", "x")"#, r#""""#),
        (r#"trim("xxaxx", "x")"#, r#""a""#),
        (r#"trimspace("\u00a0 a\t\n")"#, r#""a""#),
        (r#"trimprefix("hello", "x")"#, r#""hello""#),
        (r#"trimsuffix("aa", "a")"#, r#""a""#),
        (r#"chomp("a\r\n\n")"#, r#""a""#),
        (r#"chomp("a\nb")"#, r#""a\nb""#),
        (r#"indent(2, "a\n\nb")"#, r#""a\n  \n  b""#),
        (
            r#"indent(-1, "a")"#,
            "eval/argument at `-1`: `spaces` of `indent`: expected a number of spaces from 0 to 1000, found -1",
        ),
        (r#"replace("a.b.c", ".", "")"#, r#""abc""#),
        (r#"replace("a1b", "/[0-9]/", "x")"#, r#""a1b""#),
        (r#"split("", "héy")"#, r#"["h", "é", "y"]"#),
        (r#"split(",", "")"#, r#"[""]"#),
        (r#"split(",", ",a,")"#, r#"["", "a", ""]"#),
        (r#"join("-", ["a"], [], ["b", 1])"#, r#""a-b-1""#),
        (r#"join("-", [])"#, r#""""#),
        (
            r#"join("-", ["a", null])"#,
            "eval/argument at `[\"a\", null]`: `lists` of `join`: the list has a null element",
        ),
        (r#"substr("hello", -3, 2)"#, r#""ll""#),
        (r#"substr("hello", -9, 2)"#, r#""he""#),
        (r#"substr("hello", 2, -1)"#, r#""llo""#),
        (r#"substr("hello", 9, 1)"#, r#""""#),
        (r#"substr("e\u0301a", 0, 1) == "e\u0301""#, "true"),
        (r#"strrev("e\u0301a") == "ae\u0301""#, "true"),
        (r#"startswith("", "")"#, "true"),
        (r#"endswith("abc", "b")"#, "false"),
        (r#"strcontains("abc", "d")"#, "false"),
    ]);
}

#[test]
fn collections() {
    check(&[
        ("length([])", "0"),
        ("length(\"e\\u0301a\")", "2"),
        ("length(map)", "2"),
        ("length(half)", "2"),
        ("length(unknown_list)", "(known at run time): number"),
        (
            "length(5)",
            "eval/argument at `5`: `value` of `length`: expected a collection or a text, found a number",
        ),
        ("keys(map)", r#"["a", "b"]"#),
        (
            "keys([1])",
            "eval/argument at `[1]`: expected a map for `inputMap` of `keys`, found a tuple of 1 element",
        ),
        ("keys(keyring)", r#"["password", "user"]"#),
        ("values(keyring)", r#"[(sensitive), "root"]"#),
        ("values(unknown_map)", "(known at run time): list(number)"),
        (r#"lookup(map, "a", "z")"#, r#""x""#),
        (r#"lookup(map, "c", 1)"#, r#""1""#),
        (r#"lookup({ a = 1 }, "b", "x")"#, r#""x""#),
        (
            r#"lookup(unknown_map, "a", 1)"#,
            "(known at run time): number",
        ),
        (r#"lookup(keyring, "password", "")"#, "(sensitive)"),
        ("merge()", "{}"),
        ("merge({ a = 1 }, null, { a = 2 })", "{ a = 2 }"),
        (
            "merge(keyring, { user = \"me\" })",
            r#"{ password = (sensitive), user = "me" }"#,
        ),
        ("merge(map, unknown_map)", "(known at run time): any"),
        (r#"concat(["a"], [1])"#, r#"["a", 1]"#),
        (r#"concat(list, ["c"])"#, r#"["a", "b", "c"]"#),
        (
            "concat(list, unknown_list)",
            "(known at run time): list(string)",
        ),
        (
            "concat(set)",
            "eval/argument at `set`: `seqs` of `concat`: expected a list, found a set, which has no order",
        ),
        ("concat(list, secret_list)", "(sensitive)"),
        ("flatten([[1, [2]], [\"a\"], []])", r#"[1, 2, "a"]"#),
        (
            "flatten([list, half])",
            r#"["a", "b", "a", (known at run time)]"#,
        ),
        ("flatten([list, unknown_list])", "(known at run time): any"),
        (
            "flatten([[1], secret_list])",
            "[1, (sensitive), (sensitive)]",
        ),
        (r#"distinct([1, "1", 1])"#, r#"["1"]"#),
        ("distinct([])", "[]"),
        (r#"compact(["", null, "a"])"#, r#"["a"]"#),
        ("element(list, 5)", r#""b""#),
        (
            "element([], 0)",
            "eval/argument at `[]`: `list` of `element`: the list is empty",
        ),
        ("element(half, 0)", r#""a""#),
        (
            "element(list, 1.5)",
            "eval/argument at `1.5`: `index` of `element`: expected a whole number",
        ),
        (
            r#"index(list, "z")"#,
            r#"eval/argument at `"z"`: `value` of `index`: the list has no such element"#,
        ),
        ("slice(list, 0, 0)", "[]"),
        (
            "slice(list, 1, 3)",
            "eval/argument at `3`: `end_index` of `slice`: expected an end from 1 to 2, found 3",
        ),
        (
            "slice(list, 3, 3)",
            "eval/argument at `3`: `start_index` of `slice`: expected a start from 0 to 2, found 3",
        ),
        ("sort([\"b\", \"A\", \"a\"])", r#"["A", "a", "b"]"#),
        ("reverse([1, \"a\"])", r#"["a", 1]"#),
        (
            "coalesce(null, \"\")",
            "eval/call at `coalesce(null, \"\")`: `coalesce`: all arguments are null or empty",
        ),
        ("coalesce(null, 1, \"a\")", r#""1""#),
        (
            "coalesce(unknown_string, \"a\")",
            "(known at run time): string",
        ),
        ("coalesce(\"a\", unknown_string)", r#""a""#),
        ("coalescelist([], list)", r#"["a", "b"]"#),
        (
            "coalescelist([])",
            "eval/call at `coalescelist([])`: `coalescelist`: all lists are null or empty",
        ),
        ("chunklist(list, 0)", r#"[["a", "b"]]"#),
        ("chunklist([], 2)", "[]"),
        (
            "chunklist(list, -1)",
            "eval/argument at `-1`: `size` of `chunklist`: expected a size that is not negative",
        ),
        (
            "zipmap(list, [1])",
            "eval/call at `zipmap(list, [1])`: `zipmap`: there are 2 keys and 1 values",
        ),
        (
            "zipmap(list, half)",
            r#"{ a = "a", b = (known at run time) }"#,
        ),
        (r#"contains(["1"], 1)"#, "false"),
        ("contains(list, \"a\")", "true"),
        ("contains(half, \"a\")", "true"),
        ("setunion([\"a\"], [\"b\", 1])", r#"["1", "a", "b"]"#),
        ("setunion([])", "[]"),
        ("setintersection(list, set, [\"b\"])", r#"["b"]"#),
        ("setproduct([\"a\"], [])", "[]"),
        (
            "setproduct([\"a\"], [1, \"x\"])",
            r#"[["a", "1"], ["a", "x"]]"#,
        ),
        (
            "setproduct(range(1000), range(1000))",
            "eval/call at `setproduct(range(1000), range(1000))`: `setproduct`: there are 1000000 combinations, more than the 100000 that are supported",
        ),
    ]);
}

#[test]
fn numbers() {
    check(&[
        ("abs(\"-2\")", "2"),
        ("ceil(-1.2)", "-1"),
        ("floor(-1.2)", "-2"),
        ("log(8, 2)", "3"),
        (
            "log(0, 2)",
            "eval/argument at `0`: `num` of `log`: expected a number above 0",
        ),
        (
            "log(2, 1)",
            "eval/argument at `1`: `base` of `log`: there is no logarithm to the base 1",
        ),
        ("max(1, \"3\", 2)", "3"),
        (
            "min()",
            "eval/argument-count at `min`: `min` takes at least 1 argument, found 0; `numbers` is missing",
        ),
        ("max([1, 5, 3]...)", "5"),
        ("max(1, unknown_number)", "(known at run time): number"),
        ("max(1, secret_number)", "(sensitive)"),
        ("parseint(\"-zZ\", 62)", "-2231"),
        ("parseint(\"FF\", 16)", "255"),
        (
            "parseint(\"8\", 8)",
            "eval/argument at `\"8\"`: `number` of `parseint`: \"8\" is not a whole number in base 8",
        ),
        (
            "parseint(secret, 8)",
            "eval/argument at `secret`: `number` of `parseint`: the call fails; what is wrong is not shown, since an argument is sensitive",
        ),
        (
            "parseint(\"1\", 63)",
            "eval/argument at `63`: `base` of `parseint`: expected a base from 2 to 62, found 63",
        ),
        (
            "parseint(\"ffffffffffffffffffffffff\", 16)",
            "79228162514264337593543950335",
        ),
        ("pow(2, 100)", "1267650600228229401496703205376"),
        ("pow(2, -2)", "0.25"),
        ("pow(2, 0.5)", "1.4142135623730951"),
        (
            "pow(10, 100000)",
            "eval/call at `pow(10, 100000)`: `pow`: the number has more than 10000 digits",
        ),
        (
            "pow(0, -1)",
            "eval/call at `pow(0, -1)`: `pow`: division by zero",
        ),
        ("range(3)", "[0, 1, 2]"),
        ("range(3, 0)", "[3, 2, 1]"),
        ("range(0, 1, 0.3)", "[0, 0.3, 0.6, 0.9]"),
        ("range(0)", "[]"),
        (
            "range(0, 5, 0)",
            "eval/argument at `0`: `params` of `range`: expected a step other than 0",
        ),
        (
            "range(0, 5, -1)",
            "eval/argument at `-1`: `params` of `range`: the step leads away from the limit",
        ),
        (
            "range(5000)",
            "eval/call at `range(5000)`: `range`: the range has more than 1024 numbers",
        ),
        (
            "range(1, 2, 3, 4)",
            "eval/argument-count at `range`: `range` takes 1 to 3 arguments, found 4",
        ),
        ("signum(0)", "0"),
        ("sum([0.1, 0.2])", "0.3"),
        (
            "sum([])",
            "eval/argument at `[]`: `list` of `sum`: the list is empty",
        ),
        (
            "sum(list)",
            "eval/argument at `list`: `[0]`: expected a number for `list` of `sum`, found the string \"a\"",
        ),
        ("alltrue([])", "true"),
        ("alltrue([true, unknown_bool])", "(known at run time): bool"),
        ("alltrue([false, unknown_bool])", "false"),
        ("anytrue([\"true\", unknown_bool])", "true"),
        ("anytrue([])", "false"),
    ]);
}

#[test]
fn formats() {
    check(&[
        (
            r#"format("%5d|%-5d|%05d|%+d|% d", 1, 2, 3, 4, 5)"#,
            r#""    1|2    |00003|+4| 5""#,
        ),
        (
            r#"format("%s %v %#v %q", true, [1, "a"], "x", "a\"b")"#,
            r#""true [1,\"a\"] \"x\" \"a\\\"b\"""#,
        ),
        (
            r#"format("%e %E %g %G %g %g", 1234.5678, 1e-7, 100000, 1e20, 1e21, 0.00001)"#,
            r#""1.234568e+03 1.000000E-07 100000 1E+20 1e+21 1e-05""#,
        ),
        (
            r#"format("%f %.1f %.0f %8.3f", 1.5, 0.25, 2.5, 3.14159)"#,
            r#""1.500000 0.2 2    3.142""#,
        ),
        (
            r#"format("%x %X %o %b %#x", 255, 255, 8, 5, 255)"#,
            r#""ff FF 10 101 0xff""#,
        ),
        (
            r#"format("%v %v %.3g %g", 1000000, 0.1, 1234.5, 0)"#,
            r#""1e+06 0.1 1.23e+03 0""#,
        ),
        (r#"format("%d %f", -5, -0.5)"#, r#""-5 -0.500000""#),
        (r#"format("%05d|%.2e", -5, 0)"#, r#""-0005|0.00e+00""#),
        (r#"format("%[2]s %[1]s", "a", "b")"#, r#""b a""#),
        (
            r#"format("%5s|%-5s|%.2s|%05s", "ab", "ab", "abc", "ab")"#,
            r#""   ab|ab   |ab|000ab""#,
        ),
        (r#"format("%t %v %%", "true", null)"#, r#""true null %""#),
        (
            r#"format("%s", null)"#,
            "eval/argument at `null`: `args` of `format`: `%s`: null has no text",
        ),
        (
            r#"format("%s", "a", "b")"#,
            r#"eval/argument at `"b"`: `args` of `format`: the pattern uses 1 of 2 arguments"#,
        ),
        (
            r#"format("%s %s", "a")"#,
            r#"eval/argument at `"%s %s"`: `format` of `format`: `%s` needs argument number 2, and only 1 is given"#,
        ),
        (
            r#"format("%z", 1)"#,
            r#"eval/argument at `"%z"`: `format` of `format`: there is no verb `%z`; write `%%` for a plain %"#,
        ),
        (
            r#"format("100%")"#,
            r#"eval/argument at `"100%"`: `format` of `format`: the pattern ends in the middle of "%"; write `%%` for a plain %"#,
        ),
        (
            r#"format("%d", 1.5)"#,
            "eval/argument at `1.5`: `args` of `format`: `%d`: expected a whole number",
        ),
        (
            r#"format("%d", "x")"#,
            r#"eval/argument at `"x"`: `args` of `format`: `%d`: expected a number, found the string "x""#,
        ),
        (
            r#"format("%d", secret)"#,
            "eval/argument at `secret`: `args` of `format`: the call fails; what is wrong is not shown, since an argument is sensitive",
        ),
        (
            r#"format("%99999d", 1)"#,
            r#"eval/argument at `"%99999d"`: `format` of `format`: a number in the pattern is greater than 10000"#,
        ),
        (
            r#"format("%s", unknown_string)"#,
            "(known at run time): string",
        ),
        (r#"format("%s", secret)"#, "(sensitive)"),
        (r#"formatlist("%s%s", list, "x")"#, r#"["ax", "bx"]"#),
        (r#"formatlist("x")"#, r#"["x"]"#),
        (r#"formatlist("%s", [])"#, "[]"),
        (
            r#"formatlist("%s%s", list, ["c"])"#,
            r#"eval/argument at `["c"]`: `args` of `formatlist`: this list has 1 elements, that of argument 1 has 2"#,
        ),
    ]);
}

#[test]
fn regular_expressions() {
    check(&[
        (r#"regex("(a)(b)?", "a")"#, r#"["a", null]"#),
        (r#"regex("(?P<x>a)", "ba")"#, r#"{ x = "a" }"#),
        (
            r#"regex("x", "a")"#,
            r#"eval/argument at `"a"`: `string` of `regex`: "a" does not match the pattern"#,
        ),
        (
            r#"regex("x", secret)"#,
            "eval/argument at `secret`: `string` of `regex`: (sensitive) does not match the pattern",
        ),
        (
            r#"regex("(", "a")"#,
            r#"eval/argument at `"("`: `pattern` of `regex`: the pattern is not a regular expression: unclosed group"#,
        ),
        (
            r#"regex("(a)(?P<x>b)", "ab")"#,
            r#"eval/argument at `"(a)(?P<x>b)"`: `pattern` of `regex`: either all groups of the pattern have names or none has"#,
        ),
        (
            r#"regex("(a)(b)", unknown_string)"#,
            "(known at run time): tuple([string, string])",
        ),
        (r#"regexall("a(.)", "abac")"#, r#"[["b"], ["c"]]"#),
        (r#"regexall("x", "a")"#, "[]"),
        (r#"regex_replace("abc", "(b)", "[$1]")"#, r#""a[b]c""#),
        (
            r#"regex_replace("abc", "(?P<x>b)", "$${x}$${x}")"#,
            r#""abbc""#,
        ),
        // The same small letters mean ASCII, as in RE2.
        (r#"regexall("\\d", "1٣")"#, r#"["1"]"#),
        (r#"regexall("[\\w[]+", "é[a_")"#, r#"["[a_"]"#),
        (r#"regexall("\\bé", "é")"#, "[]"),
        (r#"regex("a{x}", "a{x}")"#, r#""a{x}""#),
        (r#"regex("\\Qa.b\\E.", "a.bc")"#, r#""a.bc""#),
        (r#"regex("[]a]+", "]a")"#, r#""]a""#),
        (r#"regex("[[:alpha:]-]+", "1a-b")"#, r#""a-b""#),
    ]);
}

#[test]
fn notations() {
    check(&[
        (
            r#"base64decode("aGVsbG8")"#,
            r#"eval/argument at `"aGVsbG8"`: `str` of `base64decode`: this is not Base64"#,
        ),
        (
            r#"base64decode("/w==")"#,
            r#"eval/argument at `"/w=="`: `str` of `base64decode`: the decoded bytes are not text in UTF-8"#,
        ),
        (r#"textencodebase64("é", "ISO-8859-1")"#, r#""6Q==""#),
        (r#"textdecodebase64("6Q==", "iso-8859-1")"#, r#""é""#),
        (
            r#"textencodebase64("hi", "klingon")"#,
            r#"eval/argument at `"klingon"`: `encoding` of `textencodebase64`: there is no character encoding of that name"#,
        ),
        (r#"urlencode("a b&c/é~")"#, r#""a+b%26c%2F%C3%A9~""#),
        (r#"jsonencode("<a>&")"#, r#""\"\\u003ca\\u003e\\u0026\"""#),
        (
            r#"jsonencode([0.1, 12345678901234567890123, null])"#,
            r#""[0.1,12345678901234567890123,null]""#,
        ),
        ("jsonencode(half)", "(known at run time): string"),
        ("jsonencode(keyring)", "(sensitive)"),
        (
            r#"jsondecode("{\"a\": 12345678901234567890.5, \"b\": [null, \"\\u00e9\"]}")"#,
            r#"{ a = 12345678901234567890.5, b = [null, "é"] }"#,
        ),
        (
            r#"jsondecode("{")"#,
            r#"eval/argument at `"{"`: `str` of `jsondecode`: this is not JSON: EOF while parsing an object at line 1 column 1"#,
        ),
        (
            r#"jsondecode("1e999999999")"#,
            r#"eval/argument at `"1e999999999"`: `str` of `jsondecode`: this is not JSON: the number has more than 10000 digits"#,
        ),
        (
            r#"csvdecode("a,a\n1,2")"#,
            r#"eval/argument at `"a,a\n1,2"`: `str` of `csvdecode`: two columns have the name "a""#,
        ),
        (
            r#"csvdecode("")"#,
            r#"eval/argument at `""`: `str` of `csvdecode`: the line with the names is missing"#,
        ),
        (r#"csvdecode("a\n\"x,y\"\n")"#, r#"[{ a = "x,y" }]"#),
    ]);
}

#[test]
fn yaml() {
    check(&[
        (
            r#"yamlencode({ a = [1, "x", { b = null, c = [1] }], c = {}, d = [], h = 1.5, j = [[1, 2], []], k = { z = { y = "é\t" } } })"#,
            r#""\"a\":\n- 1\n- \"x\"\n- \"b\": null\n  \"c\":\n  - 1\n\"c\": {}\n\"d\": []\n\"h\": 1.5\n\"j\":\n- - 1\n  - 2\n- []\n\"k\":\n  \"z\":\n    \"y\": \"é\\t\"\n""#,
        ),
        (
            r#"yamlencode({ e = "l1\nl2\n", f = "l1\nl2" })"#,
            r#""\"e\": |\n  l1\n  l2\n\"f\": |-\n  l1\n  l2\n""#,
        ),
        (
            r#"yamlencode({ a = " x\ny\n", b = "x\n\n", c = "\n", d = "x \ny" })"#,
            r#""\"a\": |2\n   x\n  y\n\"b\": |+\n  x\n\n\"c\": |2+\n\n\"d\": \"x \\ny\"\n""#,
        ),
        (
            r#"yamlencode("\u0001\u0085\U0001F600")"#,
            r#""\"\\x01\\N\\U0001F600\"\n""#,
        ),
        ("yamlencode(1.5)", r#""1.5\n...\n""#),
        (
            r#"yamldecode("{a: 1, <<: {a: 2, b: 3}, b: 4}")"#,
            "{ a = 2, b = 4 }",
        ),
        (
            r#"yamldecode("[2001-1-4, 2001-12-14t21:59:43.10-05:00, 2001-12-14 21:59:43]")"#,
            r#"["2001-01-04T00:00:00Z", "2001-12-14T21:59:43-05:00", "2001-12-14T21:59:43Z"]"#,
        ),
        (
            r#"yamldecode("!foo x")"#,
            r#"eval/argument at `"!foo x"`: `src` of `yamldecode`: the tag `!foo` is not supported"#,
        ),
        ("yamlencode(null)", r#""null\n...\n""#),
        (
            r#"yamldecode("[y, on, Off, n, True, NULL, ~, +1, 1_000, 0o10, 0b11, 1e3, .5, -.5, 1., 12:30, null, \"1\", !!str 1]")"#,
            r#"[true, true, false, false, true, null, null, 1, 1000, "0o10", 3, 1000, 0.5, -0.5, 1, "12:30", null, "1", "1"]"#,
        ),
        (
            r#"yamldecode("1: a\ntrue: b\n2.50: c")"#,
            r#"{ "1" = "a", "2.5" = "c", true = "b" }"#,
        ),
        (
            r#"yamldecode("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2")"#,
            "{ a = { b = 1 }, c = { b = 1, d = 2 } }",
        ),
        (
            r#"yamldecode("a: 2001-01-01")"#,
            r#"{ a = "2001-01-01T00:00:00Z" }"#,
        ),
        (
            r#"yamldecode("")"#,
            r#"eval/argument at `""`: `src` of `yamldecode`: the text is empty"#,
        ),
        (
            r#"yamldecode("--- a\n--- b")"#,
            r#"eval/argument at `"--- a\n--- b"`: `src` of `yamldecode`: there is more than one document in the text"#,
        ),
    ]);
    // What is written can be read again.
    let value =
        r#"{ a = [1, "yes", { b = null, "c d" = [[], {}] }], e = "l1\n\n  l2\n", f = "- x: y" }"#;
    check(&[(
        &format!("yamldecode(yamlencode({value})) == {value}"),
        "true",
    )]);
}

#[test]
fn many_aliases_do_not_eat_the_memory() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 8].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\\n");
    }
    let found = eval(&format!("yamldecode(\"{text}\")"));
    assert!(
        found.contains("the value has more than 1000000 parts"),
        "{found}"
    );
}

#[test]
fn times() {
    check(&[
        (
            r#"formatdate("YYYY YY MMMM MMM MM M DD D EEEE EEE hh h HH H AA aa mm m ss s ZZZZZ ZZZZ ZZZ Z 'it''s'", "2020-01-02T15:04:05Z")"#,
            r#""2020 20 January Jan 01 1 02 2 Thursday Thu 15 15 03 3 PM pm 04 4 05 5 +00:00 +0000 UTC Z it's""#,
        ),
        (
            r#"formatdate("ZZZZZ ZZZZ ZZZ Z", "2020-01-02T15:04:05-05:30")"#,
            r#""-05:30 -0530 -0530 -05:30""#,
        ),
        (
            r#"formatdate("X", "2020-01-02T15:04:05Z")"#,
            r#"eval/argument at `"X"`: `format` of `formatdate`: the pattern has no part `X`; plain text stands in single quotes"#,
        ),
        (
            r#"formatdate("YYYY", "2020-01-02")"#,
            r#"eval/argument at `"2020-01-02"`: `time` of `formatdate`: expected a time such as `2026-01-02T03:04:05Z`, found "2020-01-02""#,
        ),
        (
            r#"timeadd("2020-01-02T15:04:05+02:00", "10m")"#,
            r#""2020-01-02T15:14:05+02:00""#,
        ),
        (
            r#"timeadd("2020-01-02T15:04:05.5Z", "-1.5h")"#,
            r#""2020-01-02T13:34:05Z""#,
        ),
        (
            r#"timeadd("2020-02-30T00:00:00Z", "1h")"#,
            r#"eval/argument at `"2020-02-30T00:00:00Z"`: `timestamp` of `timeadd`: expected a time such as `2026-01-02T03:04:05Z`, found "2020-02-30T00:00:00Z""#,
        ),
        (
            r#"timeadd("2020-01-02T15:04:05Z", "1d")"#,
            r#"eval/argument at `"1d"`: `duration` of `timeadd`: expected a duration such as `1h30m`, found "1d""#,
        ),
        ("timestamp()", r#""1970-01-01T00:00:00Z""#),
        ("legacy_isotime()", r#""1970-01-01T00:00:00Z""#),
        (
            r#"legacy_isotime("Mon, 02 Jan 2006 15:04:05 -0700 MST Monday January _2 3:4:5PM Z07:00")"#,
            r#""Thu, 01 Jan 1970 00:00:00 +0000 UTC Thursday January  1 12:0:0AM Z""#,
        ),
        (r#"legacy_strftime("%Y-%m-%d")"#, r#""1970-01-01""#),
        (
            r#"unix_timestamp_parse(1514862245).weekday_name"#,
            r#""Tuesday""#,
        ),
        (
            r#"rfc3339_parse("2018-01-02T03:04:05Z")"#,
            r#"{ day = 2, hour = 3, iso_week = 1, iso_year = 2018, minute = 4, month = 1, month_name = "January", second = 5, unix = 1514862245, weekday = 2, weekday_name = "Tuesday", year = 2018, year_day = 2 }"#,
        ),
    ]);
}

#[test]
fn files() {
    check(&[
        (r#"basename("/a/b/")"#, r#""b""#),
        (r#"basename("")"#, r#"".""#),
        (r#"basename("///")"#, r#""/""#),
        (r#"dirname("a")"#, r#"".""#),
        (r#"dirname("/a/b/")"#, r#""/a/b""#),
        (r#"abspath("x/../y")"#, r#""/project/y""#),
        (r#"pathexpand("a/b")"#, r#""a/b""#),
        (
            r#"pathexpand("~other/b")"#,
            r#"eval/argument at `"~other/b"`: `path` of `pathexpand`: only one's own home directory `~` can be expanded, not that of others"#,
        ),
        (r#"file("./scripts/../motd.txt")"#, r#""Welcome\n""#),
        (
            r#"file("nothing")"#,
            r#"eval/argument at `"nothing"`: `path` of `file`: there is no file "nothing" (relative paths start at /project)"#,
        ),
        (
            r#"file("bytes.bin")"#,
            r#"eval/argument at `"bytes.bin"`: `path` of `file`: "bytes.bin" is not text in UTF-8; `filebase64` reads any file"#,
        ),
        (r#"filebase64("bytes.bin")"#, r#""//4=""#),
        (r#"fileexists("nothing")"#, "false"),
        (
            r#"fileexists("scripts")"#,
            r#"eval/argument at `"scripts"`: `path` of `fileexists`: "scripts" is not a regular file"#,
        ),
        (
            r#"fileset("scripts", "**/*.sh")"#,
            r#"["a.sh", "b.sh", "deep/c.sh"]"#,
        ),
        (r#"fileset("scripts", "{a,b}.sh")"#, r#"["a.sh", "b.sh"]"#),
        (r#"fileset("nowhere", "*")"#, "[]"),
        (r#"file(unknown_string)"#, "(known at run time): string"),
        (
            r#"env("HOME")"#,
            "eval/function-not-here at `env`: `env` may only be used in the default of a variable",
        ),
    ]);
    assert_eq!(eval_default(r#"env("NOT_SET")"#), r#""""#);
}

#[test]
fn networks() {
    check(&[
        (r#"cidrhost("10.12.127.0/20", -2)"#, r#""10.12.127.254""#),
        (
            r#"cidrhost("fd00:fd12:3456:7890:00a2::/72", 34)"#,
            r#""fd00:fd12:3456:7890::22""#,
        ),
        (
            r#"cidrhost("10.0.0.0/30", 4)"#,
            "eval/argument at `4`: `hostnum` of `cidrhost`: a network with a prefix of 30 has no host of that number",
        ),
        (
            r#"cidrhost("10.0.0.0", 4)"#,
            r#"eval/argument at `"10.0.0.0"`: `prefix` of `cidrhost`: expected a network such as `10.0.0.0/8`, found "10.0.0.0""#,
        ),
        (r#"cidrnetmask("10.0.0.0/0")"#, r#""0.0.0.0""#),
        (r#"cidrnetmask("fe80::/10")"#, r#""ffc0::""#),
        (
            r#"cidrsubnet("fd00::/8", 56, 255)"#,
            r#""fd00:0:0:ff::/64""#,
        ),
        (
            r#"cidrsubnet("10.0.0.0/8", 8, 256)"#,
            "eval/argument at `256`: `netnum` of `cidrsubnet`: there is no subnet of that number in 8 bits",
        ),
        (
            r#"cidrsubnet("10.0.0.0/8", 25, 0)"#,
            "eval/argument at `25`: `newbits` of `cidrsubnet`: expected 0 to 24 more bits for a prefix of 8, found 25",
        ),
        (
            r#"cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)"#,
            r#"["10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/24", "10.1.48.0/20"]"#,
        ),
        (
            r#"cidrsubnets("10.0.0.0/30", 1, 1, 1)"#,
            "eval/argument at `1`: `newbits` of `cidrsubnets`: the network 10.0.0.0/30 has no room for this one",
        ),
    ]);
}

#[test]
fn digests_and_identities() {
    check(&[
        ("md5(\"\")", r#""d41d8cd98f00b204e9800998ecf8427e""#),
        ("sha256(unknown_string)", "(known at run time): string"),
        ("sha256(secret)", "(sensitive)"),
        (
            "sha256(null)",
            "eval/argument at `null`: `str` of `sha256` is null",
        ),
        (
            "sha256(list)",
            "eval/argument at `list`: expected a string for `str` of `sha256`, found a list of strings",
        ),
        ("uuidv4()", r#""00000000-0000-4000-8000-000000000001""#),
        (
            r#"uuidv5("cfbff0d1-9375-5685-968c-48ce8b15ae17", "x") == uuidv5("dns", "x")"#,
            "false",
        ),
        (
            r#"uuidv5("x", "y")"#,
            r#"eval/argument at `"x"`: `namespace` of `uuidv5`: expected `dns`, `url`, `oid`, `x500` or a UUID as the namespace, found "x""#,
        ),
        (r#"substr(bcrypt("secret", 4), 0, 7)"#, r#""$2a$04$""#),
        (
            r#"bcrypt("secret", 3)"#,
            "eval/argument at `3`: `cost` of `bcrypt`: expected a cost from 4 to 18, found 3",
        ),
    ]);
}

#[test]
fn keys_of_any_notation_decrypt() {
    for key in ["key.pem", "key8.pem", "openssh.pem"] {
        let call = format!(r#"rsadecrypt(filebase64("password.enc"), file("{key}"))"#);
        assert_eq!(eval(&call), r#""hunter2""#, "{key}");
    }
    check(&[
        (
            r#"rsadecrypt(filebase64("password.enc"), file("other.pem"))"#,
            r#"eval/argument at `filebase64("password.enc")`: `ciphertext` of `rsadecrypt`: this key cannot decrypt it"#,
        ),
        (
            r#"rsadecrypt("not Base64", file("key.pem"))"#,
            r#"eval/argument at `"not Base64"`: `ciphertext` of `rsadecrypt`: this is not Base64"#,
        ),
        (
            r#"rsadecrypt("aGk=", "not a key")"#,
            r#"eval/argument at `"not a key"`: `privatekey` of `rsadecrypt`: expected the private key of an RSA pair in PEM"#,
        ),
        (
            r#"rsadecrypt("aGk=", file("ec.pem"))"#,
            r#"eval/argument at `file("ec.pem")`: `privatekey` of `rsadecrypt`: expected the private key of an RSA pair in PEM"#,
        ),
        (
            r#"rsadecrypt("aGk=", file("locked.pem"))"#,
            r#"eval/argument at `file("locked.pem")`: `privatekey` of `rsadecrypt`: the key is protected by a password, which a template cannot give"#,
        ),
        (
            r#"rsadecrypt("aGk=", file("locked8.pem"))"#,
            r#"eval/argument at `file("locked8.pem")`: `privatekey` of `rsadecrypt`: the key is protected by a password, which a template cannot give"#,
        ),
    ]);
}

#[test]
fn services_are_asked_only_where_the_world_is_online() {
    let calls = [
        (r#"vault("secret/data/web", "password")"#, "hunter2"),
        (r#"consul_key("web/version")"#, "1.2"),
        (r#"aws_secretsmanager("web", "password")"#, "hunter3"),
        (r#"aws_secretsmanager("web", "")"#, "hunter4"),
        (r#"aws_secretsmanager_raw("web")"#, "raw"),
    ];
    let mut online = world();
    let known = calls.map(|(call, value)| (call.to_owned(), value.to_owned()));
    online.services = known.into_iter().collect();
    for (call, value) in calls {
        // Offline the value is unknown, so comparing it decides nothing; it is sensitive either way.
        let test = format!(r#"{call} == "{value}" ? "same" : "other""#);
        assert_eq!(eval(call), "(sensitive): string");
        assert_eq!(eval(&test), "(sensitive): string");
        assert_eq!(eval_in(&online, call), "(sensitive)");
        let compared = format!("{{ for key, value in {{ ({call}) = 1 }} : key => value }}");
        assert!(!eval_in(&online, &compared).contains(value), "{compared}");
    }
    assert_eq!(
        eval_in(&online, r#"aws_secretsmanager("web", null)"#),
        "(sensitive)"
    );
    assert_eq!(
        eval_in(&online, r#"vault("secret/data/db", "password")"#),
        r#"eval/call at `vault("secret/data/db", "password")`: `vault`: nothing is known of vault("secret/data/db", "password")"#
    );
    assert_eq!(eval(r#"can(vault("a", "b"))"#), "(known at run time): bool");
    assert_eq!(
        eval(r#"vault("a", null)"#).lines().next().unwrap(),
        "eval/argument at `null`: `key` of `vault` is null"
    );
}

#[test]
fn attempts() {
    check(&[
        ("try(object.nothing, 5)", "5"),
        ("try(object.name, 5)", r#""web""#),
        (
            "try(object.nothing, list[7])",
            "eval/call at `try(object.nothing, list[7])`: none of these expressions has a value",
        ),
        ("try(unknown, 5)", "(known at run time): any"),
        ("try(unknown)", "(known at run time): any"),
        ("try(secret, 5)", "(sensitive)"),
        ("try(failed, 5)", "5"),
        (
            "try()",
            "eval/argument-count at `try`: `try` takes at least 1 argument, found 0; `expressions` is missing",
        ),
        ("can(object.name)", "true"),
        ("can(nothing_here)", "false"),
        ("can(unknown)", "(known at run time): bool"),
        (
            "convert([1, true], list(any))",
            "eval/wrong-type at `[1, true]`: the elements must have one type for `value`, found a number and a bool",
        ),
        (
            "convert(\"x\", number)",
            "eval/wrong-type at `\"x\"`: expected a number for `value`, found the string \"x\"",
        ),
        (
            "convert(1, strin)",
            "type/unknown-type at `strin`: there is no type `strin`",
        ),
        (
            "convert(unknown, list(string))",
            "(known at run time): list(string)",
        ),
    ]);
}

#[test]
fn template_files() {
    check(&[
        (
            r#"templatefile("loop.tpl", { list = [1, "a"] })"#,
            r#""<1><a>""#,
        ),
        (r#"templatefile("motd.txt", {})"#, r#""Welcome\n""#),
        (
            r#"templatefile("motd.tpl", { name = secret })"#,
            "(sensitive)",
        ),
        (
            r#"templatefile("motd.tpl", { name = unknown })"#,
            "(known at run time): string",
        ),
        (
            r#"templatefile("motd.tpl", unknown_object)"#,
            "(known at run time): any",
        ),
        (
            r#"templatefile("broken.tpl", {})"#,
            r#"eval/unknown-name at `"broken.tpl"`: "broken.tpl", line 1, column 9: there is no `nobody` here"#,
        ),
        (
            r#"templatefile("self.tpl", {})"#,
            r#"eval/call at `"self.tpl"`: "self.tpl", line 1, column 3: a template file cannot use `templatefile` itself"#,
        ),
        (
            r#"templatefile("motd.tpl", [1])"#,
            "eval/argument at `[1]`: `vars` of `templatefile`: expected a map or object, found a tuple of 1 element",
        ),
        (
            r#"templatefile(null, {})"#,
            "eval/argument at `null`: `path` of `templatefile` is null",
        ),
    ]);
}

#[test]
fn unknown_functions() {
    assert_snapshot!(eval("uper(\"a\")"), @r"
    eval/unknown-function at `uper`: there is no function `uper`
      did you mean `upper`?
    ");
    assert_snapshot!(eval("tostring(1)"), @"
    eval/unknown-function at `tostring`: there is no function `tostring`
      write `convert(…, string)`
    ");
    assert_snapshot!(eval("replace(\"a\", \"b\")"), @"
    eval/argument-count at `replace`: `replace` takes 3 arguments, found 2; `replace` is missing
      it is `replace(str: string, substr: string, replace: string) -> string`
    ");
    assert_snapshot!(eval("upper([1])"), @"
    eval/argument at `[1]`: expected a string for `str` of `upper`, found a tuple of 1 element
      it is `upper(str: string) -> string`
    ");
}

#[test]
fn problems_do_not_show_secrets() {
    const HIDDEN: &str =
        "the call fails; what is wrong is not shown, since an argument is sensitive";
    let table = [
        (
            "format(secret, 1)",
            "eval/argument at `1`: `args` of `format`: the pattern uses 0 of 1 arguments",
        ),
        ("indent(-secret_number, \"a\")", HIDDEN),
        ("slice(list, secret_number, 1)", HIDDEN),
        ("parseint(\"1\", secret_number * 2)", HIDDEN),
        ("yamldecode(\"{a: .inf, b: ${secret}}\")", HIDDEN),
        ("csvdecode(\"${secret},${secret}\\n\")", HIDDEN),
        ("formatdate(secret, \"2026-01-02T03:04:05Z\")", HIDDEN),
        ("regex(\"(${secret}\", \"a\")", HIDDEN),
        ("bcrypt(\"a\", secret_number)", HIDDEN),
        ("cidrsubnet(\"10.0.0.0/8\", secret_number, 0)", HIDDEN),
    ];
    for (text, wanted) in table {
        let found = eval(text);
        assert!(found.contains(wanted), "{text}: {found}");
        assert!(
            !found.contains("hunter2") && !found.contains("42"),
            "{text}: {found}"
        );
    }
}
