// Images of the tissue beneath the spots of the maps, how opaque both are, and the unit of the scale bars.

import { DATA } from "./data.js";
import { byId } from "./dom.js";
import { plots, state } from "./state.js";

const isShown = (code) => state.section === null || code === state.section;
export const beneath = {
  under: () => DATA.images.filter(({ section }) => isShown(section)),
  look: { image: 1, spots: 1 },
  // Per unit of the map, where they are known and the same for all sections that are shown.
  micrometres: () => {
    const known = DATA.micrometres.filter((_, section) => isShown(section));
    return known.every((value) => value && Math.abs(value / known[0] - 1) < 0.01) ? known[0] : null;
  },
};

export function startImages(maps) {
  if (DATA.images.length) beneath.look.spots = 0.7;
  let frame = 0;
  for (const layer of ["image", "spots"]) {
    const slider = byId(`${layer}-opacity`);
    if (!slider) continue;
    slider.value = String(beneath.look[layer]);
    slider.oninput = () => {
      beneath.look[layer] = Number(slider.value);
      beneath.look.chosen ||= layer === "spots";
      // A slider moves faster than large maps are drawn.
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => maps.forEach((name) => plots[name]?.redraw()));
    };
  }
}
