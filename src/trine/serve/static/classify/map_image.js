// A feature map as a picture.

import { diverging, sequential } from "../shared/colours.js";
import { coloured, extent } from "../shared/pictures.js";

/** A map from 0, dark, to its largest value; below 0 is blue. */
export function mapImage(map) {
  const [low, high] = extent(map.data);
  const most = Math.max(high, -low / 3, 1e-9);
  return coloured({ shape: map.shape, data: map.data }, (value) =>
    value < 0 ? diverging(value / most) : sequential(value / most),
  );
}
