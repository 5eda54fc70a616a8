// What the tests share: one code-server, one browser, and a window and a folder for each test.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Browser, Locator } from "playwright-core";

import { CodeServer, type Setup } from "./code-server";
import type { Folder } from "./folder";
import { places } from "./places";
import { EditorWindow, startBrowser } from "./window";

/** How long a test may take; every wait in it ends sooner, and says what it waited for. */
const TEST_LIMIT = 300_000;
/** How long anything may take that is waited for. */
const LIMIT = 60_000;

let shared: CodeServer | undefined;
let browser: Browser | undefined;

before(async () => {
  mkdirSync(places.output, { recursive: true });
  shared = await CodeServer.start({ name: "shared", isConfigured: true, trusts: true });
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await shared?.stop();
});

/** What a test is given. */
export interface Stage {
  readonly window: EditorWindow;
  /** A copy of the fixture, which the window shows. */
  readonly folder: Folder;
}

interface Choices {
  /** Called before the window opens. */
  readonly prepare?: (folder: Folder) => void;
  /** A file of the folder to open instead of the folder. */
  readonly workspace?: string;
  /** A code-server that is not the shared one, for this test alone. */
  readonly own?: Setup;
}

/** A test in a window with a folder. A window in which it fails leaves a picture. */
export function inWindow(
  name: string,
  fixture: string,
  run: (stage: Stage) => Promise<void>,
  { prepare, workspace, own }: Choices = {},
): void {
  const once = async (): Promise<void> => {
    const server = own ? await CodeServer.start(own) : shared;
    assert.ok(server && browser);
    try {
      const folder = server.folder(fixture);
      prepare?.(folder);
      const opened = workspace ? `${folder.path}/${workspace}` : folder.path;
      const window = await EditorWindow.open(browser, server.window(opened));
      try {
        await run({ window, folder });
      } catch (error) {
        const said = await window.remains(`failed-${name.replaceAll(/\W+/g, "-")}`);
        throw new Error(`${name}; messages in the window: ${JSON.stringify(said)}`, { cause: error });
      } finally {
        await window.close();
      }
    } finally {
      if (own) await server.stop();
    }
  };
  // A busy machine may swallow a key; what is wrong is wrong in a second window too.
  test(name, { timeout: TEST_LIMIT }, async (context) => {
    await once().catch(async (error: unknown) => {
      context.diagnostic(`again in a new window, after: ${String(error)}`);
      await once();
    });
  });
}

/** Waits until something is so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + LIMIT;
  while (!(await isSo())) {
    if (Date.now() > end) assert.fail(`in ${LIMIT / 1000} seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Whether something can be seen in a moment: what the server can do is known to the editor a moment after it runs. */
export async function appears(what: Locator): Promise<boolean> {
  return what
    .first()
    .waitFor({ timeout: 4000 })
    .then(
      () => true,
      () => false,
    );
}

/** Takes the correction that says so at the cursor; again where the list has gone away before it was taken. */
export async function correct(
  window: EditorWindow,
  says: string,
  picture: string,
  isDone: (text: string) => boolean,
): Promise<void> {
  const entry = window.page.locator(".action-widget .monaco-list-row", { hasText: says }).first();
  await until(`"${says}" is offered and in the text`, async () => {
    if (isDone(await window.text())) return true;
    await window.press("Control+.");
    const isOffered = await appears(entry);
    if (!isOffered) return false;
    await window.picture(picture);
    await window.press("Enter");
    await entry.waitFor({ state: "hidden" });
    return isDone(await window.text());
  });
}
