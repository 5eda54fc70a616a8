// What the manifest says and the sources do has to agree.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { OLDEST } from "../src/binary";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const sources = (readdirSync("src", { recursive: true }) as string[])
  .filter((name) => name.endsWith(".ts"))
  .map((name) => readFileSync(`src/${name}`, "utf8"))
  .join("\n");

test("every command of the manifest is registered", () => {
  for (const { command } of manifest.contributes.commands) {
    const name = command.replace("imgc.", "");
    assert.ok(sources.includes(`register("${name}"`), command);
  }
});

test("no command of ours has the name of one of the server's, which the client registers", () => {
  const names = manifest.contributes.commands.map((one: { command: string }) => one.command);
  for (const name of ["imgc.plan", "imgc.graph", "imgc.convert"]) assert.ok(!names.includes(name));
});

test("every setting is read or is the server's, and is on the page", () => {
  const page = readFileSync("README.md", "utf8");
  const ours = Object.keys(manifest.contributes.configuration.properties);
  for (const setting of ours) {
    const name = setting.replace("imgc.", "");
    const isReadElsewhere = ["inlayHints.values", "inlayHints.types", "codeLens.enable", "trace.server"].includes(name);
    assert.ok(isReadElsewhere || sources.includes(`"${name}"`), setting);
    assert.ok(page.includes(`\`${setting}\``), `${setting} is not in README.md`);
  }
});

test("every file of the manifest is there", () => {
  const text = JSON.stringify({ ...manifest, main: undefined });
  for (const [, path] of text.matchAll(/"(?:\.\/)?((?:languages|syntaxes|media)\/[^"]+)"/g)) {
    assert.ok(path && existsSync(path), path);
  }
});

test("the oldest imgc is one that was released with or before this extension", () => {
  assert.ok(OLDEST <= manifest.version);
});

test("the lock file names no registry", () => {
  assert.ok(!readFileSync("package-lock.json", "utf8").includes('"resolved"'));
});
