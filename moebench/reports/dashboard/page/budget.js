// The limit that the reader sets on the cost, and the best cell within it, with its doubt.

// The limit of the cost: `at(share)` of the slider, and the factor from base units to those of the number field.
const budget = { factor: 1, at: () => undefined };

// A number as its reader sees it, so that 1.154 is within a limit of 1.15.
function asShown(value, kind) {
  const [factor, digits] = writing(value, kind);
  return Number((value * factor).toFixed(digits)) / factor;
}

// Shows the limit and the best within it; returns the limit, or null where there is none.
function showBudget(rows, x, y) {
  const low = Math.min(...rows.map((row) => row.x));
  const high = Math.max(...rows.map((row) => row.x));
  const [factor, , unit] = writing(high, x.kind);
  // In equal ratios, because costs spread over orders of magnitude.
  Object.assign(budget, { factor, at: (share) => asShown(low * (high / low) ** share, x.kind) });
  const limit = Number(choice.limit) > 0 ? Number(choice.limit) : null;
  const slider = document.getElementById("budget");
  slider.disabled = !(low > 0 && high > low);
  slider.value = String(limit === null || slider.disabled ? 100 : Math.round((100 * Math.log(limit / low)) / Math.log(high / low)));
  const text = limit === null ? "no limit" : written(limit, x.kind);
  slider.setAttribute("aria-valuetext", text);
  const field = document.getElementById("limit");
  // What is being typed stays as it is.
  if (document.activeElement !== field) field.value = limit === null ? "" : String(Number((limit * factor).toPrecision(6)));
  document.getElementById("limit-unit").textContent = unit.trim();
  const within = rows.filter((row) => limit === null || asShown(row.x, x.kind) <= asShown(limit, x.kind) * (1 + 1e-9));
  document.getElementById("within").value = bestOf(within, limit, `a cost of at most ${text}`, x, y);
  return limit;
}

// The best of these rows in a sentence: from whom it differs, whether its cost is sure, and its timing.
function bestOf(rows, limit, bound, x, y) {
  const best = [...rows].sort((a, b) => (y.higher ? b.y - a.y : a.y - b.y))[0];
  if (!best) return limit === null ? "" : `No cell has ${bound}.`;
  const parts = [`${limit === null ? "Best of all shown" : `Best with ${bound}`}: ${best.label}, ${best.y_text}, at ${best.x_text}`];
  if (limit !== null && !missing(best.x_high) && asShown(best.x_high, x.kind) > asShown(limit, x.kind)) parts[0] += ", an interval that goes past the limit";
  const others = rows.filter((row) => row !== best && row.setting === best.setting);
  const apart = data.apart[y.column]?.[best.cell];
  if (apart && others.length) {
    const near = others.filter((row) => !apart.includes(row.cell));
    const cheaper = near.filter((row) => row.x < best.x).sort((a, b) => a.x - b.x);
    const many = `the ${others.length} other${others.length === 1 ? "" : "s"}${limit === null ? "" : " within the limit"}`;
    const which = near.length === others.length ? "" : `${near.length} of `;
    const these = cheaper.length === near.length ? "all" : `${cheaper.length} of them`;
    parts.push(near.length
      ? `no difference in ${lowered(y.title)} is shown from ${which}${many}` + (cheaper.length ? `, ${these} cheaper, down to ${cheaper[0].label} at ${cheaper[0].x_text}` : "")
      : `a difference in ${lowered(y.title)} is shown from ${many}`);
  }
  const text = parts.join("; ") + ".";
  return text.includes("~") ? `${text} (~: timing flagged)` : text;
}
