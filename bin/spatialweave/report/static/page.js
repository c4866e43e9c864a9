"use strict";

// What the reader has chosen, and drawing it: the run, what to compare it with, section, feature, hidden classes.

const DATA = JSON.parse(document.getElementById("data").textContent);
const state = { run: DATA.best, compare: null, section: null, feature: DATA.firstFeature, colour: "domains", hidden: { main: new Set(), other: new Set() } };
const byId = (id) => document.getElementById(id);
const runName = (run) => `${run.title} · seed ${run.seed}`;
const featureIndex = new Map(DATA.features.map((feature, index) => [`${feature.modality}\n${feature.name}`, index]));
let plots = {};
let current = null;

// What can be mapped beside a run: labels and runs, which are classes, and how sure the consensus is; runs without domains have none.
function choices() {
  const runs = DATA.runs.map((run, index) => ({ key: `run ${index}`, name: runName(run), classes: run.domains }));
  const labels = DATA.labels ? [{ key: "labels", name: "Labels given", classes: DATA.labels }] : [];
  const woven = DATA.runs.find((run) => run.method === "weave");
  const confidence = { key: "confidence", name: `Confidence of ${woven?.title}`, column: woven?.perSpot?.extras[0] };
  return [...labels, ...runs, confidence].filter((choice) => choice.classes || choice.column);
}

function fill(id, options, chosen, onChange, redraw = draw) {
  const select = byId(id);
  if (!select) return;
  select.replaceChildren(...options.map(({ key, name }) => element("option", { value: key, textContent: name })));
  select.value = chosen;
  select.onchange = () => { onChange(select.value); redraw(); };
}

async function load() {
  const [x, y, barcodes, sections] = await Promise.all([DATA.x, DATA.y, DATA.barcodes, DATA.sections.codes].map(unpack));
  const tops = await Promise.all(DATA.topFeatures.map(async (table) => ({ modality: table.modality, names: await unpack(table.names), codes: await unpack(table.codes) })));
  return { x, y, barcodes, sections, tops };
}

// The rows that are in the chosen section and in no hidden class.
function visible(spots, main, other) {
  const rows = [];
  for (let row = 0; row < spots.x.length; row++) {
    if (state.section !== null && spots.sections[row] !== state.section) continue;
    if (main && state.hidden.main.has(main[row])) continue;
    if (other && state.hidden.other.has(other[row])) continue;
    rows.push(row);
  }
  return Uint32Array.from(rows);
}

// All classes in one trace, so that no class covers the others where spots overlap.
function classGroups(rows, classes, codes) {
  const colours = [...classes.colours, DATA.unknown];
  const scale = colours.flatMap((colour, code) => [[code / colours.length, colour], [(code + 1) / colours.length, colour]]);
  return [{ rows, values: Float32Array.from(codes, (code) => code + 0.5), top: colours.length, scale }];
}

// The value of one of the 254 steps of a quantised feature.
const valueOf = ({ low = 0, top }, step) => low + (step * (top - low)) / 254;

function valueGroups(rows, feature, steps) {
  const values = Float32Array.from(steps, (step) => valueOf(feature, step));
  const [measured, missing] = [[], []];
  for (const row of rows) (steps[row] === 255 ? missing : measured).push(row);
  const groups = [{ rows: missing, colour: DATA.unknown }, { rows: measured, values, low: feature.low, top: feature.top, scale: "Viridis" }];
  return groups.filter((group) => group.rows.length);
}

async function umapCoordinates(run, n) {
  if (!run.umap) return null;
  const [x, y] = await Promise.all([unpack(run.umap.x), unpack(run.umap.y)]);
  if (!DATA.umapSpots) return { x, y };
  const spots = await unpack(DATA.umapSpots);
  const full = { x: new Float32Array(n).fill(NaN), y: new Float32Array(n).fill(NaN) };
  spots.forEach((row, index) => { full.x[row] = x[index]; full.y[row] = y[index]; });
  return full;
}

// The coordinates on the map: of all sections, or of one with the others out of sight.
function mapCoordinates(spots) {
  if (state.section === null) return spots;
  const only = (values) => values.map((value, row) => (spots.sections[row] === state.section ? value : NaN));
  return { x: only(spots.x), y: only(spots.y) };
}

// Of the spots of a section, or of its image where it reaches further.
function upperEdge(code) {
  const image = DATA.images.find(({ section }) => section === code);
  return Math.min(DATA.sections.titles[code][1] - DATA.spacing / 2, image?.y ?? Infinity);
}

