// The alignment of the sections: overlaid before and after, with lines between matched spots, and as a stack.

import { classLooks } from "./colours.js";
import { DATA, loadSpots, runName, unpack } from "./data.js";
import { byId, element, fill, grouped } from "./dom.js";
import { drawKeys, drawLegend, showTip, tip } from "./panels.js";
import { Scene } from "./scene.js";

const LINE_COLOURS = { same: "rgba(11, 93, 122, .5)", other: "rgba(208, 0, 0, .9)", unknown: "rgba(86, 96, 110, .45)" };
const alignState = { run: 0, pair: 0, overlay: "sections", stack: "domains", lines: "domains", opacity: 0.5, gap: 0.75, hidden: new Set() };
const scenes = {};

// Classes that spots can be coloured by; null if there are none.
async function spotClasses(key) {
  const run = DATA.runs[DATA.alignment.runs[alignState.run]?.run];
  const classes = { sections: DATA.sections, domains: run?.domains, labels: DATA.labels }[key];
  return classes ? { classes, codes: await unpack(classes.codes), looks: classLooks(classes) } : null;
}

export async function drawAlignment() {
  const spots = await loadSpots();
  const [x, y, points] = await Promise.all([DATA.alignment.x, DATA.alignment.y, DATA.alignment.points].map(unpack));
  const rows = DATA.sections.names.map((name, code) => points.filter((row) => spots.sections[row] === code));
  const aligned = { x, y, rows, spacing: DATA.alignment.spacing };
  await Promise.all([drawOverlays(spots, aligned), drawPairs(aligned), drawStack(aligned)]);
  document.body.dataset.aligned = String(Number(document.body.dataset.aligned ?? 0) + 1);
}

const layer = (aligned, code, z, { codes, looks }) => ({ rows: aligned.rows[code], x: aligned.x, y: aligned.y, z, codes, looks, title: DATA.sections.names[code] });

async function drawOverlays(spots, aligned) {
  if (!scenes["aligned"]) return;
  const classes = (await spotClasses(alignState.overlay)) ?? (await spotClasses("sections"));
  drawLegend(byId("aligned-legend"), DATA.sections, alignState.hidden, drawAlignment);
  const layers = (own) => own.rows.map((_, code) => ({ ...layer(own, code, 0, classes), hidden: alignState.hidden.has(code) }));
  // Colours multiply: overlaps of all sections are dark, and the edge of a single section keeps its colour.
  const look = { opacity: alignState.opacity, blend: alignState.overlay === "sections" ? "multiply" : "source-over" };
  const given = { ...aligned, x: asGiven(spots, spots.x, 0), y: asGiven(spots, spots.y, 1) };
  const { classes: legend } = classes;
  scenes["given"].show(layers(given), { spacing: DATA.alignment.givenSpacing, ...look, legend: { classes: legend } });
  scenes["aligned"].show(layers(aligned), { spacing: aligned.spacing, ...look, legend: { classes: legend } });
}

// Platform units, from the coordinates of sections side by side.
function asGiven(spots, values, axis) {
  const { offsets, scales } = DATA.sections;
  return values.map((value, row) => (value - offsets[spots.sections[row]][axis]) / scales[spots.sections[row]]);
}

async function drawPairs(aligned) {
  if (!scenes["pairs"]) return;
  const pair = DATA.alignment.pairs[alignState.pair];
  const match = DATA.alignment.matches.find((one) => one.run === alignState.run && one.pair === alignState.pair);
  const spots = (await spotClasses(alignState.lines)) ?? (await spotClasses("sections"));
  const judged = await spotClasses(alignState.lines);
  const kind = (a, b) => {
    if (!judged || [a, b].some((row) => judged.codes[row] >= judged.classes.names.length)) return "unknown";
    return judged.codes[a] === judged.codes[b] ? "same" : "other";
  };
  const [a, b] = match ? await Promise.all([match.a, match.b].map(unpack)) : [[], []];
  const lines = Array.from(a, (row, index) => ({ layer: 0, a: row, b: b[index], kind: kind(row, b[index]) }))
    // Disagreeing pairs last, so on top: they need attention.
    .sort((one, two) => (one.kind === "other") - (two.kind === "other"))
    .map((line) => ({ ...line, colour: LINE_COLOURS[line.kind], width: line.kind === "other" ? 1.6 : 1 }));
  scenes["pairs"].show(pair.sections.map((code, z) => layer(aligned, code, z, spots)), { spacing: aligned.spacing, lines, gap: 1.15, legend: { classes: spots.classes } });
  drawCounts(match, lines);
}

