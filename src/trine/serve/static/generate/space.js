// The latent space in directions: places along them, and latent vectors that are moved along them.

import { arrayOf, partsOf } from "../shared/api.js";
import { percent } from "../shared/numbers.js";

/** What the service says of the latent space, as arrays. */
export function spaceOf({ directions, centre, steps, units }) {
  return { directions, units, centre: arrayOf(centre).data, steps: partsOf(arrayOf(steps)).map(({ data }) => data) };
}

/** Where a latent vector is along a direction, in standard deviations of the training pictures. */
export function along({ centre, steps }, latent, direction) {
  const step = steps[direction];
  let [product, length] = [0, 0];
  for (let number = 0; number < step.length; number++) {
    product += (latent[number] - centre[number]) * step[number];
    length += step[number] ** 2;
  }
  return product / length;
}

/** The latent vector moved to places along directions: `[[direction, place], …]`. */
export function movedTo(space, latent, places) {
  const moved = Float32Array.from(latent);
  for (const [direction, place] of places) {
    const change = place - along(space, latent, direction);
    space.steps[direction].forEach((value, number) => (moved[number] += change * value));
  }
  return moved;
}

/** How much a direction matters, in words. */
export function weight({ share, nats, moves }) {
  const known = share === null ? `${nats.toFixed(2)} nats` : `${percent(share)} of the variance`;
  return `${known}, moves pixels by ${percent(moves)}`;
}
