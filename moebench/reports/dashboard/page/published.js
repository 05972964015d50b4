// What papers printed, in a panel of its own.

function drawPublished(figure) {
  const x = find(common.published_axes, choice["published-x"]);
  const y = { key: "accuracy", title: "ImageNet 10-shot accuracy, as printed", labels: common.labels.accuracy };
  const known = rowsOf(common.published).filter((row) => !missing(row[x.key]));
  const rows = known.map((row) => ({ ...row, path: row.path ?? row.label, x: row[x.key], x_text: row[x.key + "_text"], y: row.accuracy, y_text: row.accuracy_text }));
  const values = rows.map((row) => row.x);
  draw(figure, "published", {
    specification: common.specification,
    sets: { points: rows },
    replace: { ...tokens("x", x), ...tokens("y", y) },
    logarithmic: { x: ticks(Math.min(...values), Math.max(...values)) },
    description: `Published results, not measured here: ${lowered(y.title)} over ${lowered(x.title)} of ${rows.length} models.`,
    table: { rows, columns: [labelColumn(null, "Model"), textColumn("source", "Source"), shownColumn(x.title, "x"), shownColumn(y.title, "y")] },
  });
}
