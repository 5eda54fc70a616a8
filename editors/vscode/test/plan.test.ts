import assert from "node:assert/strict";
import { test } from "node:test";

import { describeStep, drawGraph, escape, show } from "../src/plan/drawing";
import { layOut, type Box, type Layout } from "../src/plan/layout";
import type { Build, Plan, Step } from "../src/plan/model";
import { page } from "../src/plan/page";
import { summarise } from "../src/summary";

function build(name: string): Build {
  return { address: `build.${name}`, name, builder: "null", communicator: "none", description: null, options: {} };
}

/** A step of a build; needs are `data:` or `order:` and an address. */
function step(address: string, needs: string[] = [], more: Partial<Step> = {}): Step {
  return {
    address: `build.${address}`,
    build: `build.${address.split(".")[0]}`,
    kind: "provision",
    component: null,
    options: {},
    needs: needs.map((need) => {
      const [kind, step] = need.split(":");
      return { kind: kind as "data" | "order", step: `build.${step}` };
    }),
    undo: null,
    limits: { pause_before: null, timeout: null, max_retries: 0, continue_on_error: false },
    ...more,
  };
}

function plan(builds: string[], steps: Step[]): Plan {
  return { builds: builds.map(build), steps, totals: { builds: builds.length, steps: steps.length, artifacts: 1 } };
}

function box(layout: Layout, address: string): Box {
  const found = layout.boxes.find((box) => box.step.address === `build.${address}`);
  assert.ok(found, address);
  return found;
}

const CHAIN = plan(
  ["a"],
  [
    step("a.launch"),
    step("a.provisioner[0]", ["order:a.launch"]),
    step("a.capture", ["data:a.launch", "order:a.provisioner[0]"]),
    step("a.post-processor[0][0]", ["data:a.capture"]),
    step("a.post-processor[1][0]", ["data:a.capture"]),
  ],
);

test("a step stands below all it needs", () => {
  const layout = layOut(CHAIN);
  for (const { step, y } of layout.boxes) {
    for (const need of step.needs) {
      const before = layout.boxes.find((box) => box.step.address === need.step);
      assert.ok(before && before.y + before.height < y, `${need.step} before ${step.address}`);
    }
  }
});

test("steps that can run at the same time stand side by side, and none over another", () => {
  const layout = layOut(CHAIN);
  assert.equal(box(layout, "a.post-processor[0][0]").y, box(layout, "a.post-processor[1][0]").y);
  for (const one of layout.boxes) {
    for (const other of layout.boxes) {
      if (one === other) continue;
      const apart =
        one.x + one.width <= other.x ||
        other.x + other.width <= one.x ||
        one.y + one.height <= other.y ||
        other.y + other.height <= one.y;
      assert.ok(apart, `${one.step.address} and ${other.step.address}`);
    }
  }
});

test("builds have lanes that hold their steps and do not touch", () => {
  const layout = layOut(plan(["a", "b"], [step("a.launch"), step("b.launch", ["data:a.launch"])]));
  const [first, second] = layout.lanes;
  assert.ok(first && second && first.x + first.width < second.x);
  for (const lane of layout.lanes) {
    for (const box of layout.boxes.filter((box) => box.step.build === lane.build.address)) {
      assert.ok(box.y >= lane.y && box.y + box.height <= lane.y + lane.height);
      assert.ok(box.x >= lane.x && box.x + box.width <= lane.x + lane.width);
    }
  }
  assert.ok(layout.height >= second.y + second.height && layout.width >= second.x + second.width);
  assert.ok(box(layout, "b.launch").y > box(layout, "a.launch").y, "below what it waits for in the other lane");
});

test("lanes that do not fit beside others stand below them", () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const layout = layOut(
    plan(
      names,
      names.map((name) => step(`${name}.launch`)),
    ),
  );
  assert.ok(layout.width < 1000);
  const rows = new Set(layout.lanes.map((lane) => lane.y));
  assert.equal(rows.size, 2);
  for (const [index, one] of layout.lanes.entries()) {
    for (const other of layout.lanes.slice(index + 1)) {
      assert.ok(
        one.x + one.width <= other.x || one.y + one.height <= other.y,
        `${one.build.name} and ${other.build.name}`,
      );
    }
  }
});

