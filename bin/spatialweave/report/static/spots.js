// Painting spots on a canvas. Large ones are shapes. Small ones are written into an image pixel by pixel, which takes
// milliseconds for a million spots, with or without a graphics card; if many share a pixel, it shows one of them.

import { channels, fillOf, STRIPE } from "./colours.js";

export const SMALL = 6;  // pixels
export const FILL = { square: 1, hexagonal: 0.96, cells: 0.9 };
export const OVERLAP = 1.25;  // of small discs, so that no background shines through between them

// spots: {x, y, rows, codes, looks, spacing, shape, dot}; view: from map units to pixels of the canvas,
// (x - left) * scale. Spots of a tissue are drawn to scale, those without spacing as dots of `dot` pixels, in their order.
export function paintSpots(pen, spots, view) {
  const { width, height } = pen.canvas;
  const rows = inView(spots, view, width, height);
  if (spots.spacing === null) return paintDots(pen, spots, view, rows);
  const size = spots.spacing * view.scale;
  return size < SMALL ? paintPixels(pen, spots, view, rows, size) : paintShapes(pen, spots, view, rows, size);
}

export function inView({ x, y, rows, spacing, dot }, { left, top, scale }, width, height) {
  const pad = spacing === null ? dot / scale : spacing;
  const [right, bottom] = [left + width / scale + pad, top + height / scale + pad];
  const seen = (row) => x[row] >= left - pad && x[row] <= right && y[row] >= top - pad && y[row] <= bottom;
  return rows.filter(seen);
}

function paintDots(pen, { x, y, codes, looks, dot }, { left, top, scale }, rows) {
  const fills = looks.map((look) => fillOf(pen, look));
  let last = null;
  for (const row of rows) {
    const own = fills[codes[row]];
    if (own !== last) pen.fillStyle = last = own;
    pen.beginPath();
    pen.arc((x[row] - left) * scale, (y[row] - top) * scale, dot / 2, 0, 2 * Math.PI);
    pen.fill();
  }
}

function paintShapes(pen, { x, y, codes, looks, shape }, { left, top, scale }, rows, size) {
  const groups = looks.map(() => []);
  for (const row of rows) groups[codes[row]].push(row);
  const half = (size * FILL[shape]) / 2;
  groups.forEach((group, code) => {
    if (!group.length) return;
    pen.fillStyle = fillOf(pen, looks[code]);
    pen.beginPath();
    for (const row of group) {
      const [px, py] = [(x[row] - left) * scale, (y[row] - top) * scale];
      if (shape === "square") {
        // Whole pixels: edges between two would let the background through.
        const [a, b] = [Math.round(px - half), Math.round(py - half)];
        pen.rect(a, b, Math.round(px + half) - a, Math.round(py + half) - b);
      } else {
        pen.moveTo(px + half, py);
        pen.arc(px, py, half, 0, 2 * Math.PI);
      }
    }
    pen.fill();
  });
}

function paintPixels(pen, { x, y, codes, looks, shape }, { left, top, scale }, rows, size) {
  const { width, height } = pen.canvas;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const plain = Uint32Array.from(looks, ({ colour }) => packedColour(colour));
  const stripes = Uint32Array.from(looks, ({ colour, stripe }) => packedColour(stripe ?? colour));
  const leans = Int32Array.from(looks, ({ lean = 1 }) => lean);
  const shift = STRIPE.every * height;
  const discs = shape !== "square" && size >= 2.5;
  const half = (Math.max(size, 1) * (discs ? OVERLAP : 1)) / 2;
  for (const row of rows) {
    const [px, py] = [(x[row] - left) * scale, (y[row] - top) * scale];
    const [colour, stripe, lean] = [plain[codes[row]], stripes[codes[row]], leans[codes[row]]];
    const first = Math.max(Math.round(py - half), 0), last = Math.min(Math.round(py + half), height);
    for (let v = first; v < last; v++) {
      // A disc covers the pixels whose middles it covers; squares meet without gaps.
      const reach = discs ? Math.sqrt(Math.max(half * half - (v + 0.5 - py) ** 2, 0)) - 0.5 : half;
      const from = Math.max(discs ? Math.ceil(px - reach - 1) : Math.round(px - reach), 0);
      const to = Math.min(discs ? Math.floor(px + reach) + 1 : Math.round(px + reach), width);
      for (let u = from; u < to; u++) pixels[v * width + u] = (u + lean * v + shift) % STRIPE.every < STRIPE.width ? stripe : colour;
    }
  }
  pen.putImageData(image, 0, 0);
}

// A colour as a canvas stores it: red in the lowest byte, opaque.
function packedColour(colour) {
  const [r, g, b] = channels(colour);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

// Finds the spot nearest to a point. Spots are sorted into square cells, so that a look takes as long for ten as for a million.
export class SpotIndex {
  constructor(x, y, spacing) {
    Object.assign(this, { x, y });
    this.box = boxOf(x, y);
    const area = (this.box.width || 1) * (this.box.height || 1);
    this.cell = Math.max(spacing || 0, Math.sqrt(area / Math.max(x.length, 1))) * 2 || 1;
    this.across = Math.floor(this.box.width / this.cell) + 1;
    this.down = Math.floor(this.box.height / this.cell) + 1;
    this.starts = new Uint32Array(this.across * this.down + 1);
    const own = new Int32Array(x.length).fill(-1);
    for (let row = 0; row < x.length; row++) {
      if (Number.isNaN(x[row])) continue;
      own[row] = this.column(x[row]) + this.across * this.line(y[row]);
      this.starts[own[row] + 1]++;
    }
    for (let cell = 1; cell < this.starts.length; cell++) this.starts[cell] += this.starts[cell - 1];
    const next = this.starts.slice();
    this.rows = new Uint32Array(x.length);
    own.forEach((cell, row) => { if (cell >= 0) this.rows[next[cell]++] = row; });
  }

  column(x) { return Math.min(Math.max(Math.floor((x - this.box.left) / this.cell), 0), this.across - 1); }

  line(y) { return Math.min(Math.max(Math.floor((y - this.box.top) / this.cell), 0), this.down - 1); }

  // The row nearest to (x, y) within reach, of those of which drawn[row] is 1; null if there is none.
  nearest(x, y, reach, drawn) {
    let [best, distance] = [null, reach * reach];
    for (let line = this.line(y - reach); line <= this.line(y + reach); line++) {
      for (let column = this.column(x - reach); column <= this.column(x + reach); column++) {
        const cell = column + this.across * line;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const row = this.rows[at];
          const own = (this.x[row] - x) ** 2 + (this.y[row] - y) ** 2;
          if (own < distance && drawn[row]) [best, distance] = [row, own];
        }
      }
    }
    return best;
  }
}

// The box around points; those without coordinates are left out.
export function boxOf(x, y) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let row = 0; row < x.length; row++) {
    if (Number.isNaN(x[row])) continue;
    left = Math.min(left, x[row]); right = Math.max(right, x[row]);
    top = Math.min(top, y[row]); bottom = Math.max(bottom, y[row]);
  }
  return left <= right ? { left, top, width: right - left, height: bottom - top } : { left: 0, top: 0, width: 0, height: 0 };
}
