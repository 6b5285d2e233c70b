// Grad-CAM over the picture, on one scale for all pictures.

import { html, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, formOf } from "../shared/api.js";
import { sequential } from "../shared/colours.js";
import { Busy, Part, Problem, useAsked } from "../shared/frame.js";
import { figure, percent } from "../shared/numbers.js";
import { Picture, Pixels, Scale, coloured } from "../shared/pictures.js";
import { Probabilities } from "./probabilities.js";

const WIDTH = 384;
/** Full colour: a cell with this many times its even part of the evidence that a decision needs. */
const FULL = 16;

export function Evidence({ model, file, threshold }) {
  const [label, setLabel] = useState("");
  const query = label ? `?label=${encodeURIComponent(label)}` : "";
  const { value, error, again } = useAsked(
    (signal) => ask(`api/models/${model.name}/explain${query}`, { form: formOf("picture", [file]), signal }),
    [file, label],
  );
  return html`<${Part}
    id="evidence"
    title="The evidence"
    words="Bright places are those that speak for the class. One colour means the same evidence in every picture."
    figure=${
      value &&
      `Grad-CAM on ${value.layer} · evidence for ${value.label}: ${percent(value.evidence)} of the log-odds ` +
        `that a decision at ${percent(threshold)} needs`
    }
  >
    <label
      >Evidence for
      <select value=${label} onChange=${(event) => setLabel(event.target.value)}>
        <option value="">the most probable class</option>
        ${model.classes.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select></label
    >
    <${Problem} error=${error} again=${again} />
    ${!value && !error && html`<${Busy} of="Following the gradient" />`}
    ${value && html`<${Heat} found=${value} model=${model} />`}
  <//>`;
}

function Heat({ found, model }) {
  const heat = arrayOf(found.heat);
  const [rows, columns] = heat.shape;
  const full = Math.min(1, FULL / (rows * columns));
  const colour = (share) => [...sequential(0.25 + 0.75 * share), 215 * Math.min(1, 1.4 * share)];
  const overlay = coloured(heat, (value) => colour(value / full));
  const { top, contributions } = ways(found, model);
  return html`<div class="by-three evidence">
    <div>
      <div class="overlay">
        <${Picture} picture=${arrayOf(found.picture)} width=${WIDTH} alt="The picture as the network reads it" />
        <${Pixels}
          image=${overlay}
          width=${WIDTH}
          smooth
          alt=${
            `Evidence for ${found.label}: strongest ${strongest(heat)}; ` +
            `${percent(found.evidence)} of what a decision needs`
          }
        />
      </div>
      <${Scale}
        colour=${(share) => sequential(0.25 + 0.75 * share)}
        from="0"
        to=${`${percent(full)}+`}
        words="of the needed evidence, per cell"
      />
    </div>
    <div>
      <h3 id="last-layer">The last layer</h3>
      <p>
        It multiplies ${found.features.shape[0]} features by the weights of ${found.label} and adds them up. These count
        most:
      </p>
      <div class="scroll">
        <table class="features">
          <thead>
            <tr>
              <th>feature</th>
              <th class="number">value</th>
              <th class="number">× weight</th>
              <th class="number">= part</th>
            </tr>
          </thead>
          <tbody>
            ${contributions.map(
              ({ index, value, weight }) =>
                html`<tr key=${index}>
                  <td>${index}</td>
                  <td class="number">${figure(value)}</td>
                  <td class="number">${figure(weight)}</td>
                  <td class="number">${figure(value * weight)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </div>
    <div>
      <h3>Softmax: from sums to probabilities</h3>
      <p>Each probability is e to the power of the class's sum, over the same of all classes together.</p>
      <${Probabilities} top=${top} />
      <p class="soft">One view of the picture; the answer above is the mean over several views.</p>
    </div>
  </div>`;
}

function ways(found, model) {
  const features = arrayOf(found.features).data;
  const weights = arrayOf(found.weights).data;
  const contributions = [...features]
    .map((value, index) => ({ index, value, weight: weights[index] }))
    .sort((one, other) => Math.abs(other.value * other.weight) - Math.abs(one.value * one.weight))
    .slice(0, 6);
  const most = Math.max(...found.logits);
  const powers = found.logits.map((each) => Math.exp(each - most));
  const total = powers.reduce((sum, each) => sum + each, 0);
  const top = powers
    .map((each, index) => [`${model.classes[index]} (${figure(found.logits[index])})`, each / total])
    .sort((one, other) => other[1] - one[1])
    .slice(0, 5);
  return { top, contributions };
}

function strongest({ shape: [rows, columns], data }) {
  const place = data.indexOf(data.reduce((most, value) => Math.max(most, value), -Infinity));
  const down = ["at the top", "in the middle", "at the bottom"][Math.floor((3 * Math.floor(place / columns)) / rows)];
  const across = ["left", "centre", "right"][Math.floor((3 * (place % columns)) / columns)];
  return `${down}, ${across}`;
}
