// A window of the editor in a browser, and what somebody sitting in front of it does.

import path from "node:path";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";

import { places } from "./places";

/** How long anything may take. */
const LIMIT = 60_000;

/** A browser that reaches loopback and nothing else. */
export async function startBrowser(): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
  // Containers often have little shared memory.
  args.push("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1");
  return chromium.launch({ executablePath: places.chromium, headless: true, args });
}

export class EditorWindow {
  private constructor(readonly page: Page) {}

  static async open(browser: Browser, address: string): Promise<EditorWindow> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 780 } });
    const page = await context.newPage();
    page.setDefaultTimeout(LIMIT);
    const window = new EditorWindow(page);
    const file = page.locator(".explorer-folders-view .monaco-list-row").first();
    // A window that asks for its folders before the server can say shows none, however long one waits.
    for (let opened = 1; ; opened += 1) {
      try {
        await page.goto(address, { timeout: 2 * LIMIT });
        await file.waitFor({ timeout: LIMIT / 2 });
        return window;
      } catch (error) {
        if (opened < 4) continue;
        await window.picture("failed-to-open");
        await window.close();
        throw error;
      }
    }
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  /** Keeps a picture of the window. */
  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: path.join(places.output, `${name}.png`) });
  }

  /** Presses keys, one combination after the other. */
  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Runs a command of the palette by its title, or by how its title begins. */
  async command(title: string): Promise<void> {
    await this.quickInput("F1", `>${title}`);
    const name = this.page.locator(".quick-input-list .monaco-list-row .label-name");
    const exact = name.filter({ hasText: new RegExp(`^${escaped(title)}(…|$)`) });
    await exact.first().click();
    // Out of the way: what the pointer stands on explains itself after a while.
    await this.page.mouse.move(2, 770);
  }

  /** Opens a file by its path in the workspace, and waits for its text. */
  async openFile(file: string): Promise<void> {
    const base = path.posix.basename(file);
    const directory = path.posix.dirname(file);
    // Files of one name are told apart by the directory, which stands beside the name.
    const rows = this.page.locator(".quick-input-list .monaco-list-row", { hasText: base });
    const row = directory === "." ? rows.first() : rows.filter({ hasText: directory }).first();
    for (let tries = 1; ; tries += 1) {
      await this.quickInput("Control+P", file);
      try {
        await row.click({ timeout: LIMIT / 4 });
        await this.tab(base).waitFor({ timeout: LIMIT / 4 });
        break;
      } catch (error) {
        if (tries === 4) throw error;
        await this.press("Escape");
      }
    }
    await this.editor.locator(".view-line").first().waitFor();
    await this.page.locator(".quick-input-widget input").waitFor({ state: "hidden" });
  }

  /** Opens the box at the top of the window and fills it; again where something else took the focus from it. */
  private async quickInput(key: string, text: string): Promise<void> {
    const input = this.page.locator(".quick-input-widget input");
    const end = Date.now() + LIMIT;
    for (;;) {
      await this.press(key);
      try {
        await input.fill(text, { timeout: 3000 });
        return;
      } catch (error) {
        if (Date.now() > end) throw error;
      }
    }
  }

  /** Opens a template, and waits until the language server runs. */
  async openTemplate(file: string): Promise<void> {
    await this.openFile(file);
    await this.serverRuns();
  }

  /** Our item in the status bar, with one of the editor's icons. */
  status(icon: string): Locator {
    return this.page
      .locator(".statusbar-item", { hasText: "imgc" })
      .filter({ has: this.page.locator(`.codicon-${icon}`) });
  }

  /** Waits until the language server runs. */
  async serverRuns(): Promise<void> {
    await this.status("check").waitFor();
  }

  /** The tab with a label. */
  tab(label: string): Locator {
    return this.page.locator(".tabs-container .tab.active", { hasText: label });
  }

  /** The text editor that was used last. */
  get editor(): Locator {
    return this.page.locator(".editor-group-container.active .editor-instance .monaco-editor").first();
  }

  /** The visible text of the editor, line by line; what is shown in and above lines is not part of it. */
  async text(): Promise<string> {
    const lines = await this.editor.locator(".view-line").evaluateAll((elements) =>
      elements
        .map((element) => {
          const copy = element.cloneNode(true) as Element;
          for (const hint of copy.querySelectorAll('[class*="dyn-rule"], [class*="inlay"]')) hint.remove();
          return { top: Number.parseFloat((element as HTMLElement).style.top), text: copy.textContent };
        })
        .sort((one, other) => one.top - other.top)
        .map(({ text }) => text.replaceAll("\u00a0", " ")),
    );
    return `${lines.join("\n")}\n`;
  }

  /** Puts the cursor at a place, counted from 1. */
  async goTo(line: number, column: number): Promise<void> {
    await this.quickInput("Control+G", `:${line}:${column}`);
    await this.press("Enter");
    await this.page.locator(".quick-input-widget input").waitFor({ state: "hidden" });
    await this.page.locator(".statusbar-item", { hasText: `Ln ${line}, Col ${column}` }).waitFor();
  }

  /** Types, key by key. */
  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text, { delay: 15 });
  }

  /** Wavy lines below the text, of errors. */
  get errors(): Locator {
    return this.editor.locator(".squiggly-error");
  }

  /** The rows of the panel of problems. */
  get problems(): Locator {
    return this.page.locator(".markers-panel .monaco-list-row");
  }

  /** What Problems has, without what a program says that was compiled without a builder. */
  async problemsInTheWay(): Promise<string[]> {
    const texts = await this.problems.filter({ hasText: "[Ln " }).allInnerTexts();
    return texts.filter((text) => !text.includes("plan/not-implemented"));
  }

  async showProblems(): Promise<void> {
    if (await this.page.locator(".markers-panel").isVisible()) return;
    await this.press("Control+Shift+M");
    await this.page.locator(".markers-panel").waitFor();
  }

  /** Takes an entry of the list that asks for a choice. */
  async choose(label: string): Promise<void> {
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: label }).first().click();
    await this.page.mouse.move(2, 770);
  }

  /** Keeps a picture of a window in which something went wrong, and gives its messages, those that have gone away too. */
  async remains(picture: string): Promise<string[]> {
    await this.picture(`${picture}-as-it-was`);
    await this.command("Notifications: Show Notifications").catch(() => undefined);
    await this.picture(picture);
    return this.page.locator(".notification-list-item-message").allInnerTexts();
  }

  /** Messages at the corner of the window. */
  get messages(): Locator {
    return this.page.locator(".notifications-toasts .notification-list-item");
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
