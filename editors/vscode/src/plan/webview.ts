// The script of the plan's page: choosing steps, zooming, switching between graph and text. It makes no markup.

import type { FromPage } from "./model";

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  getState(): State | undefined;
  setState(state: State): void;
};

interface State {
  readonly zoom: number;
  readonly view: "graph" | "text";
  readonly chosen?: string;
}

const host = acquireVsCodeApi();
const known = host.getState();
let state: State = known ?? { zoom: 1, view: "graph" };

const graph = document.querySelector<SVGSVGElement>("svg.graph");
const size = { width: Number(graph?.getAttribute("width")), height: Number(graph?.getAttribute("height")) };

function change(part: Partial<State>): void {
  state = { ...state, ...part };
  host.setState(state);
  show();
}

function show(): void {
  graph?.setAttribute("width", String(size.width * state.zoom));
  graph?.setAttribute("height", String(size.height * state.zoom));
  for (const [view, selector] of [
    ["graph", ".graph-view"],
    ["text", ".text-view"],
  ] as const) {
    document.querySelector(selector)?.toggleAttribute("hidden", state.view !== view);
    document.querySelector(`[data-action="${view}"]`)?.setAttribute("aria-pressed", String(state.view === view));
  }
  for (const element of document.querySelectorAll<SVGElement>("[data-address]")) {
    element.classList.toggle("chosen", element.dataset.address === state.chosen);
  }
  for (const line of document.querySelectorAll<SVGElement>("path[data-from]")) {
    const touches = line.dataset.from === state.chosen || line.dataset.to === state.chosen;
    line.classList.toggle("touched", touches);
  }
  for (const section of document.querySelectorAll<HTMLElement>("[data-about]")) {
    section.hidden = section.dataset.about !== state.chosen;
  }
}

function zoom(factor: number): void {
  change({ zoom: Math.min(3, Math.max(0.2, state.zoom * factor)) });
}

/** Makes the graph as wide as there is room, between two sizes. */
function fit(least: number, most: number): void {
  const room = document.querySelector(".columns")?.clientWidth ?? size.width;
  change({ zoom: Math.min(most, Math.max(least, room / size.width)) });
}

function choose(address: string): void {
  change({ chosen: address });
  host.postMessage({ type: "reveal", address });
}

const actions: Record<string, () => void> = {
  graph: () => change({ view: "graph" }),
  text: () => change({ view: "text" }),
  smaller: () => zoom(1 / 1.2),
  larger: () => zoom(1.2),
  fit: () => fit(0.2, 1.5),
  refresh: () => host.postMessage({ type: "refresh" }),
  problems: () => host.postMessage({ type: "problems" }),
};

function targetOf(event: Event): Element | undefined {
  return event.target instanceof Element ? event.target : undefined;
}

document.addEventListener("click", (event) => {
  const target = targetOf(event);
  const action = target?.closest<HTMLElement>("[data-action]")?.dataset.action;
  if (action) actions[action]?.();
  const address = target?.closest<SVGElement>("[data-address]")?.dataset.address;
  if (address) choose(address);
});

document.addEventListener("keydown", (event) => {
  const address = targetOf(event)?.closest<SVGElement>("[data-address]")?.dataset.address;
  if (address && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    choose(address);
  }
});

document.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey || !targetOf(event)?.closest(".canvas")) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
  },
  { passive: false },
);

if (known || !graph) show();
// All of it, where it can still be read then.
else fit(0.6, 1);
