// Texts and scale bars on maps.

import { element, format } from "./dom.js";

export const TITLE = 20;  // pixels for the names above the upper sections
export const FONT = 13;
export const ON_COLOURS = { ink: "#1b2430", edge: "#ffffff" };

const fontOf = (size, family = "system-ui, sans-serif") => `600 ${size}px ${family}`;

// Text with an edge, so that it can be read on everything.
export function paintText(pen, text, x, y, baseline, size, { ink, edge }) {
  Object.assign(pen, { font: fontOf(size), textAlign: "center", textBaseline: baseline, lineJoin: "round", lineWidth: 4, strokeStyle: edge, fillStyle: ink });
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
}

const ruler = element("canvas").getContext("2d");
function widthOf(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

// A text that is at most so many pixels wide, with … for what is cut off.
function cutText(text, size, most) {
  const font = fontOf(size);
  if (widthOf(text, font) <= most) return text;
  const letters = [...text];
  while (letters.length && widthOf(`${letters.join("")}…`, font) > most) letters.pop();
  return letters.length ? `${letters.join("")}…` : "";
}

// A text in lines of at most so many pixels, broken at spaces, or within words that are longer than a line.
export function wrapText(text, size, family, most) {
  const font = fontOf(size, family);
  const lines = [];
  let rest = [...text];
  while (widthOf(rest.join(""), font) > most) {
    let end = rest.length - 1;
    while (end > 1 && widthOf(rest.slice(0, end).join(""), font) > most) end--;
    const space = rest.lastIndexOf(" ", end);
    lines.push(rest.slice(0, space > 0 ? space : end).join(""));
    rest = rest.slice(space > 0 ? space + 1 : end);
  }
  return [...lines, rest.join("")];
}

// Titles and names at their places in pixels: titles cut to their room, and of names those that lie on no text before them.
export function placeTexts(titles, names, view, size) {
  const place = ({ x, y }) => ({ x: (x - view.left) * view.scale, y: (y - view.top) * view.scale });
  const placed = titles.map((title) => ({ ...place(title), text: cutText(title.text, size, title.room * view.scale - size) }));
  const boxes = placed.map((title) => textBox(title, size, size));
  const free = names.map((name) => ({ ...place(name), text: name.text })).filter((name) => {
    const box = textBox(name, size, size / 2);
    const covered = boxes.some((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom);
    if (!covered) boxes.push(box);
    return !covered;
  });
  return { titles: placed, names: free };
}

// above: pixels of the text that are above its place.
function textBox({ x, y, text }, size, above) {
  const half = widthOf(text, fontOf(size)) / 2;
  return { left: x - half, right: x + half, top: y - above, bottom: y - above + size };
}

// The longest of 1, 2, 5, 10 ... µm that is not longer than `most` pixels; null where a pixel has no known length.
export function roundLength(perPixel, most) {
  if (!perPixel) return null;
  const power = 10 ** Math.floor(Math.log10(perPixel * most));
  const length = power * [5, 2, 1].find((digit) => digit * power <= perPixel * most);
  return { pixels: length / perPixel, text: length >= 1000 ? `${format(length / 1000)} mm` : `${format(length)} µm` };
}
