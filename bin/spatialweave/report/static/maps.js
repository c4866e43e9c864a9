"use strict";

// One plot of spots: a tissue map or a UMAP. Knows how to draw classes and values, not what they mean.

const HAS_WEBGL = Boolean(document.createElement("canvas").getContext("webgl"));
const SYMBOLS = { square: "square", hexagonal: "circle", cells: "circle" };
const FILL = { square: 1.1, hexagonal: 0.96, cells: 0.9 };
const MARGIN = { l: 8, r: 8, t: 30, b: 8 };  // room for the tool bar above
const TITLE = 20;  // pixels for the names above the upper sections
const PLOT_CONFIG = {
  responsive: true,
  displaylogo: false,
  // Plotly would offer to upload the chart to its makers.
  showSendToCloud: false,
  plotlyServerURL: "",
  scrollZoom: true,
  doubleClick: "reset",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { scale: 3 },
};

class SpotPlot {
  // spacing: distance between spots in data units, drawn to scale; null for a UMAP, whose points keep their size.
  // under: gives the images beneath the spots; look: opacity of both, shared by all maps; micrometres: gives those per unit.
  constructor(name, { spacing = null, layout = "cells", under = () => [], look = { image: 1, spots: 1 }, micrometres = () => null, onHover, onMove = () => {}, onResize = () => {} }) {
    this.div = document.getElementById(name);
    this.name = name;
    this.spacing = spacing;
    this.layoutName = layout;
    Object.assign(this, { under, look, micrometres });
    this.bar = element("div", { className: "scale-bar", hidden: true });
    this.onHover = onHover;
    this.onMove = onMove;
    // Another size is another range to show, not a move for the other maps to follow.
    new ResizeObserver(() => { if (this.started && this.viewKey() !== this.view) onResize(); }).observe(this.div);
    this.ring = element("div", { className: "ring", hidden: true });
    this.started = false;
    // The wheel belongs to the page; with Ctrl or Cmd held it zooms the map.
    this.div.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    }, { capture: true });
  }

  // groups: spots in one colour ({rows, colour}), or coloured by values from low to top ({rows, values, low = 0, top, scale}).
  async draw(x, y, groups, annotations = []) {
    this.x = x;
    this.y = y;
    this.groups = groups;
    this.ring.hidden = true;
    const view = this.viewKey();
    if (view !== this.view) {
      this.view = view;
      this.range = this.fit(x, y, annotations.length ? TITLE : 0);
    }
    const range = this.range;
    Object.assign(this, this.markers(range.x, this.width() - MARGIN.l - MARGIN.r));
    await Plotly.react(this.div, groups.map((group) => this.trace(group)), this.layout(range, annotations), { ...PLOT_CONFIG, responsive: false });
    this.drawBar();
    if (this.started) return;
    this.started = true;
    this.div.append(this.ring, this.bar);
    this.div.on("plotly_hover", (event) => {
      const point = event.points[0];
      this.onHover(this.groups[point.curveNumber].rows[point.pointNumber], event.event);
    });
    this.div.on("plotly_unhover", () => this.onHover(null));
    this.div.on("plotly_relayout", () => this.moved());
  }

  trace(group) {
    const take = (values) => Float32Array.from(group.rows, (row) => values[row]);
    const marker = { size: this.size, symbol: this.symbol, line: { width: 0 } };
    if (group.values) {
      Object.assign(marker, { color: take(group.values), cmin: group.low ?? 0, cmax: group.top, colorscale: group.scale, showscale: false });
    } else {
      marker.color = group.colour;
    }
    marker.opacity = this.look.spots;
    return { type: HAS_WEBGL ? "scattergl" : "scatter", mode: "markers", hoverinfo: "none", x: take(this.x), y: take(this.y), marker };
  }

  layout(range, annotations) {
    const axis = { visible: false, zeroline: false, showgrid: false };
    return {
      margin: MARGIN, width: this.width(), height: this.div.clientHeight,
      showlegend: false, hovermode: "closest", dragmode: "zoom", uirevision: this.view, hoverdistance: 12,
      paper_bgcolor: "#fff", plot_bgcolor: "#fff", font: { family: "inherit", size: 12, color: "#1b2430" },
      modebar: { orientation: "h", bgcolor: "rgba(255,255,255,.7)", color: "#8591a0", activecolor: "#0b5d7a" },
      xaxis: { ...axis, range: [...range.x] },
      yaxis: { ...axis, range: [...range.y], scaleanchor: this.spacing === null ? undefined : "x" },
      images: this.under().map(({ source, x, y, width, height }) => ({
        source, x, y, sizex: width, sizey: height, xref: "x", yref: "y", xanchor: "left", yanchor: "top", sizing: "stretch", layer: "below", opacity: this.look.image,
      })),
      annotations: annotations.map((note) => ({ ...note, text: plotlyText(note.text), showarrow: false, yanchor: "bottom" })),
    };
  }

  // Another opacity of image and spots, without drawing the spots again.
  fade() {
    if (!this.started) return;
    const images = Object.fromEntries(this.under().map((_, index) => [`images[${index}].opacity`, this.look.image]));
    Plotly.update(this.div, { "marker.opacity": this.look.spots }, images);
  }

  // The bar of a round length that takes a quarter of the width at most; none where the unit is not known.
  drawBar() {
    const { range, _length: width } = this.div._fullLayout.xaxis;
    const perPixel = (this.micrometres() * Math.abs(range[1] - range[0])) / width;
    this.bar.hidden = !perPixel;
    if (!perPixel) return;
    const power = 10 ** Math.floor(Math.log10(perPixel * width / 4));
    const length = power * [5, 2, 1].find((digit) => digit * power <= perPixel * width / 4);
    this.bar.style.width = `${length / perPixel}px`;
    this.bar.textContent = length >= 1000 ? `${format(length / 1000)} mm` : `${format(length)} µm`;
  }

  width() {
    return this.div.clientWidth || 600;
  }

  // What the range depends on: the spots with coordinates, and the size of the plot.
  viewKey() {
    const first = this.x.findIndex((value) => !Number.isNaN(value));
    return `${this.x.length} ${first} ${this.x[first]} ${this.y[first]} ${this.div.clientWidth} ${this.div.clientHeight}`;
  }

  // The range that shows all points; on a tissue map with equal scales, and y growing downwards as in images.
  fit(x, y, title) {
    const [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
    for (let row = 0; row < x.length; row++) {
      if (Number.isNaN(x[row])) continue;
      low[0] = Math.min(low[0], x[row]); high[0] = Math.max(high[0], x[row]);
      low[1] = Math.min(low[1], y[row]); high[1] = Math.max(high[1], y[row]);
    }
    const pad = this.spacing === null ? 0.05 * Math.max(high[0] - low[0], high[1] - low[1]) || 1 : this.spacing || 1;
    const span = [high[0] - low[0] + 2 * pad, high[1] - low[1] + 2 * pad];
    const middle = [(high[0] + low[0]) / 2, (high[1] + low[1]) / 2];
    if (this.spacing !== null) {
      const [width, height] = [this.width() - MARGIN.l - MARGIN.r, this.div.clientHeight - MARGIN.t - MARGIN.b];
      const free = height - title;
      const scale = Math.min(width / span[0], free / span[1]);
      span[0] = width / scale;
      span[1] = height / scale;
      middle[1] -= title / 2 / scale;
    }
    const x0 = middle[0] - span[0] / 2, y0 = middle[1] - span[1] / 2;
    return { x: [x0, x0 + span[0]], y: this.spacing === null ? [y0, y0 + span[1]] : [y0 + span[1], y0] };
  }

  // Size and shape of the spots: drawn to scale, so that they tile the tissue at any zoom. Circles of a few pixels
  // would let the page shine through between them; squares that overlap a little do not.
  markers(xRange, width) {
    if (this.spacing === null) return { size: this.x.length > 8000 ? 3 : this.x.length > 1500 ? 4 : 6, symbol: "circle" };
    const pixels = (this.spacing * width) / Math.abs(xRange[1] - xRange[0]);
    if (pixels < 5) return { size: Math.max(pixels, 1) + 0.7, symbol: "square" };
    return { size: Math.min(pixels * FILL[this.layoutName], 80), symbol: SYMBOLS[this.layoutName] };
  }

  moved() {
    const axes = this.div._fullLayout;
    this.ring.hidden = true;
    const { size, symbol } = this.markers(axes.xaxis.range, axes.xaxis._length);
    if (Math.abs(size - this.size) > 0.02 * this.size) {
      Object.assign(this, { size, symbol });
      Plotly.restyle(this.div, { "marker.size": size, "marker.symbol": symbol });
    }
    this.drawBar();
    this.onMove(this, { "xaxis.range": [...axes.xaxis.range], "yaxis.range": [...axes.yaxis.range] });
  }

  // Take over the range of another map of the same tissue.
  follow(ranges) {
    const own = this.div._fullLayout;
    const same = (a, b) => Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]) < 1e-6 * Math.abs(a[1] - a[0]);
    if (!this.started || same(own.xaxis.range, ranges["xaxis.range"])) return;
    Plotly.relayout(this.div, ranges);
  }

  // Circle one spot, at the same position on all maps of the tissue.
  mark(row) {
    this.ring.hidden = true;
    if (row === null || !this.started || Number.isNaN(this.x[row])) return;
    const { xaxis, yaxis } = this.div._fullLayout;
    const [left, top] = [xaxis.l2p(this.x[row]), yaxis.l2p(this.y[row])];
    if (left < 0 || top < 0 || left > xaxis._length || top > yaxis._length) return;
    this.ring.style.left = `${xaxis._offset + left}px`;
    this.ring.style.top = `${yaxis._offset + top}px`;
    this.ring.hidden = false;
  }
}
