// Several files: definitions and renames across them, folders beside each other, legacy templates, the whole workspace.

import assert from "node:assert/strict";

import { appears, inWindow, until } from "./session";
import type { EditorWindow } from "./window";

/** Goes to the definition of what stands at the cursor, which is in another file. */
async function goToDefinition(window: EditorWindow, file: string): Promise<void> {
  await until(`${file} is shown`, async () => {
    await window.press("F12");
    return appears(window.tab(file));
  });
}

inWindow("a definition in another file is found", "across", async ({ window }) => {
  await window.openTemplate("page.pkr.hcl");
  await window.goTo(3, 22);
  await goToDefinition(window, "variables.pkr.hcl");
  await window.page.locator(".statusbar-item", { hasText: /Ln 1, Col \d+/ }).waitFor();
  await window.picture("definition");
});

inWindow("a variable is renamed in all files", "across", async ({ window, folder }) => {
  await window.openTemplate("variables.pkr.hcl");
  await window.goTo(1, 13);
  const box = window.page.locator(".rename-box input, .rename-input").first();
  await until("the box for the new name is shown", async () => {
    await window.press("F2");
    return appears(box);
  });
  assert.equal(await box.inputValue(), "greeting");
  await box.fill("salutation");
  await window.picture("rename");
  await window.press("Enter");
  await until("the declaration is renamed", async () => (await window.text()).includes('variable "salutation"'));
  await window.command("File: Save All Files");
  await until("all files are renamed", () =>
    [
      folder.read("variables.pkr.hcl").includes('variable "salutation"'),
      folder.read("page.pkr.hcl").includes("${var.salutation}, world"),
      folder.read("site.auto.pkrvars.hcl").startsWith("salutation = "),
    ].every(Boolean),
  );
  assert.ok(!folder.read("page.pkr.hcl").includes("greeting"));
});

inWindow(
  "folders beside each other are each a template of their own",
  "roots",
  async ({ window }) => {
    await window.openTemplate("second/page.pkr.hcl");
    await window.goTo(3, 22);
    await goToDefinition(window, "words.pkr.hcl");
    // The tab is there before the text is.
    await until("the declaration of the same folder is shown", async () =>
      (await window.text()).includes('default = "second"'),
    );
    // A file of the other folder, which nobody has opened, has the one problem.
    await window.command("imgc: Validate Workspace");
    await window.messages.filter({ hasText: "1 error in 1 file." }).first().waitFor();
    await window.problems.filter({ hasText: "there is no variable" }).first().waitFor();
    await window.picture("folders");
    await window.problems.filter({ hasText: "there is no variable" }).first().dblclick();
    await window.tab("broken.pkr.hcl").waitFor();
  },
  { workspace: "all.code-workspace" },
);

inWindow(
  "a legacy template is recognised and converted, other JSON is left alone",
  "legacy",
  async ({ window, folder }) => {
    await window.openFile("other.json");
    await window.page.locator(".statusbar-item", { hasText: /^JSON$/ }).waitFor();
    await window.openTemplate("web.json");
    await window.page.locator(".statusbar-item", { hasText: "Image template (JSON)" }).waitFor();
    await window.command("imgc: Convert File to Another Language");
    await window.choose("HCL");
    await window.choose("Keep web.json");
    await window.messages.filter({ hasText: "The plan is the same" }).first().waitFor();
    assert.ok((await window.text()).includes('source "null"'));
    await window.picture("converted");
    await until(
      "the new file is saved",
      () => folder.has("web.json.pkr.hcl") && folder.read("web.json.pkr.hcl").includes('source "null"'),
    );
    assert.ok(folder.has("web.json"));
    await window.showProblems();
    assert.deepEqual(await window.problemsInTheWay(), []);
  },
);

inWindow("a template converted to TOML can take the place of the old one", "aws", async ({ window, folder }) => {
  await window.openTemplate("web.pkr.hcl");
  await window.command("imgc: Convert File to Another Language");
  await window.choose("TOML");
  await window.choose("Delete web.pkr.hcl");
  await window.messages.filter({ hasText: "The plan is the same" }).first().waitFor();
  await until("one file took the other's place", () => folder.has("web.imgc.toml") && !folder.has("web.pkr.hcl"));
  await window.picture("converted-toml");
  await window.showProblems();
  assert.deepEqual(await window.problemsInTheWay(), []);
});