function sectionTitles() {
  if (DATA.sections.names.length < 2) return [];
  return DATA.sections.names
    .map((text, code) => ({ text, x: DATA.sections.titles[code][0], y: upperEdge(code), code }))
    .filter(({ code }) => state.section === null || code === state.section)
    .map(({ code, ...note }) => note);
}

async function draw() {
  const spots = await (DATA.loaded ??= load());
  const run = DATA.runs[state.run];
  const compared = choices().find(({ key }) => key === state.compare) ?? null;
  const main = run?.domains ? await unpack(run.domains.codes) : null;
  const other = compared?.classes ? await unpack(compared.classes.codes) : null;
  const rows = visible(spots, main, other);
  const { x, y } = mapCoordinates(spots);
  const notes = sectionTitles();
  // Many sections side by side take the whole width, one above the other's, so that each section is a column.
  document.querySelectorAll(".maps.many").forEach((box) => box.classList.toggle("wide", state.section === null));
  current = { spots, run, main, compared, other };

  const maps = [];
  if (main) maps.push(drawClasses("map", x, y, rows, run.domains, main, "main", notes, runName(run)));
  if (compared?.classes) maps.push(drawClasses("compare", x, y, rows, compared.classes, other, "other", notes, compared.name));
  if (compared?.column) maps.push(drawColumn(x, y, rows, compared, notes));
  maps.push(drawFeature(x, y, rows, notes), drawUmap(rows), drawPerSpot(run, x, y, rows, notes));
  await Promise.all(maps);
  drawLosses(run?.losses ?? {});
  if (run?.domains) drawMarkers(run, featureIndex, showFeature);
  document.querySelectorAll(".run-name").forEach((node) => { node.textContent = run ? runName(run) : ""; });
  document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
}

// All plots of the page change their size together: draw once.
let redrawTimer = 0;
function redrawSoon() {
  clearTimeout(redrawTimer);
  redrawTimer = setTimeout(draw, 60);
}

function drawClasses(name, x, y, rows, classes, codes, side, notes, title) {
  const missing = codes.reduce((count, code) => count + (code === classes.names.length), 0);
  drawLegend(byId(`${name}-legend`), classes, state.hidden[side], DATA.unknown, missing, draw);
  byId(name).setAttribute("aria-label", `Map of ${classes.names.length} classes: ${title}`);
  byId(`${name}-title`).textContent = title;
  return plots[name].draw(x, y, classGroups(rows, classes, codes), notes);
}

// A column of numbers in the place of the classes to compare with.
async function drawColumn(x, y, rows, { name, column }, notes) {
  const steps = await unpack(column.steps);
  current.column = { column, steps };
  const range = `dark: ${format(column.low)}, bright: ${format(column.top)}`;
  byId("compare-legend").replaceChildren(element("span", { textContent: range }));
  byId("compare").setAttribute("aria-label", `Map: ${name}`);
  byId("compare-title").textContent = name;
  await plots.compare.draw(x, y, valueGroups(rows, column, steps), notes);
}

async function drawFeature(x, y, rows, notes) {
  const feature = DATA.features[state.feature];
  if (!feature) return;
  const steps = await unpack(feature.steps);
  current.feature = { ...feature, values: steps };
  byId("feature").setAttribute("aria-label", `Map of ${feature.name} (${feature.modality})`);
  byId("feature-top").textContent = `${format(feature.top)} or more`;
  await plots.feature.draw(x, y, valueGroups(rows, feature, steps), notes);
}

async function drawUmap(rows) {
  if (!byId("umap")) return;
  const { spots, run, main, compared, other } = current;
  const points = run ? await umapCoordinates(run, spots.x.length) : null;
  byId("umap-legend").hidden = !points;
  if (byId("mixing")) byId("mixing-panel").hidden = !points || state.section !== null;
  byId("umap").hidden = !points;
  byId("umap-none").hidden = Boolean(points);
  if (!points) return;
  const shown = rows.filter((row) => !Number.isNaN(points.x[row]));
  const sources = { domains: [run.domains, main], compare: [compared?.classes, other], sections: [DATA.sections, spots.sections] };
  const [classes, codes] = sources[state.colour];
  const groups = classes ? classGroups(shown, classes, codes) : [{ rows: shown, colour: "#56606e" }];
  drawKeys(byId("umap-legend"), classes ?? { names: [], colours: [] });
  if (byId("mixing") && state.section === null) drawMixing(points, shown);
  await plots.umap.draw(points.x, points.y, groups);
}

