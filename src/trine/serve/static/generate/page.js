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
import { spaceOf } from "./space.js";

async function asked(name, signal) {
  const [about, directions] = await Promise.all([
    ask(`api/models/${name}`, { signal }),
    ask(`api/models/${name}/directions`, { signal }),
  ]);
  return { about, space: spaceOf(directions) };
}

function Generate({ model }) {
  const { value, error, again } = useAsked((signal) => asked(model.name, signal), [model.name]);
  const [given, setGiven] = useState(null);
  const [origin, setOrigin] = useState(null);
  const samples = html`<${Samples} model=${model} onUse=${setGiven} />`;
  if (error) return html`${samples}<${Problem} error=${error} again=${again} />`;
  if (!value) return html`${samples}<${Busy} of="Moving pictures along the directions of the latent space" />`;
  const { about, space } = value;
  return html`
    ${samples}
    <${LatentMap} model=${model} space=${space} />
    <${Posterior} model=${model} units=${space.units} given=${given} onEncoded=${setOrigin} />
    <${Directions} model=${model} space=${space} origin=${origin} />
    <${Between} model=${model} given=${given} />
    <${Reconstruction} model=${model} figures=${about.figures} />
  `;
}

show(
  "generate",
  () =>
    html`<${TaskPage}
      task="generate"
      title="Generate"
      words="The network has compressed its pictures into a few numbers. Choose numbers, and it draws the picture."
      view=${Generate}
    />`,
);
