// What the page shows: the data of the chosen suite, the reader's choices, and the address that keeps them.

let begun;
const beginning = new Promise((resolve) => { begun = resolve; });
// For tests and for the curious: what is drawn, and when all of it is.
window.moebench = { ready: () => beginning.then(() => window.moebench.ready()) };

if (!window.DecompressionStream) {
  document.querySelector(".facts").after("The charts and tables need a browser of 2023 or later.");
  return;
}
const common = await unpacked("common");
let data;
let cells = [];

const FILTERS = [["router", "Router"], ["experts", "Experts"], ["model", "Model"], ["data", "Data"], ["device_kind", "Device"]];
const FRONT = ["data", "device_kind"];

// Each chosen value of a filter as text; a filter without any lets all cells through.
const chosen = Object.fromEntries(FILTERS.map(([key]) => [key, new Set()]));
const choice = {};
// Cells picked by dragging over a chart, or null.
let brushed = null;
const listeners = [];

const missing = (value) => value === null || value === undefined;

// The value of a packed column at a place: a list of numbers, or distinct texts and their positions.
const at = (column, place) => (!column ? null : Array.isArray(column) ? column[place] : column.at[place] < 0 ? null : column.of[column.at[place]]);

function rowsOf(columns) {
  const names = Object.keys(columns);
  const first = columns[names[0]] || [];
  const length = Array.isArray(first) ? first.length : first.at.length;
  return Array.from({ length }, (_, index) => Object.fromEntries([["index", index], ...names.map((name) => [name, at(columns[name], index)])]));
}

// A number of a cell as Python writes it.
const textOf = (cell, key) => at(data.texts[key], cell.index) ?? "–";

async function openSuite(place) {
  data = await unpacked(`data-${place}`);
  cells = rowsOf(data.cells);
  brushed = null;
  for (const head of document.querySelectorAll("[data-head]")) head.hidden = head.dataset.head !== String(place);
  for (const part of document.querySelectorAll("[data-inside]")) part.hidden = part.dataset.inside !== String(place);
}

// Does one filter let this row through?
const lets = (key, row) => !chosen[key].size || !(key in row) || chosen[key].has(String(row[key]));

const filtered = () => cells.filter((cell) => FILTERS.every(([key]) => lets(key, cell)));
const visible = () => (brushed ? filtered().filter((cell) => brushed.has(cell.index)) : filtered());

function changed(source) {
  remember();
  for (const listener of listeners) listener(source);
}

const suitePicker = document.getElementById("suite");

function remember() {
  const parameters = new URLSearchParams();
  if (suitePicker) parameters.set("suite", suitePicker.value);
  for (const [key] of FILTERS) for (const value of chosen[key]) parameters.append(key, value);
  for (const [key, value] of Object.entries(choice)) if (value !== undefined) parameters.set("_" + key, value);
  // A page shown inside another program may have an address that cannot be changed.
  try { history.replaceState(null, "", "#" + parameters); } catch { /* the choices hold, but not in the address */ }
}

// The suite that the address names, else the first.
function recallSuite() {
  const named = new URLSearchParams(location.hash.slice(1)).get("suite");
  if (suitePicker && [...suitePicker.options].some((option) => option.value === named)) suitePicker.value = named;
  return suitePicker ? suitePicker.selectedIndex : 0;
}

// Choices out of the address; what this page does not know is left alone.
function recall() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  for (const [key] of FILTERS) {
    const known = new Set(cells.map((cell) => String(cell[key])));
    chosen[key] = new Set(parameters.getAll(key).filter((value) => known.has(value)));
  }
  for (const key of Object.keys(choice)) delete choice[key];
  for (const [key, value] of parameters) if (key.startsWith("_")) choice[key.slice(1)] = value;
}

// For each cell of a list its rank among the cells of the list that are trained alike: best if it is significantly
// better than all of them, top if it is the highest only, tied if not significantly lower than the highest, else worse.
function ranksOf(list, key = "accuracy", higher = true) {
  const ranks = {};
  const groups = Map.groupBy(list.filter((cell) => !missing(cell[key])), (cell) => cell.comparable);
  for (const group of groups.values()) {
    if (group.length < 2) continue;
    const best = group.reduce((a, b) => ((higher ? b[key] > a[key] : b[key] < a[key]) ? b : a));
    const below = data.better[key]?.[best.index];
    const alone = below && group.every((cell) => cell === best || below.includes(cell.index));
    for (const cell of group) ranks[cell.index] = cell === best ? (alone ? "best" : "top") : !below ? null : below.includes(cell.index) ? "worse" : "tied";
  }
  return ranks;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function download(name, type, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name.replace(/[^\w.-]+/g, "_") });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
