// Any feature of the file by its name: a field that offers matches during typing.

import { DATA } from "./data.js";
import { byId, element, grouped } from "./dom.js";

const OFFERED = 40;
export const featureKey = ({ name, modality }) => `${name} (${modality})`;

export function startSearch(onFeature) {
  const field = byId("feature-search");
  if (!field) return;
  const keys = DATA.features.map(featureKey);
  const positions = new Map(keys.map((key, index) => [key, index]));
  const lower = keys.map((key) => key.toLowerCase());
  const matches = (text) => {
    const found = lower.flatMap((key, index) => (key.includes(text) ? [index] : []));
    // Those that begin with the text first.
    return found.sort((a, b) => lower[b].startsWith(text) - lower[a].startsWith(text));
  };
  const offer = () => {
    const found = matches(field.value.trim().toLowerCase());
    byId("feature-list").replaceChildren(...found.slice(0, OFFERED).map((index) => element("option", { value: keys[index] })));
    return found;
  };
  const note = byId("feature-note");
  field.oninput = () => {
    const found = offer();
    const exact = positions.get(field.value);
    note.textContent = found.length ? `${grouped(found.length)} match` : "No feature name in this file contains this text.";
    if (exact !== undefined) onFeature(exact);
  };
  field.onchange = () => {
    const exact = positions.get(field.value) ?? matches(field.value.trim().toLowerCase())[0];
    if (exact === undefined) return;
    field.value = keys[exact];
    note.textContent = "";
    onFeature(exact);
  };
  // The whole list is offered again.
  field.onfocus = () => { field.select(); byId("feature-list").replaceChildren(...keys.slice(0, OFFERED).map((key) => element("option", { value: key }))); };
  offer();
}

export function nameFeature(index) {
  const field = byId("feature-search");
  if (field) field.value = featureKey(DATA.features[index]);
}
