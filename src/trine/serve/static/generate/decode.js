// Latent vectors as pictures.

import { arrayOf, ask, partsOf } from "../shared/api.js";

/** The pictures of latent vectors, one list of numbers each. */
export async function decoded(model, latents, label = null) {
  const { pictures } = await ask(`api/models/${model.name}/decode`, {
    json: { latents: latents.map((latent) => [...latent]), label: label || null },
  });
  return partsOf(arrayOf(pictures));
}

export const PICTURE = 96;
