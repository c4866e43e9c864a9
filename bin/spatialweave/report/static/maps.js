// One plot of spots: a tissue map or a UMAP, on a canvas that can be moved and zoomed. Knows how to draw codes, not what they mean.

import { DARK, onWhite } from "./colours.js";
import { element } from "./dom.js";
import { FONT, ON_COLOURS, paintText, placeTexts, roundLength, TITLE } from "./labels.js";
import { paintRegion } from "./lasso.js";
import { listenToMap, mapTools, TOOLS, ZOOM } from "./map_tools.js";
import { boxOf, paintSpots, SpotIndex } from "./spots.js";

const MARGIN = 10;

// View of the plots. All maps of a tissue share one, so that they move together.
export class Camera {
  constructor() {
    Object.assign(this, { plots: [], x: 0, y: 0, zoom: 1, box: null });
  }

  // The box to show at first. Another box resets the view.
  frame(box) {
    if (this.box && Object.keys(box).every((key) => box[key] === this.box[key])) return;
    this.box = box;
    this.reset();
  }

  reset() {
    Object.assign(this, { x: this.box.left + this.box.width / 2, y: this.box.top + this.box.height / 2, zoom: 1 });
    this.moved();
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.moved();
  }

  // Zoom about a point of the map.
  magnify(factor, x = this.x, y = this.y) {
    const zoom = Math.min(Math.max(this.zoom * factor, ZOOM.least), ZOOM.most);
    const kept = this.zoom / zoom;
    Object.assign(this, { x: x + (this.x - x) * kept, y: y + (this.y - y) * kept, zoom });
    this.moved();
  }

  moved() {
    this.plots.forEach((plot) => plot.redraw());
  }
}

export class SpotPlot {
  // spacing: distance between spots in map units, drawn to scale; null for a UMAP, whose points keep their size.
  // lasso: whether regions can be drawn on it.
  // under: gives the images beneath the spots; look: opacity of both, shared by all maps; micrometres: gives those per unit.
  constructor(name, { camera, spacing = null, layout = "cells", under = () => [], look = { image: 1, spots: 1 }, micrometres = () => null, lasso = false, onHover = null, onClick = () => {} }) {
    Object.assign(this, { name, camera, lasso, spacing, under, look, micrometres, onHover, onClick, shape: layout, seen: false, waiting: null });
    this.div = document.getElementById(name);
    camera.plots.push(this);
    this.canvas = element("canvas", { tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.layer = element("canvas");
    this.bar = element("div", { className: "scale-bar", hidden: true });
    this.ring = element("div", { className: "ring", hidden: true });
    this.div.append(this.canvas, this.bar, this.ring, mapTools(this));
    new ResizeObserver(() => this.redraw()).observe(this.div);
    new IntersectionObserver(([entry]) => { this.seen = entry.isIntersecting; this.redraw(); }, { rootMargin: "300px" }).observe(this.div);
    listenToMap(this);
  }

  // shown: {x, y, rows, codes, looks}, rows to draw with the code of every spot and what it is drawn as; notes: texts above the sections;
  // names: texts on the map; title, label and legend: for a saved picture and for screen readers.
  draw(shown, { notes = [], names = [], title = "", label = title, legend = null } = {}) {
    if (shown.x !== this.shown?.x || shown.y !== this.shown?.y) {
      this.index = null;
      this.box = boxOf(shown.x, shown.y);
    }
    Object.assign(this, { shown, notes, names, title, legend, drawn: null });
    this.canvas.setAttribute("aria-label", `${label}. Arrow keys move, + and - zoom, 0 shows all${this.onHover ? ", Enter describes the spot in the middle" : ""}.`);
    const pad = this.spacing === null ? 0.05 * Math.max(this.box.width, this.box.height) || 1 : this.spacing || 1;
    this.camera.frame({ left: this.box.left - pad, top: this.box.top - pad, width: this.box.width + 2 * pad, height: this.box.height + 2 * pad });
    this.redraw();
  }

  redraw() {
    if (this.waiting || !this.shown) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = null; if (this.seen) this.paint(); });
  }

  // From map units to CSS pixels: (x - left) * scale.
  view(width = this.div.clientWidth, height = this.div.clientHeight, above = TOOLS) {
    const { box, zoom, x, y } = this.camera;
    const head = above + (this.notes.length ? TITLE : 0);
    const free = [width - 2 * MARGIN, height - head - MARGIN];
    const scale = zoom * Math.max(Math.min(free[0] / box.width, free[1] / box.height), 1e-9);
    return { scale, left: x - width / 2 / scale, top: y - (head + free[1] / 2) / scale };
  }

