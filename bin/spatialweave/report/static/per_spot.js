"use strict";

// Per-spot outputs of a method: weights and probabilities, and reconstructed features beside measured ones.

const PER_SPOT = ["extra", "measured", "denoised"];

// Offer a run's columns, and keep the choice from one run to the next where both have it.
function chosenColumn(id, columns, key) {
  const options = columns.map((column) => ({ key: column.modality ? `${column.name} (${column.modality})` : column.name, column }));
  const chosen = options.find((option) => option.key === state[key]) ?? options[0];
  fill(id, options.map((option) => ({ key: option.key, name: option.key })), chosen?.key, (value) => { state[key] = value; });
  return chosen?.column ?? null;
}

async function drawPerSpot(run, x, y, rows, notes) {
  if (!byId("per-spot")) return;
  const outputs = run?.perSpot ?? { extras: [], denoised: [] };
  const denoised = chosenColumn("denoised-select", outputs.denoised, "denoised");
  const shown = {
    extra: chosenColumn("extra-select", outputs.extras, "extra"),
    measured: denoised && denoised.measured !== null ? DATA.measured[denoised.measured] : null,
    denoised,
  };
  byId("per-spot-none").hidden = Boolean(run?.perSpot);
  // All panels take their place before any is drawn: the width of each depends on the others.
  for (const name of PER_SPOT) byId(`${name}-panel`).hidden = !shown[name];
  byId("measured-title").textContent = `Measured: ${shown.measured?.name ?? "–"}`;
  current.perSpot = [];
  await Promise.all(PER_SPOT.filter((name) => shown[name]).map(async (name) => {
    const column = shown[name];
    const steps = await unpack(column.steps);
    const title = name === "extra" ? column.name : `${column.name}, ${name}`;
    current.perSpot.push({ title, column, steps });
    byId(name).setAttribute("aria-label", `Map: ${title}`);
    byId(`${name}-low`).textContent = format(column.low);
    byId(`${name}-top`).textContent = format(column.top);
    await plots[name].draw(x, y, valueGroups(rows, column, steps), notes);
  }));
}

// Lines for the card of a spot.
function perSpotFacts(row) {
  return (current.perSpot ?? [])
    .filter(({ steps }) => steps[row] !== 255)
    .map(({ title, column, steps }) => [title, format(valueOf(column, steps[row])), null]);
}
