// Flat layers of spots in space, on a 2-D canvas: seen from above, or tilted as a stack that can be turned.

import { fillOf } from "./colours.js";
import { DATA } from "./data.js";
import { element } from "./dom.js";
import { saveButtons, viewButtons, ZOOM } from "./map_tools.js";
import { saveScene } from "./save.js";
import { paintSpots } from "./spots.js";

const PLATE = { fill: "rgba(226, 233, 240, .3)", edge: "#c4ccd6" };
const MAX_TILT = 1.45;
const DEFAULT_VIEW = { zoom: 1, left: 0, top: 0 };

export class Scene {
  // turn and tilt in radians; tilt 0 looks from above. solid: can be turned, otherwise dragging moves it.
  constructor(name, { turn = 0, tilt = 0, solid = false, onHover }) {
    this.div = document.getElementById(name);
    this.start = { turn, tilt, ...DEFAULT_VIEW };
    this.camera = { ...this.start };
    this.solid = solid;
    this.onHover = onHover;
    this.canvas = element("canvas", { tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${this.div.dataset.label}. Arrow keys ${solid ? "turn and tilt" : "move"}, + and - zoom, 0 shows all.`);
    this.div.append(this.canvas, element("div", { className: "tools" }, ...viewButtons((factor) => this.magnify(factor), () => this.reset()), ...saveButtons((kind) => saveScene(this, kind))));
    new ResizeObserver(() => this.redraw()).observe(this.div);
    this.listen();
  }

  // layers: from the lowest, [{rows, z, codes, looks, title, x, y, hidden}], hidden ones keep their room; lines: [{layer, a, b, colour}], from row a of that
  // layer to row b of the next. gap: between z 0 and 1, as a fraction of the radius. blend: how overlapping spots mix.
  show(layers, { spacing, lines = [], gap = 0, opacity = 1, blend = "source-over", legend = null }) {
    Object.assign(this, { spacing, lines, gap, opacity, blend, legend });
    this.layers = layers.map((layer) => ({ ...layer, groups: colourGroups(layer) }));
    this.extent = extentOf(this.layers);
    this.redraw();
  }

  redraw() {
    if (this.waiting || !this.layers) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.paint(); });
  }

  paint() {
    const [width, height] = [this.div.clientWidth, this.div.clientHeight];
    if (!width || !height) return;
    const ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.place(width, height);
    this.layers.forEach((layer, index) => {
      if (this.solid) this.paintPlate(pen, layer);
      layer.at = null;
      if (layer.hidden) return;
      if (index) this.paintLines(pen, index - 1);
      this.paintSpots(pen, layer);
    });
    // Last, so that no spot covers a name.
    if (this.solid) this.layers.forEach((layer) => this.paintTitle(pen, layer));
    this.canvas.dataset.painted = String(Number(this.canvas.dataset.painted ?? 0) + 1);
  }

  // From tissue to pixels: shift to the middle, turn about z, tilt, scale.
  place(width, height) {
    const { low, high, radius, top } = this.extent;
    const { turn, tilt, zoom, left, top: down } = this.camera;
    const [c, s, ct, st] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    const lift = (top * this.gap * radius) / 2;
    const half = this.solid
      ? [radius, radius * ct + lift * st]
      : [(high[0] - low[0]) / 2 + this.spacing, (high[1] - low[1]) / 2 + this.spacing];
    const pad = this.solid ? 26 : 10;
    const scale = zoom * Math.min((width / 2 - pad) / (half[0] || 1), (height / 2 - pad) / (half[1] || 1));
    const middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
    const height3 = this.gap * radius;
    this.scale = scale;
    this.project = (x, y, z) => {
      const [u, v] = [x - middle[0], y - middle[1]];
      return [
        width / 2 + left + scale * (u * c - v * s),
        height / 2 + down + scale * ((u * s + v * c) * ct - (z * height3 - lift) * st),
      ];
    };
  }

  paintPlate(pen, layer) {
    const { low, high } = this.extent, edge = this.spacing;
    const corners = [[low[0] - edge, low[1] - edge], [high[0] + edge, low[1] - edge], [high[0] + edge, high[1] + edge], [low[0] - edge, high[1] + edge]];
    layer.corners = corners.map(([x, y]) => this.project(x, y, layer.z));
    pen.beginPath();
    layer.corners.forEach(([x, y]) => pen.lineTo(x, y));
    pen.closePath();
    pen.fillStyle = PLATE.fill;
    pen.strokeStyle = PLATE.edge;
    pen.fill();
    pen.stroke();
  }

  paintTitle(pen, layer) {
    const [x, y] = layer.corners.reduce((best, corner) => (corner[0] < best[0] - 0.5 ? corner : best));
    pen.font = "600 13px system-ui, sans-serif";
    const width = pen.measureText(layer.title).width;
    const left = Math.max(4, Math.min(x - width / 2, this.div.clientWidth - width - 4));
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = "#fff";
    pen.strokeText(layer.title, left, y - 7);
    pen.fillStyle = "#1b2430";
    pen.fillText(layer.title, left, y - 7);
    pen.lineWidth = 1;
  }

  paintSpots(pen, layer) {
    const size = Math.max(this.spacing * this.scale * 0.6, 0.8);
    // Squares tile a square grid, a little larger to do so when it is turned; seen from the side, or one or two pixels wide, they look like circles.
    const boxes = size < 2.5 || (!this.solid && DATA.layout === "square");
    const flat = Math.max(Math.cos(this.camera.tilt), 0.3);
    pen.globalAlpha = this.opacity;
    pen.globalCompositeOperation = this.blend;
    layer.at = new Float32Array(2 * layer.rows.length);
    for (const { look, indices } of layer.groups) {
      pen.fillStyle = fillOf(pen, look);
      pen.beginPath();
      for (const index of indices) {
        const row = layer.rows[index];
        const [x, y] = this.project(layer.x[row], layer.y[row], layer.z);
        layer.at[2 * index] = x;
        layer.at[2 * index + 1] = y;
        if (boxes) pen.rect(x - size, y - size * flat, 2 * size, 2 * size * flat);
        else { pen.moveTo(x + size, y); pen.ellipse(x, y, size, size * flat, 0, 0, 2 * Math.PI); }
      }
      pen.fill();
    }
    pen.globalAlpha = 1;
    pen.globalCompositeOperation = "source-over";
  }

  paintLines(pen, lower) {
    const [from, to] = [this.layers[lower], this.layers[lower + 1]];
    for (const { layer, a, b, colour, width } of this.lines) {
      if (layer !== lower) continue;
      const start = this.project(from.x[a], from.y[a], from.z), end = this.project(to.x[b], to.y[b], to.z);
      pen.beginPath();
      pen.moveTo(...start);
      pen.lineTo(...end);
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.stroke();
    }
    pen.lineWidth = 1;
  }

  listen() {
    const { canvas } = this;
    let last = null;
    canvas.addEventListener("pointerdown", (event) => { last = event; canvas.setPointerCapture(event.pointerId); this.onHover(null); });
    canvas.addEventListener("pointerup", () => { last = null; });
    canvas.addEventListener("pointercancel", () => { last = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (!last) { this.onHover(this.nearest(event.offsetX, event.offsetY), event); return; }
      this.drag(event.clientX - last.clientX, event.clientY - last.clientY);
      last = event;
    });
    canvas.addEventListener("pointerleave", () => this.onHover(null));
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.magnify(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-30, 0], ArrowRight: [30, 0], ArrowUp: [0, -20], ArrowDown: [0, 20] }[event.key];
      const factor = { "+": ZOOM.step, "=": ZOOM.step, "-": 1 / ZOOM.step }[event.key];
      const act = (step && (() => this.drag(...step))) ?? (factor && (() => this.magnify(factor))) ?? { 0: () => this.reset(), Home: () => this.reset() }[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  reset() {
    this.camera = { ...this.start };
    this.redraw();
  }

  drag(dx, dy) {
    const { camera } = this;
    if (this.solid) {
      camera.turn -= dx / 150;
      camera.tilt = Math.min(Math.max(camera.tilt - dy / 200, 0), MAX_TILT);
    } else {
      camera.left += dx;
      camera.top += dy;
    }
    this.redraw();
  }

  // Zoom about a point of the canvas, its middle unless said.
  magnify(factor, x = this.div.clientWidth / 2, y = this.div.clientHeight / 2) {
    const { camera, div } = this;
    const zoom = Math.min(Math.max(camera.zoom * factor, 0.5), 30);
    const real = zoom / camera.zoom;
    const [dx, dy] = [x - div.clientWidth / 2, y - div.clientHeight / 2];
    camera.left = dx - (dx - camera.left) * real;
    camera.top = dy - (dy - camera.top) * real;
    camera.zoom = zoom;
    this.redraw();
  }

  // The spot under the pointer, of the topmost layer that has one; null if there is none.
  nearest(x, y) {
    const reach = Math.max((this.spacing * this.scale) / 2, 5) ** 2;
    for (const layer of [...(this.layers ?? [])].reverse()) {
      let [best, distance] = [null, reach];
      for (let index = 0; layer.at && index < layer.rows.length; index++) {
        const own = (layer.at[2 * index] - x) ** 2 + (layer.at[2 * index + 1] - y) ** 2;
        if (own < distance) [best, distance] = [layer.rows[index], own];
      }
      if (best !== null) return best;
    }
    return null;
  }
}

// The spots of a layer by class, so that each colour is filled once.
function colourGroups({ rows, codes, looks }) {
  const groups = looks.map((look) => ({ look, indices: [] }));
  rows.forEach((row, index) => groups[codes[row]].indices.push(index));
  return groups.filter(({ indices }) => indices.length);
}

// The box around all layers, and the radius of the circle about its middle that holds them; top = the highest z.
function extentOf(layers) {
  const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
  for (const { rows, x, y } of layers) {
    for (const row of rows) {
      low[0] = Math.min(low[0], x[row]); high[0] = Math.max(high[0], x[row]);
      low[1] = Math.min(low[1], y[row]); high[1] = Math.max(high[1], y[row]);
    }
  }
  const radius = Math.hypot(high[0] - low[0], high[1] - low[1]) / 2 || 1;
  return { low, high, radius, top: Math.max(0, ...layers.map(({ z }) => z)) };
}
