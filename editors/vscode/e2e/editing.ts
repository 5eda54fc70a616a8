// One who writes: problems, corrections, completion, hover, what stands in and above the lines, layout.

import assert from "node:assert/strict";

import { appears, correct, inWindow, until } from "./session";

inWindow("a misspelt option has a squiggle, an entry in Problems, and a quick fix", "misspelt", async ({ window }) => {
  await window.openTemplate("web.pkr.hcl");
  await window.errors.first().waitFor();
  await window.showProblems();
  const problem = window.problems.filter({ hasText: "exposed_port" });
  await problem.first().waitFor();
  const said = await problem.first().innerText();
  assert.match(said, /builder .?rootfs.? has no option .?exposed_port/);
  assert.match(said, /check\/unknown-option/);
  await window.picture("problem");

  await window.goTo(10, 5);
  const isFixed = (text: string): boolean => text.includes('exposed_ports = ["80/tcp"]');
  await correct(window, "to `exposed_ports`", "quick-fix", isFixed);
  await window.errors.first().waitFor({ state: "detached" });
  await problem.first().waitFor({ state: "detached" });
  assert.deepEqual(await window.problemsInTheWay(), []);
  await window.picture("fixed");
});

for (const [language, file] of [
  ["TOML", "web.imgc.toml"],
  ["JSON", "web.pkr.json"],
] as const) {
  inWindow(
    `a misspelt option in ${language} has a squiggle and a quick fix`,
    `misspelt-${language.toLowerCase()}`,
    async ({ window }) => {
      await window.openTemplate(file);
      await window.errors.first().waitFor();
      const lines = (await window.text()).split("\n");
      const line = lines.findIndex((text) => text.includes("communicatr"));
      await window.goTo(line + 1, (lines[line] ?? "").indexOf("communicatr") + 3);
      const isFixed = (text: string): boolean => /\bcommunicator\b/.test(text);
      await correct(window, "to `communicator`", `quick-fix-${language.toLowerCase()}`, isFixed);
      await window.errors.first().waitFor({ state: "detached" });
    },
  );
}

inWindow("an option of amazon-ebs is completed", "aws", async ({ window }) => {
  await window.openTemplate("web.pkr.hcl");
  await window.goTo(7, 1);
  await window.type("  associate_pub");
  const entry = window.page.locator(".suggest-widget.visible .monaco-list-row", {
    hasText: "associate_public_ip_address",
  });
  // What is typed before the server's answers are known to the editor opens no list.
  await until("the option is offered", async () => {
    if (await appears(entry)) return true;
    await window.press("Control+Space");
    return appears(entry);
  });
  await window.picture("completion");
  await window.press("Enter");
  await until("the option is written", async () => /^ {2}associate_public_ip_address\s*= /m.test(await window.text()));
});

inWindow("hover explains an option", "aws", async ({ window }) => {
  await window.openTemplate("web.pkr.hcl");
  await window.goTo(3, 6);
  const hover = window.page.locator(".monaco-hover:not(.hidden)", { hasText: "instance_type" });
  // What the server can do is known to the editor a moment after the server runs.
  await until("the hover is shown", async () => {
    await window.press("Control+K", "Control+I");
    return appears(hover.first());
  });
  assert.match(await hover.first().innerText(), /string/);
  await window.picture("hover");
});

inWindow("values and types stand in the text, and can be switched off", "hints", async ({ window, folder }) => {
  await window.openTemplate("page.pkr.hcl");
  const type = window.editor.locator(".view-line", { hasText: /page\s*:\sstring\s*=/ });
  const value = window.editor.locator(".view-line", { hasText: /variable\s"name"\s*=\s"site"/ });
  await type.first().waitFor();
  await value.first().waitFor();
  await window.picture("hints");
  folder.settings({ "imgc.inlayHints.types": false });
  await type.first().waitFor({ state: "detached" });
  await value.first().waitFor();
  folder.settings({ "imgc.inlayHints.types": false, "imgc.inlayHints.values": false });
  await value.first().waitFor({ state: "detached" });
  await window.picture("no-hints");
});

inWindow("the lines above declarations can be switched off", "hints", async ({ window, folder }) => {
  await window.openTemplate("page.pkr.hcl");
  const lens = window.editor.locator(".codelens-decoration", { hasText: "reference" });
  await lens.first().waitFor();
  folder.settings({ "imgc.codeLens.enable": false });
  await lens.first().waitFor({ state: "detached" });
});

inWindow("a file is laid out", "untidy", async ({ window }) => {
  await window.openTemplate("page.pkr.hcl");
  await until("the text is laid out", async () => {
    await window.command("Format Document");
    return (await window.text()).includes('  target  = "page.txt"\n  content = "Hello"\n');
  });
  assert.ok((await window.text()).includes('\n  sources = ["source.file.page"]\n'));
  await window.picture("formatted");
});
