// Drawing what the reader has chosen: the run, what to compare it with, section, feature, hidden classes.

import { classLooks, scaleLooks, unknownLook } from "./colours.js";
import { DATA, featureIndex, loadSpots, runName, unpack } from "./data.js";
import { byId } from "./dom.js";
import { forgetEmbedding } from "./lasso.js";
import { drawLosses } from "./losses.js";
import { namesOnMap, sectionTitles } from "./names.js";
import { drawKeys, drawLegend, drawMarkers, drawScale } from "./panels.js";
import { passportOf } from "./passports.js";
import { drawPerSpot } from "./per_spot.js";
import { featureKey, nameFeature } from "./search.js";
import { choices, current, done, plots, sectionRows, setCurrent, state, visible } from "./state.js";
import { drawViolins } from "./violins.js";

async function umapCoordinates(run, n) {
  if (!run.umap) return null;
  const [x, y] = await Promise.all([unpack(run.umap.x), unpack(run.umap.y)]);
  // On screens y grows downwards.
  const up = (values) => values.map((value) => -value);
  if (!DATA.umapSpots) return { x, y: up(y) };
  const spots = await unpack(DATA.umapSpots);
  const full = { x: new Float32Array(n).fill(NaN), y: new Float32Array(n).fill(NaN) };
  spots.forEach((row, index) => { full.x[row] = x[index]; full.y[row] = -y[index]; });
  return full;
}

// The coordinates on the map: of all sections, or of one with the others out of sight.
const coordinates = new Map();
function mapCoordinates(spots) {
  if (state.section === null) return spots;
  if (!coordinates.has(state.section)) {
    const only = (values) => values.map((value, row) => (spots.sections[row] === state.section ? value : NaN));
    coordinates.set(state.section, { x: only(spots.x), y: only(spots.y) });
  }
  return coordinates.get(state.section);
}

// Drawings overtake each other if one waits for data: only the last one requested is finished.
let lastDraw = 0;

// Everything, after another run, comparison or section.
export async function draw() {
  const own = ++lastDraw;
  const spots = await loadSpots();
  const run = DATA.runs[state.run];
  const compared = choices().find(({ key }) => key === state.compare) ?? null;
  const main = run?.domains ? await unpack(run.domains.codes) : null;
  const other = compared?.classes ? await unpack(compared.classes.codes) : null;
  const points = run ? await (run.points ??= umapCoordinates(run, spots.x.length)) : null;
  if (own !== lastDraw) return;
  if (run !== current?.run) forgetEmbedding();
  // Many sections side by side take the whole width, one above the other's, so that each section is a column.
  document.querySelectorAll(".maps.many").forEach((box) => box.classList.toggle("wide", state.section === null));
  setCurrent({ spots, run, compared, points, codes: { main, other }, notes: sectionTitles(state.section), ...mapCoordinates(spots) });
  drawLosses(run?.losses ?? {});
  if (run?.domains) drawMarkers(run, featureIndex, showFeature);
  document.querySelectorAll(".run-name").forEach((node) => { node.textContent = run ? runName(run) : ""; });
  await drawMaps();
}

export async function drawMaps() {
  drawSide("map", "main", current.run?.domains, current.run && runName(current.run));
  drawSide("compare", "other", current.compared?.classes, current.compared?.name);
  drawHidden();
  await Promise.all([drawColumn(), drawFeature(), drawPerSpot()]);
  drawUmap();
  done();
}

function drawSide(name, side, classes, title) {
  const codes = current.codes[side];
  if (!classes || !codes || !plots[name]) return;
  const hidden = state.hidden[side];
  const counted = countedClasses(classes, codes, sectionRows());
  drawLegend(byId(`${name}-legend`), counted, hidden, () => (state.everywhere ? drawMaps() : redrawSide(name, side, classes, title)), (one) => passportOf(DATA.runs.find((run) => run.domains === classes), one));
  byId(`${name}-title`).textContent = title;
  if (name === "compare") {
    byId("compare-scale").hidden = true;
    byId("compare-read").textContent = compareText(current.compared);
  } else {
    byId("map-clicks").hidden = !classes.names.some((one) => passportOf(current.run, one));
  }
  const shown = { x: current.x, y: current.y, rows: visible(side), codes, looks: classLooks(classes) };
  const names = state.names ? namesOnMap(shown, classes, hidden, current.spots.sections) : [];
  const sizes = classes.names.slice(0, 30).map((one, code) => `${one} ${counted.counts[code]}`).join(", ");
  plots[name].draw(shown, { notes: current.notes, names, title, label: `Map of ${classes.names.length} classes, ${title}. Spots: ${sizes}`, legend: { classes: counted, hidden } });
}

// What the map to compare with shows.
function compareText({ key, classes }) {
  if (classes) return current.run?.domains ? "For comparison with the map beside: borders that both maps have can be trusted more." : "Each spot in the colour of its label.";
  if (key === "confidence") return "Bright spots: the runs agree on their domain. This does not prove it, since methods can make the same mistake.";
  return "The darkest spots are in the domain where it begins; the brighter a spot, the farther it is from there in the embedding.";
}

// Classes with the numbers of their spots, and of those without a class, among some rows.
function countedClasses(classes, codes, rows) {
  const counts = new Uint32Array(classes.names.length + 1);
  for (const row of rows) counts[codes[row]]++;
  return { ...classes, counts: [...counts.subarray(0, -1)], missing: counts.at(-1) };
}

