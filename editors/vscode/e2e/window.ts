// A window of the editor in a browser, and what somebody sitting in front of it does.

import path from "node:path";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";

/** How long anything may take. */
const LIMIT = 30_000;

/** A browser that reaches loopback and nothing else. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
  args.push("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1");
  return chromium.launch({ executablePath, headless: true, args });
}

export class EditorWindow {
  private constructor(
    readonly page: Page,
    private readonly output: string,
  ) {}

  static async open(browser: Browser, address: string, output: string): Promise<EditorWindow> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 780 } });
    const page = await context.newPage();
    page.setDefaultTimeout(LIMIT);
    await page.goto(address);
    await page.locator(".explorer-folders-view .monaco-list-row").first().waitFor();
    return new EditorWindow(page, output);
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  /** Keeps a picture of the window. */
  async picture(name: string): Promise<void> {
    await this.page.screenshot({ path: path.join(this.output, `${name}.png`) });
  }

  /** Presses keys, one combination after the other. */
  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Runs a command of the palette by its title. */
  async command(title: string): Promise<void> {
    await this.press("F1");
    const input = this.page.locator(".quick-input-widget input");
    await input.waitFor();
    await input.fill(`>${title}`);
    const row = this.page.locator(".quick-input-list .monaco-list-row").first();
    await row.getByText(title.replace(/^.*: /, "")).first().waitFor();
    await this.press("Enter");
  }

  /** Opens a file by its path in the workspace, and waits for its text. */
  async openFile(file: string): Promise<void> {
    await this.press("Control+P");
    const input = this.page.locator(".quick-input-widget input");
    await input.waitFor();
    await input.fill(file);
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: path.posix.basename(file) }).first().waitFor();
    await this.press("Enter");
    await this.tab(path.posix.basename(file)).waitFor();
    await this.editor.locator(".view-line").first().waitFor();
    await input.waitFor({ state: "hidden" });
  }

  /** Opens a template, and waits until the language server runs. */
  async openTemplate(file: string): Promise<void> {
    await this.openFile(file);
    await this.page.locator(".statusbar-item", { hasText: "imgc" }).locator(".codicon-check").waitFor();
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
          return { top: Number.parseFloat((element as HTMLElement).style.top), text: copy.textContent ?? "" };
        })
        .sort((one, other) => one.top - other.top)
        .map(({ text }) => text.replaceAll("\u00a0", " ")),
    );
    return `${lines.join("\n")}\n`;
  }

  /** Puts the cursor at a place, counted from 1. */
  async goTo(line: number, column: number): Promise<void> {
    await this.press("Control+G");
    const input = this.page.locator(".quick-input-widget input");
    await input.waitFor();
    await input.fill(`:${line}:${column}`);
    await this.press("Enter");
    await input.waitFor({ state: "hidden" });
    await this.page.locator(".statusbar-item", { hasText: `Ln ${line}, Col ${column}` }).waitFor();
  }

  /** Types, key by key. */
  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text, { delay: 15 });
  }

  /** Wavy lines below the text. */
  get squiggles(): Locator {
    return this.editor.locator(".squiggly-error, .squiggly-warning");
  }

  /** The rows of the panel of problems. */
  get problems(): Locator {
    return this.page.locator(".markers-panel .monaco-list-row");
  }

  async showProblems(): Promise<void> {
    if (await this.page.locator(".markers-panel").isVisible()) return;
    await this.press("Control+Shift+M");
    await this.page.locator(".markers-panel").waitFor();
  }

  /** Messages at the corner of the window. */
  get messages(): Locator {
    return this.page.locator(".notifications-toasts .notification-list-item");
  }
}
