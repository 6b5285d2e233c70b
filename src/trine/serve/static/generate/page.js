// Generate: new pictures, the map of the latent space, pictures encoded, and ways between them.

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../shared/api.js";
import { Busy, Problem, TaskPage, show, useAsked } from "../shared/frame.js";
import { Between } from "./between.js";
import { Directions } from "./directions.js";
import { LatentMap } from "./map.js";
import { Posterior } from "./posterior.js";
import { Reconstruction } from "./reconstruction.js";
import { Samples } from "./samples.js";

function Generate({ model }) {
  const { value, error, again } = useAsked(
    (signal) =>
      Promise.all([
        ask(`api/models/${model.name}`, { signal }),
        ask(`api/models/${model.name}/directions`, { signal }),
      ]),
    [model.name],
  );
  const [given, setGiven] = useState(null);
  const [origin, setOrigin] = useState(null);
  if (error) return html`<${Problem} error=${error} again=${again} />`;
  if (!value) return html`<${Busy} of="Asking about the model" />`;
  const [about, { units }] = value;
  return html`
    <${Samples} model=${model} onUse=${setGiven} />
    <${LatentMap} model=${model} units=${units} />
    <${Posterior} model=${model} units=${units} given=${given} onEncoded=${setOrigin} />
    <${Directions} model=${model} units=${units} origin=${origin} />
    <${Between} model=${model} given=${given} />
    <${Reconstruction} model=${model} figures=${about.figures} />
  `;
}

show(
  "generate",
  () => html`<${TaskPage}
    task="generate"
    title="Generate"
    words="The network has compressed its pictures into a few numbers. Choose numbers, and it draws the picture."
    view=${Generate}
  />`,
);
