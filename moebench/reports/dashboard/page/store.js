// What the page shows: the data out of the page itself, the reader's choices, and the address that keeps them.

let begun;
const beginning = new Promise((resolve) => { begun = resolve; });
// For tests and for the curious: what is drawn, and when all of it is.
window.moebench = { ready: () => beginning.then(() => window.moebench.ready()) };

// The data are compressed, because ten thousand cells have to fit into a mail.
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

if (!window.DecompressionStream) {
  document.querySelector(".answer").after("The charts and tables need a browser of 2023 or later.");
  return;
}
const data = await unpacked("data");
const cells = rowsOf(data.cells);
const FILTERS = [
  ["suite", "Suite"], ["router", "Router"], ["experts", "Experts"], ["model", "Model"], ["data", "Data"], ["device_kind", "Device"],
];
const FRONT = ["data", "device_kind"];

// Each chosen value of a filter as text; a filter without any lets all cells through.
const chosen = Object.fromEntries(FILTERS.map(([key]) => [key, new Set()]));
const choice = {};
// Cells picked by dragging over a chart, or null.
let brushed = null;
const listeners = [];

function rowsOf(columns) {
  const names = Object.keys(columns);
  const read = names.map((name) => {
    const column = columns[name];
    if (Array.isArray(column)) return (i) => column[i];
    return (i) => (column.at[i] < 0 ? null : column.of[column.at[i]]);
  });
  const first = columns[names[0]] || [];
  const length = Array.isArray(first) ? first.length : first.at.length;
  return Array.from({ length }, (_, i) => {
    const row = { index: i };
    names.forEach((name, k) => { row[name] = read[k](i); });
    return row;
  });
}

// Does one filter let this row through?
const lets = (key, row) => !chosen[key].size || chosen[key].has(String(row[key]));

function filtered() {
  return cells.filter((cell) => FILTERS.every(([key]) => lets(key, cell)));
}

function visible() {
  return brushed ? filtered().filter((cell) => brushed.has(cell.index)) : filtered();
}

function changed(source) {
  remember();
  for (const listener of listeners) listener(source);
}

function remember() {
  const parameters = new URLSearchParams();
  for (const [key] of FILTERS) for (const value of chosen[key]) parameters.append(key, value);
  for (const [key, value] of Object.entries(choice)) if (value !== undefined) parameters.set("_" + key, value);
  // A page shown inside another program may have an address that cannot be changed.
  try { history.replaceState(null, "", "#" + parameters); } catch { /* the choices hold, but not in the address */ }
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
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
