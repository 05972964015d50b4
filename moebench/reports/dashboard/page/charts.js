// The charts: specifications made in Python, fed with the rows that the filters let through.

// What stands on the page by slot: { view, key, rows, columns, work }.
const drawn = {};

// A title within a sentence.
const lowered = (title) => title[0].toLowerCase() + title.slice(1);

function find(list, column) {
  return list.find((quantity) => quantity.column === column) || list[0];
}

function tokens(axis, quantity) {
  // On a phone a title has two lines.
  const lines = innerWidth < 560 ? quantity.title.split(/(?<=,) /) : quantity.title;
  return { [`@${axis}.title`]: quantity.title, [`@${axis}.axis`]: lines, [`@${axis}.labels`]: labelExpression(quantity.kind) };
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
    const specification = filled(data.specifications[name], replace);
    for (const [axis, values] of Object.entries(logarithmic)) makeLogarithmic(specification, axis, values);
    // Where a finger scrolls, it cannot drag a box as well.
    if (matchMedia("(pointer: coarse)").matches) delete specification.params;
    Object.assign(specification, { datasets: sets, description }, height && { height });
    const host = element("div", { class: "drawing" });
    figure.replaceChildren(host, tools(figure, name, slot));
    const columns = Math.max(1, Math.floor((host.clientWidth - 60) / specification.usermeta.legend));
    const { view } = await vegaEmbed(host, specification, {
      actions: false, logLevel: 1, renderer: "svg", ast: true, defaultStyle: false, tooltip: { disableDefaultStyle: true },
      config: { ...data.config, legend: { ...data.config.legend, columns } },
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

function tools(figure, name, slot) {
  const details = element("details", { ontoggle: () => { if (details.open) showRows(figure, slot); } },
    element("summary", {}, "The numbers of this chart"), element("div", { class: "table" }));
  const save = element("button", { type: "button", onclick: async () => {
    const svg = await drawn[slot].view.toSVG();
    // Alone, a file has no page to take its colour from.
    download(`${data.title}-${slot}.svg`.replace(/[^\w.-]+/g, "_"), "image/svg+xml", svg.replaceAll("currentColor", "#1b1e24"));
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

// What papers printed of these quantities, if the reader asks for it.
function publishedOf(x, y) {
  if (choice.published !== "1") return [];
  const known = rowsOf(data.published).filter((row) => !missing(row[x.column]) && !missing(row[y.column]) && row.router in data.routers && lets("router", row));
  const lowest = known.reduce((a, b) => (a && a[y.column] <= b[y.column] ? a : b), null);
  return known.map((row) => ({ name: row === lowest ? "published, not measured here" : "", label: row.label, router: row.router, source: row.source, path: row.path ?? row.label, x: row[x.column], y: row[y.column],
    x_text: written(row[x.column], x.kind), y_text: written(row[y.column], y.kind) }));
}

const setting = (cell) => ["suite", "model", "data", "device_kind"].map((key) => cell[key]).join("\n");
// An axis over which rows spread by more than a factor of ten, with its ticks; nothing for others.
function wide(rows, axis) {
  const values = rows.map((row) => row[axis]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low > 0 && high > 10 * low ? { [axis]: ticks(low, high) } : {};
}

// The rows of one quantity over another, with everything that marks and tooltips need.
function pointsOf(list, x, y) {
  return list.filter((cell) => !missing(cell[x.column]) && !missing(cell[y.column])).map((cell) => ({
    cell: cell.index, label: cell.label, router: cell.router, experts: cell.experts, path: cell.router + "\n" + setting(cell), setting: setting(cell),
    group: FRONT.map((key) => cell[key]).join("\n"),
    x: cell[x.column], x_low: possible(cell[x.column + "_ci_low"], x.kind), x_high: possible(cell[x.column + "_ci_high"], x.kind),
    y: cell[y.column], y_low: possible(cell[y.column + "_ci_low"], y.kind), y_high: possible(cell[y.column + "_ci_high"], y.kind),
    x_text: flagMark(cell, x.column) + writtenInterval(cell[x.column], cell[x.column + "_ci_low"], cell[x.column + "_ci_high"], x.kind),
    y_text: flagMark(cell, y.column) + writtenInterval(cell[y.column], cell[y.column + "_ci_low"], cell[y.column + "_ci_high"], y.kind),
  }));
}

// Those that no other beats, by data set and device, in the order of their cost.
function frontOf(rows, x, y) {
  const cost = (value, quantity) => (quantity.higher ? -value : value);
  const lowest = {};
  return [...rows].sort((a, b) => cost(a.x, x) - cost(b.x, x) || cost(a.y, y) - cost(b.y, y)).filter((row) => {
    const better = !(row.group in lowest) || cost(row.y, y) < lowest[row.group];
    if (better) lowest[row.group] = cost(row.y, y);
    return better;
  });
}

function drawPareto(figure) {
  const x = find(data.quantities.costs, choice.x);
  const y = find(data.quantities.qualities, choice.y);
  if (!x || !y) return draw(figure, "pareto", { sets: { points: [] }, table: { rows: [], columns: [] } });
  const rows = pointsOf(filtered(), x, y);
  const front = frontOf(rows, x, y);
  const chances = data.fronts[`${x.column} ${y.column}`] || [];
  for (const row of rows) {
    const chance = chances[row.cell];
    row.front = front.includes(row);
    row.fill = missing(chance) ? Number(row.front) : chance;
    row.chance = missing(chance) ? (row.front ? "yes" : "no") : `probability ${chance.toFixed(2)}`;
    row.name = row.experts > 1 ? String(row.experts) : "";
  }
  const limit = showBudget(rows, x, y);
  const others = few(rows.filter((row) => !row.front), Math.max(MOST_POINTS - front.length, 0), (row) => row.cell);
  // Where cells are left out, lines would join strangers and numbers cover marks.
  if (others.note) for (const row of rows) Object.assign(row, { path: String(row.cell), name: "" });
  const published = publishedOf(x, y);
  showPublished(published, rows, x, y);
  draw(figure, "pareto", {
    sets: { points: others.note ? [...others.rows, ...front] : rows, front: front.map((row) => ({ ...row })), budget: limit === null ? [] : [{ x: limit }], published },
    note: [others.note && `${others.note} Every cell on the front is drawn.`, doubtOf(filtered(), x, y)].filter(Boolean).join(" "),
    replace: { ...tokens("x", x), ...tokens("y", published.length ? { ...y, title: `${y.title} (published: ImageNet 10-shot)` } : y) },
    logarithmic: wide([...rows, ...published], "x"),
    description: `${y.title} over ${x.title} for ${rows.length} cells. On the Pareto front: ${front.map((row) => row.label).join(", ")}.`,
    table: { rows, columns: [labelColumn(), shownColumn(x.title, "x"), shownColumn(y.title, "y"),
      { title: "On the front", value: (row) => row.fill, show: (row) => row.chance }] },
    listen: (view) => view.addSignalListener("brush", (_, box) => {
      clearTimeout(drawPareto.timer);
      drawPareto.timer = setTimeout(() => pick(box), 60);
    }),
  });
}

function printedCosts() {
  const printed = rowsOf(data.published);
  return data.quantities.costs.filter(({ column }) => printed.some((row) => !missing(row[column]))).map(({ title }) => lowered(title)).join(", ") || "none of these costs";
}

// Says what the switch has brought, because axes may hold nothing that was published.
function showPublished(published, rows, x, y) {
  const box = document.getElementById("published");
  const times = Math.round(Math.min(...published.map((row) => row.x)) / Math.max(...rows.map((row) => row.x)));
  const away = published.length && times >= 10 ? ` They start at ${times.toLocaleString("en")} times the costliest cell measured here, so those stand close together at the left.` : "";
  box.checked = choice.published === "1";
  const found = published.length ? `${published.length} published results, not measured here` : `No paper printed ${lowered(y.title)} over ${lowered(x.title)}`;
  const told = published.length
    ? `: dotted marks, ImageNet 10-shot accuracy of models trained on JFT-4B (arXiv 2308.00951). Other data and other devices: compare shapes, not heights.`
    : `; they print ${printedCosts()}.`;
  document.getElementById("publications").value = box.checked ? found + told + away : "";
}

const shownColumn = (title, key) => ({ title, value: (row) => row[key], show: (row) => row[key + "_text"] });

// The cells inside the dragged box; everything but the chart itself follows.
function pick(box) {
  const inside = (value, range) => value >= Math.min(...range) && value <= Math.max(...range);
  brushed = box?.x && box?.y
    ? new Set(drawn.pareto.rows.filter((row) => inside(row.x, box.x) && inside(row.y, box.y)).map((row) => row.cell))
    : null;
  changed("brush");
}

function drawScaling(figure) {
  const x = find(data.quantities.inputs, choice["scaling-x"]);
  const slot = figure.dataset.slot;
  const y = find(data.quantities.scaled, choice["scaling-y" + slot] || { 1: "accuracy", 2: data.second }[slot]);
  if (!x || !y) return draw(figure, "scaling", { sets: { points: [] }, table: { rows: [], columns: [] } });
  const all = pointsOf(visible(), x, y);
  const { rows, note } = few(all.filter((row) => row.router !== "dense" && row.x > 0), MOST_POINTS / 4, (row) => row.path);
  const settings = new Set(rows.map((row) => row.setting));
  const routers = [...new Set(rows.map((row) => row.router))];
  const published = publishedOf(x, y);
  const values = [...new Set([...rows, ...published].map((row) => row.x))].sort((a, b) => a - b);
  // Side by side, so that one interval does not hide another.
  for (const row of rows) row.x *= 2 ** (0.05 * (routers.indexOf(row.router) - (routers.length - 1) / 2));
  const dense = all.filter((row) => row.router === "dense" && (!note || settings.has(row.setting)));
  // Bands of many dense cells would cover everything.
  if (note) for (const row of dense) row.y_low = row.y_high = null;
  draw(figure, "scaling", {
    sets: { points: rows, dense, published },
    note: [note && note.replace(",", " lines,"), doubtOf(visible(), y)].filter(Boolean).join(" "),
    replace: { ...tokens("x", x), ...tokens("y", y), "@x.values": JSON.stringify(values) },
    description: `${y.title} over ${lowered(x.title)}, a line for each of: ${routers.join(", ")}.`,
    table: { rows: all, columns: [labelColumn(), shownColumn(x.title, "x"), shownColumn(y.title, "y")] },
  });
}

function drawCurves(figure) {
  const measure = figure.dataset.slot;
  const quantity = { loss: { title: "Training loss (nats)", kind: "number" }, accuracy: { title: "Training accuracy", kind: "share" } }[measure];
  const shown = new Set(visible().map((cell) => cell.index));
  const most = Math.log2(1 + Math.max(...cells.map((cell) => cell.experts || 1)));
  const all = rowsOf(data.curves).filter((row) => shown.has(row.cell) && !missing(row[measure])).map((row) => {
    const cell = cells[row.cell];
    const strength = 0.3 + (0.7 * Math.log2(1 + (cell.experts || 1))) / most;
    return { label: cell.label, router: cell.router, strength: cell.router === "dense" ? 1 : strength, x: row.step, x_text: String(row.step),
      y: row[measure], low: row[measure + "_low"], high: row[measure + "_high"], y_text: written(row[measure], quantity.kind) };
  });
  const { rows, note } = few(all, MOST_LINES, (row) => row.label);
  draw(figure, "curves", {
    sets: { points: rows },
    note,
    replace: tokens("y", quantity),
    logarithmic: measure === "loss" ? wide(rows, "y") : {},
    description: `${quantity.title} over training steps for ${shown.size} cells.`,
    table: { rows: all, columns: [labelColumn(), shownColumn("Step", "x"), shownColumn(quantity.title, "y")] },
  });
}

function drawLoad(figure) {
  const shown = new Set(visible().map((cell) => cell.index));
  const all = rowsOf(data.load).filter((row) => shown.has(row.cell)).map((row) => ({ ...row, line: `${cells[row.cell].label} · ${row.layer}` }));
  const places = {};
  for (const row of all) places[row.line] = Math.max(places[row.line] || 0, row.place);
  const whole = all.map((row) => ({ ...row, label: cells[row.cell].label, from: (row.place - 1) / places[row.line], to: row.place / places[row.line],
    load_text: written(row.load, "number") }));
  const { rows, note } = few(whole, MOST_LINES, (row) => row.cell);
  // As far as loads go from an even share, but no further than to an empty expert.
  const reach = Math.min(1, Math.max(0.1, ...rows.map((row) => Math.abs(row.load - 1))));
  draw(figure, "load", {
    sets: { points: rows },
    replace: { "@load.low": 1 - reach, "@load.high": 1 + reach },
    note,
    height: 13 * new Set(rows.map((row) => row.line)).size,
    description: `Load of every expert relative to an even share, for ${Object.keys(places).length} blocks of ${shown.size} cells.`,
    table: { rows: whole, columns: [labelColumn(), { title: "Block", value: (row) => row.layer, show: (row) => String(row.layer) },
      { title: "Place", value: (row) => row.place, show: (row) => String(row.place) }, shownColumn("Load / even share", "load")] },
  });
}

function drawParts(figure) {
  const all = visible().filter((cell) => !missing(cell.flops_forward_per_image)).flatMap((cell) => {
    const [experts, padding, router, moving] = ["flops_experts", "flops_padding", "flops_router", "flops_dispatch_combine"].map((key) => cell[key] || 0);
    const total = cell.flops_forward_per_image;
    return [total - experts - router - moving, experts - padding, padding, router, moving].map((flops, order) => ({
      index: cell.index, label: cell.label, part: data.parts[order], order, flops, flops_text: written(flops, "FLOPs"), share: written(flops / total, "share"),
    })).filter((row) => row.flops > 0);
  });
  const { rows, note } = few(all, MOST_LINES, (row) => row.index);
  draw(figure, "parts", {
    sets: { points: rows },
    note,
    height: 18 * new Set(rows.map((row) => row.label)).size,
    replace: tokens("x", { title: "Forward FLOPs per image", kind: "FLOPs" }),
    description: "Forward FLOPs of one image by part, a bar for each cell.",
    table: { rows: all, columns: [labelColumn(), textColumn("part", "Part"), shownColumn("FLOPs", "flops"), textColumn("share", "Share")] },
  });
}

function drawSpeed(figure) {
  const ratios = data.quantities.timing.filter((quantity) => quantity.kind === "ratio");
  const x = find(ratios, choice["speed-x"]);
  const all = x ? pointsOf(visible(), x, x) : [];
  const { rows, note } = few(all, MOST_LINES, (row) => row.cell);
  draw(figure, "speed", {
    sets: { points: rows, one: [{ x: 1 }] },
    note: [note, x ? doubtOf(visible(), x) : ""].filter(Boolean).join(" "),
    height: 18 * rows.length,
    replace: x ? tokens("x", x) : {},
    description: `${x?.title} for ${all.length} cells; 1 is the dense twin.`,
    table: { rows: all, columns: [labelColumn(), shownColumn(x?.title, "x")] },
  });
}
