const SHOWN = 12;
const HATCH = "M-1,1 l2,-2 M0,4 l4,-4 M3,5 l2,-2";
const data = await unpacked("data");
const images = data.images.map(pixels);
const choice = { image: 0, layer: 0, factor: "", order: "", sides: [0, data.recordings.length > 1 ? 1 : 0], experts: [0, 0] };

function pixels({ height, width, rgb }) {
  const bytes = atob(rgb);
  const found = new ImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    for (let part = 0; part < 3; part++) found.data[4 * at + part] = bytes.charCodeAt(3 * at + part);
    found.data[4 * at + 3] = 255;
  }
  return found;
}

function element(name, attributes = {}, ...children) {
  const svg = ["svg", "rect", "pattern", "path", "defs", "g"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(image, from = null) {
  const [x, y, width, height] = from ?? [0, 0, image.width, image.height];
  const canvas = element("canvas", { width, height, "aria-hidden": "true" });
  canvas.getContext("2d").putImageData(image, -x, -y, x, y, width, height);
  return canvas;
}

function options(select, texts, chosen) {
  select.replaceChildren(...texts.map((text, at) => element("option", { value: at }, text)));
  select.value = chosen;
}

/* The experts of every patch of an image, best first, with what the chosen capacity and order make of them. */
function patches(recording, image) {
  const layer = recording.layers[Math.min(choice.layer, recording.layers.length - 1)];
  const asked = choice.factor !== "" || choice.order !== "";
  const slots = choice.factor === "" ? recording.trainedSlots : recording.slots[Number(choice.factor)];
  const needed = recording.byTokens && asked && slots !== null ? layer[choice.order || layer.order] : null;
  const found = Array.from({ length: recording.grid ** 2 + recording.first }, () => []);
  layer.image.forEach((of, at) => {
    if (of !== image) return;
    found[layer.token[at]].push({
      expert: layer.expert[at],
      percent: layer.percent[at],
      dropped: needed ? needed[at] > slots : layer.dropped[at] === 1,
    });
  });
  return found.slice(recording.first);
}

function words(recording, place, experts) {
  const row = Math.floor(place / recording.grid) + 1;
  const where = `Patch in row ${row}, column ${(place % recording.grid) + 1}`;
  if (!experts.length) return `${where}: no expert.`;
  const what = recording.soft ? "of its weight" : "gate";
  const each = experts.map(({ expert, percent, dropped }) => `expert ${expert} (${percent} % ${what}${dropped ? ", dropped" : ""})`);
  return `${where}: ${each.join(", ")}.`;
}

function showSide(side) {
  const recording = data.recordings[choice.sides[side]];
  const figure = document.querySelector(`figure[data-side="${side}"]`);
  const select = element("select", { "aria-label": `Router of the ${side ? "second" : "first"} picture` });
  options(select, data.recordings.map((each) => each.name), choice.sides[side]);
  select.onchange = () => {
    choice.sides[side] = Number(select.value);
    choice.experts[side] = 0;
    show();
  };
  const found = patches(recording, choice.image);
  const said = element("p", { class: "said", "aria-live": "polite" });
  const label = recording.labels[choice.image];
  const answer = recording.predictions[choice.image];
  const lost = found.filter((experts) => !experts.some((each) => !each.dropped)).length;
  said.textContent = `Class ${label}, predicted ${answer}. ` + (recording.soft
    ? "A soft router drops no patch."
    : `${lost} of ${found.length} patches are processed by no expert.`);
  figure.replaceChildren(element("label", {}, "Router", select), picture(side, recording, found, said), said, legend(side, recording));
}

function picture(side, recording, found, said) {
  const { grid, colours } = recording;
  const svg = element("svg", { viewBox: `0 0 ${grid} ${grid}`, role: "group", "aria-label": `Patches under ${recording.name}` });
  const pattern = element("pattern", { id: `hatch-${side}`, width: 4, height: 4, patternUnits: "userSpaceOnUse", patternTransform: "scale(.1)" },
    element("rect", { width: 4, height: 4, fill: "#ffffff", "fill-opacity": ".6" }), element("path", { d: HATCH, stroke: "#111", "stroke-width": 1 }));
  svg.append(element("defs", {}, pattern));
  const squares = found.map((experts, place) => {
    const kept = experts.find((each) => !each.dropped);
    const square = element("rect", {
      x: place % grid, y: Math.floor(place / grid), width: 1, height: 1, role: "img",
      tabindex: place ? -1 : 0, "aria-label": words(recording, place, experts),
      fill: kept ? colours[kept.expert] : `url(#hatch-${side})`,
      "fill-opacity": kept ? (recording.soft ? 0.15 + 0.006 * kept.percent : 0.62) : 1,
      class: kept ? "kept" : "dropped",
    });
    const tell = () => { said.textContent = words(recording, place, experts); };
    square.onpointerenter = tell;
    square.onfocus = tell;
    square.onclick = () => { if (kept) chooseExpert(side, kept.expert); };
    square.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid, ArrowDown: grid }[event.key];
      if (event.key === "Enter" && kept) chooseExpert(side, kept.expert);
      if (step === undefined || !squares[place + step]) return;
      event.preventDefault();
      square.setAttribute("tabindex", -1);
      squares[place + step].setAttribute("tabindex", 0);
      squares[place + step].focus();
    };
    return square;
  });
  svg.append(...squares);
  return element("div", { class: "picture" }, drawn(images[choice.image]), svg);
}

