// Where the editor comes in: puts everything together, and takes it apart again.

import * as vscode from "vscode";

import { planHook, registerCommands } from "./commands";
import { detectLegacy, isTemplate, TEMPLATE_FILES } from "./languages";
import { PlanPanels } from "./plan/panel";
import { Server, type CommandHook } from "./server";
import { NEEDS_RESTART } from "./settings";
import { reportUnusable, showStatus } from "./status";

/** Ends the server that runs. */
let stop: (() => Promise<void>) | undefined;

/** Called by the editor with the first template. */
export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("imgc", { log: true });
  const trace = vscode.window.createOutputChannel("imgc (messages)", { log: true });
  const hooks = new Map<string, CommandHook>();
  const server = new Server(log, trace, hooks);
  const panels = new PlanPanels(server, context.extensionUri);
  hooks.set("imgc.plan", planHook(panels));
  stop = () => server.stop();
  context.subscriptions.push(
    log,
    trace,
    server,
    panels,
    showStatus(server),
    reportUnusable(server),
    registerCommands(server, panels, log, context.extension.id),
    startWhenNeeded(server),
    vscode.workspace.onDidChangeConfiguration((change) => {
      const matters = NEEDS_RESTART.some((section) => change.affectsConfiguration(section));
      if (matters && server.health.is !== "stopped") void server.restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void server.restart()),
    detectLegacy(),
  );
}

/** Called by the editor at the end, which waits for the answer. */
export function deactivate(): Promise<void> | undefined {
  return stop?.();
}

/** Starts the server with the first template; a JSON file of another kind wakes the extension, but no server. */
function startWhenNeeded(server: Server): vscode.Disposable {
  const look = (document: vscode.TextDocument): void => {
    if (!isTemplate(document)) return;
    void vscode.commands.executeCommand("setContext", "imgc.templateOpened", true);
    void server.start();
  };
  vscode.workspace.textDocuments.forEach(look);
  void vscode.workspace.findFiles(TEMPLATE_FILES, "**/node_modules/**", 1).then((files) => {
    if (files.length > 0) void server.start();
  });
  return vscode.workspace.onDidOpenTextDocument(look);
}