function drawCounts(match, lines) {
  if (!match) { byId("pairs-counts").replaceChildren("This run has no matches of these sections."); return; }
  const word = alignState.lines === "labels" ? "label" : "domain";
  const near = match.distance === null ? "" : `; median distance ${match.distance.toFixed(2)} spot spacings`;
  const kinds = { same: `same ${word}`, other: `another ${word}`, unknown: `${word} not known` };
  const counts = Object.entries(kinds)
    .map(([key, text]) => ({ key, text, count: lines.filter((line) => line.kind === key).length }))
    .filter(({ count }) => count)
    .map(({ key, text, count }) => element("span", { className: "key" }, element("i", { style: { background: LINE_COLOURS[key] } }), `${text} `, element("small", { textContent: grouped(count) })));
  const drawn = lines.length < match.accepted ? `, ${grouped(lines.length)} of them drawn` : "";
  byId("pairs-counts").replaceChildren(`${grouped(match.accepted)} of ${grouped(match.all)} pairs accepted${drawn}${near}.`, element("br"), ...counts);
}

async function drawStack(aligned) {
  if (!scenes["stack"]) return;
  const classes = (await spotClasses(alignState.stack)) ?? (await spotClasses("sections"));
  const layers = DATA.sections.names.map((name, code) => layer(aligned, code, code, classes));
  scenes["stack"].show(layers, { spacing: aligned.spacing, gap: alignState.gap, legend: { classes: classes.classes } });
  drawKeys(byId("stack-legend"), classes.classes);
}

function hoverAlignment(row, event) {
  if (row === null) { tip.hidden = true; return; }
  drawCard(row, event);
}

async function drawCard(row, event) {
  const spots = await loadSpots();
  const facts = [["section", DATA.sections.names[spots.sections[row]], null]];
  for (const [name, key] of [["domain", "domains"], ["label", "labels"]]) {
    const found = await spotClasses(key);
    if (found) facts.push([name, found.classes.names[found.codes[row]] ?? "none", found.looks[found.codes[row]]]);
  }
  showTip(event, spots.barcodes[row], facts);
}

export function startAlignment() {
  const { runs, pairs } = DATA.alignment;
  const solid = { turn: 0.45, tilt: 1.02, solid: true };
  for (const [name, look] of [["given", {}], ["aligned", {}], ["pairs", solid], ["stack", solid]]) {
    if (byId(name)) scenes[name] = new Scene(name, { ...look, onHover: hoverAlignment });
  }
  const choose = (id, options, key, number = false) =>
    fill(id, options, String(alignState[key]), (value) => { alignState[key] = number ? Number(value) : value; drawAlignment(); });
  alignState.run = Math.max(0, runs.findIndex(({ run }) => run !== null && run === DATA.best));
  const colours = [{ key: "sections", name: "section" }];
  if (runs.length) colours.push({ key: "domains", name: "domain" });
  if (DATA.labels) colours.push({ key: "labels", name: "label" });
  if (!runs.length) alignState.stack = DATA.labels ? "labels" : "sections";
  if (DATA.labels) alignState.lines = "labels";
  choose("align-run", runs.map((run, index) => ({ key: String(index), name: runName(run) })), "run", true);
  choose("pair-select", pairs.map(({ name }, index) => ({ key: String(index), name })), "pair", true);
  choose("overlay-select", colours, "overlay");
  choose("stack-select", colours, "stack");
  choose("lines-select", colours.filter(({ key }) => key !== "sections"), "lines");
  for (const [id, key] of [["opacity", "opacity"], ["gap", "gap"]]) {
    if (byId(id)) byId(id).oninput = (event) => { alignState[key] = Number(event.target.value); drawAlignment(); };
  }
  drawAlignment();
}
