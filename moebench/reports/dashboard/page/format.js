// How numbers are written: the same as moebench.reports.quantities does in Python.

const PREFIXES = { "-9": "n", "-6": "µ", "-3": "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E" };
const UNITS = { s: "s", FLOPs: "FLOPs", bytes: "B", count: "" };

// What to multiply with, the digits after the point, and the unit.
function writing(value, kind) {
  if (kind === "share") return [100, 1, " %"];
  if (kind === "ratio") return [1, 2, " ×"];
  const magnitude = value ? Math.floor(Math.log10(Number(Math.abs(value).toPrecision(3)))) : 0;
  if (kind === "number") return [1, Math.min(Math.max(2 - magnitude, 0), 4), ""];
  const exponent = Math.min(Math.max(3 * Math.floor(magnitude / 3), -9), 18);
  if (kind === "count" && exponent <= 0) return [1, Number.isInteger(value) ? 0 : 2, ""];
  const unit = PREFIXES[exponent] + UNITS[kind];
  return [10 ** -exponent, Math.min(Math.max(2 - magnitude + exponent, 0), 3), unit ? " " + unit : ""];
}

const missing = (value) => value === null || value === undefined;

function written(value, kind) {
  if (missing(value)) return "–";
  const [factor, digits, unit] = writing(value, kind);
  return (value * factor).toFixed(digits) + unit;
}

// A bound as far as such a number can go: an interval of a share near 100 % may reach past it.
const possible = (bound, kind) => (missing(bound) ? bound : Math.min(Math.max(bound, 0), kind === "share" ? 1 : Infinity));

// The bounds in brackets, in the unit and with the digits of the number; empty where there is no interval.
function bounds(value, low, high, kind) {
  if (missing(value) || missing(low) || missing(high) || low === high) return "";
  const [factor, digits] = writing(value, kind);
  [low, high] = [possible(low, kind), possible(high, kind)];
  return ` [${(low * factor).toFixed(digits)}, ${(high * factor).toFixed(digits)}]`;
}

const writtenInterval = (value, low, high, kind) => written(value, kind) + bounds(value, low, high, kind);

// A difference of shares in points, with its sign.
function points(value) {
  if (missing(value)) return "–";
  const size = Math.abs(100 * value).toFixed(1);
  return (value < 0 && Number(size) ? "−" : "+") + size;
}

// Vega's expression for the labels of an axis.
function labelExpression(kind) {
  const prefixed = (unit) => `replace(format(datum.value, '~s'), /([a-zA-Zµ]?)$/, ' $1${unit}')`;
  return {
    share: "datum.value < 0 || datum.value > 1 ? '' : format(datum.value * 100, '~r') + ' %'",
    ratio: "format(datum.value, '~f') + ' ×'",
    s: prefixed("s"),
    bytes: prefixed("B"),
    FLOPs: prefixed(""),
    count: prefixed(""),
    number: "format(datum.value, '~r')",
  }[kind];
}

// 1, 2 and 5 times powers of ten between two numbers, for a logarithmic axis.
function ticks(low, high) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    all.push(...[1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  }
  return all.filter((value) => value >= low && value <= high);
}
