// The page itself: what is drawn when, and what the controls do.

const DRAWERS = { forest: drawForest, tries: drawTries, pareto: drawPareto, scaling: drawScaling, curves: drawCurves, test_time: drawTestTime, loads: drawLoads, parts: drawParts, speed: drawSpeed, published: drawPublished };
const RANKS = { best: "highest", top: "highest", tied: "not significant" };

const TABLES = {
  main: (host) => {
    const ranks = ranksOf(visible());
    const marks = (cell) => {
      const words = ["best", "top", "tied"].filter((word) => ranks[cell.index] === word).map((word) => [word, RANKS[word]]);
      if (cell.seeds_failed) words.push(["bad", cell.seeds ? `${cell.seeds} of ${cell.seeds + cell.seeds_failed} seeds` : cell.status]);
      return words.map(([kind, word]) => element("span", { class: "mark " + kind }, word));
    };
    pythonTable(host, "main", { marks, usual: "1 down" });
  },
};

// Which sections and charts have something to show in this suite.
function hasWhat() {
  const timed = data.axes.ratio.length > 0;
  return {
    pareto: data.axes.cost.length > 0 && data.axes.quality.length > 0,
    scaling: data.axes.input.length > 0 && data.axes.scaled.length > 0,
    forest: "label" in data.forest, tries: "cell" in data.tries, curves: "step" in data.curves, "test-time": "cell" in data.test_time,
    loads: "cell" in data.loads, parts: "cell" in data.parts, speed: timed,
    timed, flagged: Object.keys(data.flags).length > 0, experts: valuesOf("experts").length > 2,
    named: data.named !== "", unequal: data.texts.flops_vs_dense !== undefined, published: true,
    ...Object.fromEntries(Object.keys(data.tables).map((name) => [`table-${name}`, true])),
  };
}

// Empty sections, charts and tables are not shown, nor named in the navigation.
function showSections() {
  const has = hasWhat();
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = !has[part.dataset.when];
  for (const host of document.querySelectorAll("main [data-table]")) host.hidden = !has[`table-${host.dataset.table}`];
  for (const figure of document.querySelectorAll("[data-chart]")) figure.hidden = !has[figure.dataset.chart.replace("_", "-")];
  const nav = document.querySelector("nav");
  nav.replaceChildren();
  for (const section of document.querySelectorAll("main > section")) {
    const parts = [...section.querySelectorAll("[data-chart], [data-table], [data-inside]")].filter((part) => !part.closest("figure:not([data-chart])"));
    section.hidden = parts.every((part) => part.hidden);
    if (!section.hidden) nav.append(element("a", { href: "#" + section.id, onclick: (event) => goTo(event, section) }, section.dataset.nav), " ");
  }
}

// The address holds the choices, so going to a section must not touch it.
function goTo(event, section) {
  event.preventDefault();
  section.scrollIntoView();
  section.focus({ preventScroll: true });
}

function show(source) {
  showFilters();
  showLimit();
  showWithin();
  for (const host of document.querySelectorAll("main [data-table]:not([hidden])")) (TABLES[host.dataset.table] || ((where) => pythonTable(where, where.dataset.table)))(host);
  if (source === "sort") {
    for (const figure of document.querySelectorAll("figure:has(details[open])")) showRows(figure, figure.dataset.chart + (figure.dataset.slot || ""));
    return;
  }
  for (const figure of document.querySelectorAll("[data-chart]:not([hidden])")) {
    // A chart that is being dragged over keeps its box.
    if (source !== "brush" || figure.dataset.chart !== "pareto") DRAWERS[figure.dataset.chart](figure);
  }
}

function options(id, quantities, key, usual) {
  const select = document.getElementById(id);
  select.replaceChildren(...quantities.map((quantity) => element("option", { value: quantity.key }, quantity.title)));
  select.onchange = () => {
    choice[key] = select.value;
    if (key === "x" || key === "y") [brushed, choice.limit] = [null, undefined];
    changed("choice");
  };
  const wanted = quantities.length && find(quantities, choice[key] || usual);
  if (wanted) select.value = wanted.key;
  select.closest("label").hidden = quantities.length < 2;
}

function showChoices() {
  const { cost, quality, scaled, input, ratio, test_time_cost, test_time_quality } = data.axes;
  options("pareto-x", cost, "x");
  options("pareto-y", quality, "y");
  options("scaling-x", input, "scaling-x");
  options("scaling-y1", scaled, "scaling-y1");
  options("scaling-y2", scaled, "scaling-y2", data.second);
  options("test-time-x", test_time_cost, "test-time-x");
  options("test-time-y", test_time_quality, "test-time-y");
  options("speed-x", ratio, "speed-x");
  options("published-x", common.published_axes, "published-x");
}

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
  choice.limit = undefined;
  // The box in the chart goes with the chart.
  if (drawn.pareto) drawn.pareto.key = undefined;
  changed("filter");
};
document.getElementById("csv").onclick = () => download(`${data.name}.csv`, "text/csv;charset=utf-8", csv(inOrder.main));
document.getElementById("limit").onchange = (event) => {
  limitCost(event.target.value);
  changed("choice");
};
if (suitePicker) {
  suitePicker.onchange = async () => {
    for (const key of Object.keys(choice)) if (key !== "theme") delete choice[key];
    for (const values of Object.values(chosen)) values.clear();
    await start(false);
    remember();
  };
}
document.querySelector(".skip").onclick = (event) => goTo(event, document.querySelector("main section:not([hidden])"));
for (const link of document.querySelectorAll("section a[href^='#']")) link.onclick = (event) => goTo(event, document.querySelector(link.getAttribute("href")));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
addEventListener("hashchange", async () => {
  recallSuite();
  await start(true);
});
addEventListener("resize", () => document.querySelectorAll(".table").forEach(sayWidth));

// Opens the chosen suite, with nothing left of the one before.
async function start(fromAddress) {
  for (const state of Object.values(drawn)) state.view?.finalize();
  drawn = window.moebench.drawn = {};
  for (const glossary of document.querySelectorAll(".glossary")) glossary.remove();
  unfolded.clear();
  await openSuite(suitePicker ? suitePicker.selectedIndex : 0);
  tried = rowsOf(data.test_time);
  if (fromAddress) recall();
  if (choice.limit) limitCost(choice.limit);
  document.getElementById("named").textContent = data.named;
  document.getElementById("compared").textContent = lowered(data.compared);
  document.getElementById("notes").replaceChildren(...data.notes.map((note) => element("p", { class: "note" }, note)));
  document.getElementById("flags").replaceChildren(...meaningsOf(Object.entries(data.flags).map(([flag, meaning]) => [flag.replaceAll("_", " "), meaning])));
  drawFilters(document.querySelector(".groups"));
  showSections();
  showTheme();
  showChoices();
  show("start");
}

listeners.push(show);
recallSuite();
if (matchMedia("(max-width: 40rem)").matches) document.getElementById("filters").open = false;
await start(true);
Object.assign(window.moebench, { visible, ready: () => Promise.all(Object.values(drawn).map((state) => state.work)) });
begun();
