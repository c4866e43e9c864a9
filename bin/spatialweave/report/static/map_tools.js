// Moving and zooming a map by pointer, wheel and keys, and the buttons above it.

import { element, toolButton } from "./dom.js";
import { lassoButton, takeLasso } from "./lasso.js";
import { savePanel } from "./save.js";

export const TOOLS = 30;  // pixels for the tools above the map
export const ZOOM = { step: 1.5, least: 0.5, most: 400 };
const STEP = 60;  // pixels that an arrow key moves the map
const CLICK = { pixels: 4, milliseconds: 300 };  // that a click may move, and between the two of a double one

export const viewButtons = (magnify, reset) => [
  toolButton("−", "Zoom out", () => magnify(1 / ZOOM.step)), toolButton("+", "Zoom in", () => magnify(ZOOM.step)), toolButton("All", "Show all", reset),
];

// act: called with "png" or "svg".
export const saveButtons = (act) => ["PNG", "SVG"].map((kind) => toolButton(kind, `Save this panel as ${kind}, with its legend`, () => act(kind.toLowerCase())));

export function mapTools(plot) {
  const { camera } = plot;
  return element("div", { className: "tools" },
    ...viewButtons((factor) => camera.magnify(factor), () => camera.reset()),
    plot.lasso ? lassoButton() : null,
    ...saveButtons((kind) => savePanel(plot, kind)));
}

export function listenToMap(plot) {
  const { canvas, camera } = plot;
  let last = null;
  const middle = () => [canvas.clientWidth / 2, TOOLS + (canvas.clientHeight - TOOLS) / 2];
  const move = (dx, dy) => {
    const { scale } = plot.view();
    camera.move(-dx / scale, -dy / scale);
  };
  const describe = (row, event) => plot.onHover?.(row, event);
  // A click waits until it cannot become a double click.
  let pressed = null, waiting = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    describe(null);
    if (!takeLasso.down(plot, event)) last = pressed = event;
    else pressed = null;
  });
  for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, () => { last = null; takeLasso.up(plot); });
  canvas.addEventListener("click", (event) => {
    clearTimeout(waiting);
    const moved = !pressed || Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) > CLICK.pixels;
    const row = plot.shown && !moved ? plot.pick(event.offsetX, event.offsetY) : null;
    if (row !== null && event.detail === 1) waiting = setTimeout(() => plot.onClick(row), CLICK.milliseconds);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!plot.shown || takeLasso.move(plot, event)) return;
    if (!last) { describe(plot.pick(event.offsetX, event.offsetY), event); return; }
    move(event.clientX - last.clientX, event.clientY - last.clientY);
    last = event;
  });
  canvas.addEventListener("pointerleave", () => describe(null));
  canvas.addEventListener("blur", () => describe(null));
  canvas.addEventListener("dblclick", () => camera.reset());
  // The wheel belongs to the page; with Ctrl or Cmd held it zooms the map.
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const { scale, left, top } = plot.view();
    camera.magnify(Math.exp(-event.deltaY / 300), event.offsetX / scale + left, event.offsetY / scale + top);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (takeLasso.key(plot, event, middle())) { event.preventDefault(); return; }
    const arrow = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    const act = {
      "+": () => camera.magnify(ZOOM.step), "=": () => camera.magnify(ZOOM.step), "-": () => camera.magnify(1 / ZOOM.step),
      0: () => camera.reset(), Home: () => camera.reset(), Escape: () => describe(null),
      Enter: () => {
        const [left, top] = middle(), box = canvas.getBoundingClientRect();
        describe(plot.pick(left, top, STEP), { clientX: box.left + left, clientY: box.top + top });
      },
    }[event.key] ?? (arrow && (() => move(...arrow)));
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}
