// A code-server of our own: fresh directories, a free port on loopback, our extension and nothing else.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";

import { Folder } from "./folder";
import { places } from "./places";

/** How a code-server differs from that of somebody who has set everything up. */
export interface Setup {
  /** For the name of its log. */
  readonly name: string;
  /** Whether imgc is named in the settings of the machine; else it is on the PATH. */
  readonly isConfigured: boolean;
  /** Whether folders are trusted without being asked about. */
  readonly trusts: boolean;
}

export class CodeServer {
  private folders = 0;

  private constructor(
    private readonly directory: string,
    private readonly process: ChildProcess,
    private readonly port: number,
  ) {}

  static async start(setup: Setup): Promise<CodeServer> {
    const directory = realpathSync(mkdtempSync(path.join(os.tmpdir(), "imgc-vscode-")));
    const user = path.join(directory, "user");
    write(
      path.join(user, "User/settings.json"),
      JSON.stringify(setup.trusts ? SETTINGS : { ...SETTINGS, ...UNTRUSTED }),
    );
    // Where a program is, is a setting of the machine, and those of a user's do not count in a remote window.
    if (setup.isConfigured)
      write(path.join(user, "Machine/settings.json"), JSON.stringify({ "imgc.path": places.imgc }));
    else write(path.join(directory, ".profile"), `PATH='${path.dirname(places.imgc)}':$PATH\n`);
    write(path.join(directory, "config.yaml"), "cert: false\n");
    const environment = {
      PATH: process.env.PATH,
      // Which is asked for the environment of a user who has logged in.
      SHELL: "/bin/sh",
      LANG: "C.UTF-8",
      HOME: directory,
      XDG_CONFIG_HOME: path.join(directory, "config"),
      XDG_DATA_HOME: path.join(directory, "data"),
      XDG_CACHE_HOME: path.join(directory, "cache"),
      // No marketplace: nothing leaves this machine.
      EXTENSIONS_GALLERY: JSON.stringify({ serviceUrl: "" }),
    };
    const entry = path.join(places.codeServer, "node_modules/code-server/out/node/entry.js");
    const shared = [entry, "--user-data-dir", user, "--extensions-dir", path.join(directory, "extensions")];
    shared.push("--auth", "none", "--config", path.join(directory, "config.yaml"));
    const installed = spawnSync(process.execPath, [...shared, "--install-extension", places.vsix], {
      env: environment,
      encoding: "utf8",
    });
    if (installed.status !== 0)
      throw new Error(`the extension was not installed: ${installed.stdout}${installed.stderr}`);
    const port = await freePort();
    const flags = ["--bind-addr", `127.0.0.1:${port}`, "--disable-telemetry", "--disable-update-check"];
    flags.push("--disable-getting-started-override");
    if (setup.trusts) flags.push("--disable-workspace-trust");
    const child = spawn(process.execPath, [...shared, ...flags], {
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const log = createWriteStream(path.join(places.output, `code-server-${setup.name}.log`));
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    const server = new CodeServer(directory, child, port);
    try {
      await server.answers();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** A folder of its own: a copy of a fixture. */
  folder(fixture: string): Folder {
    this.folders += 1;
    return new Folder(path.join(this.directory, String(this.folders), path.basename(fixture)), fixture);
  }

  /** The address of a window with a folder, or with the folders of a `.code-workspace` file. */
  window(opened: string): string {
    const kind = opened.endsWith(".code-workspace") ? "workspace" : "folder";
    return `http://127.0.0.1:${this.port}/?${kind}=${encodeURIComponent(opened)}`;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    if (this.process.exitCode === null && this.process.pid) {
      // The group that was started above: the server, its extension hosts and their language servers.
      process.kill(-this.process.pid, "SIGTERM");
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))]);
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  private async answers(): Promise<void> {
    const end = Date.now() + 60_000;
    while (!(await this.isHealthy())) {
      if (this.process.exitCode !== null) throw new Error("code-server has ended; see its log");
      if (Date.now() > end) throw new Error("code-server does not answer; see its log");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  private isHealthy(): Promise<boolean> {
    return new Promise((resolve) => {
      const request = http.get({ host: "127.0.0.1", port: this.port, path: "/healthz" }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      request.on("error", () => resolve(false));
    });
  }
}

/** No telemetry, no updates, no hints, no assistants; and what makes pictures the same. */
const SETTINGS: Readonly<Record<string, unknown>> = {
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "workbench.startupEditor": "none",
  "workbench.enableExperiments": false,
  "workbench.tips.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.layoutControl.enabled": false,
  "workbench.editor.enablePreview": false,
  "window.commandCenter": false,
  "chat.disableAIFeatures": true,
  "chat.commandCenter.enabled": false,
  "security.workspace.trust.enabled": false,
  "editor.accessibilitySupport": "off",
  "editor.minimap.enabled": false,
  "editor.cursorBlinking": "solid",
  "editor.fontFamily": "DejaVu Sans Mono, monospace",
  "files.autoSave": "off",
  "files.simpleDialog.enable": true,
  "git.enabled": false,
};

/** Folders are asked about, but nothing stands in front of the window. */
const UNTRUSTED: Readonly<Record<string, unknown>> = {
  "security.workspace.trust.enabled": true,
  "security.workspace.trust.startupPrompt": "never",
  "security.workspace.trust.banner": "never",
};

function write(file: string, text: string, mode = 0o644): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
