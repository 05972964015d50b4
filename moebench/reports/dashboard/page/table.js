// Tables that can be sorted by every column, and the rows as CSV.

const MOST_ROWS = 200;
// Rows beyond which a table fills sheets of paper that nobody reads.
const PRINTED = 30;
// Columns beyond which a sheet of paper has to be used sparingly.
const BROAD = 11;
// Tables of which the reader wants every row.
const unfolded = new Set();
// The rows of each table as they stand in it, the folded ones included.
const inOrder = {};

// `columns`: { title, meaning, value(row) for sorting, show(row) text, text: left aligned, head, marks(row), lower: the least
// is the best }.
function table(host, caption, columns, rows, name, usual = "") {
  const sort = (choice["sort-" + name] || usual).split(" ");
  const by = sort[0] !== "" ? columns[Number(sort[0])] : undefined;
  const all = by ? sorted(rows, by.value, sort[1] === "down") : rows;
  inOrder[name] = all;
  // Thousands of rows make a browser slow, and nobody reads them all.
  const ordered = unfolded.has(name) ? all : all.slice(0, MOST_ROWS);
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.column : undefined;
  const heads = columns.map((column, i) => headOf(column, i, by === column ? sort[1] : "", name));
  const body = ordered.map((row, i) => element("tr", { class: i < PRINTED ? null : "screen" }, ...columns.map((column) => fieldOf(column, row))));
  const count = element("caption", {}, `${caption}: ${rows.length} ${rows.length === 1 ? "row" : "rows"}`);
  if (ordered.length > PRINTED) count.append(element("span", { class: "paper" }, `, of which paper shows the first ${PRINTED}`));
  host.replaceChildren(element("table", { class: columns.length > BROAD ? "broad" : "" }, count, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...body)));
  if (ordered.length < all.length) {
    host.append(element("p", { class: "rest" }, `The first ${ordered.length} rows. `, element("button", { type: "button", onclick: () => {
      unfolded.add(name);
      changed("sort");
    } }, `Show all ${all.length}`)));
  }
  host.tabIndex = 0;
  host.setAttribute("role", "region");
  host.setAttribute("aria-label", caption);
  sayWidth(host);
  if (focused !== undefined) host.querySelector(`[data-column="${focused}"]`)?.focus();
}

function headOf(column, i, direction, name) {
  // Numbers are sorted from the best first, names from the first.
  const next = direction === "" ? (column.text || column.head || column.lower ? "up" : "down") : direction === "down" ? "up" : "down";
  const button = element("button", { type: "button", "data-column": i, title: column.meaning || null, onclick: () => {
    choice["sort-" + name] = `${i} ${next}`;
    changed("sort");
  } }, column.title);
  const sort = { down: "descending", up: "ascending" }[direction] || "none";
  return element("th", { scope: "col", "aria-sort": sort, class: column.text ? "text" : "" }, button);
}

function fieldOf(column, row) {
  const shown = column.show(row);
  if (column.head) {
    // A narrow column breaks before the options, not inside them.
    const name = element("bdi", { dir: "ltr" }, ...shown.split(/(?=\[)/).flatMap((part) => [part, element("wbr")]));
    return element("th", { scope: "row" }, element("span", { title: shown }, name), ...(column.marks ? column.marks(row) : []));
  }
  // An interval stands under its number, so that more columns are seen at once.
  const split = column.text ? -1 : shown.indexOf(" [");
  const parts = split < 0 ? [shown] : [shown.slice(0, split), element("span", { class: "range" }, shown.slice(split))];
  return element("td", { class: column.text ? (shown.length > 40 ? "text long" : "text") : "" }, ...parts);
}

// A table that is wider than its box says so, because nothing else shows that it can be scrolled.
function sayWidth(host) {
  const edge = host.getBoundingClientRect().right;
  const hidden = [...host.querySelectorAll("thead th")].filter((head) => head.getBoundingClientRect().right > edge + 4).length;
  const text = host.scrollWidth > host.clientWidth + 4 && hidden ? `${hidden} more ${hidden === 1 ? "column" : "columns"} to the right: scroll the table sideways →` : "";
  const note = host.previousElementSibling?.matches(".wide") ? host.previousElementSibling : null;
  if (!text) return void note?.remove();
  if (note) note.textContent = text;
  else host.before(element("p", { class: "wide" }, text));
}

function sorted(rows, value, down) {
  const keyed = rows.map((row) => [value(row), row]);
  keyed.sort(([one], [other]) => {
    // What is missing comes last in both directions.
    if (missing(one) || missing(other)) return missing(one) - missing(other);
    const order = typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
    return down ? -order : order;
  });
  return keyed.map(([, row]) => row);
}

const labelColumn = (marks, title = "Cell") => ({ title, head: true, value: (row) => row.index, show: (row) => row.label, marks });
const textColumn = (key, title) => ({ title, text: true, value: (row) => row[key], show: (row) => (missing(row[key]) ? "–" : String(row[key])) });
// A number of a chart, whose text stands beside it in the row.
const shownColumn = (title, key) => ({ title, value: (row) => row[key], show: (row) => row[key + "_text"] ?? "–" });

// A table made in Python: its rows are cells, or stand in the table itself.
function pythonTable(host, name, extra = {}) {
  const { title, fields, cells: places, values, texts } = data.tables[name];
  const [first, ...others] = fields.filter((field) => field.key !== "rank");
  const ofCells = places !== undefined;
  const column = (field) => ({
    title: field.title, meaning: field.meaning, text: !field.number, lower: field.lower,
    value: (row) => (ofCells && !field.number ? textOf(row, field.key) : row[field.key]),
    show: (row) => (ofCells ? textOf(row, field.key) : at(texts[field.key], row.index) ?? "–"),
  });
  const head = { ...column(first), head: true, marks: extra.marks, value: (row) => row.index, show: (row) => String(row[first.key]) };
  const known = new Set(places?.length ? places : cells.keys());
  const rows = ofCells ? visible().filter((cell) => known.has(cell.index)) : rowsOf(values).filter((row) => FILTERS.every(([key]) => lets(key, row)));
  table(host, title, [head, ...others.map(column)], rows, name, extra.usual);
  explain(host, fields.filter((field) => field.meaning).map((field) => [field.title, field.meaning]));
}

// The meanings of a table's headings, folded, behind the table.
function explain(host, meanings) {
  if (!meanings.length || host.nextElementSibling?.matches(".glossary")) return;
  host.after(element("details", { class: "glossary" }, element("summary", {}, "Meanings of the headings"), element("dl", { class: "meanings" }, ...meaningsOf(meanings))));
}

const meaningsOf = (pairs) => pairs.flatMap(([name, meaning]) => [element("dt", {}, name), element("dd", {}, meaning)]);

// All numbers of these cells; a text that a spreadsheet would run as a formula is marked as text.
function csv(rows) {
  const names = Object.keys(data.cells).filter((name) => !["path", "comparable", "name"].includes(name));
  const field = (value) => {
    if (missing(value)) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? "'" + value : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names.join(","), ...rows.map((row) => names.map((name) => field(row[name])).join(","))].join("\r\n") + "\r\n";
}
