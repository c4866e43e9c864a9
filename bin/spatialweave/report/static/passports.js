// The passports of domains: one page per domain in a dialog, opened by its fragment, e.g. #domain-3; on paper one each.

import { classLooks, scaleLooks, unknownLook } from "./colours.js";
import { DATA, featureIndex, loadSpots, runName, unpack } from "./data.js";
import { byId, element, fill } from "./dom.js";
import { ON_COLOURS, paintText, placeTexts, roundLength, TITLE } from "./labels.js";
import { Camera, SpotPlot } from "./maps.js";
import { sectionTitles } from "./names.js";
import { drawScale } from "./panels.js";
import { featureKey } from "./search.js";
import { boxOf, paintSpots } from "./spots.js";
import { current, plots } from "./state.js";

const PAPER = { width: 1000, height: 520 };
// open: the one on the screen; maps: the panels that move from one to the next; codes: by run, for paper, which does not wait.
const passports = { all: [], open: null, maps: null, printing: false, codes: new Map() };

const runOf = (id) => DATA.runs.find((run) => `${run.method}.seed${run.seed}` === id);
const passportAt = (fragment) => passports.all.find(({ id }) => id === fragment) ?? null;
const siblings = (article) => passports.all.filter((other) => other.dataset.run === article.dataset.run);
const everyRow = (length) => new Uint32Array(length).map((_, row) => row);
const visit = (article) => { location.hash = article.id; };

// The passport that the address names, null if it names none, or is not a valid address.
function named() {
  try {
    return passportAt(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return null;
  }
}

// The fragment of a domain's passport, null if it has none.
export function passportOf(run, name) {
  const own = passports.all.find(({ dataset }) => dataset.domain === name && runOf(dataset.run) === run);
  return own ? own.id : null;
}

export function openPassport(run, code) {
  const own = run && passportAt(passportOf(run, run.domains.names[code]));
  if (own) visit(own);
}

export function startPassports(tissue) {
  const dialog = byId("passports");
  if (!dialog) return;
  passports.all = [...dialog.querySelectorAll(".passport")];
  passports.maps = byId("passport-maps");
  const camera = new Camera();
  const openAt = (row) => {
    const { run } = passports.open.dataset;
    openPassport(runOf(run), passports.codes.get(run)[row]);
  };
  for (const name of ["passport-where", "passport-marker"]) plots[name] = new SpotPlot(name, { ...tissue, camera, onHover: null, onClick: openAt });
  const runs = [...new Set(passports.all.map(({ dataset }) => dataset.run))];
  fill("passport-run", runs.map((id) => ({ key: id, name: runName(runOf(id)) })), runs[0], (id) => visit(passports.all.find(({ dataset }) => dataset.run === id)));
  byId("passport-previous").onclick = () => turn(-1);
  byId("passport-next").onclick = () => turn(1);
  byId("passport-print").onclick = () => print();
  byId("passport-close").onclick = () => dialog.close();
  // A click beside the page closes it.
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  // The event comes later than the closing: after printing the dialog is open again.
  dialog.onclose = () => { if (!passports.printing && !dialog.open) leave(); };
  // On the whole page: another address takes the focus out of the dialog.
  addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !passports.open || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("canvas, select, input")) return;
    event.preventDefault();
    turn(step);
  });
  for (const node of dialog.querySelectorAll(".to-map")) {
    const index = featureIndex.get(`${node.dataset.modality}\n${node.textContent}`);
    if (index === undefined) continue;
    const button = element("button", { type: "button", className: "to-map", textContent: node.textContent, title: `Map ${node.textContent}`, onclick: () => showMarker(index) });
    button.dataset.index = String(index);
    node.replaceWith(button);
  }
  addEventListener("hashchange", follow);
  follow();
}

// Unpack what the printed page needs: printing does not wait.
export async function readyPassports() {
  for (const { dataset } of passports.all) if (!passports.codes.has(dataset.run)) passports.codes.set(dataset.run, await unpack(runOf(dataset.run).domains.codes));
}

// Show the passport that the address names, or none.
function follow() {
  const article = named();
  if (article) showPassport(article);
  else byId("passports").close();
}

// The address names no passport any more, and the page stays where it was.
function leave() {
  passports.open?.classList.remove("open");
  passports.open = null;
  if (named()) history.replaceState(null, "", location.pathname + location.search);
}

function turn(step) {
  const own = siblings(passports.open);
  visit(own[(own.indexOf(passports.open) + step + own.length) % own.length]);
}

