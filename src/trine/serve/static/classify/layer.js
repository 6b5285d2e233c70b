// One value of a feature map, computed here from the maps before it: what the kernel's view shows step by step.

import { arrayOf } from "../shared/api.js";

/** The steps of a layer as functions of what comes in: `input(channel, row, column)`, 0 outside of it. */
export class Layer {
  constructor(steps, input) {
    this.steps = steps.map((step) =>
      step.kind === "convolution" ? { ...step, weights: arrayOf(step.weights) } : step,
    );
    this.input = input;
  }

  /** Value after a step; the step before the first is what comes in. */
  value(step, channel, row, column) {
    if (step < 0) return this.input(channel, row, column);
    const { kind, ...given } = this.steps[step];
    const before = (...place) => this.value(step - 1, ...place);
    if (kind === "convolution") return this.sum(step, channel, row, column).total;
    if (kind === "pool") return before(channel, ...this.winner(step, channel, row, column));
    const value = before(channel, row, column);
    if (kind === "normalise") return value === null ? null : (value - given.mean[channel]) / given.deviation[channel];
    if (kind === "normalise maps") return value * given.scale[channel] + given.shift[channel];
    return activated(given.function, value);
  }

  /** What a pooling step chooses from for a pixel: values, and the number of the largest. */
  window(step, channel, row, column) {
    const { size } = this.steps[step];
    const values = Array.from({ length: size * size }, (_, place) => {
      return this.value(step - 1, channel, row * size + Math.floor(place / size), column * size + (place % size));
    });
    return { size, values, largest: values.indexOf(Math.max(...values)) };
  }

  /** The place of the largest value in the window of a pooling step. */
  winner(step, channel, row, column) {
    const { size, largest } = this.window(step, channel, row, column);
    return [row * size + Math.floor(largest / size), column * size + (largest % size)];
  }

  /** The window of the layer's pooling for a pixel; null without pooling. */
  pooled(channel, row, column) {
    const step = this.steps.findIndex(({ kind }) => kind === "pool");
    return step < 0 ? null : this.window(step, channel, row, column);
  }

  /** A filter on the patch that it sees: by channel the patch and the sum, and the total with the bias. */
  sum(step, filter, row, column) {
    const { weights, bias, stride, padding } = this.steps[step];
    const [filters, bands, rows, columns] = weights.shape;
    const start = filters === 1 ? 0 : filter * bands * rows * columns;
    const parts = [];
    let total = bias ? bias[filters === 1 ? 0 : filter] : 0;
    const top = row * stride[0] - padding[0];
    const left = column * stride[1] - padding[1];
    for (let band = 0; band < bands; band++) {
      const patch = [];
      let sum = 0;
      for (let place = 0; place < rows * columns; place++) {
        const value = this.value(step - 1, band, top + Math.floor(place / columns), left + (place % columns)) ?? 0;
        patch.push(value);
        sum += value * weights.data[start + band * rows * columns + place];
      }
      parts.push({
        patch,
        sum,
        filter: weights.data.subarray(start + band * rows * columns, start + (band + 1) * rows * columns),
      });
      total += sum;
    }
    return { parts, total, top, left, rows, columns, bias: bias ? bias[filters === 1 ? 0 : filter] : null };
  }

  /** Where the convolution looks for a pixel of the layer: back through the steps after it. */
  traced(channel, row, column) {
    let place = [row, column];
    for (let step = this.steps.length - 1; step >= 0; step--) {
      if (this.steps[step].kind === "pool") place = this.winner(step, channel, ...place);
      if (this.steps[step].kind === "convolution") return { step, place };
    }
    return null;
  }
}

function activated(name, value) {
  if (name === "GELU") return 0.5 * value * (1 + erf(value / Math.SQRT2));
  if (name === "ReLU") return Math.max(0, value);
  if (name === "SiLU") return value / (1 + Math.exp(-value));
  return value;
}

/** Error function, by formula 7.1.26 of Abramowitz and Stegun: within 1.5e-7. */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}
