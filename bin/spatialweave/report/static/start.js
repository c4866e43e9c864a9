// The card of a spot, and the start of the page.

import { drawAlignment, startAlignment } from "./alignment.js";
import { classLooks, DARK } from "./colours.js";
import { DATA, loadTops, valueOf } from "./data.js";
import { byId, fill, format } from "./dom.js";
import { beneathAll, beneathChosen, startImages } from "./images.js";
import { startLasso } from "./lasso.js";
import { Camera, spotIndex, SpotPlot } from "./maps.js";
import { draw, drawFeature, drawMaps, drawUmap, showFeature } from "./page.js";
import { showTip, tip } from "./panels.js";
import { openPassport, paperPassports, readyPassports, screenPassports, startPassports } from "./passports.js";
import { PER_SPOT, perSpotFacts } from "./per_spot.js";
import { chartTools } from "./save.js";
import { startSearch } from "./search.js";
import { choices, current, done, plots, state } from "./state.js";

async function hover(row, event) {
  for (const plot of Object.values(plots)) plot.mark(row);
  current.hovered = row;
  if (row === null) { tip.hidden = true; return; }
  const tops = await loadTops();
  // Meanwhile the pointer may have moved on.
  if (current.hovered === row) showTip(event, current.spots.barcodes[row], factsOf(row, tops));
}

function factsOf(row, tops) {
  const { spots, run, codes, compared, feature } = current;
  const section = spots.sections[row];
  const classFact = (name, classes, own) => [name, classes.names[own[row]] ?? "none", classLooks(classes)[own[row]]];
  const facts = [["section", DATA.sections.names[section], null]];
  if (codes.main) facts.push(classFact("domain", run.domains, codes.main));
  if (compared?.column && current.column && current.column.steps[row] !== 255) facts.push([compared.name, format(valueOf(current.column.column, current.column.steps[row])), null]);
  if (compared?.classes) facts.push(classFact(compared.key === "labels" ? "label" : compared.name, compared.classes, codes.other));
  for (const { modality, names, codes: own } of tops) {
    const top = [0, 1, 2].map((rank) => names[own[3 * row + rank]]).filter((name) => name !== undefined);
    if (top.length) facts.push([`top ${modality}`, top.join(", "), null]);
  }
  if (feature && feature.values[row] !== 255) facts.push([feature.name, format(valueOf(feature, feature.values[row])), null]);
  facts.push(...perSpotFacts(row));
  const [[dx, dy], scale] = [DATA.sections.offsets[section], DATA.sections.scales[section]];
  const at = [(spots.x[row] - dx) / scale, (spots.y[row] - dy) / scale];
  facts.push(["x, y in the file", at.map(format).join(", "), null]);
  return facts;
}

// A click on a spot of the domains opens its passport.
const clicked = {
  map: (row) => openPassport(current.run, current.codes.main[row]),
  compare: (row) => openPassport(DATA.runs.find((run) => run.domains && run.domains === current.compared?.classes), current.codes.other?.[row]),
};

function start() {
  const tissues = ["map", "compare", "feature", ...PER_SPOT];
  const tissue = { camera: new Camera(), spacing: DATA.spacing, layout: DATA.layout, ...beneathChosen, onHover: hover };
  const embedding = { camera: new Camera(), onHover: hover };
  for (const name of tissues) if (byId(name)) plots[name] = new SpotPlot(name, { ...tissue, lasso: Boolean(byId("region")), onClick: clicked[name] });
  for (const name of ["umap", "mixing"]) if (byId(name)) plots[name] = new SpotPlot(name, { ...embedding, lasso: Boolean(byId("region")) });
  startImages(tissues);
  startChoices();
  startSearch((index) => { state.feature = index; drawFeature(); });
  for (const chart of document.querySelectorAll("svg.strip")) chart.before(chartTools(chart));
  startLasso(showFeature);
  startPassports({ ...tissue, ...beneathAll });
  // Passports first: whoever waits for the maps can print them, too. The data of the first card when the page is idle.
  readyPassports().then(draw).then(() => requestIdleCallback(() => { spotIndex(current, DATA.spacing); loadTops(); }));
  if (DATA.alignment) startAlignment();
}

function startChoices() {
  const all = choices();
  const runs = all.filter(({ key }) => key.startsWith("run "));
  const others = all.filter(({ key }) => key !== `run ${state.run}`);
  const sure = DATA.runs[state.run]?.method === "weave" ? others.find(({ key }) => key === "confidence") : null;
  const different = others.find(({ key }) => key === "labels" || DATA.runs[key.slice(4)]?.method !== DATA.runs[state.run]?.method);
  state.compare = (sure ?? different ?? others[0])?.key ?? null;
  fill("run-select", runs, `run ${state.run}`, (key) => { state.run = Number(key.slice(4)); state.hidden.main.clear(); draw(); });
  if (byId("compare-panel")) byId("compare-panel").hidden = byId("compare-select").parentElement.hidden = state.compare === null;
  fill("compare-select", all, state.compare, (key) => { state.compare = key; state.hidden.other.clear(); draw(); });
  const sections = DATA.sections.names.map((name, code) => ({ key: String(code), name }));
  fill("section-select", [{ key: "", name: "All sections" }, ...sections], "", (key) => { state.section = key === "" ? null : Number(key); draw(); });
  const colours = [{ key: "domains", name: "domain" }];
  if (state.compare !== null) colours.push({ key: "compare", name: "the map beside" });
  if (sections.length > 1) colours.push({ key: "sections", name: "section" });
  fill("colour-select", colours, "domains", (key) => { state.colour = key; drawUmap(); done(); });
  const timed = byId("show-pseudotime");
  if (timed) timed.onclick = () => { state.compare = byId("compare-select").value = "pseudotime"; state.hidden.other.clear(); draw(); byId("compare").scrollIntoView({ block: "center", behavior: "smooth" }); };
  for (const [id, key] of [["names-on-maps", "names"], ["hide-everywhere", "everywhere"]]) {
    const box = byId(id);
    if (box) box.onchange = () => { state[key] = box.checked; drawMaps(); };
  }
}

// For printing, draw everything in light colours, including parts not yet shown on screen.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((node) => { node.dataset.closed = node.open ? "" : "1"; node.open = true; });
  for (const plot of Object.values(plots)) plot.paint({ light: true });
  paperPassports();
});
addEventListener("afterprint", screenPassports);
addEventListener("afterprint", () => Object.values(plots).forEach((plot) => plot.redraw()));
addEventListener("afterprint", () => document.querySelectorAll("details").forEach((node) => { node.open = !node.dataset.closed; }));

DARK.addEventListener("change", () => {
  draw();
  if (DATA.alignment) drawAlignment();
});

start();
