// A panel as a picture for a paper: title, map, scale bar and legend, as SVG, or as PNG made from it.

import { classLooks, onWhite, STRIPE, VIRIDIS } from "./colours.js";
import { DATA } from "./data.js";
import { byId, download, drawing, element, grouped } from "./dom.js";
import { FONT, placeTexts, roundLength, wrapText } from "./labels.js";
import { lasso } from "./lasso.js";
import { shortName } from "./names.js";
import { scaleEnds } from "./panels.js";
import { FILL, inView, OVERLAP, paintSpots, SMALL } from "./spots.js";

const PICTURE = { width: 640, height: 560, head: 44, line: 20, scale: 3, margin: 14, title: 17, family: "Helvetica, Arial, sans-serif" };
const MOST_SHAPES = 60000;  // spots; more are an image in the SVG
const INK = "#1b2430";

const label = (text, x, y, more = {}) => drawing("text", { x, y, "font-size": FONT, fill: INK, ...more }, text);

// The title in as many lines as it needs, and the height of all.
function titleShapes(text) {
  const { width, head, line, margin, title, family } = PICTURE;
  const lines = wrapText(text, title, family, width - 2 * margin);
  return [lines.map((one, index) => label(one, margin, 28 + index * line, { "font-size": title, "font-weight": 600 })), head + (lines.length - 1) * line];
}

function panelPicture(plot) {
  const { width, height } = PICTURE;
  const [title, head] = titleShapes(plot.title);
  const view = plot.view(width, height, 8);
  const place = ({ x, y }) => [(x - view.left) * view.scale, (y - view.top) * view.scale];
  const inside = drawing("g", { "clip-path": "url(#frame)" });
  for (const image of plot.under()) {
    const [x, y] = place(image);
    inside.append(drawing("image", { href: image.source, x, y, width: image.width * view.scale, height: image.height * view.scale, preserveAspectRatio: "none", opacity: plot.look.image }));
  }
  inside.append(drawing("g", { opacity: plot.opacity }, ...spotShapes(onWhite(plot.spots()), view, width, height)));
  const halo = { "text-anchor": "middle", "font-weight": 600, stroke: "#fff", "stroke-width": 4, "paint-order": "stroke", "stroke-linejoin": "round" };
  const { titles, names } = placeTexts(plot.notes, plot.names, view, FONT);
  for (const [texts, shift] of [[titles, -4], [names, 4]]) {
    for (const { text, x, y } of texts) inside.append(label(text, x, y + shift, halo));
  }
  if (lasso.closed && lasso.plot.camera === plot.camera) {
    const points = lasso.corners.map(([x, y]) => place({ x, y }).map((value) => value.toFixed(1)).join()).join(" ");
    for (const [thick, stroke] of [[5, "#fff"], [2, "#000"]]) inside.append(drawing("polygon", { points, fill: "none", stroke, "stroke-width": thick, "stroke-linejoin": "round" }));
  }
  const bar = roundLength(plot.micrometres() / view.scale, width / 4);
  if (bar) {
    const at = { x1: 14, x2: 14 + bar.pixels, y1: height - 14, y2: height - 14 };
    inside.append(drawing("line", { ...at, stroke: "#fff", "stroke-width": 5 }), drawing("line", { ...at, stroke: "#000", "stroke-width": 3 }), label(bar.text, 14 + bar.pixels / 2, height - 22, { ...halo, "font-size": 12 }));
  }
  const [legend, below] = legendShapes(plot.legend, width, height + head + 14);
  const frame = drawing("clipPath", { id: "frame" }, drawing("rect", { width, height }));
  return drawing("svg", { xmlns: "http://www.w3.org/2000/svg", width, height: below + 10, viewBox: `0 0 ${width} ${below + 10}`, "font-family": PICTURE.family },
    drawing("defs", {}, frame), drawing("rect", { width: "100%", height: "100%", fill: "#fff" }),
    ...title, drawing("g", { transform: `translate(0 ${head})` }, inside), ...legend);
}

