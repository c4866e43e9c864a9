// How values are spread in every domain: violins, as SVG. Like scanpy's: Gaussian kernels whose width follows Scott's rule,
// all violins equally wide, and cut at the lowest and the highest value.

import { classLooks } from "./colours.js";
import { valueOf } from "./data.js";
import { byId, drawing, element, format, grouped, ticks } from "./dom.js";
import { chartTools } from "./save.js";

const VIOLIN_BOX = { wide: 900, narrow: 420, height: 270, left: 70, right: 16, top: 14, bottom: 50 };
const VALUES = 255;  // steps of a quantised column; 255 itself is a spot that was not measured
const FEWEST_SPOTS = 3;  // fewer do not make a distribution
const LONGEST = 12;  // letters of a name below a violin

// column: {steps (of every spot), low, top, unit}; title: what the values are, and where.
export function drawViolins(id, { column, steps, classes, codes, rows, title }) {
  const box = byId(id);
  if (!box) return;
  const counts = classes.names.map(() => new Uint32Array(VALUES));
  for (const row of rows) if (steps[row] < VALUES && codes[row] < counts.length) counts[codes[row]][steps[row]]++;
  const spreads = counts.map(spreadOf);
  if (spreads.every((spread) => spread === null)) {
    box.replaceChildren(element("p", { className: "empty", textContent: "Not measured in the spots that are shown." }));
    return;
  }
  const { wide, narrow, height, left, right, top, bottom } = VIOLIN_BOX;
  const width = box.clientWidth < (wide + narrow) / 2 ? narrow : wide;
  const value = (step) => valueOf(column, step);
  const lowest = value(0), highest = value(VALUES - 1);
  const up = (number) => top + (height - top - bottom) * (1 - (number - lowest) / (highest - lowest || 1));
  const place = (width - left - right) / classes.names.length;
  const grid = ticks(lowest, highest).flatMap((number) => [
    drawing("line", { x1: left, x2: width - right, y1: up(number), y2: up(number), class: "grid" }),
    drawing("text", { x: left - 8, y: up(number) + 4, "text-anchor": "end", class: "tick" }, format(number)),
  ]);
  const looks = classLooks(classes);
  const violins = classes.names.flatMap((name, code) => {
    const middle = left + place * (code + 0.5);
    const short = name.length > LONGEST || name.length * 7 > place ? String(code + 1) : name;
    const below = drawing("text", { x: middle, y: height - bottom + 18, "text-anchor": "middle", class: "tick" }, short);
    return spreads[code] ? [below, violin(name, spreads[code], looks[code].colour, middle, Math.min(place, 90) * 0.45, (step) => up(value(step)), value)] : [below];
  });
  const titles = [["domain", width - right, "end", height - 10], [column.unit, left, "start", height - 10]].map(([text, x, anchor, y]) => drawing("text", { x, y, "text-anchor": anchor, class: "axis" }, text));
  const chart = drawing("svg", { viewBox: `0 0 ${width} ${height}`, class: "strip", role: "img", "aria-label": title }, ...grid, ...violins, ...titles);
  box.replaceChildren(chartTools(chart), chart);
}

// A violin with the middle half of its spots and their median; its title says them in words.
function violin(name, { density, low, high, quartiles, spots }, colour, middle, half, up, value) {
  const steps = Array.from({ length: high - low + 1 }, (_, at) => low + at);
  const side = (sign, order) => order.map((step) => `${(middle + sign * half * density[step]).toFixed(1)} ${up(step).toFixed(1)}`);
  const outline = [...side(-1, steps), ...side(1, steps.toReversed())].join("L");
  const [q25, median, q75] = quartiles;
  const words = `${name}: median ${format(value(median))}, half of the spots from ${format(value(q25))} to ${format(value(q75))}; ${grouped(spots)} spots`;
  return drawing("g", { class: "violin" },
    drawing("title", {}, words),
    drawing("path", { d: `M${outline}Z`, fill: colour, stroke: colour, "stroke-linejoin": "round" }),
    drawing("line", { x1: middle, x2: middle, y1: up(q25), y2: up(q75), class: "half" }),
    drawing("circle", { cx: middle, cy: up(median), r: 3.5, class: "median" }));
}

// From the number of spots at each step: density (at most 1), lowest and highest step, quartiles and number of spots.
// null if too few were measured.
function spreadOf(counts) {
  let spots = 0, sum = 0, squares = 0;
  counts.forEach((count, step) => { spots += count; sum += count * step; squares += count * step * step; });
  if (spots < FEWEST_SPOTS) return null;
  const deviation = Math.sqrt(Math.max((squares - (sum * sum) / spots) / (spots - 1), 0));
  // Steps are as fine as the values get: narrower kernels would draw them one by one.
  const width = Math.max(deviation * spots ** -0.2, 1);
  const density = new Float64Array(counts.length);
  counts.forEach((count, step) => {
    if (count) density.forEach((_, at) => { density[at] += count * Math.exp(-(((at - step) / width) ** 2) / 2); });
  });
  const [low, high] = [counts.findIndex((count) => count > 0), counts.findLastIndex((count) => count > 0)];
  const most = density.subarray(low, high + 1).reduce((a, b) => Math.max(a, b));
  const quartiles = [0.25, 0.5, 0.75].map((fraction) => {
    let below = 0;
    return counts.findIndex((count) => (below += count) >= fraction * spots);
  });
  return { density: density.map((one) => one / most), low, high, quartiles, spots };
}
