// Colours of numbers. Lightness grows with the number in each scale, so that they hold in print and for all eyes.

const SEQUENTIAL = [
  [13, 8, 40],
  [66, 16, 104],
  [147, 38, 103],
  [221, 81, 58],
  [252, 165, 10],
  [252, 255, 164],
];
const BELOW = [64, 140, 235];
const ABOVE = [245, 140, 40];
const MIDDLE = [22, 24, 32];
const CLASSES = [
  "#4477aa",
  "#ee6677",
  "#228833",
  "#ccbb44",
  "#66ccee",
  "#aa3377",
  "#bb7733",
  "#44aa99",
  "#882255",
  "#999933",
];

function mixed(from, to, share) {
  return from.map((value, index) => value + (to[index] - value) * share);
}

/** 0 is dark, 1 is bright. */
export function sequential(share) {
  const place = Math.min(1, Math.max(0, share)) * (SEQUENTIAL.length - 1);
  const index = Math.min(SEQUENTIAL.length - 2, Math.floor(place));
  return mixed(SEQUENTIAL[index], SEQUENTIAL[index + 1], place - index);
}

/** −1 is blue, 0 dark, 1 orange. */
export function diverging(share) {
  return mixed(MIDDLE, share < 0 ? BELOW : ABOVE, Math.min(1, Math.abs(share)));
}

export function css([red, green, blue]) {
  return `rgb(${Math.round(red)} ${Math.round(green)} ${Math.round(blue)})`;
}

export function classColour(index) {
  return CLASSES[index % CLASSES.length];
}

/** Colour of a surprise in nats: 0 is pale, 8 and more is full. */
export const MOST_NATS = 8;
export function surpriseColour(nats) {
  return css(mixed([205, 218, 240], [196, 40, 27], Math.min(1, Math.max(0, nats) / MOST_NATS)));
}

/** Severity by p-value: 1 is pale, a ten-thousandth and less is full. */
export function severity(p) {
  return Math.min(1, -Math.log10(Math.max(p, 1e-4)) / 4);
}
export function severityColour(p) {
  return css(mixed([205, 218, 240], [196, 40, 27], severity(p)));
}
