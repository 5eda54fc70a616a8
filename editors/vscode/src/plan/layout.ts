// Puts the steps of a plan on a page: a lane for each build, from left to right in the order of what waits for what. In:
// a plan. Out: boxes, lanes and lines in pixels. No drawing, so that it can be tested.

import type { Build, Plan, Step } from "./model";

export interface Box {
  readonly step: Step;
  /** The step's address without its build's. */
  readonly title: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Lane {
  readonly build: Build;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Line {
  readonly from: string;
  readonly to: string;
  readonly kind: "data" | "order";
  /** A path in SVG's words. */
  readonly path: string;
}

export interface Layout {
  readonly lanes: readonly Lane[];
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
  readonly width: number;
  readonly height: number;
}

const BOX = { width: 138, height: 44 };
const GAP = { x: 28, y: 14 };
const LANE = { padding: 16, header: 34, gap: 18 };
const MARGIN = 12;
/** How far lines that pass over boxes bow, and how much more for each column more. */
const BOW = { first: 4, more: 8, most: 44 };

/** Lays a plan out. */
export function layOut(plan: Plan): Layout {
  const columns = columnsOf(plan.steps);
  const boxes: Box[] = [];
  const lanes: Lane[] = [];
  let top = MARGIN;
  for (const build of plan.builds) {
    const steps = plan.steps.filter((step) => step.build === build.address);
    const rows = rowsOf(steps, columns);
    const room = bowOf(steps, columns);
    const count = Math.max(1, ...[...rows.values()].map((row) => row + 1));
    const first = top + LANE.header + LANE.padding;
    for (const step of steps) {
      boxes.push({
        step,
        title: titleOf(step, build),
        x: MARGIN + LANE.padding + (columns.get(step.address) ?? 0) * (BOX.width + GAP.x),
        y: first + (rows.get(step.address) ?? 0) * (BOX.height + GAP.y),
        ...BOX,
      });
    }
    const height = LANE.header + 2 * LANE.padding + count * (BOX.height + GAP.y) - GAP.y + room;
    lanes.push({ build, x: MARGIN, y: top, width: 0, height });
    top += height + LANE.gap;
  }
  const right = Math.max(0, ...boxes.map((box) => box.x + box.width));
  const width = Math.max(right + LANE.padding, 420);
  return {
    lanes: lanes.map((lane) => ({ ...lane, width: width - lane.x })),
    boxes,
    lines: linesOf(plan.steps, boxes),
    width: width + MARGIN,
    height: Math.max(top - LANE.gap, 0) + MARGIN,
  };
}

/** The column of each step: one right of the last it waits for. Steps stand after what they need. */
function columnsOf(steps: readonly Step[]): Map<string, number> {
  const columns = new Map<string, number>();
  for (const step of steps) {
    const before = step.needs.map((need) => columns.get(need.step) ?? -1);
    columns.set(step.address, Math.max(-1, ...before) + 1);
  }
  return columns;
}

/** The row of each step in its lane: the first that is free in its column. */
function rowsOf(steps: readonly Step[], columns: ReadonlyMap<string, number>): Map<string, number> {
  const taken = new Map<number, number>();
  const rows = new Map<string, number>();
  for (const step of steps) {
    const column = columns.get(step.address) ?? 0;
    const row = taken.get(column) ?? 0;
    rows.set(step.address, row);
    taken.set(column, row + 1);
  }
  return rows;
}

/** The room that lines passing below boxes need in a lane. */
function bowOf(steps: readonly Step[], columns: ReadonlyMap<string, number>): number {
  const own = new Set(steps.map((step) => step.address));
  const spans = steps.flatMap((step) =>
    step.needs
      .filter((need) => own.has(need.step))
      .map((need) => (columns.get(step.address) ?? 0) - (columns.get(need.step) ?? 0)),
  );
  const widest = Math.max(0, ...spans);
  return widest > 1 ? bow(widest) : 0;
}

/** How far below its boxes a line over so many columns passes. */
function bow(columns: number): number {
  return Math.min(BOW.first + BOW.more * columns, BOW.most);
}

function linesOf(steps: readonly Step[], boxes: readonly Box[]): Line[] {
  const byAddress = new Map(boxes.map((box) => [box.step.address, box]));
  return steps.flatMap((step) =>
    step.needs.flatMap((need) => {
      const [from, to] = [byAddress.get(need.step), byAddress.get(step.address)];
      if (!from || !to) return [];
      return [{ from: need.step, to: step.address, kind: need.kind, path: pathOf(from, to) }];
    }),
  );
}

function pathOf(from: Box, to: Box): string {
  const columns = Math.round((to.x - from.x) / (BOX.width + GAP.x));
  if (from.y === to.y && columns > 1) {
    // Over other boxes of the row: from below to below.
    const [x1, x2] = [from.x + from.width - 24, to.x + 24];
    const y = from.y + from.height;
    const low = y + bow(columns);
    return `M ${x1} ${y} C ${x1 + 16} ${low}, ${x1 + 24} ${low}, ${x1 + 40} ${low} L ${x2 - 40} ${low} C ${x2 - 24} ${low}, ${x2 - 8} ${low}, ${x2} ${y + 1}`;
  }
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const half = Math.max(GAP.x / 2, (x2 - x1) / 2);
  return `M ${x1} ${y1} C ${x1 + half} ${y1}, ${x2 - half} ${y2}, ${x2 - 1} ${y2}`;
}

function titleOf(step: Step, build: Build): string {
  const own = step.address.startsWith(`${build.address}.`);
  return own ? step.address.slice(build.address.length + 1) : step.address;
}
