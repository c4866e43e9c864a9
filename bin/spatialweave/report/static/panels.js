"use strict";

// The parts around the maps: legends, the spot's card, loss curves, marker tables.

// Chips that hide and show classes. hidden: Set of class codes; the class past the last one is "no class".
function drawLegend(box, classes, hidden, unknown, missing, onChange) {
  const chips = classes.names.map((name, code) => ({ code, name, count: classes.counts[code], colour: classes.colours[code] }));
  if (missing) chips.push({ code: classes.names.length, name: "none", count: missing, colour: unknown });
  const all = element("button", { type: "button", className: "chip", textContent: "Show all" });
  all.hidden = hidden.size === 0;
  all.onclick = () => { hidden.clear(); onChange(); };
  box.replaceChildren(all, ...chips.map(({ code, name, count, colour }) => {
    const chip = element("button", { type: "button", className: "chip", title: "Click: hide or show. Shift + click: only this one." },
      element("span", { style: { background: colour } }), element("span", { textContent: name }),
      element("small", { textContent: grouped(count) }));
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
    return chip;
  }));
}

// What colours mean, where nothing is to be hidden.
function drawKeys(box, { names, colours }) {
  box.replaceChildren(...names.map((name, code) =>
    element("span", { className: "key" }, element("i", { style: { background: colours[code] } }), name)));
}

const tip = element("div", { className: "tip", hidden: true });
tip.setAttribute("role", "status");
document.body.append(tip);

// title: the barcode; facts: [[name, value, colour or null], ...].
function showTip(event, title, facts) {
  const list = element("dl");
  for (const [name, value, colour] of facts) {
    const swatch = colour ? element("span", { className: "swatch", style: { background: colour } }) : null;
    list.append(element("dt", { textContent: name }), element("dd", {}, swatch, value));
  }
  tip.replaceChildren(element("strong", { textContent: title }), list);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = event.clientX + 18 + box.width > innerWidth ? event.clientX - box.width - 18 : event.clientX + 18;
  const top = Math.min(event.clientY + 14, innerHeight - box.height - 8);
  Object.assign(tip.style, { left: `${Math.max(left, 4)}px`, top: `${Math.max(top, 4)}px` });
}

function drawLosses(losses) {
  const box = document.getElementById("losses");
  if (!box) return;
  const terms = Object.keys(losses).sort((a, b) => (b === "total") - (a === "total") || a.localeCompare(b));
  if (!terms.length) {
    Plotly.purge(box);
    box.replaceChildren(element("p", { className: "empty", textContent: "This run has no loss curve: it does not train." }));
    return;
  }
  if (!box.classList.contains("js-plotly-plot")) box.replaceChildren();
  const colours = ["#1b2430", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"];
  const traces = terms.map((term, index) => ({
    type: "scatter", mode: losses[term].epoch.length > 1 ? "lines" : "markers", name: plotlyText(term.replaceAll("_", " ")),
    x: losses[term].epoch, y: losses[term].value,
    line: { width: term === "total" ? 2.5 : 1.5, color: colours[index % colours.length] },
  }));
  const axis = { gridcolor: "#e9edf1", linecolor: "#c4ccd6", zeroline: false, automargin: true };
  Plotly.react(box, traces, {
    margin: { l: 60, r: 16, t: 10, b: 44 }, height: 320, hovermode: "x unified", plot_bgcolor: "#fff",
    font: { family: "inherit", size: 12, color: "#1b2430" }, legend: { orientation: "h", y: 1.12 }, showlegend: true,
    xaxis: { ...axis, title: { text: "epoch" } }, yaxis: { ...axis, title: { text: "loss" } },
  }, { ...PLOT_CONFIG, scrollZoom: false });
}

// One table per modality: a row per domain with its markers; markers that have a map are buttons.
function drawMarkers(run, featureIndex, onFeature) {
  const box = document.getElementById("markers");
  if (!box) return;
  box.replaceChildren(...run.markers.map(({ modality, domains }) => {
    const body = element("tbody");
    domains.forEach((markers, code) => {
      const cell = element("td");
      for (const [name, difference, inside, outside] of markers) {
        const index = featureIndex.get(`${modality}\n${name}`);
        const title = `log difference ${difference}; detected in ${Math.round(100 * inside)}% of the spots inside, ${Math.round(100 * outside)}% outside`;
        const label = [element("span", { textContent: name }), " ", element("small", { textContent: `+${difference.toFixed(2)}` })];
        const node = index === undefined
          ? element("span", { className: "feature", title }, ...label)
          : element("button", { type: "button", title: `${title}. Click to map it.`, onclick: () => onFeature(index) }, ...label);
        cell.append(node);
      }
      if (!markers.length) cell.append("–");
      const swatch = element("span", { className: "swatch", style: { background: run.domains.colours[code] } });
      body.append(element("tr", {}, element("th", { scope: "row" }, swatch, run.domains.names[code]), cell));
    });
    const head = element("thead", {}, element("tr", {}, element("th", { textContent: "domain" }), element("th", { textContent: `${modality}: highest against the other domains` })));
    return element("div", { className: "scroll" }, element("table", { className: "wide markers" }, head, body));
  }));
}
