// The extension in a real editor, driven as a person would. Run by `cargo xtask vscode-test`; each test has a window of its
// own, and leaves pictures.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { CodeServer, type Places } from "./code-server";
import { EditorWindow, startBrowser } from "./window";

const places: Places = {
  imgc: needed("IMGC"),
  codeServer: needed("CODE_SERVER"),
  vsix: path.resolve("dist/imgc.vsix"),
  workspace: path.resolve("e2e/workspace"),
  output: needed("OUTPUT"),
};

function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run this with \`cargo xtask vscode-test\``);
  return path.resolve(value);
}

let server: CodeServer;
let browser: Browser;

/** A test in a window with a folder of the workspace. */
function inWindow(name: string, folder: string, run: (window: EditorWindow) => Promise<void>): void {
  test(name, { timeout: 120_000 }, async () => {
    const window = await EditorWindow.open(browser, server.window(folder), places.output);
    try {
      await run(window);
    } catch (error) {
      // Messages that have gone away may say why.
      await window.command("Notifications: Show Notifications").catch(() => undefined);
      await window.picture(`failed-${name.replaceAll(/\W+/g, "-")}`);
      const messages = await window.page.locator(".notification-list-item-message").allInnerTexts();
      throw new Error(`${name}; messages in the window: ${JSON.stringify(messages)}`, { cause: error });
    } finally {
      await window.close();
    }
  });
}

