import assert from "node:assert/strict";
import { test } from "node:test";

import { looksLikeLegacyTemplate } from "../src/legacy";

test("a legacy template is one", () => {
  assert.ok(looksLikeLegacyTemplate(`{ "variables": {}, "builders": [{ "type": "null" }] }`));
});

test("a half-written one is one", () => {
  assert.ok(looksLikeLegacyTemplate(`{ "builders": [{ "type": "amazon-ebs", "region": }], `));
});

test("a byte order mark does not hide one", () => {
  assert.ok(looksLikeLegacyTemplate(`\uFEFF{ "builders": [{ "type": "null", }] }`));
});

test("JSON of other programs is none", () => {
  for (const text of [
    "",
    "[]",
    "null",
    `{ "name": "web", "scripts": {} }`,
    `{ "builders": {} }`,
    `{ "builders": [] }`,
    `{ "builders": ["@angular/builder"] }`,
    `{ "builders": [{ "name": "x" }] }`,
    `{ "tool": { "builders": [{ "type": "null" }] } }`,
    `[{ "builders": [{ "type": "null" }] }]`,
    `{ "note": "\\"builders\\": [{ \\"type\\": 1 }]" }`,
  ]) {
    assert.ok(!looksLikeLegacyTemplate(text), text);
  }
});