// After a click on a legend: its own map, and the UMAP in its colours.
function redrawSide(name, side, classes, title) {
  drawSide(name, side, classes, title);
  drawHidden();
  drawUmap();
  done();
}

// State what is hidden, and where.
function drawHidden() {
  const parts = [["main", current.run?.domains, current.run && runName(current.run)], ["other", current.compared?.classes, current.compared?.name]]
    .filter(([side, classes]) => classes && state.hidden[side].size)
    .map(([side, classes, name]) => `${[...state.hidden[side]].sort((a, b) => a - b).map((code) => classes.names[code] ?? "none").join(", ")} of ${name}`);
  byId("hidden-note").hidden = !parts.length;
  byId("hidden-text").textContent = `Hidden on ${state.everywhere ? "every map" : "their own map, and on the UMAP in its colours"}: ${parts.join("; ")}.`;
}

// A column of numbers instead of the classes to compare with.
async function drawColumn() {
  const { compared, x, y, notes } = current;
  if (!compared?.column) return;
  const { name, column } = compared;
  const codes = await unpack(column.steps);
  if (current.compared !== compared) return;
  const scale = { ...column, cut: !column.whole };
  current.column = { column, scale, steps: codes };
  byId("compare-legend").replaceChildren();
  byId("compare-scale").hidden = false;
  drawScale("compare", scale);
  byId("compare-title").textContent = name;
  byId("compare-read").textContent = compareText(compared);
  plots.compare.draw({ x, y, rows: visible(), codes, looks: scaleLooks() }, { notes, title: name, label: `Map: ${name}`, legend: { scale } });
}

export async function drawFeature() {
  const index = state.feature, feature = DATA.features[index];
  if (!feature || !plots.feature) return;
  const codes = await unpack(feature.steps);
  if (index !== state.feature) return;
  const { x, y, notes } = current;
  current.feature = { ...feature, values: codes };
  drawScale("feature", feature);
  nameFeature(index);
  byId("feature-title").textContent = featureKey(feature);
  plots.feature.draw({ x, y, rows: visible(), codes, looks: scaleLooks() }, { notes, title: featureKey(feature), label: `Map of ${featureKey(feature)}`, legend: { scale: feature } });
  drawSpread(feature, codes);
  done();
}

// The feature in every domain of the run that is shown.
function drawSpread(feature, steps) {
  const { run, codes } = current;
  if (!byId("violins")) return;
  byId("violins-panel").hidden = !codes.main;
  if (!codes.main) return;
  const title = `${featureKey(feature)} in the domains of ${runName(run)}`;
  byId("violins-title").textContent = title;
  drawViolins("violins", { column: feature, steps, classes: run.domains, codes: codes.main, rows: visible(), title });
}

export function drawUmap() {
  if (!byId("umap")) return;
  const { spots, run, compared, points, codes } = current;
  byId("umap-legend").hidden = !points;
  byId("umap-scale").hidden = true;
  if (byId("mixing")) byId("mixing-panel").hidden = !points || state.section !== null;
  byId("umap").hidden = !points;
  byId("umap-none").hidden = Boolean(points);
  if (!points) return;
  const sources = { domains: [run.domains, codes.main, ["main"]], compare: [compared?.classes, codes.other, ["other"]], sections: [DATA.sections, spots.sections, []] };
  const [classes, own, sides] = sources[state.colour];
  const hidden = sides.length ? state.hidden[sides[0]] : new Set();
  const scaled = state.colour === "compare" && compared?.column ? current.column : null;
  const rows = visible(...sides).filter((row) => !Number.isNaN(points.x[row]));
  const shown = { ...points, rows, codes: scaled?.steps ?? own ?? new Uint8Array(spots.x.length), looks: scaled ? scaleLooks() : classes ? classLooks(classes) : [{ colour: "#7a8594", stripe: null }, unknownLook()] };
  const names = classes && state.names && state.colour !== "sections" ? namesOnMap(shown, classes, hidden, null) : [];
  drawKeys(byId("umap-legend"), classes);
  byId("umap-scale").hidden = !scaled;
  if (scaled) drawScale("umap", scaled.scale);
  const legend = scaled ? { scale: scaled.scale } : classes && { classes: countedClasses(classes, own, rows), hidden };
  plots.umap.draw(shown, { names, title: `UMAP of ${runName(run)}`, legend });
  if (byId("mixing") && state.section === null) drawMixing(rows);
}

// The UMAP by section, in an order in which no section covers the others.
function drawMixing(rows) {
  const order = Uint32Array.from(Array.from({ length: 16 }, (_, slice) => [...rows].filter((_row, index) => index % 16 === slice)).flat());
  drawKeys(byId("mixing-legend"), DATA.sections);
  plots.mixing.draw({ ...current.points, rows: order, codes: current.spots.sections, looks: classLooks(DATA.sections) },
    { title: `UMAP of ${runName(current.run)} by section`, legend: { classes: countedClasses(DATA.sections, current.spots.sections, rows) } });
}

export function showFeature(index) {
  state.feature = index;
  drawFeature();
  byId("feature").scrollIntoView({ block: "center", behavior: "smooth" });
}
