// The languages of templates, and which documents the language server is told of.

import * as vscode from "vscode";

import { looksLikeLegacyTemplate } from "./legacy";

export const LANGUAGES = ["imgc", "imgc-json", "imgc-toml"] as const;

/** Documents the server is told of: files, and new ones without a name. */
export const SELECTOR = LANGUAGES.flatMap((language) => [
  { scheme: "file", language },
  { scheme: "untitled", language },
]);

/** The files that make a directory a template. */
export const TEMPLATE_FILES = "**/*.{pkr.hcl,imgc.hcl,pkr.json,imgc.toml}";

/** Whether a document is in one of the languages. */
export function isTemplate(document: vscode.TextDocument): boolean {
  return (LANGUAGES as readonly string[]).includes(document.languageId);
}

/** Gives JSON documents that look like legacy templates our language, now and when they are opened or saved. */
export function detectLegacy(): vscode.Disposable {
  const look = async (document: vscode.TextDocument): Promise<void> => {
    if (document.languageId !== "json" && document.languageId !== "jsonc") return;
    if (document.uri.scheme !== "file" || document.isClosed) return;
    const wanted = vscode.workspace.getConfiguration("imgc", document).get<boolean>("legacyJson.detect", true);
    if (wanted && looksLikeLegacyTemplate(document.getText())) {
      await vscode.languages.setTextDocumentLanguage(document, "imgc-json");
    }
  };
  for (const document of vscode.workspace.textDocuments) void look(document);
  return vscode.Disposable.from(
    vscode.workspace.onDidOpenTextDocument(look),
    vscode.workspace.onDidSaveTextDocument(look),
  );
}
