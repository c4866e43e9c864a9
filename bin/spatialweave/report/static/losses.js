// The loss curves of a run as SVG.

import { drawing, element, format, ticks } from "./dom.js";
import { chartTools } from "./save.js";

const LOSS_BOX = { width: 900, height: 320, left: 70, right: 16, top: 14, bottom: 44 };
const LOSS_COLOURS = ["var(--ink, #1b2430)", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];

export function drawLosses(losses) {
  const box = document.getElementById("losses");
  if (!box) return;
  const terms = Object.keys(losses).sort((a, b) => (b === "total") - (a === "total") || a.localeCompare(b));
  if (!terms.length) {
    box.replaceChildren(element("p", { className: "empty", textContent: "This run has no loss curve: it does not train." }));
    return;
  }
  const { width, height, left, right, top, bottom } = LOSS_BOX;
  const values = terms.flatMap((term) => losses[term].value).filter((value) => value !== null);
  const lows = values.reduce((low, value) => Math.min(low, value), 0), highs = values.reduce((high, value) => Math.max(high, value), -Infinity);
  const epochs = terms.reduce((most, term) => Math.max(most, losses[term].epoch.at(-1)), 1);
  const across = (epoch) => left + ((width - left - right) * (epoch - 1)) / Math.max(epochs - 1, 1);
  const up = (value) => top + (height - top - bottom) * (1 - (value - lows) / (highs - lows || 1));
  const grid = ticks(lows, highs).flatMap((value) => [
    drawing("line", { x1: left, x2: width - right, y1: up(value), y2: up(value), class: "grid" }),
    drawing("text", { x: left - 8, y: up(value) + 4, "text-anchor": "end", class: "tick" }, format(value)),
  ]);
  const numbers = ticks(1, epochs).filter(Number.isInteger).map((epoch) => drawing("text", { x: across(epoch), y: height - 22, "text-anchor": "middle", class: "tick" }, String(epoch)));
  const style = (index) => ({ stroke: LOSS_COLOURS[index % LOSS_COLOURS.length], "stroke-width": index ? 1.6 : 2.6, "stroke-dasharray": DASHES[Math.floor(index / LOSS_COLOURS.length) % DASHES.length] });
  const curves = terms.map((term, index) => {
    const { epoch, value } = losses[term];
    const points = epoch.flatMap((number, at) => (value[at] === null ? [] : [`${across(number).toFixed(1)},${up(value[at]).toFixed(1)}`]));
    const name = drawing("title", {}, term.replaceAll("_", " "));
    if (points.length > 1) return drawing("polyline", { points: points.join(" "), fill: "none", class: "curve", ...style(index) }, name);
    const [x, y] = (points[0] ?? "0,0").split(",");
    return drawing("circle", { cx: x, cy: y, r: 4, fill: LOSS_COLOURS[index % LOSS_COLOURS.length], class: "curve" }, name);
  });
  const titles = [["epoch", width - right, "end", height - 4], ["loss (no unit)", left, "start", height - 4]].map(([text, x, anchor, y]) => drawing("text", { x, y, "text-anchor": anchor, class: "axis" }, text));
  const plot = drawing("svg", { viewBox: `0 0 ${width} ${height}`, class: "strip", role: "img", "aria-label": `Loss by epoch: ${terms.join(", ")}` }, ...grid, ...numbers, ...curves, ...titles);
  const keys = terms.map((term, index) => element("span", { className: "key" },
    drawing("svg", { width: 22, height: 8, "aria-hidden": "true" }, drawing("line", { x1: 0, x2: 22, y1: 4, y2: 4, ...style(index) })), term.replaceAll("_", " ")));
  box.replaceChildren(chartTools(plot), plot, element("p", { className: "keys" }, ...keys));
}