test("every need is a line of its kind", () => {
  const lines = layOut(CHAIN).lines.map(({ from, to, kind }) => `${from} ${kind} ${to}`);
  assert.equal(lines.length, 5);
  assert.ok(lines.includes("build.a.launch data build.a.capture"));
  assert.ok(lines.includes("build.a.provisioner[0] order build.a.capture"));
});

test("a plan without builds has a layout", () => {
  const layout = layOut(plan([], []));
  assert.ok(layout.width > 0 && layout.height > 0);
});

test("a plan of ten thousand steps is laid out in a moment", () => {
  const names = Array.from({ length: 500 }, (_, index) => `b${index}`);
  const steps = names.flatMap((name) =>
    Array.from({ length: 20 }, (_, index) =>
      step(`${name}.s${index}`, index > 0 ? [`order:${name}.s${index - 1}`] : []),
    ),
  );
  const start = performance.now();
  layOut(plan(names, steps));
  assert.ok(performance.now() - start < 2000);
});

const EVIL = `"><script>alert('1')</script><img src=x onerror="alert(1)">&`;

test("no text of a template becomes markup", () => {
  const evil: Plan = {
    builds: [
      {
        ...build("a"),
        name: EVIL,
        builder: EVIL,
        communicator: EVIL,
        description: EVIL,
        address: EVIL,
        options: { [EVIL]: EVIL },
      },
    ],
    steps: [
      {
        ...step("a.launch"),
        build: EVIL,
        address: `${EVIL}.x`,
        component: EVIL,
        kind: EVIL,
        undo: EVIL,
        options: { [EVIL]: { [EVIL]: [EVIL] } },
      },
    ],
    totals: { builds: 1, steps: 1, artifacts: 1 },
  };
  const answer = { path: EVIL, text: EVIL, plan: evil };
  const addresses = {
    csp: "https://csp.example",
    style: "https://x/plan.css",
    script: "https://x/plan.js",
    nonce: "n",
  };
  const html = page(EVIL, { is: "plan", answer, only: [EVIL] }, addresses);
  assert.equal(html.match(/<script/g)?.length, 1, "our own script is the only one");
  assert.ok(!html.includes("<img"));
  assert.ok(!drawGraph(layOut(evil)).includes("<script"));
  assert.ok(!page(EVIL, { is: "failure", message: EVIL }, addresses).includes("<img"));
  assert.equal(escape(`<a href="x">'&`), "&#60;a href=&#34;x&#34;&#62;&#39;&#38;");
});

test("the page allows nothing but its own style sheet and script", () => {
  const html = page("t", { is: "waiting" }, { csp: "https://csp.example", style: "s", script: "j", nonce: "abc" });
  assert.match(html, /default-src &#39;none&#39;; style-src https:\/\/csp\.example; script-src &#39;nonce-abc&#39;/);
  assert.ok(!/style="|onclick=/.test(html));
});

test("values are shown as people write them, and secrets are not", () => {
  assert.equal(
    show({ name: "web", list: [1, true, null], inner: {} }),
    `{ name = "web", list = [1, true, null], inner = {  } }`,
  );
  assert.equal(show({ $sensitive: true }), "(sensitive)");
  assert.equal(show({ $unknown: "string" }), "(known when it runs: string)");
  assert.equal(show({ $$own: 1 }), "{ $own = 1 }");
});

test("a step is described with its limits", () => {
  const limits = { pause_before: 10, timeout: 300, max_retries: 2, continue_on_error: true };
  const html = describeStep(step("a.x", ["data:a.launch"], { component: "shell", limits, undo: "stop it" }));
  for (const part of [
    "provision (shell)",
    "10 s",
    "300 s",
    "2 times",
    "the build goes on",
    "stop it",
    "<th>uses</th><td>launch</td>",
  ]) {
    assert.ok(html.includes(part), part);
  }
});

test("a workspace is summed up", () => {
  const clean = { items: [{ kind: "full", items: [] }, { kind: "unchanged" }] };
  const fine = { message: "No problems in the templates of this workspace.", isClean: true };
  assert.deepEqual(summarise(clean), fine);
  const hints = { items: [{ kind: "full", items: [{ severity: 4 }] }] };
  assert.deepEqual(summarise(hints), fine);
  const bad = {
    items: [
      { kind: "full", items: [{ severity: 1 }, { severity: 2 }, {}] },
      { kind: "full", items: [] },
    ],
  };
  assert.deepEqual(summarise(bad), { message: "2 errors and 1 warning in 1 file.", isClean: false });
});