function spotShapes(spots, view, width, height) {
  const rows = inView(spots, view, width, height);
  if (rows.length > MOST_SHAPES) {
    const canvas = element("canvas", { width: width * PICTURE.scale, height: height * PICTURE.scale });
    paintSpots(canvas.getContext("2d"), { ...spots, dot: spots.dot * PICTURE.scale }, { ...view, scale: view.scale * PICTURE.scale });
    return [drawing("image", { href: canvas.toDataURL(), width, height })];
  }
  const size = spots.spacing === null ? spots.dot : spots.spacing * view.scale * (spots.spacing * view.scale < SMALL && spots.shape !== "square" ? OVERLAP : FILL[spots.shape]);
  const half = size / 2, square = spots.spacing !== null && spots.shape === "square";
  const groups = spots.looks.map(() => []);
  for (const row of rows) groups[spots.codes[row]].push(row);
  const round = (value) => Number(value.toFixed(2));
  const shape = (x, y) => (square
    ? `M${round(x - half)} ${round(y - half)}h${round(size)}v${round(size)}h${-round(size)}z`
    : `M${round(x - half)} ${round(y)}a${round(half)} ${round(half)} 0 1 0 ${round(size)} 0a${round(half)} ${round(half)} 0 1 0 ${-round(size)} 0`);
  return groups.flatMap((group, code) => {
    if (!group.length) return [];
    const path = group.map((row) => shape((spots.x[row] - view.left) * view.scale, (spots.y[row] - view.top) * view.scale)).join("");
    const { colour, stripe, lean } = spots.looks[code];
    const plain = drawing("path", { d: path, fill: colour });
    if (!stripe) return [plain];
    return [plain, stripePattern(code, stripe, lean), drawing("path", { d: path, fill: `url(#stripe${code})` })];
  });
}

function stripePattern(code, stripe, lean) {
  const { every, width } = STRIPE;
  return drawing("pattern", { id: `stripe${code}`, width: every / Math.SQRT2, height: every, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${45 * lean})` },
    drawing("rect", { width: width / Math.SQRT2, height: every, fill: stripe }));
}

// The legend from a height on, and where it ends.
function legendShapes(legend, width, top) {
  const { line, margin, family } = PICTURE;
  if (legend?.scale) {
    const { unit } = legend.scale;
    const steps = VIRIDIS.map((colour, at) => drawing("rect", { x: 110 + at * 10, y: top - 10, width: 10.5, height: 12, fill: colour }));
    const [lowest, highest] = scaleEnds(legend.scale);
    const left = 116 + VIRIDIS.length * 10;
    const lines = wrapText(`${highest} \u00a0 ${unit}`, FONT, family, width - left - margin);
    return [[label(lowest, 14, top), ...steps, ...lines.map((text, index) => label(text, left, top + index * line))], top + lines.length * line];
  }
  if (!legend?.classes) return [[], top];
  const looks = onWhite({ looks: classLooks(legend.classes) }).looks;
  const { names, counts, missing } = legend.classes;
  const all = names.map((name, code) => ({ code, text: `${shortName(legend.classes, code) === name ? "" : `${shortName(legend.classes, code)} `}${name} (${grouped(counts[code])} spots)` }));
  if (missing) all.push({ code: names.length, text: `none (${grouped(missing)} spots)` });
  const shown = all.filter(({ code }) => !legend.hidden?.has(code));
  const texts = shown.map(({ text }) => text);
  const column = Math.min(Math.max(...texts.map((text) => text.length), 8) * 7.2 + 34, width - 28);
  const across = Math.max(Math.floor((width - 28) / column), 1);
  const shapes = shown.flatMap(({ code }, index) => {
    const [x, y] = [14 + (index % across) * column, top + Math.floor(index / across) * line];
    const { colour, stripe, lean } = looks[code];
    const box = { x, y: y - 11, width: 13, height: 13 };
    const own = [drawing("rect", { ...box, fill: colour })];
    if (stripe) own.push(stripePattern(`key${code}`, stripe, lean), drawing("rect", { ...box, fill: `url(#stripekey${code})` }));
    return [...own, label(texts[index], x + 20, y)];
  });
  return [shapes, top + Math.ceil(shown.length / across) * line];
}

