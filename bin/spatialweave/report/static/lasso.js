// Drawing around spots on a map, by pointer or by keys, and the table of their markers.

import { DATA, valueOf } from "./data.js";
import { byId, download, element, format, grouped, toolButton } from "./dom.js";
import { markersOfRegion, REGION, sidesOf } from "./region.js";
import { current, done } from "./state.js";

const LASSO_STEP = 3;  // pixels between two corners
export const lasso = { on: false, plot: null, corners: [], closed: false, asked: 0, side: null, onFeature: null };

export function lassoButton() {
  const node = toolButton("Lasso", "Draw around spots to see their markers", () => switchLasso(!lasso.on));
  node.classList.add("lasso");
  node.setAttribute("aria-pressed", "false");
  return node;
}

function switchLasso(on) {
  lasso.on = on;
  document.body.classList.toggle("lassoing", on);
  document.querySelectorAll("button.lasso").forEach((node) => node.setAttribute("aria-pressed", String(on)));
  if (on) clearRegion("Draw around spots on a map. By keyboard, on a map: arrow keys move it, Enter makes its middle a corner, C closes the region, Esc ends.");
  else if (!lasso.closed) clearRegion();
}

// A region drawn on an embedding does not apply to that of another run.
export function forgetEmbedding() {
  if (lasso.plot?.spacing === null) clearRegion();
}

function clearRegion(status = "") {
  const { plot } = lasso;
  Object.assign(lasso, { plot: null, corners: [], closed: false, side: null, asked: lasso.asked + 1 });
  byId("region").hidden = !status;
  byId("region-status").textContent = status;
  byId("region-table").replaceChildren();
  byId("region-save").hidden = true;
  plot?.camera.moved();
}

function addCorner(plot, left, top) {
  const { scale, left: x, top: y } = plot.view();
  if (lasso.plot && lasso.plot.camera !== plot.camera) clearRegion();
  lasso.plot = plot;
  lasso.corners.push([left / scale + x, top / scale + y]);
  plot.camera.moved();
}

// Each returns whether the lasso took the event, which then does nothing else.
export const takeLasso = {
  down(plot, event) {
    if (!lasso.on || !plot.lasso) return false;
    clearRegion("Drawing.");
    lasso.drawing = event;
    addCorner(plot, event.offsetX, event.offsetY);
    return true;
  },
  move(plot, event) {
    if (!lasso.on || !plot.lasso) return false;
    if (lasso.drawing && Math.hypot(event.clientX - lasso.drawing.clientX, event.clientY - lasso.drawing.clientY) >= LASSO_STEP) {
      lasso.drawing = event;
      addCorner(plot, event.offsetX, event.offsetY);
    }
    return true;
  },
  up(plot) {
    if (!lasso.drawing) return false;
    lasso.drawing = null;
    closeRegion();
    return true;
  },
  key(plot, event, middle) {
    if (!lasso.on || !plot.lasso || event.ctrlKey || event.metaKey || event.altKey) return false;
    const act = { Enter: () => { addCorner(plot, ...middle); byId("region-status").textContent = `${lasso.corners.length} corners. C closes the region.`; }, c: closeRegion, C: closeRegion, Escape: () => switchLasso(false) }[event.key];
    act?.();
    return Boolean(act);
  },
};

async function closeRegion() {
  const { plot, corners } = lasso;
  if (!plot || corners.length < 3) { clearRegion("A region needs three corners or more: draw around the spots."); return; }
  lasso.closed = true;
  switchLasso(false);
  const { side, spots } = sidesOf(plot.shown, corners);
  lasso.side = side;
  plot.camera.moved();
  const asked = ++lasso.asked;
  const others = plot.shown.rows.length - spots;
  byId("region-save").hidden = !spots;
  if (Math.min(spots, others) < REGION.fewest) { byId("region-status").textContent = `${grouped(spots)} spots inside, ${grouped(others)} outside: ${REGION.fewest} are needed on both sides.`; done(); return; }
  byId("region-status").textContent = `${grouped(spots)} spots inside against the ${grouped(others)} others drawn on that map. Comparing …`;
  const found = await markersOfRegion(side, () => asked === lasso.asked);
  if (!found) return;
  byId("region-status").textContent = `${grouped(spots)} spots inside against the ${grouped(others)} others drawn on that map.`;
  drawRegionTable(found);
  done();
}

function drawRegionTable(found) {
  const modalities = [...new Set(DATA.features.map(({ modality }) => modality))];
  const percent = ({ fraction }) => `${Math.round(100 * fraction)}%`;
  const cell = (text) => element("td", { className: "number", textContent: text });
  byId("region-table").replaceChildren(...modalities.map((modality) => {
    const best = found.filter(({ feature, auc }) => DATA.features[feature].modality === modality && auc > 0.5).slice(0, REGION.shown);
    const rows = best.map(({ feature, auc, inside, outside }) => {
      const own = DATA.features[feature];
      const button = element("button", { type: "button", title: "Click to map it.", textContent: own.name, onclick: () => lasso.onFeature(feature) });
      return element("tr", {}, element("th", { scope: "row" }, button), cell(auc.toFixed(3)), ...[inside, outside].map(({ mean }) => cell(format(valueOf(own, mean)))), ...[inside, outside].map((side) => cell(percent(side))));
    });
    const unit = DATA.features.find((feature) => feature.modality === modality).unit;
    const titles = ["feature", "AUC", "mean inside", "mean outside", "spots with it inside", "spots with it outside"];
    const head = element("tr", {}, ...titles.map((title, at) => element("th", { className: at ? "number" : "", textContent: title })));
    const caption = element("caption", { textContent: `${modality}: highest in the region. Means of ${unit}` });
    const none = element("tr", {}, element("td", { colSpan: titles.length, textContent: "No feature is higher in the region." }));
    return element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `Markers of the region: ${modality}` }, element("table", { className: "wide markers" }, caption, element("thead", {}, head), element("tbody", {}, ...(rows.length ? rows : [none]))));
  }));
}

// The outline, on all maps that move with the one on which it was drawn.
export function paintRegion(pen, plot, place) {
  if (!lasso.corners.length || lasso.plot?.camera !== plot.camera) return;
  pen.beginPath();
  for (const [x, y] of lasso.corners) pen.lineTo(...place({ x, y }));
  if (lasso.closed) pen.closePath();
  for (const [width, colour] of [[5, "#ffffff"], [2, "#000000"]]) {
    Object.assign(pen, { lineWidth: width, strokeStyle: colour, lineJoin: "round" });
    pen.stroke();
  }
}

// The region's spots as a table.
async function saveRegion() {
  const { barcodes, sections } = current.spots;
  const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const lines = [];
  lasso.side.forEach((side, row) => { if (side === REGION.inside) lines.push(`${quoted(DATA.sections.names[sections[row]])},${quoted(barcodes[row])}`); });
  const blob = new Blob([`section,barcode\n${lines.join("\n")}\n`], { type: "text/csv" });
  download(blob, "region.csv");
}

export function startLasso(onFeature) {
  lasso.onFeature = onFeature;
  if (!byId("region")) return;
  byId("region-clear").onclick = () => { switchLasso(false); clearRegion(); };
  byId("region-save").onclick = saveRegion;
}
