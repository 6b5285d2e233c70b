// Sliders for the numbers of the latent vector that matter.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.js";
import { latest } from "../shared/api.js";
import { Part, Problem } from "../shared/frame.js";
import { figure } from "../shared/numbers.js";
import { Picture } from "../shared/pictures.js";
import { decoded } from "./decode.js";

const SHOWN = 8;
const REACH = 3;

export function Directions({ model, units, origin }) {
  const [latent, setLatent] = useState(() => new Array(units.length).fill(0));
  const [label, setLabel] = useState("");
  const [picture, setPicture] = useState(null);
  const [error, setError] = useState(null);
  const next = useMemo(
    () =>
      latest(
        ([vector, name]) => decoded(model, [vector], name),
        ([answer]) => {
          setPicture(answer);
          setError(null);
        },
        setError,
      ),
    [],
  );
  const back = () => origin && setLatent([...origin.mean]);
  useEffect(back, [origin]);
  useEffect(() => {
    next([latent, label]);
  }, [latent, label]);
  return html`<${Part}
    id="directions"
    title="The directions that matter"
    words="Each slider is one of the network's own numbers. Move it and see what it has learned to stand for."
    figure=${`The ${Math.min(SHOWN, units.length)} most informative of ${units.length} latent numbers, in standard deviations of N(0, 1), with their mean KL in nats; the others stay as in the picture encoded above`}
  >
    <div class="columns">
      <div>
        ${units.slice(0, SHOWN).map(
          ({ unit, nats }) => html`<label key=${unit} class="direction"
            >z${unit} = ${latent[unit].toFixed(2).replace("-", "−")} <span class="soft">(${figure(nats)} nats)</span>
            <input
              type="range"
              min=${-REACH}
              max=${REACH}
              step="0.05"
              value=${latent[unit]}
              onInput=${(event) => setLatent(latent.map((value, index) => (index === unit ? +event.target.value : value)))}
            />
          </label>`,
        )}
        <div class="row">
          ${origin && html`<button type="button" onClick=${back}>Back to the picture</button>`}
          <button type="button" onClick=${() => setLatent(latent.map(() => 0))}>All to 0</button>
          ${model.classes.length > 0 &&
          html`<label
            >Label
            <select value=${label} onChange=${(e) => setLabel(e.target.value)}>
              <option value="">any</option>
              ${model.classes.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
            </select></label
          >`}
        </div>
      </div>
      <div>
        <${Problem} error=${error} />
        ${picture && html`<${Picture} picture=${picture} width=${224} alt=${`Decoded from the sliders: ${units.slice(0, 3).map(({ unit }) => `z${unit} ${figure(latent[unit])}`).join(", ")}`} />`}
      </div>
    </div>
  <//>`;
}
