// Trained models in other settings: one model at a time, chosen among those that the filters let through.

let tried = [];

// The trained models to choose from; the choice stays as long as its model is shown.
function showTriedCells() {
  const shown = visible().filter((cell) => tried.some((row) => row.cell === cell.index));
  const select = document.getElementById("test-time-cell");
  select.replaceChildren(...shown.map((cell) => element("option", { value: cell.index }, cell.label)));
  const cell = shown.find(({ index }) => String(index) === choice["test-time-cell"]) || shown[0];
  if (cell) select.value = cell.index;
  select.onchange = () => {
    choice["test-time-cell"] = select.value;
    changed("choice");
  };
  return cell;
}

function drawTestTime(figure) {
  const x = find(data.axes.test_time_cost, choice["test-time-x"]);
  const y = find(data.axes.test_time_quality, choice["test-time-y"]);
  const cell = showTriedCells();
  const here = cell ? tried.filter((row) => row.cell === cell.index) : [];
  const changes = (row) => (row.setting === "{}" ? "as trained" : row.setting.replace(/[{}"]/g, ""));
  const rows = pointsOf(here.map((row) => ({ ...cell, ...row, router: row.test_router })), x, y, (row, key) => row[key + "_text"]).map((point) => {
    const row = tried[point.cell];
    const k = missing(row.test_top_k) ? "none" : String(row.test_top_k);
    return { ...point, label: changes(row), k, path: `${row.test_router} ${k}`, trained: row.setting === "{}" };
  });
  draw(figure, "test_time", {
    sets: { points: rows, trained: rows.filter((row) => row.trained) },
    note: ["s", "ratio"].includes(x.kind) ? "Times of one pass over the test images, in which the settings took turns on each batch." : "",
    replace: { ...tokens("x", x), ...tokens("y", y) },
    logarithmic: wide(rows, "x"),
    description: `${y.title} over ${lowered(x.title)} of ${cell?.label} in ${rows.length} settings at test time.`,
    table: { rows, columns: [labelColumn(null, "Setting"), textColumn("router", "Router"), textColumn("k", "k"),
      shownColumn(x.title, "x"), shownColumn(y.title, "y")] },
  });
}
