// The language server's life: find the program, start it, say how it is, stop it, start it again.

import * as vscode from "vscode";
import {
  ExecuteCommandRequest,
  LanguageClient,
  LSPErrorCodes,
  ResponseError,
  State,
  type LanguageClientOptions,
  type ServerOptions,
} from "vscode-languageclient/node";

import { expand, find, type Problem } from "./binary";
import { SELECTOR } from "./languages";
import { thisMachine } from "./machine";
import { initializationOptions, settings } from "./settings";

/** How the server is. */
export type Health =
  | { readonly is: "stopped" }
  | { readonly is: "starting" }
  | { readonly is: "running"; readonly program: string; readonly version: string }
  | { readonly is: "unusable"; readonly problem: Problem; readonly message: string }
  | { readonly is: "broken"; readonly message: string };

/** Runs a command of the server for the user, where this is more than sending it. */
export type CommandHook = (argument: unknown) => unknown;

export class Server implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private now: Health = { is: "stopped" };
  /** Starts and stops happen one after the other. */
  private queue: Promise<void> = Promise.resolve();
  private readonly changed = new vscode.EventEmitter<Health>();
  readonly onChange = this.changed.event;

  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly trace: vscode.LogOutputChannel,
    private readonly hooks: ReadonlyMap<string, CommandHook>,
  ) {}

  get health(): Health {
    return this.now;
  }

  /** Starts the server unless it runs. */
  start(): Promise<void> {
    return this.enqueue(() => this.startNow());
  }

  /** Stops the server. */
  stop(): Promise<void> {
    return this.enqueue(() => this.stopNow());
  }

  /** Stops the server and starts it with the settings as they are. */
  restart(): Promise<void> {
    return this.enqueue(async () => {
      await this.stopNow();
      await this.startNow();
    });
  }

  /** Sends one of the server's own commands. */
  async execute<T>(command: string, argument: unknown, token?: vscode.CancellationToken): Promise<T> {
    const params = { command, arguments: [argument] };
    const send = (): Promise<unknown> => this.running().sendRequest(ExecuteCommandRequest.type, params, token);
    return (await untilUndisturbed(send, token)) as T;
  }

  /** Sends any request. */
  request<T>(method: string, params: unknown, token?: vscode.CancellationToken): Promise<T> {
    return untilUndisturbed(() => this.running().sendRequest<T>(method, params, token), token);
  }

  /** The client, for converting what the protocol says. */
  running(): LanguageClient {
    if (!this.client || this.now.is !== "running") throw new Error("The language server does not run.");
    return this.client;
  }

  dispose(): void {
    void this.stop();
    this.changed.dispose();
  }

  private enqueue(job: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(job, job);
    return this.queue;
  }

  private async startNow(): Promise<void> {
    if (this.client) return;
    this.set({ is: "starting" });
    const { path, logFile, logLevel, environment } = settings();
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
    const found = await find(path, folder, thisMachine);
    if (!found.ok) {
      this.log.error(found.message);
      this.set({ is: "unusable", problem: found.problem, message: found.message });
      return;
    }
    this.log.info(`imgc ${found.version} is ${found.program}`);
    const log = expand(logFile, folder, thisMachine);
    const server: ServerOptions = {
      command: found.program,
      args: log ? ["lsp", `--log=${log}`] : ["lsp"],
      options: { env: { ...process.env, RUST_LOG: logLevel, ...environment } },
    };
    const client = new LanguageClient("imgc", "imgc", server, this.clientOptions());
    this.client = client;
    client.onDidChangeState(({ newState }) => {
      if (this.client !== client) return;
      if (newState === State.Running) this.set({ is: "running", program: found.program, version: found.version });
      if (newState === State.Starting) this.set({ is: "starting" });
      if (newState === State.Stopped) this.set({ is: "broken", message: "The language server has stopped." });
    });
    try {
      await client.start();
    } catch (error) {
      this.client = undefined;
      const reason = error instanceof Error ? error.message : String(error);
      this.log.error(reason);
      this.set({ is: "broken", message: `The language server did not start: ${reason}` });
    }
  }

  private clientOptions(): LanguageClientOptions {
    return {
      documentSelector: SELECTOR,
      outputChannel: this.log,
      traceOutputChannel: this.trace,
      initializationOptions: initializationOptions(),
      diagnosticPullOptions: { onChange: true, onSave: true, onTabs: true },
      // Sends that something has changed; the server then asks for what it is.
      // eslint-disable-next-line @typescript-eslint/no-deprecated
      synchronize: { configurationSection: "imgc" },
      markdown: { supportHtml: false },
      middleware: {
        executeCommand: (command, args, next) => {
          const hook = this.hooks.get(command);
          return hook ? hook(args[0]) : (next(command, args) as unknown);
        },
      },
    };
  }

  private async stopNow(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.set({ is: "stopped" });
    // One that has crashed cannot be stopped, and one that hangs is left to its end.
    await client?.dispose(2000).catch((error: unknown) => this.log.warn(String(error)));
  }

  private set(health: Health): void {
    this.now = health;
    void vscode.commands.executeCommand("setContext", "imgc.serverRuns", health.is === "running");
    this.changed.fire(health);
  }
}

/** How often and after how many milliseconds a question is asked again that an edit has disturbed. */
const AGAIN = { times: 25, after: 200 } as const;

/** Asks again when the text has changed meanwhile: who has asked wants to know about the text as it is. */
async function untilUndisturbed<T>(ask: () => Promise<T>, token?: vscode.CancellationToken): Promise<T> {
  for (let asked = 1; ; asked += 1) {
    try {
      return await ask();
    } catch (error) {
      const isDisturbed = error instanceof ResponseError && error.code === LSPErrorCodes.ContentModified;
      if (!isDisturbed || asked === AGAIN.times || token?.isCancellationRequested) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN.after));
    }
  }
}
