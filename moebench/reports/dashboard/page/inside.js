// Charts of what happens inside: training curves, loads of experts, parts of the FLOPs, times beside dense.

const CURVES = { loss: "Training loss (nats)", accuracy: "Training accuracy" };

function drawCurves(figure) {
  const measure = figure.dataset.slot;
  const shown = new Set(visible().map((cell) => cell.index));
  const most = Math.log2(1 + Math.max(...cells.map((cell) => cell.experts || 1)));
  const all = rowsOf(data.curves).filter((row) => shown.has(row.cell) && !missing(row[measure])).map((row) => {
    const cell = cells[row.cell];
    const strength = 0.3 + (0.7 * Math.log2(1 + (cell.experts || 1))) / most;
    return { label: cell.label, router: cell.router, strength: cell.router === "dense" ? 1 : strength, x: row.step, x_text: String(row.step),
      y: row[measure], low: row[measure + "_low"], high: row[measure + "_high"], y_text: row[measure + "_text"] };
  });
  const { rows, note } = few(all, MOST_LINES, (row) => row.label);
  draw(figure, "curves", {
    sets: { points: rows },
    note,
    replace: tokens("y", { title: CURVES[measure], labels: common.labels[measure] }),
    logarithmic: measure === "loss" ? wide(rows, "y") : {},
    description: `${CURVES[measure]} over training steps for ${shown.size} cells.`,
    table: { rows: all, columns: [labelColumn(), shownColumn("Step", "x"), shownColumn(CURVES[measure], "y")] },
  });
}

const TRIED = { loss: "Validation loss (nats)", accuracy: "Validation accuracy" };

function drawTries(figure) {
  const measure = figure.dataset.slot;
  const shown = new Set(visible().map((cell) => cell.index));
  const all = rowsOf(data.tries).filter((row) => shown.has(row.cell) && !missing(row[measure])).map((row) => {
    const cell = cells[row.cell];
    const [chosen, edge] = [!missing(row.state) && row.state !== "", /edge/.test(row.state)];
    return { ...row, index: row.cell, label: cell.label, router: cell.router, path: `${row.cell} ${row.others}`, x: row.value, x_text: String(row.value),
      y: row[measure], y_text: row[measure + "_text"], size: chosen ? 110 : 22, fill: chosen && !edge ? 1 : 0 };
  });
  const { rows, note } = few(all, MOST_LINES, (row) => row.cell);
  const values = [...new Set(rows.map((row) => row.x))].sort((a, b) => a - b);
  const key = (rows[0]?.key || "").replaceAll("_", " ");
  draw(figure, "tries", {
    sets: { points: rows },
    note,
    logarithmic: values[0] > 0 ? { x: values } : {},
    replace: { "@x.title": key, "@x.axis": key, "@x.labels": common.labels.number, "@y.title": TRIED[measure], "@y.axis": TRIED[measure], "@y.labels": common.labels[measure] },
    description: `${TRIED[measure]} over ${key}, for ${shown.size} cells.`,
    table: { rows: all, columns: [labelColumn(), shownColumn(key, "x"), textColumn("others", "With"), shownColumn(TRIED[measure], "y"), textColumn("state", "Try")] },
  });
}

function drawLoads(figure) {
  const shown = new Set(visible().map((cell) => cell.index));
  const all = rowsOf(data.loads).filter((row) => shown.has(row.cell)).map((row) => ({ ...row, line: `${cells[row.cell].label} · ${row.layer}` }));
  const places = {};
  for (const row of all) places[row.line] = Math.max(places[row.line] || 0, row.place);
  const whole = all.map((row) => ({ ...row, label: cells[row.cell].label, from: (row.place - 1) / places[row.line], to: row.place / places[row.line], load_text: row.text }));
  const { rows, note } = few(whole, MOST_LINES, (row) => row.cell);
  // As far as loads go from an even share, but no further than to an empty expert.
  const reach = Math.min(1, Math.max(0.1, ...rows.map((row) => Math.abs(row.load - 1))));
  draw(figure, "loads", {
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
  const shown = new Set(visible().map((cell) => cell.index));
  const all = rowsOf(data.parts).filter((row) => shown.has(row.cell)).map((row, order) => ({ ...row, index: row.cell, label: cells[row.cell].label, order }));
  const { rows, note } = few(all, MOST_LINES, (row) => row.cell);
  draw(figure, "parts", {
    sets: { points: rows },
    note,
    height: 18 * new Set(rows.map((row) => row.label)).size,
    replace: tokens("x", find(data.axes.cost, "flops_forward_per_image")),
    description: "Forward FLOPs of one image by part, a bar for each cell.",
    table: { rows: all, columns: [labelColumn(), textColumn("part", "Part"), shownColumn("FLOPs", "flops"), textColumn("share_text", "Share")] },
  });
}

function drawSpeed(figure) {
  const x = find(data.axes.ratio, choice["speed-x"]);
  const all = pointsOf(visible(), x, x);
  const { rows, note } = few(all, MOST_LINES, (row) => row.cell);
  draw(figure, "speed", {
    sets: { points: rows, one: [{ x: 1 }] },
    note: [note, timingNote(visible(), x)].filter(Boolean).join(" "),
    height: 18 * rows.length,
    replace: tokens("x", x),
    description: `${x.title} for ${all.length} cells; 1 is the dense twin.`,
    table: { rows: all, columns: [labelColumn(), shownColumn(x.title, "x")] },
  });
}
