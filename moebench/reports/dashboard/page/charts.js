// How charts are drawn: specifications made in Python, fed with the rows that the filters let through.

// What stands on the page by slot: { view, key, rows, columns, work }.
let drawn = {};

// A title within a sentence.
const lowered = (title) => title[0].toLowerCase() + title.slice(1);

const find = (list, key) => list.find((quantity) => quantity.key === key) || list[0];

const onPhone = () => innerWidth < 560;

function tokens(axis, quantity) {
  // On a phone a title has two lines.
  const lines = onPhone() ? quantity.title.split(/(?<=,) /) : quantity.title;
  return { [`@${axis}.title`]: quantity.title, [`@${axis}.axis`]: lines, [`@${axis}.labels`]: quantity.labels };
}

const filled = (specification, replace) =>
  JSON.parse(JSON.stringify(specification), (_, value) => (typeof value === "string" && Object.hasOwn(replace, value) ? replace[value] : value));

function makeLogarithmic(specification, axis, values) {
  for (const part of specification.layer || [specification]) {
    const encoding = part.encoding[axis];
    if (encoding?.scale) Object.assign(encoding.scale, { type: "log", nice: false, zero: undefined });
    if (encoding?.axis) encoding.axis.values = values;
  }
}

// On a phone, names of cells and of pairs of routers have two lines, so that half of the width is left for what is drawn.
function narrow(specification, points) {
  for (const part of specification.layer || [specification]) {
    const { x, y } = part.encoding;
    if (typeof x?.axis?.title === "string") x.axis.title = x.axis.title.split(/(?<=,) /);
    if (y?.axis && y.type === "nominal") {
      specification.height = 25 * new Set(points.map((row) => row[y.field])).size;
      Object.assign(y.axis, { labelFontSize: 9.5, labelLimit: 150, labelExpr: "split(replace(replace(datum.label, '[', '\\n['), ' − ', ' −\\n'), '\\n')" });
    }
  }
}

// Draws into a figure, one drawing after another: anew if the axes are others, else with other data only.
function draw(figure, name, part) {
  const slot = name + (figure.dataset.slot || "");
  const state = (drawn[slot] ||= { work: Promise.resolve() });
  // The first sentence names the chart, so that a screen reader can tell its table from others.
  Object.assign(state, { rows: part.table.rows, columns: part.table.columns, name: (part.description || "").split(". ")[0] });
  state.work = state.work.then(() => drawNow(figure, name, slot, state, part)).catch((error) => {
    console.error(error);
    figure.replaceChildren(element("p", { class: "empty" }, "This chart could not be drawn; its table is complete."));
    state.view = undefined;
  });
}

async function drawNow(figure, name, slot, state, part) {
  const { sets, replace = {}, logarithmic = {}, height, description } = part;
  if (!sets.points.length) {
    state.view?.finalize();
    state.view = undefined;
    figure.replaceChildren(element("p", { class: "empty" }, "No cell that is shown has these numbers."));
    return;
  }
  const key = JSON.stringify([replace, logarithmic, height]);
  if (state.view && state.key === key) {
    for (const [set, rows] of Object.entries(sets)) state.view.data(set, rows);
    await state.view.runAsync();
  } else {
    state.view?.finalize();
    const specification = filled(part.specification || data.specifications[name], replace);
    for (const [axis, values] of Object.entries(logarithmic)) makeLogarithmic(specification, axis, values);
    // Where a finger scrolls, it cannot drag a box as well.
    if (matchMedia("(pointer: coarse)").matches) delete specification.params;
    Object.assign(specification, { datasets: sets, description }, height && { height });
    if (onPhone()) narrow(specification, sets.points);
    const host = element("div", { class: "drawing" });
    figure.replaceChildren(host, tools(figure, slot));
    const columns = Math.max(1, Math.floor((host.clientWidth - 60) / specification.usermeta.legend));
    const { view } = await vegaEmbed(host, specification, {
      actions: false, logLevel: 1, renderer: "svg", ast: true, defaultStyle: false, tooltip: { disableDefaultStyle: true },
      config: { ...common.config, legend: { ...common.config.legend, columns } },
    });
    Object.assign(state, { view, key });
    if (specification.params) part.listen?.(view);
  }
  hideUnnamed(figure);
  figure.querySelector("[role=graphics-document]")?.setAttribute("aria-label", description);
  figure.querySelector(".note").textContent = part.note || "";
  if (figure.querySelector("details[open]")) showRows(figure, slot);
}

