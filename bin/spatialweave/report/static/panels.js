// The parts around the maps: legends, scales, the spot's card, marker tables.

import { classLooks, swatchStyle } from "./colours.js";
import { DATA, featureIndex } from "./data.js";
import { byId, element, format, grouped } from "./dom.js";
import { shortName } from "./names.js";

// Chips that hide and show classes. classes.missing: spots of no class, which is the code past the last one; hidden: Set of codes;
// passport: gives the fragment of a class's passport by its name, or null.
export function drawLegend(box, classes, hidden, onChange, passport = () => null) {
  const looks = classLooks(classes);
  const chips = classes.names.map((name, code) => ({ code, name, count: classes.counts[code] }));
  if (classes.missing) chips.push({ code: classes.names.length, name: "none", count: classes.missing });
  // The keyboard stays where it was.
  const focusable = () => [...box.querySelectorAll("button, a")];
  const focused = focusable().indexOf(document.activeElement);
  const all = element("button", { type: "button", className: "chip", textContent: "Show all" });
  all.hidden = hidden.size === 0;
  all.onclick = () => { hidden.clear(); onChange(); };
  box.replaceChildren(all, ...chips.flatMap(({ code, name, count }) => {
    const short = code < classes.names.length && shortName(classes, code) !== name ? element("b", { textContent: shortName(classes, code) }) : null;
    const chip = element("button", { type: "button", className: "chip", title: "Click: hide or show. Shift + click: only this one." },
      element("span", { style: swatchStyle(looks[code]) }), short, element("span", { textContent: name }),
      element("small", { textContent: grouped(count), title: `${grouped(count)} spots` }));
    chip.setAttribute("aria-pressed", String(!hidden.has(code)));
    chip.onclick = (event) => {
      if (event.shiftKey) {
        hidden.clear();
        chips.forEach((other) => other.code !== code && hidden.add(other.code));
      } else if (!hidden.delete(code)) {
        hidden.add(code);
      }
      onChange();
    };
    const fragment = passport(name);
    return fragment ? [element("span", { className: "joined" }, chip, element("a", { className: "chip", href: `#${fragment}`, textContent: "»", title: `Passport of domain ${name}`, ariaLabel: `Passport of domain ${name}` }))] : [chip];
  }));
  if (focused >= 0) (focusable()[focused]?.hidden ? focusable()[1] : focusable()[focused])?.focus();
}

// Key of the colours, for classes that cannot be hidden.
export function drawKeys(box, classes) {
  const looks = classes ? classLooks(classes) : [];
  box.replaceChildren(...(classes?.names ?? []).map((name, code) =>
    element("span", { className: "key" }, element("i", { style: swatchStyle(looks[code]) }), name)));
}

// The ends of a colour scale in words.
export const scaleEnds = ({ low = 0, top, cut = true }) => [cut && low !== 0 ? `${format(low)} or less` : format(low), cut ? `${format(top)} or more` : format(top)];

// The ends of a colour scale, and what it measures.
export function drawScale(name, scale) {
  [byId(`${name}-low`).textContent, byId(`${name}-top`).textContent] = scaleEnds(scale);
  byId(`${name}-unit`).textContent = scale.unit;
}

export const tip = element("div", { className: "tip", hidden: true });
tip.setAttribute("role", "status");
document.body.append(tip);

// title: the barcode; facts: [[name, value, look or null], ...].
export function showTip(event, title, facts) {
  const list = element("dl");
  for (const [name, value, look] of facts) {
    const swatch = look ? element("span", { className: "swatch", style: swatchStyle(look) }) : null;
    list.append(element("dt", { textContent: name }), element("dd", {}, swatch, value));
  }
  tip.replaceChildren(element("strong", { textContent: title }), list);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = event.clientX + 18 + box.width > innerWidth ? event.clientX - box.width - 18 : event.clientX + 18;
  const top = Math.min(event.clientY + 14, innerHeight - box.height - 8);
  Object.assign(tip.style, { left: `${Math.max(left, 4)}px`, top: `${Math.max(top, 4)}px` });
}

const unitOf = (modality) => DATA.features.find((feature) => feature.modality === modality)?.unit ?? "values";

// One table per modality: a row per domain with its markers; markers that have a map are buttons.
export function drawMarkers(run, featureIndex, onFeature) {
  const box = document.getElementById("markers");
  if (!box) return;
  const looks = classLooks(run.domains);
  box.replaceChildren(...run.markers.map(({ modality, title, domains }) => {
    const body = element("tbody");
    domains.forEach((markers, code) => {
      const cell = element("td");
      for (const [name, difference, inside, outside] of markers) {
        const index = featureIndex.get(`${modality}\n${name}`);
        const title = `difference ${difference}; detected in ${Math.round(100 * inside)}% of the spots inside, ${Math.round(100 * outside)}% outside`;
        const label = [element("span", { textContent: name }), " ", element("small", { textContent: `+${difference.toFixed(2)}` })];
        const node = index === undefined
          ? element("span", { className: "feature", title }, ...label)
          : element("button", { type: "button", title: `${title}. Click to map it.`, onclick: () => onFeature(index) }, ...label);
        cell.append(node);
      }
      if (!markers.length) cell.append("–");
      const swatch = element("span", { className: "swatch", style: swatchStyle(looks[code]) });
      body.append(element("tr", {}, element("th", { scope: "row" }, swatch, run.domains.names[code]), cell));
    });
    const head = element("thead", {}, element("tr", {}, element("th", { textContent: "domain" }), element("th", { textContent: `${title}: highest against the other domains (difference of the means of ${unitOf(modality)})` })));
    return element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `Markers: ${title}` }, element("table", { className: "wide markers" }, head, body));
  }));
}
