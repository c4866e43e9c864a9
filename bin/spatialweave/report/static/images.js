// Images of the tissue beneath the spots of the maps, how opaque both are, and the unit of the scale bars.

import { DATA } from "./data.js";
import { byId } from "./dom.js";
import { plots, state } from "./state.js";

const LOOK = { image: 1, spots: 1 };

// Beneath the maps of one section, or of all where it is null.
const beneathSection = (sectionShown) => {
  const isShown = (code) => sectionShown() === null || code === sectionShown();
  return {
    under: () => DATA.images.filter(({ section }) => isShown(section)),
    look: LOOK,
    // Per unit of the map, where they are known and the same for all sections that are shown.
    micrometres: () => {
      const known = DATA.micrometres.filter((_, section) => isShown(section));
      return known.every((value) => value && Math.abs(value / known[0] - 1) < 0.01) ? known[0] : null;
    },
  };
};
export const beneathChosen = beneathSection(() => state.section);
export const beneathAll = beneathSection(() => null);

export function startImages(maps) {
  if (DATA.images.length) LOOK.spots = 0.7;
  let frame = 0;
  for (const layer of ["image", "spots"]) {
    const slider = byId(`${layer}-opacity`);
    if (!slider) continue;
    slider.value = String(LOOK[layer]);
    slider.oninput = () => {
      LOOK[layer] = Number(slider.value);
      LOOK.chosen ||= layer === "spots";
      // A slider moves faster than large maps are drawn.
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => maps.forEach((name) => plots[name]?.redraw()));
    };
  }
}
