// State: the reader's choices, and what is drawn.

import { DATA, runName } from "./data.js";

export const state = {
  run: DATA.best, compare: null, section: null, feature: DATA.firstFeature, colour: "domains", names: true,
  hidden: { main: new Set(), other: new Set() }, everywhere: false,
};
export const plots = {};
// The spots, classes and coordinates of the maps, null before they are first drawn.
export let current = null;
export const setCurrent = (next) => { current = next; };

// Maps to show beside a run: labels and runs (classes), the confidence of the consensus, and pseudotime; runs without domains have none.
export function choices() {
  const runs = DATA.runs.map((run, index) => ({ key: `run ${index}`, name: runName(run), classes: run.domains }));
  const labels = DATA.labels ? [{ key: "labels", name: "Labels given", classes: DATA.labels }] : [];
  const woven = DATA.runs.find((run) => run.method === "weave");
  const confidence = { key: "confidence", name: `Confidence of ${woven?.title}`, column: woven?.perSpot?.extras[0] };
  const time = { key: "pseudotime", name: DATA.pseudotime?.name, column: DATA.pseudotime };
  return [...labels, ...runs, confidence, time].filter((choice) => choice.classes || choice.column);
}

// The rows of the chosen section that pass a test.
function rowsWhere(test) {
  const { spots } = current;
  const rows = new Uint32Array(spots.x.length);
  let count = 0;
  for (let row = 0; row < spots.x.length; row++) {
    if ((state.section === null || spots.sections[row] === state.section) && test(row)) rows[count++] = row;
  }
  return rows.subarray(0, count);
}
export const sectionRows = () => rowsWhere(() => true);

// The rows that a map draws: those of the chosen section, without the hidden classes of the sides named; those of both where
// the reader hides them everywhere.
export function visible(...sides) {
  const { codes } = current;
  const used = (state.everywhere ? ["main", "other"] : sides).filter((side) => codes[side] && state.hidden[side].size);
  const tests = used.map((side) => ({ hidden: state.hidden[side], codes: codes[side] }));
  return rowsWhere((row) => tests.every((test) => !test.hidden.has(test.codes[row])));
}

export const done = () => { document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1); };
