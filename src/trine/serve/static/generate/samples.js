// A grid of new pictures: seed, temperature, label.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, partsOf } from "../shared/api.js";
import { Busy, Part, Problem } from "../shared/frame.js";
import { LabelChoice } from "./label_choice.js";
import { Picture, fileOf } from "../shared/pictures.js";

const WIDTH = 72;
const LARGEST_SEED = 1e6;

export function Samples({ model, onUse }) {
  const [asked, setAsked] = useState({ n: 24, seed: 0, temperature: 1, label: "" });
  const [pictures, setPictures] = useState(null);
  const [error, setError] = useState(null);
  const [used, setUsed] = useState(null);
  const set = (name, value) => setAsked((before) => ({ ...before, [name]: value }));
  useEffect(() => {
    const control = new AbortController();
    const json = { ...asked, label: asked.label || null };
    ask(`api/models/${model.name}/sample`, { json, signal: control.signal }).then(
      (answer) => {
        const list = partsOf(arrayOf(answer.pictures));
        setPictures({ asked, list });
        setError(null);
        setUsed(null);
        if (!pictures) use(list[0], 0, asked.seed);
      },
      (problem) => setError(problem),
    );
    return () => control.abort();
  }, [asked]);
  async function use(picture, index, seed) {
    setUsed(index);
    onUse(await fileOf(picture, `sample ${index + 1}, seed ${seed}.png`));
  }
  return html`<${Part}
    id="samples"
    title="New pictures"
    words="Each of these pictures is new: random numbers, decoded. The same seed gives the same pictures."
    figure="Latents are drawn from the prior, scaled by the temperature: 0 is the most typical picture, 1 is as learned."
  >
    <form class="row" onSubmit=${(event) => event.preventDefault()}>
      <label
        >Pictures
        <input
          type="number"
          min="1"
          max="96"
          value=${asked.n}
          onChange=${(e) => set("n", Math.min(96, Math.max(1, Math.round(+e.target.value) || 1)))}
      /></label>
      <label
        >Seed
        <input
          type="number"
          min="0"
          value=${asked.seed}
          onChange=${(e) => set("seed", Math.max(0, Math.round(+e.target.value) || 0))}
      /></label>
      <label class="slider"
        >Temperature ${asked.temperature.toFixed(2)}
        <input
          type="range"
          min="0"
          max="2"
          step="0.05"
          value=${asked.temperature}
          onChange=${(e) => set("temperature", +e.target.value)}
      /></label>
      <${LabelChoice} model=${model} label=${asked.label} onLabel=${(label) => set("label", label)} />
      <button type="button" class="main" onClick=${() => set("seed", Math.floor(Math.random() * LARGEST_SEED))}>
        Make others
      </button>
    </form>
    <${Problem} error=${error} />
    ${!pictures && !error && html`<${Busy} of="Drawing" />`}
    ${
      pictures &&
      html`<ul class="tiles samples">
          ${pictures.list.map(
            (picture, index) =>
              html`<li key=${index}>
                <button
                  type="button"
                  class="tile"
                  aria-pressed=${String(used === index)}
                  onClick=${() => use(picture, index, pictures.asked.seed)}
                >
                  <${Picture}
                    picture=${picture}
                    width=${WIDTH}
                    alt=${`New picture ${index + 1}${pictures.asked.label ? ` of ${pictures.asked.label}` : ""}`}
                  />
                </button>
              </li>`,
          )}
        </ul>
        <p class="soft" role="status">
          ${
            used === null
              ? "Choose a picture to encode it below."
              : `Picture ${used + 1} is encoded below, and is the first of the two pictures to go between.`
          }
        </p>`
    }
  <//>`;
}
