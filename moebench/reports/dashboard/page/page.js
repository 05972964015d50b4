// The page itself: what is drawn when, and what the controls do.

const DRAWERS = { pareto: drawPareto, scaling: drawScaling, curves: drawCurves, tried: drawTried, load: drawLoad, parts: drawParts, speed: drawSpeed };

const TABLES = {
  results: (host) => {
    const marks = (cell) => {
      const words = ["best", "tied"].filter((word) => cell.rank_group === word).map((word) => [word, word]);
      if (cell.seeds_failed) words.push(["bad", `${cell.seeds} of ${cell.seeds + cell.seeds_failed} seeds`]);
      return words.map(([kind, word]) => element("span", { class: "mark " + kind }, word));
    };
    const numbers = data.quantities.table.map((quantity) => quantityColumn(quantity));
    if (data.cells.accuracy_vs_dense) numbers.splice(1, 0, pointsColumn("accuracy_vs_dense", "Points from dense"));
    table(host, "Results", [labelColumn(marks), ...numbers], visible(), "results", (cell) => (cell.rank_group === "best" ? "is-best" : ""), "1 down");
  },
  slopes: (host) => {
    const settings = FILTERS.filter(([key]) => !["router", "experts"].includes(key) && valuesOf(key).length > 1);
    const verdict = (row) => (missing(row.slope) ? "too few levels for a fit" : row.low > 0 ? "rises" : row.high < 0 ? "falls" : "no trend shown");
    table(host, "Slopes", [
      { title: "Router", head: true, value: (row) => row.router, show: (row) => row.router },
      ...settings.map(([key, title]) => textColumn(key, title)),
      pointsColumn("slope", "Points for each doubling", "low", "high"),
      { title: "Numbers of experts", value: (row) => row.levels, show: (row) => String(row.levels) },
      { title: "Verdict", text: true, value: verdict, show: verdict },
    ], rowsOf(data.slopes).filter((row) => FILTERS.every(([key]) => key === "experts" || lets(key, row))), "slopes");
  },
  health: (host) => {
    const rows = visible().filter((cell) => cell.router !== "dense");
    table(host, "Routing health", [labelColumn(), ...data.quantities.health.map((quantity) => quantityColumn(quantity))], rows, "health");
  },
  timing: (host) => table(host, "Timing", [
    labelColumn(), { title: "Flags", text: "text long", value: flagsInWords, show: flagsInWords },
    ...data.quantities.timing.map((quantity) => quantityColumn(quantity)),
    { title: "Samples of a step", value: (cell) => cell.samples, show: (cell) => written(cell.samples, "count") },
    { title: "Half width of its interval", value: (cell) => cell.half_width, show: (cell) => written(cell.half_width, "share") },
    { title: "Drift", value: (cell) => cell.drift, show: (cell) => written(cell.drift, "share") },
  ], visible(), "timing"),
  failed: (host) => {
    const rows = visible().filter((cell) => cell.seeds_failed);
    for (const part of document.querySelectorAll("#failed, a[href='#failed']")) part.hidden = !cells.some((cell) => cell.seeds_failed);
    const seeds = (cell) => `${cell.seeds_failed} of ${cell.seeds + cell.seeds_failed}`;
    table(host, "Failed cells", [labelColumn(), { title: "Failed seeds", value: (cell) => cell.seeds_failed, show: seeds },
      textColumn("status", "State"), textColumn("status_reason", "Reason", "text long")], rows, "failed");
  },
  environment: (host) => {
    const found = rowsOf(data.environment);
    const names = Object.keys(data.environment);
    const rows = names.map((name, index) => ({ index, label: name.replaceAll("_", " "), ...found.map((row) => row[name]) }));
    const columns = found.map((_, i) => textColumn(i, found.length > 1 ? `Environment ${i + 1}` : "Value"));
    table(host, "Environment", [{ ...labelColumn(), title: "What" }, ...columns], rows, "environment");
  },
};

function show(source) {
  showFilters();
  for (const host of document.querySelectorAll("[data-table]")) TABLES[host.dataset.table](host);
  if (source === "sort") {
    for (const figure of document.querySelectorAll("figure:has(details[open])")) {
      showRows(figure, figure.dataset.chart + (figure.dataset.slot || ""));
    }
    return;
  }
  for (const figure of document.querySelectorAll("[data-chart]")) {
    // A chart that is being dragged over keeps its box.
    if (source !== "brush" || figure.dataset.chart !== "pareto") DRAWERS[figure.dataset.chart](figure);
  }
}

