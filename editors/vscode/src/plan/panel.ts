// The panel that shows a template's plan. One for each template and choice of builds.

import { randomBytes } from "node:crypto";
import path from "node:path";
import * as vscode from "vscode";
import type { Range } from "vscode-languageclient";

import { isTemplate } from "../languages";
import type { Server } from "../server";
import { settings } from "../settings";
import type { FromPage, PlanAnswer } from "./model";
import { page, type Shown } from "./page";

/** Which plan: a file of the template or its directory, and names of builds; all builds where there are none. */
export interface Target {
  readonly uri: string;
  readonly only?: readonly string[];
}

export class PlanPanels implements vscode.Disposable {
  private readonly open = new Map<string, PlanPanel>();
  private readonly saved: vscode.Disposable;

  constructor(
    private readonly server: Server,
    private readonly extension: vscode.Uri,
  ) {
    this.saved = vscode.workspace.onDidSaveTextDocument((document) => {
      if (isTemplate(document) && settings().refreshPlanOnSave) this.refresh();
    });
  }

  /** Shows a plan, in its panel where there is one. */
  async show(target: Target): Promise<void> {
    const uri = vscode.Uri.parse(target.uri);
    // All files of a directory are one template, except legacy ones, which stand alone.
    const isPart = /\.(pkr\.hcl|imgc\.hcl|pkr\.json|imgc\.toml)$/.test(uri.path);
    const key = JSON.stringify([isPart ? path.posix.dirname(uri.path) : uri.path, target.only ?? []]);
    const known = this.open.get(key);
    if (known) {
      known.reveal();
      return known.refresh();
    }
    const panel = new PlanPanel(this.server, this.extension, target, () => this.open.delete(key));
    this.open.set(key, panel);
    await panel.refresh();
  }

  /** Draws all plans that can be seen again. */
  refresh(): void {
    for (const panel of this.open.values()) void panel.refresh();
  }

  dispose(): void {
    this.saved.dispose();
    for (const panel of [...this.open.values()]) panel.dispose();
  }
}

class PlanPanel {
  private readonly panel: vscode.WebviewPanel;
  private readonly title: string;
  private answer: PlanAnswer | undefined;
  /** The number of the last question; answers to earlier ones are dropped. */
  private asked = 0;

  constructor(
    private readonly server: Server,
    private readonly extension: vscode.Uri,
    private readonly target: Target,
    closed: () => void,
  ) {
    this.title = titleOf(vscode.Uri.parse(target.uri));
    const place = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    this.panel = vscode.window.createWebviewPanel("imgc.plan", `Plan: ${this.title}`, place, {
      enableScripts: true,
      localResourceRoots: [vscode.Uri.joinPath(extension, "media"), vscode.Uri.joinPath(extension, "dist")],
    });
    this.panel.iconPath = vscode.Uri.joinPath(extension, "media", "icon.svg");
    this.panel.onDidDispose(() => {
      this.asked += 1;
      closed();
    });
    this.panel.webview.onDidReceiveMessage((message: FromPage) => this.received(message));
    this.show({ is: "waiting" });
  }

  reveal(): void {
    this.panel.reveal(undefined, true);
  }

  dispose(): void {
    this.panel.dispose();
  }

  /** Asks for the plan and draws it. */
  async refresh(): Promise<void> {
    this.asked += 1;
    const number = this.asked;
    let shown: Shown;
    try {
      const answer = await this.server.execute<PlanAnswer>("imgc.plan", this.target);
      shown = { is: "plan", answer, only: this.target.only ?? [] };
    } catch (error) {
      shown = { is: "failure", message: error instanceof Error ? error.message : String(error) };
    }
    if (number !== this.asked) return;
    this.answer = shown.is === "plan" ? shown.answer : undefined;
    this.show(shown);
  }

  private show(shown: Shown): void {
    const { webview } = this.panel;
    const file = (...parts: string[]): string =>
      webview.asWebviewUri(vscode.Uri.joinPath(this.extension, ...parts)).toString();
    webview.html = page(this.title, shown, {
      csp: webview.cspSource,
      style: file("media", "plan.css"),
      script: file("dist", "plan.js"),
      nonce: randomBytes(16).toString("base64"),
    });
  }

  private async received(message: FromPage): Promise<void> {
    switch (message.type) {
      case "refresh":
        return this.refresh();
      case "problems":
        await vscode.commands.executeCommand("workbench.actions.view.problems");
        return;
      case "reveal":
        return this.revealPlace(message.address);
    }
  }

  private async revealPlace(address: string): Promise<void> {
    const place = this.answer?.places?.[address];
    if (!place) return;
    const converter = this.server.running().protocol2CodeConverter;
    const range = converter.asRange(place.range as Range);
    const uri = converter.asUri(place.uri);
    // In the column where the file is open already, not over the plan.
    const shown = vscode.window.visibleTextEditors.find((editor) => editor.document.uri.toString() === uri.toString());
    const beside = this.panel.viewColumn === vscode.ViewColumn.One ? vscode.ViewColumn.Beside : vscode.ViewColumn.One;
    const editor = await vscode.window.showTextDocument(uri, {
      viewColumn: shown?.viewColumn ?? beside,
      preserveFocus: true,
      selection: range,
    });
    editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }
}

function titleOf(uri: vscode.Uri): string {
  const isFile = /\.[a-z]+$/.test(uri.path);
  const name = isFile && !uri.path.endsWith(".json") ? path.posix.dirname(uri.path) : uri.path;
  return path.posix.basename(name) || "/";
}