/** Waits until something is so. */
async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 30_000;
  while (!(await isSo())) {
    if (Date.now() > end) assert.fail(`in thirty seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("the extension in the editor", () => {
  before(async () => {
    mkdirSync(places.output, { recursive: true });
    server = await CodeServer.start(places);
    browser = await startBrowser();
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  inWindow("a misspelt option has a squiggle, an entry in Problems, and a quick fix", "misspelt", async (window) => {
    await window.openTemplate("web.pkr.hcl");
    await window.squiggles.first().waitFor();
    await window.showProblems();
    const problem = window.problems.filter({ hasText: "communicatr" });
    await problem.first().waitFor();
    const said = await problem.first().innerText();
    assert.match(said, /builder .?null.? has no option .?communicatr/);
    assert.match(said, /check\/unknown-option/);
    await window.picture("problem");

    await window.editor.locator(".view-line").first().click();
    await window.goTo(2, 5);
    await window.press("Control+.");
    const fix = window.page.locator(".action-widget .monaco-list-row", { hasText: "communicator" });
    await fix.first().waitFor();
    await window.picture("quick-fix");
    await window.press("Enter");
    await until("the fix is in the text", async () => /communicator = "none"/.test(await window.text()));
    await window.squiggles.first().waitFor({ state: "detached" });
    await until("Problems is empty", async () => (await window.problems.count()) === 0);
    await window.picture("fixed");
  });

  inWindow("an option of amazon-ebs is completed", "aws", async (window) => {
    await window.openTemplate("web.pkr.hcl");
    await window.goTo(7, 1);
    await window.type("  associate_pub");
    const entry = window.page.locator(".suggest-widget.visible .monaco-list-row", { hasText: "associate_public_ip_address" });
    await entry.first().waitFor();
    await window.picture("completion");
    await window.press("Enter");
    await until("the option is written", async () => /^ {2}associate_public_ip_address\s*= /m.test(await window.text()));
  });

  inWindow("hover explains an option", "aws", async (window) => {
    await window.openTemplate("web.pkr.hcl");
    await window.goTo(3, 6);
    await window.press("Control+K", "Control+I");
    const hover = window.page.locator(".monaco-hover:not(.hidden)", { hasText: "instance_type" });
    await hover.first().waitFor();
    assert.match(await hover.first().innerText(), /string/);
    await window.picture("hover");
  });

  inWindow("a definition in another file is found", "across", async (window) => {
    await window.openTemplate("page.pkr.hcl");
    await window.goTo(3, 22);
    // What the server can do is known to the editor a moment after the server runs.
    await until("the other file is shown", async () => {
      await window.press("F12");
      const tab = window.tab("variables.pkr.hcl");
      return tab.waitFor({ timeout: 5000 }).then(() => true, () => false);
    });
    await window.page.locator(".statusbar-item", { hasText: /Ln 1, Col \d+/ }).waitFor();
    await window.picture("definition");
  });

  inWindow("a variable is renamed in all files", "across", async (window) => {
    await window.openTemplate("variables.pkr.hcl");
    await window.goTo(1, 13);
    await window.press("F2");
    const box = window.page.locator(".rename-box input, .rename-input");
    await box.first().waitFor();
    assert.equal(await box.first().inputValue(), "greeting");
    await box.first().fill("salutation");
    await window.picture("rename");
    await window.press("Enter");
    await until("the declaration is renamed", async () => (await window.text()).includes('variable "salutation"'));
    await window.command("File: Save All Files");
    await until("all files are renamed", () =>
      [
        server.read("across/variables.pkr.hcl").includes('variable "salutation"'),
        server.read("across/page.pkr.hcl").includes("${var.salutation}, world"),
        server.read("across/site.auto.pkrvars.hcl").startsWith("salutation = "),
      ].every(Boolean),
    );
    assert.ok(!/greeting/.test(server.read("across/page.pkr.hcl")));
  });

  inWindow("a file is laid out", "untidy", async (window) => {
    await window.openTemplate("page.pkr.hcl");
    await window.command("Format Document");
    await until("the text is laid out", async () => (await window.text()).includes('  target  = "page.txt"\n  content = "Hello"\n'));
    assert.ok((await window.text()).includes('\n  sources = ["source.file.page"]\n'));
    await window.picture("formatted");
  });

  inWindow("the plan is drawn, and a step leads to its place", "graph", async (window) => {
    await window.openTemplate("images.pkr.hcl");
    // Room for two columns.
    await window.press("Control+B");
    await window.command("imgc: Show Plan");
    const panel = await planPage(window.page);
    await panel.locator("svg.graph .step").first().waitFor();
    assert.equal(await panel.locator("svg.graph .lane").count(), 2);
    assert.match(await panel.locator(".totals").innerText(), /^2 builds, \d+ steps, \d+ artifacts?$/);
    await panel.locator('.step[data-address="build.web.null.web.provisioner[1]"]').click();
    await window.page.locator(".line-numbers.active-line-number", { hasText: /^41$/ }).waitFor();
    assert.match(await panel.locator("section:not([hidden])").innerText(), /gives up after\s+300 s/);
    await window.picture("plan");
    await panel.getByRole("button", { name: "Text" }).click();
    assert.match(await panel.locator(".text-view").innerText(), /Plan: 2 builds/);
  });

  test("values and types stand in the text, and can be switched off", { timeout: 120_000 }, async () => {
    server.write("hints/page.pkr.hcl", 'variable "name" {\n  default = "web"\n}\n\nlocals {\n  page = "${var.name}.html"\n}\n');
    server.write("hints/.vscode/settings.json", "{}\n");
    const window = await EditorWindow.open(browser, server.window("hints"), places.output);
    await window.openTemplate("page.pkr.hcl");
    const hint = window.editor.locator(".view-line", { hasText: /page\s*:\sstring\s*=/ });
    await hint.first().waitFor();
    await window.picture("hints");
    server.write("hints/.vscode/settings.json", '{ "imgc.inlayHints.types": false }\n');
    await hint.first().waitFor({ state: "detached" });
    await window.close();
  });

  inWindow("a legacy template is recognised and converted, other JSON is left alone", "legacy", async (window) => {
    await window.openFile("other.json");
    await window.page.locator(".statusbar-item", { hasText: /^JSON$/ }).waitFor();
    await window.openTemplate("web.json");
    await window.page.locator(".statusbar-item", { hasText: "Image template (JSON)" }).waitFor();
    await window.command("imgc: Convert File to Another Language");
    const choose = async (label: string): Promise<void> => {
      await window.page.locator(".quick-input-list .monaco-list-row", { hasText: label }).first().click();
    };
    await choose("HCL");
    await choose("Keep web.json");
    await window.messages.filter({ hasText: "The plan is the same" }).first().waitFor();
    assert.match(await window.text(), /source "null"/);
    await window.picture("converted");
    await window.showProblems();
    assert.deepEqual(await window.problems.allInnerTexts(), []);
  });

  inWindow("the workspace is validated", "", async (window) => {
    await window.openTemplate("graph/images.pkr.hcl");
    await window.command("imgc: Validate Workspace");
    await window.messages.filter({ hasText: /\d errors?.* in \d+ files?/ }).first().waitFor();
    await window.picture("workspace");
  });

  test("a missing imgc and one that is too old are said, with a way out", { timeout: 120_000 }, async () => {
    server.write("missing/page.pkr.hcl", 'source "file" "page" {}\n');
    server.write("missing/.vscode/settings.json", '{ "imgc.path": "/nowhere/imgc" }\n');
    server.write("old/page.pkr.hcl", 'source "file" "page" {}\n');
    server.write("old/imgc", "#!/bin/sh\necho imgc v0.0.1\n", 0o755);
    server.write("old/.vscode/settings.json", '{ "imgc.path": "${workspaceFolder}/imgc" }\n');
    for (const [folder, said] of [
      ["missing", "there is no such program"],
      ["old", "too old: this extension needs"],
    ] as const) {
      const window = await EditorWindow.open(browser, server.window(folder), places.output);
      await window.openFile("page.pkr.hcl");
      const message = window.messages.filter({ hasText: said }).first();
      await message.waitFor();
      await message.getByText("How to Install").waitFor();
      await window.page.locator(".statusbar-item", { hasText: "imgc" }).locator(".codicon-error").waitFor();
      await window.picture(folder);
      await window.close();
    }
  });
});

/** The page inside the plan's panel, two frames deep. */
async function planPage(page: Page) {
  await page.locator(".tabs-container .tab", { hasText: "Plan: graph" }).waitFor();
  return page.frameLocator("iframe.webview").frameLocator("iframe");
}