function options(id, quantities, key, usual) {
  const select = document.getElementById(id);
  select.replaceChildren(...quantities.map((quantity) => element("option", { value: quantity.column }, quantity.title)));
  select.onchange = () => {
    choice[key] = select.value;
    if (key === "x" || key === "y") brushed = null;
    if (key === "x") choice.limit = undefined;
    changed("choice");
  };
  const wanted = find(quantities, choice[key] || usual);
  if (wanted) select.value = wanted.column;
  select.closest("label").hidden = quantities.length < 2;
}

function showChoices() {
  const { costs, qualities, scaled, inputs, timing } = data.quantities;
  options("pareto-x", costs, "x");
  options("pareto-y", qualities, "y");
  options("scaling-x", inputs, "scaling-x");
  options("scaling-y1", scaled, "scaling-y1", "accuracy");
  options("scaling-y2", scaled, "scaling-y2", data.second);
  if (data.tried.cell) {
    options("tried-x", data.quantities.tried_costs, "tried-x");
    options("tried-y", data.quantities.tried_qualities, "tried-y");
  }
  options("speed-x", timing.filter((quantity) => quantity.kind === "ratio"), "speed-x");
}

const meaningsOf = (pairs) => element("dl", { class: "meanings" }, ...pairs.flatMap(([name, meaning]) => [element("dt", {}, name), element("dd", {}, meaning)]));

function showTheme() {
  const dark = choice.theme ? choice.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").textContent = dark ? "Light" : "Dark";
}

document.getElementById("theme").onclick = () => {
  choice.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  remember();
  showTheme();
};
document.getElementById("clear").onclick = () => {
  for (const values of Object.values(chosen)) values.clear();
  brushed = null;
  // The box in the chart goes with the chart.
  drawn.pareto && (drawn.pareto.key = undefined);
  changed("filter");
};
document.getElementById("csv").onclick = () => download(`${data.title}.csv`.replace(/[^\w.-]+/g, "_"), "text/csv;charset=utf-8", csv(inOrder.results));
function limited(limit) {
  choice.limit = limit === undefined ? undefined : String(limit);
  remember();
  drawPareto(document.querySelector("[data-chart=pareto]"));
}
document.getElementById("budget").oninput = (event) => limited(event.target.value === "100" ? undefined : budget.at(event.target.value / 100));
document.getElementById("limit").oninput = (event) => limited(Number(event.target.value) > 0 ? Number(event.target.value) / budget.factor : undefined);
document.getElementById("published").onchange = (event) => {
  choice.published = event.target.checked ? "1" : undefined;
  changed("choice");
};
for (const link of document.querySelectorAll("a[href^='#']")) {
  link.onclick = (event) => {
    // The address holds the choices, so going to a section must not touch it.
    event.preventDefault();
    const section = document.querySelector(link.getAttribute("href"));
    section.scrollIntoView();
    section.focus({ preventScroll: true });
  };
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
addEventListener("hashchange", () => { recall(); start(); });

function start() {
  showTheme();
  showChoices();
  show("start");
}

document.querySelector(".facts").after(...data.notes.map((note) => element("p", { class: "note" }, note)));
for (const glossary of document.querySelectorAll("[data-glossary]")) {
  glossary.append(meaningsOf(data.quantities[glossary.dataset.glossary].map(({ title, meaning }) => [title, meaning])));
}
document.getElementById("flags").replaceWith(meaningsOf(Object.entries(data.flags).map(([flag, meaning]) => [flag.replaceAll("_", " "), meaning])));
const holds = { timed: cells.some((cell) => !missing(cell.train_step_vs_dense)), flagged: Object.keys(data.flags).length > 0 };
for (const part of document.querySelectorAll("[data-when]")) part.hidden = !holds[part.dataset.when];
for (const [section, there] of [["curves", data.curves.step], ["tried", data.tried.cell]]) {
  if (!there) for (const part of document.querySelectorAll(`#${section}, a[href='#${section}']`)) part.remove();
}
listeners.push(show);
recall();
drawFilters(document.querySelector(".groups"));
if (matchMedia("(max-width: 40rem)").matches) document.getElementById("filters").open = false;
start();
Object.assign(window.moebench, {
  drawn, visible, writtenInterval, ready: () => Promise.all(Object.values(drawn).map((state) => state.work)),
});
begun();
