// Trained models in other settings: one model at a time, chosen among those that the filters let through.

const tried = rowsOf(data.tried);

// The trained models to choose from; the choice stays as long as its model is shown.
function showTriedCells() {
  const shown = visible().filter((cell) => tried.some((row) => row.cell === cell.index));
  const select = document.getElementById("tried-cell");
  select.replaceChildren(...shown.map((cell) => element("option", { value: cell.index }, cell.label)));
  const cell = shown.find(({ index }) => String(index) === choice["tried-cell"]) || shown[0];
  if (cell) select.value = cell.index;
  select.onchange = () => {
    choice["tried-cell"] = select.value;
    changed("choice");
  };
  return cell;
}

function drawTried(figure) {
  const x = find(data.quantities.tried_costs, choice["tried-x"]);
  const y = find(data.quantities.tried_qualities, choice["tried-y"]);
  const cell = showTriedCells();
  const here = cell ? tried.filter((row) => row.cell === cell.index) : [];
  const changes = (row) => (row.setting === "{}" ? "as trained" : row.setting.replace(/[{}"]/g, ""));
  const rows = pointsOf(here.map((row) => ({ ...cell, ...row, router: row.test_router, timing_flags: "" })), x, y).map((point) => {
    const row = tried[point.cell];
    const k = missing(row.test_top_k) ? "none" : String(row.test_top_k);
    return { ...point, label: changes(row), k, path: `${row.test_router} ${k}`, trained: row.setting === "{}" };
  });
  draw(figure, "tried", {
    sets: { points: rows, trained: rows.filter((row) => row.trained) },
    note: ["s", "ratio"].includes(x.kind) ? "Times of one pass over the test images, in which the settings took turns on each batch." : "",
    replace: { ...tokens("x", x), ...tokens("y", y) },
    logarithmic: wide(rows, "x"),
    description: `${y.title} over ${lowered(x.title)} of ${cell?.label} in ${rows.length} settings at test time.`,
    table: { rows, columns: [{ ...labelColumn(), title: "Setting" }, textColumn("router", "Router"), textColumn("k", "k"),
      shownColumn(x.title, "x"), shownColumn(y.title, "y")] },
  });
}