// The UMAP by section. Drawn in slices that hold all sections, so that none of them covers the others.
function drawMixing({ x, y }, rows) {
  const slices = Array.from({ length: 16 }, (_, slice) => rows.filter((_, index) => index % 16 === slice));
  const down = y.map((value) => -value);
  const look = { x, y: down, z: 0, codes: current.spots.sections, colours: DATA.sections.colours };
  plots.mixing ??= new Scene("mixing", { onHover: hover });
  plots.mixing.show(slices.map((slice) => ({ rows: slice, ...look })), { spacing: 0, dot: rows.length > 8000 ? 1 : 1.5 });
  drawKeys(byId("mixing-legend"), DATA.sections);
}

function hover(row, event) {
  Object.values(plots).forEach((plot) => plot.mark?.(row));
  if (row === null) { tip.hidden = true; return; }
  const { spots, run, main, compared, other, feature } = current;
  const section = spots.sections[row];
  const classFact = (name, classes, codes) => [name, classes.names[codes[row]] ?? "none", classes.colours[codes[row]] ?? DATA.unknown];
  const facts = [["section", DATA.sections.names[section], null]];
  if (main) facts.push(classFact("domain", run.domains, main));
  if (compared?.column && current.column) facts.push([compared.name, format(valueOf(current.column.column, current.column.steps[row])), null]);
  if (compared?.classes) facts.push(classFact(compared.key === "labels" ? "label" : compared.name, compared.classes, other));
  for (const { modality, names, codes } of spots.tops) {
    const top = [0, 1, 2].map((rank) => names[codes[3 * row + rank]]).filter((name) => name !== undefined);
    if (top.length) facts.push([`top ${modality}`, top.join(", "), null]);
  }
  if (feature && feature.values[row] !== 255) facts.push([feature.name, format(valueOf(feature, feature.values[row])), null]);
  facts.push(...perSpotFacts(row));
  const [[dx, dy], scale] = [DATA.sections.offsets[section], DATA.sections.scales[section]];
  facts.push(["x, y", `${format((spots.x[row] - dx) / scale)}, ${format((spots.y[row] - dy) / scale)}`, null]);
  showTip(event, spots.barcodes[row], facts);
}

function showFeature(index) {
  state.feature = index;
  byId("feature-select").value = String(index);
  draw();
  byId("feature").scrollIntoView({ block: "center", behavior: "smooth" });
}

function start() {
  const tissues = ["map", "compare", "feature", ...PER_SPOT];
  const follow = (source, ranges) => tissues.forEach((name) => plots[name] && plots[name] !== source && plots[name].follow(ranges));
  const tissue = { spacing: DATA.spacing, layout: DATA.layout, ...beneath, onHover: hover, onMove: follow, onResize: redrawSoon };
  for (const name of tissues) if (byId(name)) plots[name] = new SpotPlot(name, tissue);
  if (byId("umap")) plots.umap = new SpotPlot("umap", { onHover: hover, onResize: redrawSoon });

  startImages(tissues);
  const all = choices();
  const runs = all.filter(({ key }) => key.startsWith("run "));
  const others = all.filter(({ key }) => key !== `run ${state.run}`);
  const sure = DATA.runs[state.run]?.method === "weave" ? others.find(({ key }) => key === "confidence") : null;
  const different = others.find(({ key }) => key === "labels" || DATA.runs[key.slice(4)]?.method !== DATA.runs[state.run]?.method);
  state.compare = (sure ?? different ?? others[0])?.key ?? null;
  fill("run-select", runs, `run ${state.run}`, (key) => { state.run = Number(key.slice(4)); state.hidden.main.clear(); });
  fill("compare-select", all, state.compare, (key) => { state.compare = key; state.hidden.other.clear(); });
  const sections = DATA.sections.names.map((name, code) => ({ key: String(code), name }));
  fill("section-select", [{ key: "", name: "All sections" }, ...sections], "", (key) => { state.section = key === "" ? null : Number(key); });
  fill("feature-select", DATA.features.map(({ name, modality }, index) => ({ key: String(index), name: `${name} (${modality})` })), String(state.feature), (key) => { state.feature = Number(key); });
  const colours = [{ key: "domains", name: "domain" }];
  if (byId("compare")) colours.push({ key: "compare", name: "the map beside" });
  if (sections.length > 1) colours.push({ key: "sections", name: "section" });
  fill("colour-select", colours, "domains", (key) => { state.colour = key; });
  draw();
  if (DATA.alignment) startAlignment();
}

start();
