// A code-server of our own: fresh directories, a free port on loopback, our extension and nothing else.

import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createWriteStream, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";

/** Where things are; all from the environment, as `cargo xtask vscode-test` sets it. */
export interface Places {
  /** The program to test. */
  readonly imgc: string;
  /** What `install.mjs` made. */
  readonly codeServer: string;
  readonly vsix: string;
  readonly workspace: string;
  /** For logs and screenshots. */
  readonly output: string;
}

export class CodeServer {
  private constructor(
    private readonly directory: string,
    private readonly process: ChildProcess,
    private readonly port: number,
  ) {}

  static async start(places: Places): Promise<CodeServer> {
    const directory = mkdtempSync(path.join(os.tmpdir(), "imgc-vscode-"));
    cpSync(places.workspace, path.join(directory, "workspace"), { recursive: true });
    const user = path.join(directory, "user");
    write(path.join(user, "User/settings.json"), JSON.stringify(SETTINGS));
    // Where a program is, is a setting of the machine, and those of a user's do not count in a remote window.
    write(path.join(user, "Machine/settings.json"), JSON.stringify({ "imgc.path": places.imgc }));
    write(path.join(directory, "config.yaml"), "cert: false\n");
    const environment = {
      PATH: process.env["PATH"],
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
    if (installed.status !== 0) throw new Error(`the extension was not installed: ${installed.stdout}${installed.stderr}`);
    const port = await freePort();
    const flags = ["--bind-addr", `127.0.0.1:${port}`, "--disable-telemetry", "--disable-update-check"];
    flags.push("--disable-workspace-trust", "--disable-getting-started-override");
    const child = spawn(process.execPath, [...shared, ...flags], {
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const log = createWriteStream(path.join(places.output, "code-server.log"));
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

  /** The address of a window with a folder of the workspace, or all of it. */
  window(folder = ""): string {
    const opened = encodeURIComponent(path.join(this.directory, "workspace", folder));
    return `http://127.0.0.1:${this.port}/?folder=${opened}`;
  }

  /** A file of the workspace, as saved. */
  read(file: string): string {
    return readFileSync(path.join(this.directory, "workspace", file), "utf8");
  }

  /** Writes a file into the workspace. */
  write(file: string, text: string, mode?: number): void {
    write(path.join(this.directory, "workspace", file), text, mode);
  }

  /** The path of a file of the workspace. */
  path(file: string): string {
    return path.join(this.directory, "workspace", file);
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
      if (this.process.exitCode !== null) throw new Error("code-server has ended; see code-server.log");
      if (Date.now() > end) throw new Error("code-server does not answer; see code-server.log");
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

function write(file: string, text: string, mode = 0o644): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
