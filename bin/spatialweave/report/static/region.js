// Markers of spots that the reader has chosen: every feature of the file, compared between them and all others.

import { DATA, unpack } from "./data.js";
import { boxOf } from "./spots.js";

export const REGION = { inside: 1, outside: 0, leftOut: 2, fewest: 3, shown: 10 };
const MISSING = 255;  // the step of a spot without the modality
const STEPS = 256;
const TOGETHER = 64;  // features that are unpacked at once

// Of one feature, whose values are steps from 0 to 254: area under the ROC curve (how often a spot inside has more than one
// outside, a tie counting one half: the rank-sum statistic over the pairs), mean steps and fractions above 0. side: one of REGION's
// for every spot. null if too few spots were measured.
function compareSides(steps, side) {
  const counts = new Uint32Array(3 * STEPS);
  for (let row = 0; row < side.length; row++) counts[side[row] * STEPS + steps[row]]++;
  const of = (which) => counts.subarray(which * STEPS, which * STEPS + MISSING);
  const [inside, outside] = [summaryOf(of(REGION.inside)), summaryOf(of(REGION.outside))];
  if (Math.min(inside.spots, outside.spots) < REGION.fewest) return null;
  let below = 0, wins = 0;
  for (let step = 0; step < MISSING; step++) {
    wins += of(REGION.inside)[step] * (below + of(REGION.outside)[step] / 2);
    below += of(REGION.outside)[step];
  }
  return { auc: wins / (inside.spots * outside.spots), inside, outside };
}

function summaryOf(counts) {
  let spots = 0, total = 0;
  counts.forEach((count, step) => { spots += count; total += count * step; });
  return { spots, mean: total / spots, fraction: 1 - counts[0] / spots };
}

// All features of the file, highest area first: [{feature (its number), auc, inside, outside}, ...]. still: whether the answer is
// still wanted, asked between some of them, so that the page stays alive.
export async function markersOfRegion(side, still = () => true) {
  const found = [];
  for (let start = 0; start < DATA.features.length; start += TOGETHER) {
    const steps = await Promise.all(DATA.features.slice(start, start + TOGETHER).map((feature) => unpack(feature.steps)));
    if (!still()) return null;
    steps.forEach((own, at) => {
      const compared = compareSides(own, side);
      if (compared) found.push({ feature: start + at, ...compared });
    });
  }
  return found.sort((a, b) => b.auc - a.auc);
}

// Whether a point is inside of a polygon [[x, y], ...], by the even-odd rule.
function insidePolygon(x, y, corners) {
  let inside = false;
  for (let at = 0, before = corners.length - 1; at < corners.length; before = at++) {
    const [[x1, y1], [x2, y2]] = [corners[at], corners[before]];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}

// The side of every spot of a map: those drawn inside of the polygon against all others drawn.
export function sidesOf({ x, y, rows }, corners) {
  const side = new Uint8Array(x.length).fill(REGION.leftOut);
  const box = boxOf(corners.map((corner) => corner[0]), corners.map((corner) => corner[1]));
  let spots = 0;
  for (const row of rows) {
    const near = x[row] >= box.left && x[row] <= box.left + box.width && y[row] >= box.top && y[row] <= box.top + box.height;
    side[row] = near && insidePolygon(x[row], y[row], corners) ? REGION.inside : REGION.outside;
    spots += side[row];
  }
  return { side, spots };
}
