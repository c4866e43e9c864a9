// Names on the map: of classes, so that they do not differ by colour only, and of sections.

import { DATA } from "./data.js";
import { boxOf } from "./spots.js";

const LONGEST_NAME = 4;  // letters; a longer one is a number on the map, which the legend explains
const CELLS = 40;  // along the longer side of a section
const ROUNDS = 6;  // of smoothing the density, so that a name comes to the middle of a large part

export const shortName = (classes, code) => (classes.names[code].length > LONGEST_NAME ? String(code + 1) : classes.names[code]);

// One {text, x, y} per class that is shown and section, in the densest part of the class.
export function namesOnMap({ x, y, codes }, classes, hidden, sections) {
  classes.places ??= new Map();
  if (!classes.places.has(x)) classes.places.set(x, placesOf(x, y, codes, classes, sections));
  return classes.places.get(x).filter(({ code }) => !hidden.has(code));
}

function placesOf(x, y, codes, classes, sections) {
  const parts = DATA.sections.names.map(() => []);
  for (let row = 0; row < x.length; row++) if (!Number.isNaN(x[row]) && codes[row] < classes.names.length) parts[sections ? sections[row] : 0].push(row);
  return parts.filter((part) => part.length).flatMap((part) => {
    const at = (values) => Float32Array.from(part, (row) => values[row]);
    const [px, py] = [at(x), at(y)];
    const box = boxOf(px, py);
    const size = Math.max(box.width, box.height) / CELLS || 1;
    const across = Math.floor(box.width / size) + 3, down = Math.floor(box.height / size) + 3;
    const cells = part.map((_, index) => Math.floor((px[index] - box.left) / size) + 1 + across * (Math.floor((py[index] - box.top) / size) + 1));
    const members = new Map();
    part.forEach((row, index) => {
      if (!members.has(codes[row])) members.set(codes[row], []);
      members.get(codes[row]).push(index);
    });
    return [...members].map(([code, own]) => ({ code, text: shortName(classes, code), ...densest(own, cells, px, py, across, down) }));
  });
}

// The member nearest to the mean position of those in the 5 x 5 cells about the place where they are densest.
function densest(own, cells, x, y, across, down) {
  const counts = new Float64Array(across * down);
  for (const index of own) counts[cells[index]]++;
  let blurred = counts;
  for (let round = 0; round < ROUNDS; round++) blurred = blur(blurred, across, down);
  const best = blurred.indexOf(blurred.reduce((most, value) => Math.max(most, value), 0));
  const [column, line] = [best % across, Math.floor(best / across)];
  const near = own.filter((index) => Math.abs((cells[index] % across) - column) <= 2 && Math.abs(Math.floor(cells[index] / across) - line) <= 2);
  const mean = (values) => near.reduce((sum, index) => sum + values[index], 0) / near.length;
  const [mx, my] = [mean(x), mean(y)];
  const away = (index) => (x[index] - mx) ** 2 + (y[index] - my) ** 2;
  const middle = near.reduce((best, index) => (away(index) < away(best) ? index : best), near[0]);
  return { x: x[middle], y: y[middle] };
}

// Sums over 3 x 3 cells; those at the edge, which hold nothing, stay empty.
function blur(counts, across, down) {
  const sums = new Float64Array(counts.length);
  for (let line = 1; line < down - 1; line++) {
    for (let column = 1; column < across - 1; column++) {
      for (const step of [-across, 0, across]) {
        const at = line * across + column + step;
        sums[line * across + column] += counts[at - 1] + counts[at] + counts[at + 1];
      }
    }
  }
  return sums;
}

// Upper edge of the spots of a section, or of its image if that reaches further.
function upperEdge(code) {
  const image = DATA.images.find(({ section }) => section === code);
  return Math.min(DATA.sections.titles[code][1] - DATA.spacing / 2, image?.y ?? Infinity);
}

// The names of all sections, or of one, each above its section; none if there is only one. room: the width that one of several has.
export function sectionTitles(section = null) {
  if (DATA.sections.names.length < 2) return [];
  const room = section === null ? DATA.sections.room : Infinity;
  return DATA.sections.names
    .map((text, code) => ({ text, x: DATA.sections.titles[code][0], y: upperEdge(code), code, room }))
    .filter(({ code }) => section === null || code === section);
}