  toScreen(x, y) {
    const { scale, left, top } = this.view();
    return [(x - left) * scale, (y - top) * scale];
  }

  // The colours of a scale are right on opaque spots only: these are the default there, over an image, too.
  get opacity() {
    return this.legend?.scale && !this.look.chosen ? 1 : this.look.spots;
  }

  spots() {
    const many = this.shown.rows.length;
    return { ...this.shown, spacing: this.spacing, shape: this.shape, dot: many > 8000 ? 3 : many > 1500 ? 4 : 6 };
  }

  // light: for paper, on which the map is smaller, and its names larger.
  paint({ light = false } = {}) {
    if (!this.shown) return;
    const [width, height, ratio] = [this.div.clientWidth, this.div.clientHeight, devicePixelRatio || 1];
    if (!width || !height) return;
    const size = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
    Object.assign(this.canvas, size);
    Object.assign(this.layer, size);
    const pen = this.canvas.getContext("2d");
    const view = this.view();
    const place = ({ x, y }) => [(x - view.left) * view.scale, (y - view.top) * view.scale];
    pen.scale(ratio, ratio);
    pen.globalAlpha = this.look.image;
    for (const image of this.under()) {
      const node = loadedImage(image, () => this.redraw());
      if (node) pen.drawImage(node, ...place(image), image.width * view.scale, image.height * view.scale);
    }
    const brush = this.layer.getContext("2d");
    const spots = light ? onWhite(this.spots()) : this.spots();
    paintSpots(brush, { ...spots, dot: spots.dot * ratio }, { ...view, scale: view.scale * ratio });
    pen.globalAlpha = this.opacity;
    pen.drawImage(this.layer, 0, 0, width, height);
    pen.globalAlpha = 1;
    const font = light ? 2 * FONT : FONT;
    const onPage = DARK.matches && !light ? { ink: "#e4e9ef", edge: "#1b2129" } : ON_COLOURS;
    const { titles, names } = placeTexts(this.notes, this.names, view, font);
    titles.forEach(({ text, x, y }) => paintText(pen, text, x, y, "bottom", font, onPage));
    names.forEach(({ text, x, y }) => paintText(pen, text, x, y, "middle", font, ON_COLOURS));
    paintRegion(pen, this, place);
    this.ring.hidden = true;
    this.drawBar(view.scale, width);
    this.canvas.dataset.painted = String(Number(this.canvas.dataset.painted ?? 0) + 1);
  }

  // A bar of a round length, none if the unit is unknown.
  drawBar(scale, width) {
    const bar = roundLength(this.micrometres() / scale, width / 4);
    this.bar.hidden = !bar;
    if (!bar) return;
    this.bar.style.width = `${bar.pixels}px`;
    this.bar.classList.toggle("on-image", this.under().length > 0);
    this.bar.textContent = bar.text;
  }

  // The spot drawn nearest to a position of the plot, null if none is within reach.
  pick(left, top, pixels = 8) {
    const { scale, left: x, top: y } = this.view();
    this.index ??= spotIndex(this.shown, this.spacing);
    if (!this.drawn) {
      this.drawn = new Uint8Array(this.shown.x.length);
      for (const row of this.shown.rows) this.drawn[row] = 1;
    }
    const reach = Math.max((this.spacing ?? 0) * 0.75, pixels / scale);
    return this.index.nearest(left / scale + x, top / scale + y, reach, this.drawn);
  }

  // Circle one spot, at the same position on all maps of the tissue.
  mark(row) {
    this.ring.hidden = true;
    if (row === null || !this.shown || Number.isNaN(this.shown.x[row])) return;
    const [left, top] = this.toScreen(this.shown.x[row], this.shown.y[row]);
    if (left < 0 || top < 0 || left > this.div.clientWidth || top > this.div.clientHeight) return;
    Object.assign(this.ring.style, { left: `${left}px`, top: `${top}px` });
    this.ring.hidden = false;
  }
}

// One index for all maps of the same coordinates.
const indices = new WeakMap();
export function spotIndex({ x, y }, spacing) {
  if (!indices.has(x)) indices.set(x, new SpotIndex(x, y, spacing));
  return indices.get(x);
}

// An image once it is decoded; until then null, and `then` is called.
function loadedImage(image, then) {
  if (!image.node) {
    image.node = element("img", { src: image.source });
    image.ready = image.node.decode().then(() => { image.decoded = true; });
  }
  if (!image.decoded) image.ready.then(then);
  return image.decoded ? image.node : null;
}
