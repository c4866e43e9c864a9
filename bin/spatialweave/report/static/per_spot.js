// Per-spot outputs of a method: weights and probabilities, and reconstructed features beside measured ones.

import { scaleLooks } from "./colours.js";
import { DATA, runName, unpack, valueOf } from "./data.js";
import { byId, fill, format } from "./dom.js";
import { drawScale } from "./panels.js";
import { current, done, plots, state, visible } from "./state.js";
import { drawViolins } from "./violins.js";

export const PER_SPOT = ["extra", "measured", "denoised"];
const ESTIMATE = "log scale of the preprocessing";

// Offer a run's columns, and keep the choice from one run to the next where both have it.
function chosenColumn(id, columns, key) {
  const options = columns.map((column) => ({ key: column.modality ? `${column.name} (${column.modality})` : column.name, column }));
  const chosen = options.find((option) => option.key === state[key]) ?? options[0];
  fill(id, options.map((option) => ({ key: option.key, name: option.key })), chosen?.key, (value) => { state[key] = value; drawPerSpot(); });
  return chosen?.column ?? null;
}

// Show the sentences on what a run has: tables by their names, any columns, denoised features, scales that are cut.
function describe({ extras, denoised }) {
  const kinds = new Set(extras.map(({ table }) => table));
  if (extras.length) kinds.add("columns");
  if (denoised.length) kinds.add("denoised");
  if (denoised.length || extras.some(({ whole }) => !whole)) kinds.add("cut");
  for (const node of document.querySelectorAll("#per-spot-note [data-of]")) node.hidden = !node.dataset.of.split(" ").some((kind) => kinds.has(kind));
}

export async function drawPerSpot() {
  if (!byId("per-spot")) return;
  const { run, x, y, notes } = current;
  const outputs = run?.perSpot ?? { extras: [], denoised: [] };
  const denoised = chosenColumn("denoised-select", outputs.denoised, "denoised");
  const shown = {
    extra: chosenColumn("extra-select", outputs.extras, "extra"),
    measured: denoised && denoised.measured !== null ? DATA.measured[denoised.measured] : null,
    denoised,
  };
  const drawnRuns = DATA.runs.filter((other) => other.perSpot).map(runName).join(", ");
  byId("per-spot-none").hidden = Boolean(run?.perSpot);
  byId("per-spot-none").textContent = `Nothing is drawn for ${run ? runName(run) : "this run"}: its method has no outputs of this kind, or another of its seeds is drawn. Runs drawn: ${drawnRuns || "none"}.`;
  describe(outputs);
  // All panels take their place before any is drawn: the width of each depends on the others.
  for (const name of PER_SPOT) byId(`${name}-panel`).hidden = !shown[name];
  byId("measured-title").textContent = `Measured: ${shown.measured?.name ?? "–"}`;
  byId("denoised-title").textContent = run ? `Denoised by ${runName(run)}` : "Denoised";
  byId("extra-title").textContent = run ? runName(run) : "";
  const rows = visible();
  const found = await Promise.all(PER_SPOT.filter((name) => shown[name]).map(async (name) => {
    const column = shown[name];
    const codes = await unpack(column.steps);
    const title = name === "extra" ? column.name : `${column.name}, ${name}`;
    const of = name === "measured" ? "" : `, ${runName(run)}`;
    const scale = { ...column, unit: name === "denoised" ? ESTIMATE : column.unit, cut: !column.whole };
    drawScale(name, scale);
    plots[name].draw({ x, y, rows, codes, looks: scaleLooks() }, { notes, title: title + of, label: `Map: ${title}${of}`, legend: { scale } });
    if (name !== "extra") drawDenoised(name, `${title}${of}`, { ...column, unit: scale.unit }, codes, rows);
    return { title, column, steps: codes };
  }));
  if (current.run === run) current.perSpot = found;
  done();
}

// Measured values in every domain, and beside them those denoised by a run.
function drawDenoised(name, title, column, steps, rows) {
  const { run, codes } = current;
  byId(`${name}-violins`).hidden = !codes.main;
  if (codes.main) drawViolins(`${name}-violins`, { column, steps, classes: run.domains, codes: codes.main, rows, title: `${title}: domains of ${runName(run)}` });
}

// Lines for the card of a spot.
export function perSpotFacts(row) {
  return (current.perSpot ?? [])
    .filter(({ steps }) => steps[row] !== 255)
    .map(({ title, column, steps }) => [title, format(valueOf(column, steps[row])), null]);
}