function legend(side, recording) {
  const buttons = recording.colours.map((colour, expert) => {
    const box = element("i");
    box.style.background = colour;
    const button = element("button", { type: "button", "aria-pressed": String(choice.experts[side] === expert) }, box, `expert ${expert}`);
    button.onclick = () => chooseExpert(side, expert);
    return button;
  });
  return element("div", { class: "legend", role: "group", "aria-label": "Experts" }, ...buttons);
}

function chooseExpert(side, expert) {
  choice.experts[side] = expert;
  document.querySelectorAll(`figure[data-side="${side}"] .legend button`).forEach((button, at) =>
    button.setAttribute("aria-pressed", String(at === expert)));
  showStrongest(side);
}

function showStrongest(side) {
  const recording = data.recordings[choice.sides[side]];
  const layer = recording.layers[Math.min(choice.layer, recording.layers.length - 1)];
  const expert = choice.experts[side];
  const rows = layer.expert.flatMap((of, at) => of === expert && !layer.dropped[at] && layer.token[at] >= recording.first ? [at] : []);
  rows.sort((one, other) => layer.percent[other] - layer.percent[one] || one - other);
  const crops = rows.slice(0, SHOWN).map((at) => {
    const image = images[layer.image[at]];
    const size = image.width / recording.grid;
    const place = layer.token[at] - recording.first;
    const from = [(place % recording.grid) * size, Math.floor(place / recording.grid) * size, size, size].map(Math.round);
    return element("li", {}, drawn(image, from), `class ${recording.labels[layer.image[at]]}`, element("br"), `${layer.percent[at]} %`);
  });
  const title = element("h3", {}, `${recording.name}: expert ${expert}`);
  const none = element("p", {}, "No patch of these images.");
  document.querySelector(`[data-patches="${side}"]`).replaceChildren(title, crops.length ? element("ul", { class: "crops" }, ...crops) : none);
}

function showMatrix(side) {
  const recording = data.recordings[choice.sides[side]];
  const { classes, said, layer } = recording.layers[Math.min(choice.layer, recording.layers.length - 1)];
  const canvas = element("canvas", { class: "matrix", width: classes.labels.length, height: classes.experts.length, role: "img",
    "aria-label": `${classes.experts.length} experts and ${classes.labels.length} classes. ${said}` });
  const context = canvas.getContext("2d");
  classes.lift.forEach((row, y) => row.forEach((lift, x) => {
    const grey = Math.round(255 - 2.2 * lift);
    context.fillStyle = `rgb(${grey},${grey},${grey})`;
    context.fillRect(x, y, 1, 1);
  }));
  canvas.style.aspectRatio = `${Math.max(classes.labels.length, 2 * classes.experts.length)} / ${2 * classes.experts.length}`;
  const at = element("p", { class: "small" }, `Experts from top to bottom: ${classes.experts.join(", ")}.`);
  document.querySelector(`[data-matrix="${side}"]`).replaceChildren(
    element("h3", {}, `${recording.name}, layer ${layer}`), element("p", {}, said), canvas, at);
}

function show() {
  for (const side of [0, 1]) {
    showSide(side);
    showStrongest(side);
    showMatrix(side);
  }
  strip.forEach((button, at) => {
    button.setAttribute("aria-checked", String(at === choice.image));
    button.setAttribute("tabindex", at === choice.image ? 0 : -1);
  });
}

function chooseImage(at, focus = false) {
  choice.image = (at + images.length) % images.length;
  show();
  if (focus) strip[choice.image].focus();
}

function showTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = theme === "dark" ? "Light" : "Dark";
}

const strip = images.map((image, at) => {
  const label = `Image ${at + 1}, class ${data.recordings[0].labels[at]}`;
  const button = element("button", { type: "button", role: "radio", "aria-label": label, title: label }, drawn(image));
  button.onclick = () => chooseImage(at);
  button.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    chooseImage(at + step, true);
  };
  return button;
});
document.querySelector(".strip").append(...strip);
const layers = data.recordings[0].layers.map((each) => `${each.layer}`);
choice.layer = layers.length - 1;
options(document.getElementById("layer"), layers, choice.layer);
document.getElementById("layer").onchange = (event) => { choice.layer = Number(event.target.value); show(); };
const factor = document.getElementById("factor");
factor.append(element("option", { value: "" }, "as trained"), ...data.factors.map((text, at) => element("option", { value: at }, `C = ${text}`)));
factor.onchange = () => { choice.factor = factor.value; show(); };
const order = document.getElementById("order");
order.onchange = () => { choice.order = order.value; show(); };
document.getElementById("theme").onclick = () => showTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
showTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
if (!data.recordings.some((each) => each.byTokens)) factor.disabled = order.disabled = true;
show();
