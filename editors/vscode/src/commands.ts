// The commands of the palette and the menus.

import path from "node:path";
import * as vscode from "vscode";
import type { Location, Position, WorkspaceEdit } from "vscode-languageclient";

import { find } from "./binary";
import { isTemplate, TEMPLATE_FILES } from "./languages";
import { thisMachine } from "./machine";
import type { PlanPanels, Target } from "./plan/panel";
import type { Server } from "./server";
import { settings } from "./settings";
import { sayUnusable } from "./status";
import { summarise, type WorkspaceReport } from "./summary";

/** Registers them all. */
export function registerCommands(
  server: Server,
  panels: PlanPanels,
  log: vscode.LogOutputChannel,
  extension: string,
): vscode.Disposable {
  const register = (name: string, run: (...args: never[]) => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(`imgc.${name}`, async (...args: unknown[]) => {
      try {
        return await run(...(args as never[]));
      } catch (error) {
        log.error(error instanceof Error ? error : String(error));
        void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
        return undefined;
      }
    });
  return vscode.Disposable.from(
    register("showPlan", (uri?: vscode.Uri) => showPlan(panels, uri)),
    register("validateWorkspace", () => validateWorkspace(server)),
    register("convertFile", (uri?: vscode.Uri) => convertFile(server, uri)),
    register("newTemplate", newTemplate),
    register("restartServer", () => server.restart()),
    register("showLogs", () => log.show()),
    register("checkInstallation", checkInstallation),
    register("openWalkthrough", () => openWalkthrough(server, extension)),
    register("showReferences", (uri: string, position: Position, locations: Location[]) =>
      showReferences(server, uri, position, locations),
    ),
  );
}

async function showPlan(panels: PlanPanels, uri?: vscode.Uri): Promise<void> {
  const target = uri ?? (await chooseTemplate());
  if (target) await panels.show({ uri: target.toString() });
}

/** The template of the active editor; else the only one of the workspace, or the one the user chooses. */
async function chooseTemplate(): Promise<vscode.Uri | undefined> {
  const document = vscode.window.activeTextEditor?.document;
  if (document && isTemplate(document)) return document.uri;
  const files = await vscode.workspace.findFiles(TEMPLATE_FILES, "**/node_modules/**", 2000);
  const directories = [...new Set(files.map((file) => vscode.Uri.joinPath(file, "..").toString()))].sort();
  const [first, second] = directories;
  if (!first) throw new Error("There is no template in this workspace.");
  if (!second) return vscode.Uri.parse(first);
  const items = directories.map((uri) => ({ label: vscode.workspace.asRelativePath(vscode.Uri.parse(uri)), uri }));
  const chosen = await vscode.window.showQuickPick(items, { title: "The plan of which template?" });
  return chosen && vscode.Uri.parse(chosen.uri);
}

/** Checks all templates of the workspace. The problems themselves come on their own, as the server's diagnostics. */
async function validateWorkspace(server: Server): Promise<void> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: "Validating the workspace",
    cancellable: true,
  };
  const report = await vscode.window.withProgress(options, async (_, token) => {
    try {
      return await server.request<WorkspaceReport>("workspace/diagnostic", { previousResultIds: [] }, token);
    } catch (error) {
      if (token.isCancellationRequested) return undefined;
      throw error;
    }
  });
  if (!report) return;
  const { message, isClean } = summarise(report);
  if (isClean) {
    void vscode.window.showInformationMessage(message);
    return;
  }
  await vscode.commands.executeCommand("workbench.actions.view.problems");
  void vscode.window.showWarningMessage(message);
}

interface Converted {
  readonly uri: string;
  readonly edit: WorkspaceEdit;
  readonly samePlan: boolean;
  readonly notes: readonly string[];
}

async function convertFile(server: Server, uri?: vscode.Uri): Promise<void> {
  const source = uri ?? vscode.window.activeTextEditor?.document.uri;
  if (!source) throw new Error("Open the file to convert first.");
  const name = path.posix.basename(source.path);
  const languages = [
    { label: "HCL", description: "*.pkr.hcl", to: "hcl" },
    { label: "TOML", description: "*.imgc.toml", to: "toml" },
    { label: "JSON", description: "*.pkr.json", to: "json" },
  ].filter((one) => !name.endsWith(`.${one.to}`) || (one.to === "json" && !name.endsWith(".pkr.json")));
  const language = await vscode.window.showQuickPick(languages, { title: `Convert ${name} to` });
  if (!language) return;
  const fates = [
    { label: `Keep ${name}`, remove: false },
    {
      label: `Delete ${name}`,
      description: "a directory is one template: with both, everything is there twice",
      remove: true,
    },
  ];
  const fate = await vscode.window.showQuickPick(fates, { title: "And the old file?" });
  if (!fate) return;
  const wish = { uri: source.toString(), to: language.to, remove: fate.remove, apply: false };
  const converted = await server.execute<Converted>("imgc.convert", wish);
  const converter = server.running().protocol2CodeConverter;
  // Not by the server, whose answer may come before its edit is made.
  const isApplied = await vscode.workspace.applyEdit(await converter.asWorkspaceEdit(converted.edit));
  if (!isApplied) throw new Error(`${name} could not be converted: the new file was not made.`);
  const result = converter.asUri(converted.uri);
  const editor = await vscode.window.showTextDocument(result, { preview: false });
  // The text of the new file is not saved yet.
  await editor.document.save();
  const plan = converted.samePlan ? " The plan is the same." : "";
  const notes = converted.notes.length > 0 ? ` ${converted.notes.join(" ")}` : "";
  void vscode.window.showInformationMessage(`Converted ${name}.${plan}${notes}`);
}

const SAMPLE = `variable "greeting" {
  type    = string
  default = "Hello"
}

source "file" "page" {
  target  = "page.txt"
  content = "\${var.greeting}, world"
}

build {
  sources = ["source.file.page"]

  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "page.sums"
  }
}
`;

async function newTemplate(): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ language: "imgc", content: SAMPLE });
  await vscode.window.showTextDocument(document);
}

/** Opens the walkthrough and tells it what is done already: it only notices what comes to be true while it is known. */
async function openWalkthrough(server: Server, extension: string): Promise<void> {
  await vscode.commands.executeCommand("workbench.action.openWalkthrough", `${extension}#start`);
  const done = {
    "imgc.walkthrough.installed": server.health.is === "running",
    "imgc.walkthrough.template": vscode.workspace.textDocuments.some(isTemplate),
  };
  for (const [key, isDone] of Object.entries(done)) {
    await vscode.commands.executeCommand("setContext", key, false);
    await vscode.commands.executeCommand("setContext", key, isDone);
  }
}

async function checkInstallation(): Promise<void> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const found = await find(settings().path, folder, thisMachine);
  if (!found.ok) return sayUnusable(found.message);
  void vscode.window.showInformationMessage(`imgc ${found.version} is used: ${found.program}`);
}

/** Shows places in the editor's own way; a line above a declaration does this, in the protocol's words. */
async function showReferences(server: Server, uri: string, position: Position, locations: Location[]): Promise<void> {
  const converter = server.running().protocol2CodeConverter;
  await vscode.commands.executeCommand(
    "editor.action.showReferences",
    converter.asUri(uri),
    converter.asPosition(position),
    locations.map((location: Location) => converter.asLocation(location)),
  );
}

/** Runs `imgc.plan` where a line above a build asks for it: in the panel. */
export function planHook(panels: PlanPanels): (argument: unknown) => Promise<void> {
  return (argument) => panels.show(typeof argument === "string" ? { uri: argument } : (argument as Target));
}
