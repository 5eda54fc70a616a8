// Draws a layout as SVG and says a step in HTML. In: plain data, whose texts come from templates and may be anything. Out:
// markup with every text escaped, no styles and no scripts; `media/plan.css` has the colours.

import type { Layout } from "./layout";
import type { Build, Step } from "./model";

/** The graph. */
export function drawGraph(layout: Layout): string {
  const lanes = layout.lanes.map(
    (lane) =>
      `<g class="lane" role="group" aria-label="${escape(lane.build.name)}"><rect x="${lane.x}" y="${lane.y}" width="${lane.width}" height="${lane.height}" rx="6"/>` +
      `<g class="header" tabindex="0" role="button" data-address="${escape(lane.build.address)}">` +
      `<rect x="${lane.x}" y="${lane.y}" width="${lane.width}" height="46"/>` +
      `<text class="name" x="${lane.x + 16}" y="${lane.y + 22}">${escape(clip(lane.build.name, 44))}</text>` +
      `<text class="about" x="${lane.x + 16}" y="${lane.y + 38}">${escape(clip(about(lane.build), 44))}</text>` +
      `<title>${escape(lane.build.address)}</title></g></g>`,
  );
  const lines = layout.lines.map(
    (line) =>
      `<path class="line ${line.kind}" d="${line.path}" marker-end="url(#arrow)" data-from="${escape(line.from)}" data-to="${escape(line.to)}"/>`,
  );
  const boxes = layout.boxes.map((box) => {
    const { step } = box;
    const middle = box.x + box.width / 2;
    const [first, second] = [clip(box.title, 24), step.component ? clip(step.component, 24) : ""];
    const text = second
      ? `<text x="${middle}" y="${box.y + 19}">${escape(first)}</text><text class="component" x="${middle}" y="${box.y + 35}">${escape(second)}</text>`
      : `<text x="${middle}" y="${box.y + 27}">${escape(first)}</text>`;
    const label = step.component ? `${box.title}: ${step.component}` : box.title;
    return (
      `<g class="step ${kindClass(step)}" tabindex="0" role="button" aria-label="${escape(label)}" data-address="${escape(step.address)}">` +
      `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="5"/>${text}<title>${escape(step.address)}</title></g>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="graph" width="${layout.width}" height="${layout.height}" viewBox="0 0 ${layout.width} ${layout.height}" role="img" aria-label="Graph of the plan">` +
    `<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z"/></marker></defs>` +
    `${lanes.join("")}${lines.join("")}${boxes.join("")}</svg>`
  );
}

/** What is said about a chosen step. */
export function describeStep(step: Step): string {
  const rows: [string, string][] = [["kind", step.component ? `${step.kind} (${step.component})` : step.kind]];
  if (step.undo) rows.push(["undone by", step.undo]);
  const { limits } = step;
  if (limits.pause_before) rows.push(["waits before", `${limits.pause_before} s`]);
  if (limits.timeout) rows.push(["gives up after", `${limits.timeout} s`]);
  if (limits.max_retries) rows.push(["tries again", `${limits.max_retries} times`]);
  if (limits.continue_on_error) rows.push(["when it fails", "the build goes on"]);
  for (const need of step.needs) {
    const isNear = need.step.startsWith(`${step.build}.`);
    rows.push([need.kind === "data" ? "uses" : "after", isNear ? need.step.slice(step.build.length + 1) : need.step]);
  }
  return describe(step.address, rows, step.options);
}

/** What is said about a chosen build. */
export function describeBuild(build: Build): string {
  const rows: [string, string][] = [
    ["builder", build.builder],
    ["communicator", build.communicator],
  ];
  if (build.description) rows.push(["description", build.description]);
  return describe(build.address, rows, build.options);
}

function describe(
  address: string,
  rows: readonly [string, string][],
  options: Readonly<Record<string, unknown>>,
): string {
  const table = rows.map(([key, value]) => `<tr><th>${escape(key)}</th><td>${escape(value)}</td></tr>`).join("");
  const entries = Object.entries(options).map(([key, value]) => `${escape(key)} = ${escape(show(value))}`);
  const list = entries.length > 0 ? `<pre>${entries.join("\n")}</pre>` : "";
  return `<h2>${escape(address)}</h2><table>${table}</table>${list}`;
}

/** A value of the plan's JSON as people write it; what is secret or not yet known says so. */
export function show(value: unknown): string {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    if ("$sensitive" in value) return "(sensitive)";
    if ("$unknown" in value) return `(known when it runs: ${String(value.$unknown)})`;
    const entries = Object.entries(value).map(([key, inner]) => `${key.replace(/^\$\$/, "$")} = ${show(inner)}`);
    return `{ ${entries.join(", ")} }`;
  }
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  return JSON.stringify(value);
}

/** Makes a text safe in HTML and SVG, between tags and in quoted attributes. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

const KINDS = ["prepare", "launch", "connect", "provision", "capture", "publish", "release", "post-process"];

/** The kind of a step as a class; kinds of later versions have none. */
function kindClass(step: Step): string {
  return KINDS.includes(step.kind) ? step.kind : "other";
}

function about(build: Build): string {
  return [build.builder, build.communicator]
    .filter((part, index, all) => part && all.indexOf(part) === index)
    .join(", ");
}

function clip(text: string, most: number): string {
  const characters = Array.from(text);
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}