async function showPassport(article) {
  const dialog = byId("passports");
  passports.open?.classList.remove("open");
  passports.open = article;
  article.classList.add("open");
  article.querySelector(".slot").append(passports.maps);
  const own = siblings(article);
  byId("passport-position").textContent = `Domain ${own.indexOf(article) + 1} of ${own.length}`;
  if (byId("passport-run")) byId("passport-run").value = article.dataset.run;
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  const [spots] = await Promise.all([loadSpots(), readyPassports()]);
  // Meanwhile the page may have been turned.
  if (passports.open !== article) return;
  const { classes, ...shown } = highlighted(article, spots);
  const title = `Domain ${article.dataset.label} of ${runName(runOf(article.dataset.run))}`;
  plots["passport-where"].draw(shown, { notes: sectionTitles(), title, legend: { classes } });
  const first = article.querySelector("button.to-map");
  byId("passport-marker-panel").hidden = !first;
  if (first) await showMarker(Number(first.dataset.index));
  dialog.dataset.shown = article.id;
}

// The spots with the domain in its colour and all others grey.
function highlighted({ dataset }, { x, y }) {
  const { domains } = runOf(dataset.run);
  const code = domains.names.indexOf(dataset.domain);
  const codes = passports.codes.get(dataset.run).map((value) => (value === code ? 0 : 1));
  const rest = domains.counts.reduce((sum, value) => sum + value, 0) - domains.counts[code];
  const classes = { names: [`domain ${dataset.label}`, "other domains"], counts: [domains.counts[code], rest], colours: [domains.colours[code], unknownLook().colour], stripes: [domains.stripes[code], 0] };
  return { x, y, rows: everyRow(x.length), codes, looks: classLooks(classes), classes };
}

async function showMarker(index) {
  const feature = DATA.features[index], title = featureKey(feature);
  const [{ x, y }, codes] = await Promise.all([loadSpots(), unpack(feature.steps)]);
  drawScale("passport-marker", feature);
  byId("passport-marker-title").textContent = `Marker: ${title}`;
  for (const node of passports.open?.querySelectorAll("button.to-map") ?? []) node.setAttribute("aria-pressed", String(node.dataset.index === String(index)));
  plots["passport-marker"].draw({ x, y, rows: everyRow(x.length), codes, looks: scaleLooks() }, { notes: sectionTitles(), title, label: `Map of ${title}`, legend: { scale: feature } });
}

// Before printing: the open passport alone, else all of the run shown first, each with a map of its own.
export function paperPassports() {
  const dialog = byId("passports");
  if (!dialog || !current) return;
  const chosen = passports.open ? [passports.open] : siblings(passports.all[0]);
  passports.printing = true;
  document.body.classList.toggle("one-passport", Boolean(passports.open));
  dialog.close();
  for (const article of chosen) {
    article.classList.add("on-paper");
    if (passports.codes.has(article.dataset.run)) article.querySelector(".slot").append(paperMap(article));
  }
}

export function screenPassports() {
  if (!passports.printing) return;
  document.querySelectorAll(".paper-map").forEach((node) => node.remove());
  passports.all.forEach((article) => article.classList.remove("on-paper"));
  document.body.classList.remove("one-passport");
  if (passports.open) byId("passports").showModal();
  passports.printing = false;
}

function paperMap(article) {
  const { width, height } = PAPER;
  const canvas = element("canvas", { className: "paper-map", width, height });
  const shown = highlighted(article, current.spots);
  const box = (passports.box ??= boxOf(shown.x, shown.y)), pad = DATA.spacing || 1, head = sectionTitles().length ? 2 * TITLE : 0;
  const scale = Math.min(width / (box.width + 2 * pad), (height - head) / (box.height + 2 * pad));
  const view = { scale, left: box.left + box.width / 2 - width / 2 / scale, top: box.top + box.height / 2 - (height + head) / 2 / scale };
  const pen = canvas.getContext("2d");
  shown.looks[1] = { colour: DATA.unknown, stripe: null };
  paintSpots(pen, { ...shown, spacing: DATA.spacing, shape: DATA.layout }, view);
  for (const { text, x, y } of placeTexts(sectionTitles(), [], view, 20).titles) paintText(pen, text, x, y, "bottom", 20, ON_COLOURS);
  const bar = roundLength(plots["passport-where"].micrometres() / scale, width / 5);
  if (bar) {
    pen.fillStyle = "#000";
    pen.fillRect(14, height - 10, bar.pixels, 4);
    paintText(pen, bar.text, 14 + bar.pixels / 2, height - 14, "bottom", 18, ON_COLOURS);
  }
  return canvas;
}