// A drawing of layers as it is on the screen, in its own size.
export function saveScene(scene, kind) {
  const { canvas, div, legend } = scene;
  const { width } = PICTURE, height = (width * canvas.height) / canvas.width;
  const title = div.closest(".panel").querySelector("h4").textContent;
  const [heading, head] = titleShapes(title);
  const [shapes, below] = legendShapes(legend, width, height + head + 14);
  const picture = drawing("svg", { xmlns: "http://www.w3.org/2000/svg", width, height: below + 10, viewBox: `0 0 ${width} ${below + 10}`, "font-family": PICTURE.family },
    drawing("rect", { width: "100%", height: "100%", fill: "#fff" }), ...heading,
    drawing("image", { href: canvas.toDataURL(), y: head, width, height }), ...shapes);
  return save(picture, `${DATA.dataset}_${title}`, kind);
}

// Colours as var(--name, light) have the light one, since few programs but browsers know variables.
const inLight = (text) => text.replace(/var\(--[\w-]+, *([^)]*)\)/g, "$1");

// A chart of the page, with the colours of the light style written into it, and its key below.
function chartPicture(chart) {
  const copy = chart.cloneNode(true);
  const { width, height } = chart.viewBox.baseVal;
  const keys = keyShapes(chart, width, height);
  const size = { width: keys.width, height: keys.below, viewBox: `0 0 ${keys.width} ${keys.below}` };
  for (const [name, value] of Object.entries({ xmlns: "http://www.w3.org/2000/svg", ...size, "font-family": PICTURE.family })) copy.setAttribute(name, value);
  copy.prepend(drawing("rect", { width: "100%", height: "100%", fill: "#fff" }));
  copy.append(...keys.shapes);
  for (const node of copy.querySelectorAll("[fill], [stroke]")) {
    for (const name of ["fill", "stroke"]) if (node.hasAttribute(name)) node.setAttribute(name, inLight(node.getAttribute(name)));
  }
  copy.append(drawing("style", {}, inLight(byId("chart-style").textContent)));
  return copy;
}

// Buttons that save a chart.
export function chartTools(chart) {
  const name = `${DATA.dataset}_${chart.getAttribute("aria-label")}`;
  const button = (kind) => element("button", { type: "button", textContent: kind.toUpperCase(), title: `Save this chart as ${kind.toUpperCase()}`, onclick: () => save(chartPicture(chart), name, kind) });
  return element("div", { className: "tools chart", style: { maxWidth: chart.style.maxWidth } }, button("png"), button("svg"));
}

// Key of a chart's marks, a line each, from a given height on; returns where it ends and the width that it needs.
function keyShapes(chart, width, top) {
  const { line } = PICTURE;
  const keys = [...chart.closest(".keyed")?.querySelectorAll(".keys .key") ?? []];
  const shapes = keys.flatMap((key, index) => {
    const y = top + line * (index + 1);
    const mark = key.querySelector("svg")?.cloneNode(true) ?? null;
    for (const [name, value] of Object.entries({ x: 14, y: y - 9 })) mark?.setAttribute(name, value);
    return [...(mark ? [mark] : []), label(key.textContent.trim(), mark ? 44 : 14, y)];
  });
  const longest = keys.reduce((most, key) => Math.max(most, key.textContent.trim().length), 0);
  return { shapes, below: top + (keys.length ? line * keys.length + 10 : 0), width: Math.max(width, longest ? longest * 7.2 + 58 : 0) };
}

async function save(picture, name, kind) {
  const source = new XMLSerializer().serializeToString(picture);
  let blob = new Blob([source], { type: "image/svg+xml" });
  if (kind === "png") {
    const image = element("img", { src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}` });
    await image.decode();
    const [width, height] = ["width", "height"].map((side) => Number(picture.getAttribute(side)) * PICTURE.scale);
    const canvas = element("canvas", { width, height });
    canvas.getContext("2d").drawImage(image, 0, 0, width, height);
    blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  }
  return download(blob, `${name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80)}.${kind}`);
}

export const savePanel = (plot, kind) => save(panelPicture(plot), `${DATA.dataset}_${plot.title}`, kind);
