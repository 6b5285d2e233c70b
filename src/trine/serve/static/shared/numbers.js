// Numbers as people read them.

export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value > 99.9 && value < 100) return "> 99.9 %";
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

/** A number of three significant figures, with a true minus sign. */
export function figure(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = Number.isInteger(value) || size >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
  return (size < 1e-4 ? value.toExponential(1) : text).replace("-", "−");
}

/** How rare a p-value is, in words. */
export function rarity(p) {
  if (p >= 0.5) return "as usual as most normal sessions";
  return `about 1 in ${Math.max(2, Math.round(1 / p)).toLocaleString("en")} normal sessions is as strange`;
}

export function counted(count, noun, many = `${noun}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? noun : many}`;
}

/** Seconds since 1970 as a time of the log, in UTC. */
export function clock(seconds) {
  if (seconds === null || seconds === undefined) return "";
  return new Date(1000 * seconds).toISOString().slice(0, 19).replace("T", " ");
}

/** A random number from N(0, 1), by the Box–Muller transform. */
export function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

/** Round steps between two values, for an axis. */
export function ticks(low, high, about = 5) {
  const rough = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step)
    found.push(+value.toPrecision(6));
  return found;
}

/** A number of two decimals with its sign. */
export function signed(value) {
  const text = Math.abs(value).toFixed(2);
  return text === "0.00" ? "0" : `${value < 0 ? "−" : "+"}${text}`;
}
