// The program behind the extension: found, missing, too old, started again, and not started from folders that nobody trusts.

import assert from "node:assert/strict";

import type { Folder } from "./folder";
import { places } from "./places";
import { correct, inWindow, until } from "./session";

/** Puts an `imgc` into the folder that notes each start of the server by its process id, and makes it the one to use. */
function notedProgram(folder: Folder): void {
  const real = `'${places.imgc.replaceAll("'", `'\\''`)}'`;
  const note = `[ "$1" != lsp ] || echo $$ >>"$(dirname "$0")/starts"`;
  folder.write("imgc", `#!/bin/sh\n${note}\nexec ${real} "$@"\n`, 0o755);
  folder.settings({ "imgc.path": "${workspaceFolder}/imgc" });
}

/** The process ids of the servers that were started. */
function starts(folder: Folder): number[] {
  return folder.has("starts") ? folder.read("starts").trim().split("\n").map(Number) : [];
}

/** The process id of one of them. */
function started(folder: Folder, index: number): number {
  const pid = starts(folder)[index];
  assert.ok(pid);
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

inWindow(
  "the server is started again on request, and after it was killed",
  "misspelt",
  async ({ window, folder }) => {
    await window.openTemplate("web.pkr.hcl");
    await window.errors.first().waitFor();
    assert.equal(starts(folder).length, 1);
    await window.command("imgc: Restart Language Server");
    await until("the server was started again", () => starts(folder).length === 2);
    await until("the first server has ended", () => !isAlive(started(folder, 0)));
    await window.serverRuns();
    await window.errors.first().waitFor();
    process.kill(started(folder, 1), "SIGKILL");
    await until("the server was started again", () => starts(folder).length === 3);
    await window.serverRuns();
    // It knows what is in the editor, and that the correction corrects.
    await window.goTo(10, 5);
    await correct(window, "to `exposed_ports`", "after-restart", (text) => text.includes('exposed_ports = ["80/tcp"]'));
    await window.errors.first().waitFor({ state: "detached" });
  },
  { prepare: notedProgram },
);

inWindow(
  "a missing imgc is said, with ways out; when the setting is right, the server runs",
  "page",
  async ({ window, folder }) => {
    await window.openFile("page.pkr.hcl");
    const message = window.messages.filter({ hasText: "there is no such program" }).first();
    await message.waitFor();
    await window.status("error").waitFor();
    await window.picture("missing");
    await message.getByText("How to Install").click();
    await window.page.locator(".gettingStartedContainer", { hasText: "Install imgc" }).waitFor();
    folder.settings({ "imgc.path": places.imgc });
    await window.openTemplate("page.pkr.hcl");
  },
  { prepare: (folder) => folder.settings({ "imgc.path": "/nowhere/imgc" }) },
);

inWindow(
  "an imgc that is too old is said",
  "page",
  async ({ window }) => {
    await window.openFile("page.pkr.hcl");
    const message = window.messages.filter({ hasText: "too old: this extension needs" }).first();
    await message.waitFor();
    await message.getByText("Choose Program…").waitFor();
    await window.status("error").waitFor();
    await window.picture("old");
  },
  {
    prepare: (folder) => {
      folder.write("imgc", "#!/bin/sh\necho imgc v0.0.1\n", 0o755);
      folder.settings({ "imgc.path": "${workspaceFolder}/imgc" });
    },
  },
);

inWindow("the walkthrough leads through the extension", "page", async ({ window }) => {
  await window.openTemplate("page.pkr.hcl");
  await window.command("imgc: Open Walkthrough");
  const page = window.page.locator(".gettingStartedContainer");
  await page.getByText("Image templates with imgc").first().waitFor();
  for (const step of [
    "Install imgc",
    "Open or write a template",
    "See problems as you type",
    "Look at the plan",
    "Leave legacy JSON behind",
  ]) {
    await page.locator(".getting-started-step", { hasText: step }).waitFor();
  }
  // It is installed and a template is open: both are done.
  await until("two steps are done", async () => (await page.locator(".getting-started-step .complete").count()) >= 2);
  await page.locator(".getting-started-step", { hasText: "Look at the plan" }).click();
  await window.page
    .frameLocator("iframe.webview")
    .frameLocator("iframe#active-frame")
    .getByText("Solid lines")
    .waitFor();
  await window.picture("walkthrough");
});

inWindow(
  "imgc is found on the PATH, and a folder that is not trusted cannot name another one",
  "misspelt",
  async ({ window, folder }) => {
    await window.openTemplate("web.pkr.hcl");
    await window.errors.first().waitFor();
    assert.match(
      (await window.status("check").getAttribute("aria-label")) ?? "",
      new RegExp(`imgc \\d.* \\(${places.imgc}\\)`),
    );
    await window.picture("untrusted");
    assert.deepEqual(starts(folder), []);
    await window.command("Workspaces: Manage Workspace Trust");
    await window.page
      .locator(".workspace-trust-editor .monaco-button", { hasText: /^Trust$/ })
      .first()
      .click();
    await until("the folder's program is used now", () => starts(folder).length === 1);
  },
  { prepare: notedProgram, own: { name: "bare", isConfigured: false, trusts: false } },
);
