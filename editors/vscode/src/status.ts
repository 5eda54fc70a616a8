// The item in the status bar: how the server is, and a menu; and the message when there is no usable imgc.

import * as vscode from "vscode";

import { isTemplate } from "./languages";
import type { Health, Server } from "./server";

/** Shows the item while a template can be seen, and where something is wrong. */
export function showStatus(server: Server): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("imgc.status", vscode.StatusBarAlignment.Right, 90);
  item.name = "imgc";
  item.command = "imgc.showMenu";
  const update = (): void => {
    const isSeen = vscode.window.visibleTextEditors.some((editor) => isTemplate(editor.document));
    const { text, tooltip, severity } = say(server.health);
    item.text = text;
    item.tooltip = tooltip;
    item.accessibilityInformation = { label: tooltip };
    item.backgroundColor = severity && new vscode.ThemeColor(`statusBarItem.${severity}Background`);
    if (isSeen || severity === "error") item.show();
    else item.hide();
  };
  update();
  return vscode.Disposable.from(
    item,
    server.onChange(update),
    vscode.window.onDidChangeVisibleTextEditors(update),
    // A document whose language changes is closed and opened.
    vscode.workspace.onDidOpenTextDocument(update),
    vscode.commands.registerCommand("imgc.showMenu", () => menu(server)),
  );
}

interface Said {
  readonly text: string;
  readonly tooltip: string;
  readonly severity?: "error" | "warning";
}

function say(health: Health): Said {
  switch (health.is) {
    case "stopped":
      return { text: "$(circle-slash) imgc", tooltip: "imgc: the language server is stopped", severity: "warning" };
    case "starting":
      return { text: "$(loading~spin) imgc", tooltip: "imgc: the language server starts" };
    case "running":
      return { text: "$(check) imgc", tooltip: `imgc ${health.version} (${health.program})` };
    case "unusable":
      return { text: "$(error) imgc", tooltip: health.message, severity: "error" };
    case "broken":
      return { text: "$(error) imgc", tooltip: health.message, severity: "error" };
  }
}

async function menu(server: Server): Promise<void> {
  const runs = server.health.is === "running";
  const entries: (vscode.QuickPickItem & { command: string })[] = [
    ...(runs
      ? [
          { label: "$(type-hierarchy) Show plan", command: "imgc.showPlan" },
          { label: "$(checklist) Validate workspace", command: "imgc.validateWorkspace" },
          { label: "$(arrow-swap) Convert file to another language…", command: "imgc.convertFile" },
        ]
      : []),
    { label: "$(debug-restart) Restart language server", command: "imgc.restartServer" },
    { label: "$(output) Show logs", command: "imgc.showLogs" },
    { label: "$(info) Check which imgc is used", command: "imgc.checkInstallation" },
  ];
  const chosen = await vscode.window.showQuickPick(entries, { title: say(server.health).tooltip });
  if (chosen) await vscode.commands.executeCommand(chosen.command);
}

/** Says that no usable imgc was found, once for each reason, with ways out. */
export function reportUnusable(server: Server): vscode.Disposable {
  let said = "";
  return server.onChange((health) => {
    if (health.is === "running") said = "";
    if (health.is !== "unusable" || health.message === said) return;
    said = health.message;
    void sayUnusable(health.message);
  });
}

/** Says why imgc cannot be used, and offers what helps. */
export async function sayUnusable(message: string): Promise<void> {
  const [choose, how, settings] = ["Choose Program…", "How to Install", "Open Settings"] as const;
  const answer = await vscode.window.showErrorMessage(message, choose, how, settings);
  if (answer === choose) await chooseProgram();
  if (answer === how) await vscode.commands.executeCommand("imgc.openWalkthrough");
  if (answer === settings) await vscode.commands.executeCommand("workbench.action.openSettings", "imgc.path");
}

async function chooseProgram(): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({
    canSelectMany: false,
    openLabel: "Use",
    title: "The program imgc",
  });
  const program = chosen?.[0]?.fsPath;
  if (!program) return;
  // The server starts again because of the change.
  const section = vscode.workspace.getConfiguration("imgc");
  await section.update("path", program, vscode.ConfigurationTarget.Global);
}
