// The filters above everything: a group of buttons for each input in which cells differ.

const PATHS = {
  circle: "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0Z", square: "M-4.4-4.4H4.4V4.4H-4.4Z", diamond: "M0-6 5 0 0 6-5 0Z",
  "triangle-up": "M0-5.5 5.5 4.5H-5.5Z", "triangle-down": "M0 5.5 5.5-4.5H-5.5Z", "triangle-left": "M-5.5 0 4.5-5.5V5.5Z",
  "triangle-right": "M5.5 0-4.5-5.5V5.5Z", cross: "M-2-5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2Z",
};

function symbol(router) {
  const { color, shape } = data.routers[router];
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  for (const [key, value] of Object.entries({ viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" })) svg.setAttribute(key, value);
  path.setAttribute("d", PATHS[shape]);
  path.setAttribute("fill", color);
  svg.append(path);
  return svg;
}

function valuesOf(key) {
  const values = [...new Set(cells.map((cell) => cell[key]))];
  if (key === "router") return Object.keys(data.routers);
  return key === "experts" ? values.sort((a, b) => a - b) : values;
}

function drawFilters(host) {
  const groups = [];
  for (const [key, title] of FILTERS) {
    const values = valuesOf(key);
    if (values.length < 2) continue;
    const chips = values.map((value) => {
      const text = missing(value) ? "none" : String(value);
      const chip = element("button", { type: "button", class: "chip", title: text, "data-filter": key, "data-value": String(value),
        onclick: () => {
          chosen[key].delete(String(value)) || chosen[key].add(String(value));
          brushed = null;
          choice.limit = undefined;
          changed("filter");
        } }, element("span", {}, element("bdi", {}, text)));
      if (key === "router") chip.prepend(symbol(value));
      return chip;
    });
    groups.push(element("fieldset", {}, element("legend", {}, title), ...chips));
  }
  host.replaceChildren(...groups);
}

function showFilters() {
  for (const chip of document.querySelectorAll(".chip")) {
    chip.setAttribute("aria-pressed", String(chosen[chip.dataset.filter].has(chip.dataset.value)));
  }
  const shown = visible().length;
  const how = !brushed ? "" : choice.limit ? ", within the limit of the cost" : ", picked in the chart";
  document.getElementById("shown").textContent = `${shown} of ${cells.length} cells${how}`;
  document.getElementById("clear").disabled = shown === cells.length && !brushed && FILTERS.every(([key]) => !chosen[key].size);
}