// Vega announces every group of marks; an empty or purely drawn one has no name and nothing to say.
function hideUnnamed(figure) {
  for (const mark of figure.querySelectorAll("[role=graphics-symbol]:not([aria-label])")) {
    mark.toggleAttribute("aria-hidden", false);
    if (!mark.querySelector("[aria-label]")) mark.setAttribute("aria-hidden", "true");
  }
}

function tools(figure, slot) {
  const details = element("details", { ontoggle: () => { if (details.open) showRows(figure, slot); } },
    element("summary", {}, "The numbers of this chart"), element("div", { class: "table" }));
  const save = element("button", { type: "button", onclick: async () => {
    const svg = await drawn[slot].view.toSVG();
    // Alone, a file has no page to take its colour from.
    download(`${data.name}-${slot}.svg`, "image/svg+xml", svg.replaceAll("currentColor", "#1b1e24"));
  } }, "Download as SVG");
  return element("div", { class: "tools" }, details, save, element("p", { class: "note" }));
}

function showRows(figure, slot) {
  const { rows, columns, name } = drawn[slot];
  table(figure.querySelector(".table"), `Numbers of this chart: ${name}`, columns, rows, slot);
}

// As many as a browser draws at once without making its reader wait.
const MOST_POINTS = 600;
const MOST_LINES = 60;

// The rows of as many keys as can be drawn, evenly chosen, and what to say of the others.
function few(rows, most, key) {
  const keys = [...new Set(rows.map(key))];
  if (keys.length <= most) return { rows, note: "" };
  const kept = new Set(Array.from({ length: most }, (_, i) => keys[Math.floor((i * keys.length) / most)]));
  return { rows: rows.filter((row) => kept.has(key(row))), note: `Drawn: ${most} of ${keys.length}, evenly chosen. Filters bring the others; the numbers of this chart hold all.` };
}

// 1, 2 and 5 times powers of ten between two numbers, for a logarithmic axis.
function ticks(low, high) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    all.push(...[1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  }
  return all.filter((value) => value >= low && value <= high);
}

// An axis over which rows spread by more than a factor of ten, with its ticks; nothing for others.
function wide(rows, axis) {
  const values = rows.map((row) => row[axis]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low > 0 && high > 10 * low ? { [axis]: ticks(low, high) } : {};
}

const setting = (cell) => ["model", "data", "device_kind"].map((key) => cell[key]).join("\n");

// The rows of one quantity over another, with everything that marks and tooltips need.
function pointsOf(list, x, y, text = textOf) {
  return list.filter((cell) => !missing(cell[x.key]) && !missing(cell[y.key])).map((cell) => ({
    cell: cell.index, label: cell.label, router: cell.router, experts: cell.experts, name: cell.name || "", path: String(cell.path), setting: setting(cell),
    comparable: cell.comparable, group: FRONT.map((key) => cell[key]).join("\n"),
    x: cell[x.key], x_low: cell[x.key + "_ci_low"], x_high: cell[x.key + "_ci_high"], x_text: text(cell, x.key),
    y: cell[y.key], y_low: cell[y.key + "_ci_low"], y_high: cell[y.key + "_ci_high"], y_text: text(cell, y.key),
  }));
}

// What to know of the times among these quantities, for a note under a chart.
function timingNote(list, ...quantities) {
  const flagged = list.filter((cell) => quantities.some(({ key }) => textOf(cell, key).startsWith("~"))).length;
  const notes = flagged ? [`These times are flagged (~) in ${flagged} of ${list.length} cells; the section on time says why.`] : [];
  if (quantities.some((quantity) => quantity.kind === "s")) notes.push("Seconds of different cells compare only on a quiet machine; times dense were measured in turns.");
  return notes.join(" ");
}
