// The doubt about times: the same as moebench.reports.flag_marks tells in Python.

// Was this number timed under a flag?
const TIMED = { training: /^train_step_/, inference: /^infer_(s|vs|latency|max_batch_s)_/ };
function flagged(cell, column) {
  if (missing(cell[column])) return false;
  return (cell.timing_flags || "").split(", ").filter(Boolean).some((flag) => {
    const [timed, name] = flag.split(":");
    return name === undefined ? Object.values(TIMED).some((names) => names.test(column)) : TIMED[timed]?.test(column);
  });
}
const flagMark = (cell, column) => (flagged(cell, column) ? "~" : "");

// `both: drift; training: noisy; inference: budget`, both being training and inference.
function flagsInWords(cell) {
  const named = {};
  for (const flag of (cell.timing_flags || "").split(", ").filter(Boolean)) {
    const [timed, name] = flag.includes(":") ? flag.split(":") : ["", flag];
    (named[name.replaceAll("_", " ")] ||= []).push(timed);
  }
  const grouped = {};
  for (const [name, timed] of Object.entries(named)) (grouped[timed.length > 1 ? "both" : timed[0]] ||= []).push(name);
  return ["", "both", ...Object.keys(TIMED)].filter((timed) => timed in grouped).map((timed) => (timed ? timed + ": " : "") + grouped[timed].join(", ")).join("; ");
}

// What to know of the times among these quantities, for a note under a chart.
function doubtOf(list, ...quantities) {
  const timed = quantities.filter((quantity) => list.some((cell) => flagged(cell, quantity.column)));
  const some = list.filter((cell) => timed.some((quantity) => flagged(cell, quantity.column))).length;
  const notes = some ? [`Timing of ${some} of ${list.length} cells flagged (~); the section on time says what that means.`] : [];
  if (quantities.some((quantity) => quantity.kind === "s")) notes.push("Seconds of different cells compare only on a quiet machine; times dense were measured in turns.");
  return notes.join(" ");
}
