// Texts and scale bars on maps.

import { format } from "./dom.js";

export const TITLE = 20;  // pixels for the names above the upper sections
export const ON_COLOURS = { ink: "#1b2430", edge: "#ffffff" };

// Text with an edge, so that it can be read on everything.
export function paintText(pen, text, x, y, baseline, size, { ink, edge }) {
  Object.assign(pen, { font: `600 ${size}px system-ui, sans-serif`, textAlign: "center", textBaseline: baseline, lineJoin: "round", lineWidth: 4, strokeStyle: edge, fillStyle: ink });
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

// The longest of 1, 2, 5, 10 ... µm that is not longer than `most` pixels; null where a pixel has no known length.
export function roundLength(perPixel, most) {
  if (!perPixel) return null;
  const power = 10 ** Math.floor(Math.log10(perPixel * most));
  const length = power * [5, 2, 1].find((digit) => digit * power <= perPixel * most);
  return { pixels: length / perPixel, text: length >= 1000 ? `${format(length / 1000)} mm` : `${format(length)} µm` };
}
