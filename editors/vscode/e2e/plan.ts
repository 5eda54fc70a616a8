// The panel with the plan.

import assert from "node:assert/strict";
import type { FrameLocator } from "playwright-core";

import { inWindow, until } from "./session";
import type { EditorWindow } from "./window";

/** The page inside the plan's panel, two frames deep. */
async function planPage(window: EditorWindow, title: string): Promise<FrameLocator> {
  await window.page.locator(".tabs-container .tab", { hasText: `Plan: ${title}` }).waitFor();
  return window.page.frameLocator("iframe.webview").frameLocator("iframe#active-frame");
}

inWindow("the plan is drawn, and a step leads to its place", "graph", async ({ window }) => {
  await window.openTemplate("images.pkr.hcl");
  // Room for two columns.
  await window.press("Control+B");
  await window.command("imgc: Show Plan");
  const panel = await planPage(window, "graph");
  await panel.locator("svg.graph .step").first().waitFor();
  assert.equal(await panel.locator("svg.graph .lane").count(), 2);
  assert.match(await panel.locator(".totals").innerText(), /^2 builds, \d+ steps, \d+ artifacts?$/);
  // All of it is to be seen, none of it over the edge.
  const canvas = await panel.locator(".canvas").boundingBox();
  assert.ok(canvas);
  for (const step of await panel.locator("svg.graph .step rect").all()) {
    const box = await step.boundingBox();
    assert.ok(box && box.width > 60 && box.height > 20, JSON.stringify(box));
    assert.ok(box.x >= canvas.x && box.x + box.width <= canvas.x + canvas.width, JSON.stringify({ box, canvas }));
  }
  const label = panel.locator('.step[data-address="build.web.rootfs.web.provisioner[1]"]');
  await label.click();
  await window.page.locator(".line-numbers.active-line-number", { hasText: /^35$/ }).waitFor();
  assert.match(await panel.locator("section:not([hidden])").innerText(), /gives up after\s+300 s/);
  await window.picture("plan");
  await panel.getByRole("button", { name: "Text" }).click();
  assert.match(await panel.locator(".text-view").innerText(), /Plan: 2 builds/);
});

inWindow("the line above a build shows the plan of that build, again after each save", "graph", async ({ window }) => {
  await window.openTemplate("images.pkr.hcl");
  await window.goTo(17, 1);
  await window.editor
    .locator(".codelens-decoration a", { hasText: /^plan$/ })
    .first()
    .click();
  const panel = await planPage(window, "graph");
  await panel.locator("svg.graph .step").first().waitFor();
  assert.equal(await panel.locator("svg.graph .lane").count(), 1);
  await panel.locator(".only").waitFor();
  await window.goTo(18, 1);
  await window.type('  description = "Pages"\n');
  await until("the description has a line", async () => (await window.text()).includes('"Pages"\n'));
  await window.press("Control+S");
  await panel.locator("svg.graph .header").click();
  await panel.locator("section:not([hidden])", { hasText: "Pages" }).waitFor();
});

inWindow("a template with problems has no plan, and says why", "misspelt", async ({ window }) => {
  await window.openTemplate("web.pkr.hcl");
  await window.command("imgc: Show Plan");
  const panel = await planPage(window, "misspelt");
  await panel.getByText("There is no plan of misspelt").waitFor();
  await window.picture("no-plan");
  await panel.getByRole("button", { name: "Show problems" }).click();
  await window.problems.filter({ hasText: "exposed_port" }).first().waitFor();
});
