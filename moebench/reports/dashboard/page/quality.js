// Charts of quality: over its cost, with the Pareto front, and over what the suite varies.

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

// Names once where several marks stand close together and have the same name.
function nameOnce(rows, logarithmic) {
  const along = (value) => (logarithmic ? Math.log(value) : value);
  const reach = (values) => Math.max(...values) - Math.min(...values) || 1;
  const width = reach(rows.map((row) => along(row.x))), height = reach(rows.flatMap((row) => [row.y_low ?? row.y, row.y_high ?? row.y]));
  const kept = [];
  for (const row of [...rows].sort((a, b) => b.y - a.y)) {
    const near = (other) => other.name === row.name && Math.abs(along(row.x) - along(other.x)) < 0.06 * width && Math.abs(row.y - other.y) < 0.12 * height;
    if (kept.some(near)) row.name = "";
    else kept.push(row);
  }
}

const costAxis = () => find(data.axes.cost, choice.x);
const qualityAxis = () => find(data.axes.quality, choice.y);

function drawPareto(figure) {
  const [x, y] = [costAxis(), qualityAxis()];
  const rows = pointsOf(filtered(), x, y);
  const front = frontOf(rows, x, y);
  const chances = data.fronts[`${x.key} ${y.key}`] || [];
  for (const row of rows) {
    const chance = chances[row.cell];
    row.front = front.includes(row);
    row.fill = missing(chance) ? Number(row.front) : Number(chance);
    row.chance = missing(chance) ? (row.front ? "yes" : "no") : `probability ${chance}`;
  }
  const logarithmic = wide(rows, "x");
  nameOnce(rows, "x" in logarithmic);
  const others = few(rows.filter((row) => !row.front), Math.max(MOST_POINTS - front.length, 0), (row) => row.cell);
  // Where cells are left out, lines would join strangers and names cover marks.
  if (others.note) for (const row of rows) Object.assign(row, { path: String(row.cell), name: "" });
  draw(figure, "pareto", {
    sets: { points: others.note ? [...others.rows, ...front] : rows, front: front.map((row) => ({ ...row })) },
    note: [others.note && `${others.note} Every cell on the front is drawn.`, timingNote(filtered(), x, y)].filter(Boolean).join(" "),
    replace: { ...tokens("x", x), ...tokens("y", y) },
    logarithmic,
    description: `${y.title} over ${x.title} for ${rows.length} cells. On the Pareto front: ${front.map((row) => row.label).join(", ")}.`,
    table: { rows, columns: [labelColumn(), shownColumn(x.title, "x"), shownColumn(y.title, "y"),
      { title: "On the front", value: (row) => row.fill, show: (row) => row.chance }] },
    listen: (view) => view.addSignalListener("brush", (_, box) => {
      clearTimeout(drawPareto.timer);
      drawPareto.timer = setTimeout(() => pick(box), 60);
    }),
  });
}

// The cells inside the dragged box; everything but the chart itself follows.
function pick(box) {
  const inside = (value, range) => value >= Math.min(...range) && value <= Math.max(...range);
  brushed = box?.x && box?.y
    ? new Set(drawn.pareto.rows.filter((row) => inside(row.x, box.x) && inside(row.y, box.y)).map((row) => row.cell))
    : null;
  choice.limit = undefined;
  changed("brush");
}

