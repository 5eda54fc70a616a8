// Colours the files of test/grammar and compares with the snapshots beside them. UPDATE_SNAPSHOTS=1 writes those; read the
// difference before you commit it.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as oniguruma from "vscode-oniguruma";
import * as textmate from "vscode-textmate";

const wasm = createRequire(`${process.cwd()}/package.json`).resolve("vscode-oniguruma/release/onig.wasm");
const loaded = oniguruma.loadWASM(readFileSync(wasm));
const grammars: { scopeName: string; path: string }[] = JSON.parse(readFileSync("package.json", "utf8")).contributes
  .grammars;

const registry = new textmate.Registry({
  onigLib: loaded.then(() => ({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  })),
  loadGrammar: async (scope) => {
    const path = grammars.find((grammar) => grammar.scopeName === scope)?.path;
    return path ? textmate.parseRawGrammar(readFileSync(path, "utf8"), path) : null;
  },
});

const SCOPES: Record<string, string> = { hcl: "source.imgc", json: "source.imgc.json", toml: "source.imgc.toml" };

/** Each line of a text, with its words and their scopes below it. */
async function colour(scope: string, text: string): Promise<string> {
  const grammar = await registry.loadGrammar(scope);
  assert.ok(grammar);
  let stack = textmate.INITIAL;
  const out: string[] = [];
  for (const line of text.replace(/\n$/, "").split("\n")) {
    out.push(`> ${line}`.trimEnd());
    const result = grammar.tokenizeLine(line, stack);
    stack = result.ruleStack;
    for (const token of result.tokens) {
      const word = line.slice(token.startIndex, token.endIndex);
      if (!word.trim()) continue;
      const scopes = token.scopes.slice(1).map((name) => name.replace(/\.imgc(\.json|\.toml)?$/, ""));
      out.push(`    ${word.trim()}    ${scopes.join(" ")}`.trimEnd());
    }
  }
  return `${out.join("\n")}\n`;
}

for (const name of readdirSync("test/grammar").filter((name) => !name.endsWith(".snap"))) {
  test(`the colours of ${name}`, async () => {
    const scope = SCOPES[name.split(".").pop() ?? ""];
    assert.ok(scope, name);
    const found = await colour(scope, readFileSync(`test/grammar/${name}`, "utf8"));
    const snapshot = `test/grammar/${name}.snap`;
    if (process.env.UPDATE_SNAPSHOTS) writeFileSync(snapshot, found);
    assert.ok(existsSync(snapshot), "no snapshot yet: UPDATE_SNAPSHOTS=1 writes it");
    assert.equal(found, readFileSync(snapshot, "utf8"));
  });
}

/** Scopes of the first place of a word in an HCL text. */
async function scopesOf(text: string, word: string): Promise<string[]> {
  const grammar = await registry.loadGrammar("source.imgc");
  assert.ok(grammar);
  let stack = textmate.INITIAL;
  for (const line of text.split("\n")) {
    const result = grammar.tokenizeLine(line, stack);
    stack = result.ruleStack;
    const at = line.indexOf(word);
    const token = at >= 0 && result.tokens.find((token) => token.startIndex <= at && at < token.endIndex);
    if (token) return token.scopes;
  }
  assert.fail(`no ${word}`);
}

test("what stands after a text with everything in it has its own colours again", async () => {
  const before = [
    'a = "${join(",", [for x in var.list : "${x}-%{ if x == "a" }1%{ else }2%{ endif }"])} {{ .Vars }} $${no} \\"q\\""',
    'b = <<-EOT\n  ${upper("x")} {{ user `y` }} "not closed\n  EOT',
    "c = { x = [1, { y = (2) }] } /* } */ # }",
    "d = x ? y : z",
  ];
  for (const text of before) {
    const scopes = await scopesOf(`${text}\nafterwards = 1\n`, "afterwards");
    assert.deepEqual(scopes, ["source.imgc", "meta.attribute.imgc", "variable.other.property.imgc"], text);
  }
});

test("a string that is not closed ends with its line", async () => {
  const scopes = await scopesOf('a = "open\nafterwards = 1\n', "afterwards");
  assert.ok(!scopes.includes("string.quoted.double.imgc"), scopes.join(" "));
});
