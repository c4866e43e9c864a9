// Appearance of the codes of spots: a colour, and stripes if colours alone no longer distinguish classes.

import { DATA } from "./data.js";
import { element } from "./dom.js";

export const VIRIDIS = ["#440154", "#481a6c", "#472f7d", "#414487", "#39568c", "#31688e", "#2a788e", "#23888e", "#1f988b", "#22a884", "#35b779", "#54c568", "#7ad151", "#a5db36", "#d2e21b", "#fde725"];
export const STRIPE = { every: 8, width: 2 };  // pixels along the diagonal

export const channels = (colour) => [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
const hex = (values) => `#${values.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
const mix = (a, b, share) => a.map((value, index) => value + share * (b[index] - value));

// White on dark colours, black on bright ones.
function stripeOf(colour) {
  const [r, g, b] = channels(colour);
  return 0.3 * r + 0.59 * g + 0.11 * b > 140 ? "#1b2430" : "#ffffff";
}

// Grey that stays behind the classes, in either style of the page.
export const DARK = matchMedia("screen and (prefers-color-scheme: dark)");
export const unknownLook = () => ({ colour: DARK.matches ? "#3d4754" : DATA.unknown, stripe: null });

// The same spots on a background that is always white: on paper, and in saved pictures.
export const onWhite = (spots) => ({ ...spots, looks: [...spots.looks.slice(0, -1), { colour: DATA.unknown, stripe: null }] });

// One look per class, {colour, stripe, lean}, and one more for spots without a class. lean: 1 for rising stripes, -1 for falling ones.
export function classLooks({ colours, stripes }) {
  const looks = colours.map((colour, code) => ({ colour, stripe: stripes[code] ? stripeOf(colour) : null, lean: stripes[code] === 2 ? -1 : 1 }));
  return [...looks, unknownLook()];
}

// The 255 steps of a scale, and the code 255 for spots that were not measured.
const SCALE_LOOKS = Array.from({ length: 255 }, (_, step) => {
  const at = (step / 254) * (VIRIDIS.length - 1);
  const from = Math.min(Math.floor(at), VIRIDIS.length - 2);
  return { colour: hex(mix(channels(VIRIDIS[from]), channels(VIRIDIS[from + 1]), at - from)), stripe: null };
});
export const scaleLooks = () => [...SCALE_LOOKS, unknownLook()];

// The same stripes in a legend.
export function swatchStyle({ colour, stripe, lean }) {
  if (!stripe) return { background: colour };
  return { background: `repeating-linear-gradient(${lean > 0 ? 135 : 45}deg, ${stripe} 0 1.4px, ${colour} 1.4px 4px)` };
}

// The fill of a look on a canvas.
export function fillOf(pen, { colour, stripe, lean }) {
  if (!stripe) return colour;
  const { every, width } = STRIPE;
  const tile = element("canvas", { width: every, height: every });
  const brush = tile.getContext("2d");
  brush.fillStyle = colour;
  brush.fillRect(0, 0, every, every);
  brush.fillStyle = stripe;
  for (let row = 0; row < every; row++) {
    for (let at = 0; at < width; at++) brush.fillRect((at + every - lean * row) % every, row, 1, 1);
  }
  return pen.createPattern(tile, "repeat");
}