// The limit of the cost: the cost of a cell, as Python writes it.
function showLimit() {
  const [x, y] = [costAxis(), qualityAxis()];
  if (!x || !y) return; // a suite of layers alone has no quality
  const select = document.getElementById("limit");
  const costs = pointsOf(filtered(), x, y).sort((a, b) => a.x - b.x);
  const named = new Map(costs.map((row) => [row.x_text.replace(/^~| \[.*$/g, ""), row.x]));
  const shown = [...named].filter((_, i) => named.size <= 40 || i % Math.ceil(named.size / 40) === 0 || i === named.size - 1);
  select.replaceChildren(element("option", { value: "" }, "no limit"), ...shown.map(([text, cost]) => element("option", { value: cost }, text)));
  select.value = shown.some(([, cost]) => String(cost) === choice.limit) ? choice.limit : "";
  select.closest("label").hidden = named.size < 2;
}

function limitCost(limit) {
  choice.limit = limit || undefined;
  const x = costAxis();
  brushed = limit ? new Set(filtered().filter((cell) => !missing(cell[x.key]) && cell[x.key] <= Number(limit)).map((cell) => cell.index)) : null;
}

// The best of the cells shown in a sentence, and from how many of those trained alike its difference is not significant.
function showWithin() {
  const [x, y] = [costAxis(), qualityAxis()];
  if (!x || !y) return;
  const rows = pointsOf(visible(), x, y);
  const output = document.getElementById("within");
  if (!rows.length) return void (output.value = "No cell that is shown has these numbers.");
  const best = rows.reduce((a, b) => ((y.higher ? b.y > a.y : b.y < a.y) ? b : a));
  const alike = rows.filter((row) => row !== best && row.comparable === best.comparable);
  const ranks = ranksOf(visible(), y.key, y.higher);
  const tied = alike.filter((row) => ranks[row.cell] === "tied").length;
  const tested = alike.some((row) => ranks[row.cell]);
  const test = !alike.length ? "" : !tested ? "; one seed or too many cells, so no test" : tied ? `; the difference is not significant from ${tied} of ${alike.length} others trained alike` : `; significantly better than all ${alike.length} others trained alike`;
  output.value = `Best of ${rows.length} cells${visible().length < cells.length ? " shown" : ""}: ${best.label}, ${lowered(y.title)} ${best.y_text} at ${best.x_text}${test}.`;
}

// Each router against each other, over all cells of the suite whatever is filtered.
function drawForest(figure) {
  const rows = rowsOf(data.forest);
  const [low, high] = [Math.min(0, ...rows.map((row) => row.low)), Math.max(0, ...rows.map((row) => row.high))];
  const title = "Difference in " + lowered(data.compared);
  draw(figure, "forest", {
    sets: { points: rows, zero: [{ x: 0 }] },
    height: 22 * rows.length,
    // Room for the numbers on the right, of which a phone has less.
    replace: { "@x.low": low - 0.03 * (high - low), "@x.high": high + (onPhone() ? 1 : 0.3) * (high - low), "@x.title": title, "@x.axis": title + " (points)", "@x.labels": "format(datum.value * 100, '+~r')" },
    description: `${title} of ${rows.length} pairs of routers, in points.`,
    table: { rows, columns: [textColumn("label", "Routers"), shownColumn(title + " (points)", "effect"), textColumn("verdict", "Verdict"), textColumn("cells", "Pairs of cells")] },
  });
}

function drawScaling(figure) {
  const x = find(data.axes.input, choice["scaling-x"]);
  const slot = figure.dataset.slot;
  const y = find(data.axes.scaled, choice["scaling-y" + slot] || { 2: data.second }[slot]);
  const all = pointsOf(visible(), x, y);
  const { rows, note } = few(all.filter((row) => row.router !== "dense" && row.x > 0), MOST_POINTS / 4, (row) => row.path);
  const settings = new Set(rows.map((row) => row.setting));
  const routers = [...new Set(rows.map((row) => row.router))];
  const values = [...new Set(rows.map((row) => row.x))].sort((a, b) => a - b);
  // Side by side, so that one interval does not hide another.
  for (const row of rows) row.x *= 2 ** (0.05 * (routers.indexOf(row.router) - (routers.length - 1) / 2));
  for (const row of rows) row.path = `${row.router}\n${row.setting}`;
  const dense = all.filter((row) => row.router === "dense" && (!note || settings.has(row.setting)));
  // Dense cells that differ in the input are points of a line, not bands.
  const varied = new Set(dense.map((row) => row.x)).size > 1;
  // Bands of many dense cells would cover everything.
  if (note) for (const row of dense) row.y_low = row.y_high = null;
  draw(figure, "scaling", {
    sets: { points: varied ? [...rows, ...dense.map((row) => ({ ...row, path: `dense\n${row.setting}` }))] : rows, dense: varied ? [] : dense },
    note: [note && note.replace(",", " lines,"), timingNote(visible(), y)].filter(Boolean).join(" "),
    replace: { ...tokens("x", x), ...tokens("y", y), "@x.values": JSON.stringify(values) },
    description: `${y.title} over ${lowered(x.title)}, a line for each of: ${routers.join(", ")}.`,
    table: { rows: all, columns: [labelColumn(), shownColumn(x.title, "x"), shownColumn(y.title, "y")] },
  });
}
