// Tables that can be sorted by every column, and the rows as CSV.

const MOST_ROWS = 200;
// Tables of which the reader wants every row.
const unfolded = new Set();

// The rows of each table as they stand in it, the folded ones included.
const inOrder = {};

// `columns`: { title, meaning, value(row) for sorting, show(row) text, extra(row) text beside it, head, text, lower: the
// least is the best }.
function table(host, caption, columns, rows, name, rowClass, usual = "") {
  const sort = (choice["sort-" + name] || usual).split(" ");
  const by = columns[Number(sort[0])];
  const all = sort[0] !== "" && by ? sorted(rows, by.value, sort[1] === "down") : rows;
  // Thousands of rows make a browser slow, and nobody reads them all.
  inOrder[name] = all;
  const ordered = unfolded.has(name) ? all : all.slice(0, MOST_ROWS);
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.column : undefined;
  const heads = columns.map((column, i) => {
    const direction = i === Number(sort[0]) && sort[0] !== "" ? { down: "descending", up: "ascending" }[sort[1]] : "none";
    // Numbers are sorted from the best first, names from the first.
    const next = direction === "none" ? (column.text || column.head || column.lower ? "up" : "down") : direction === "descending" ? "up" : "down";
    const button = element("button", { type: "button", "data-column": i, title: column.meaning || null, onclick: () => {
      choice["sort-" + name] = `${i} ${next}`;
      changed("sort");
    } }, column.title);
    return element("th", { scope: "col", "aria-sort": direction, class: column.text || "" }, button);
  });
  const body = ordered.map((row) => element("tr", { class: rowClass ? rowClass(row) : "" }, ...columns.map((column) => {
    const shown = column.show(row);
    const parts = [shown];
    if (column.extra) parts.push(element("span", { class: "range" }, column.extra(row)));
    if (column.head) {
      // A narrow column breaks before the options, not inside them.
      const name = element("bdi", { dir: "ltr" }, ...shown.split(/(?=\[)/).flatMap((part) => [part, element("wbr")]));
      return element("th", { scope: "row" }, element("span", { title: shown }, name), ...(column.marks ? column.marks(row) : []));
    }
    return element("td", { class: column.text || "" }, ...parts);
  })));
  host.replaceChildren(element("table", {},
    element("caption", {}, `${caption}: ${rows.length} ${rows.length === 1 ? "row" : "rows"}`),
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...body)));
  if (ordered.length < all.length) {
    host.append(element("p", { class: "rest" }, `The first ${ordered.length} rows. `, element("button", { type: "button", onclick: () => {
      unfolded.add(name);
      changed("sort");
    } }, `Show all ${all.length}`)));
  }
  host.tabIndex = 0;
  host.setAttribute("role", "region");
  host.setAttribute("aria-label", caption);
  if (focused !== undefined) host.querySelector(`[data-column="${focused}"]`)?.focus();
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

const labelColumn = (marks) => ({ title: "Cell", head: true, value: (row) => row.index, show: (row) => row.label, marks });

// `text` is the class of its fields: "text", or "text long" for sentences.
const textColumn = (key, title, text = "text") => ({ title, text, value: (row) => row[key], show: (row) => (missing(row[key]) ? "–" : String(row[key])) });

// A quantity with its interval, where the row has one.
function quantityColumn(quantity, row_of = (row) => row) {
  const { column, title, kind, meaning } = quantity;
  return {
    title,
    meaning,
    lower: !quantity.higher,
    value: (row) => row_of(row)[column],
    show: (row) => flagMark(row_of(row), column) + written(row_of(row)[column], kind),
    extra: (row) => bounds(row_of(row)[column], row_of(row)[column + "_ci_low"], row_of(row)[column + "_ci_high"], kind),
  };
}

function pointsColumn(key, title, low = key + "_ci_low", high = key + "_ci_high") {
  return {
    title,
    value: (row) => row[key],
    show: (row) => points(row[key]),
    extra: (row) => (missing(row[low]) ? "" : ` [${points(row[low])}, ${points(row[high])}]`),
  };
}

// All columns of these cells; a text that a spreadsheet would run as a formula is marked as text.
function csv(rows) {
  const names = Object.keys(data.cells);
  const field = (value) => {
    if (missing(value)) return "";
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? "'" + value : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names.join(","), ...rows.map((row) => names.map((name) => field(row[name])).join(","))].join("\r\n") + "\r\n";
}
