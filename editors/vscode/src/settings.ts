// The settings, typed; and what of them the language server is told when it starts.

import * as vscode from "vscode";

export interface Settings {
  readonly path: string;
  readonly logFile: string;
  readonly logLevel: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly refreshPlanOnSave: boolean;
}

/** The settings as they are now. */
export function settings(): Settings {
  const section = vscode.workspace.getConfiguration("imgc");
  return {
    path: section.get("path", ""),
    logFile: section.get("server.logFile", ""),
    logLevel: section.get("server.logLevel", "warn"),
    environment: section.get("server.environment", {}),
    refreshPlanOnSave: section.get("plan.refreshOnSave", true),
  };
}

/** Settings that only take effect with a new server. */
export const NEEDS_RESTART = ["imgc.path", "imgc.server"] as const;

/** What the server is told at the start; later it asks for the section `imgc` itself. */
export function initializationOptions(): Record<string, unknown> {
  const section = vscode.workspace.getConfiguration("imgc");
  return {
    showReferencesCommand: "imgc.showReferences",
    suggestsAgain: true,
    inlayHints: section.get("inlayHints"),
    codeLens: section.get("codeLens"),
  };
}
