// Elements of the page, and how it writes numbers.

export const byId = (id) => document.getElementById(id);

// An element with properties and children. Texts become text nodes, so names cannot act as markup.
export function element(tag, properties = {}, ...children) {
  const { style, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.style, style);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// The same for SVG, whose properties are attributes.
export function drawing(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function toolButton(text, title, act) {
  const node = element("button", { type: "button", title, textContent: text, onclick: act });
  node.setAttribute("aria-label", title);
  return node;
}

export function fill(id, options, chosen, onChange) {
  const select = byId(id);
  if (!select) return;
  select.replaceChildren(...options.map(({ key, name }) => element("option", { value: key, textContent: name })));
  select.value = chosen;
  select.onchange = () => onChange(select.value);
}

// Offer a file to be saved; gives its name.
export function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return name;
}

export const format = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4))));
export const grouped = (count) => count.toLocaleString("en").replaceAll(",", "\u202f");

// Round numbers that span a range, about five of them.
export function ticks(low, high) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= span / 5);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(Number(value.toPrecision(12)));
  return found;
}
