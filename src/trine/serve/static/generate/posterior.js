// A picture encoded: mean and variance as an ellipse, and a sample that is drawn again and again.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, formOf, partsOf } from "../shared/api.js";
import { Part, Problem } from "../shared/frame.js";
import { figure, normal, ticks } from "../shared/numbers.js";
import { PictureInput } from "../shared/picture_input.js";
import { Picture } from "../shared/pictures.js";
import { PICTURE, decoded } from "./decode.js";
import { DrawPad } from "./draw_pad.js";
import { LabelChoice, labelled } from "./label_choice.js";

const SIDE = 256;
const EDGE = 60;
const KEPT = 12;
const TRICK = "z = μ + σ · ε with ε from N(0, 1), the reparameterisation trick";

export function Posterior({ model, units, given, onEncoded }) {
  const [file, setFile] = useState(null);
  const [label, setLabel] = useState("");
  const [encoded, setEncoded] = useState(null);
  const [mean, setMean] = useState(null);
  const [samples, setSamples] = useState([]);
  const [pair, setPair] = useState([units[0].unit, (units[1] ?? units[0]).unit]);
  const [error, setError] = useState(null);
  async function encode() {
    try {
      const path = labelled(`api/models/${model.name}/encode`, label);
      const answer = await ask(path, { form: formOf("pictures", [file]) });
      const found = {
        name: file.name,
        picture: partsOf(arrayOf(answer.pictures))[0],
        mean: partsOf(arrayOf(answer.groups[0].mean))[0].data,
        deviation: partsOf(arrayOf(answer.groups[0].variance))[0].data.map(Math.sqrt),
        kl: answer.kl_nats[0],
      };
      setEncoded(found);
      onEncoded(found);
      setSamples([]);
      setError(null);
      setMean((await decoded(model, [found.mean], label))[0]);
    } catch (problem) {
      setError(problem);
    }
  }
  useEffect(() => {
    if (given) setFile(given);
  }, [given]);
  useEffect(() => {
    if (file) encode();
  }, [file, label]);
  async function again() {
    const noise = encoded.mean.map(normal);
    const latent = encoded.mean.map((value, unit) => value + encoded.deviation[unit] * noise[unit]);
    try {
      const [picture] = await decoded(model, [latent], label);
      setSamples((before) => [{ noise, latent, picture, key: performance.now() }, ...before].slice(0, KEPT));
    } catch (problem) {
      setError(problem);
    }
  }
  return html`<${Part}
    id="posterior"
    title="A picture, encoded"
    words="The encoder does not give one point but a cloud: where the picture may lie. Sample again: the mean stays, only ε moves."
    figure=${encoded ? `${TRICK} · KL(q(z|x) ‖ N(0, 1)) = ${figure(encoded.kl)} nats` : TRICK}
  >
    <div class="columns">
      <div>
        <${PictureInput} onFiles=${([chosen]) => setFile(chosen)} label="Choose a picture" many=${false} />
        <${DrawPad} onPicture=${setFile} />
        <${LabelChoice} model=${model} label=${label} onLabel=${setLabel} />
      </div>
      <div>
        <${Problem} error=${error} />
        ${!encoded && html`<p class="note">Give a picture, draw one, or choose a new picture above.</p>`}
        ${
          encoded &&
          html`
            <div class="row">
              <figure>
                <${Picture}
                  picture=${encoded.picture}
                  width=${PICTURE}
                  alt=${`${encoded.name}, as the model reads it`}
                />
                <figcaption class="soft">read</figcaption>
              </figure>
              ${
                mean &&
                html`<figure>
                  <${Picture} picture=${mean} width=${PICTURE} alt="The decoded mean" />
                  <figcaption class="soft">decoded mean</figcaption>
                </figure>`
              }
              ${
                samples.length > 0 &&
                html`<figure>
                  <${Picture} picture=${samples[0].picture} width=${PICTURE} alt="The decoded sample" />
                  <figcaption class="soft">decoded sample</figcaption>
                </figure>`
              }
            </div>
            <button type="button" class="main" onClick=${again}>Sample again</button>
            <div class="row">
              ${[0, 1].map(
                (place) =>
                  html`<label
                    >${["Across", "Up"][place]}
                    <select
                      value=${pair[place]}
                      onChange=${(e) => setPair(pair.map((unit, index) => (index === place ? +e.target.value : unit)))}
                    >
                      ${units.slice(0, 32).map(({ unit }) => html`<option key=${unit} value=${unit}>z${unit}</option>`)}
                    </select></label
                  >`,
              )}
            </div>
            <div class="row">
              <${Cloud} encoded=${encoded} samples=${samples} pair=${pair} />
              <${Cloud} encoded=${encoded} samples=${samples} pair=${pair} close />
            </div>
            <p class="soft">
              Left the whole space, right close to the mean. Solid: one and two deviations of this picture. Dashed:
              those of N(0, 1), all pictures together.
            </p>
            <p class="figure sums">
              ${pair.map((unit) => html`<span>${sumOf(unit, encoded, samples[0])}<br /></span>`)}
            </p>
            ${
              samples.length > 1 &&
              html`<ul class="tiles drawn">
                ${samples.map(
                  ({ picture, key }, index) =>
                    html`<li key=${key}>
                      <${Picture} picture=${picture} width=${44} alt=${`Sample ${samples.length - index}, decoded`} />
                    </li>`,
                )}
              </ul>`
            }
          `
        }
      </div>
    </div>
  <//>`;
}

/** z = μ + σ · ε of one number, with the last ε that was drawn. */
function sumOf(unit, { mean, deviation }, sample) {
  const drawn = sample ? `${figure(sample.noise[unit])} = ${figure(sample.latent[unit])}` : "ε";
  return `z${unit} = ${figure(mean[unit])} + ${figure(deviation[unit])} · ${drawn}`;
}

/** The ellipses of one and two standard deviations, in the plane of two latent numbers, with the samples. */
function Cloud({ encoded, samples, pair, close = false }) {
  const [mean, deviation] = [encoded.mean, encoded.deviation].map((values) => pair.map((unit) => values[unit]));
  const far = Math.max(3.2, ...mean.map((value, axis) => Math.abs(value) + 2.2 * deviation[axis]));
  const reach = close ? 3.5 * Math.max(...deviation) : far;
  const [middle, centre] = close ? mean : [0, 0];
  const side = SIDE - EDGE;
  const x = (value) => EDGE + ((value - middle + reach) / (2 * reach)) * side;
  const y = (value) => ((reach - value + centre) / (2 * reach)) * side;
  const unit = side / (2 * reach);
  const each = pair.map((name, axis) => `z${name}: mean ${figure(mean[axis])}, deviation ${figure(deviation[axis])}`);
  const words = [close ? "Close to the mean" : "The whole space", ...each, `${samples.length} samples`].join("; ");
  return html`<svg
    class=${close ? "cloud close" : "cloud"}
    role="img"
    aria-label=${words}
    viewBox=${`0 0 ${SIDE} ${SIDE}`}
    width=${SIDE}
    height=${SIDE}
  >
    <path class="axis" d=${`M${EDGE} 0V${SIDE - EDGE}H${SIDE}`} fill="none" />
    ${ticks(middle - reach, middle + reach, 4).map(
      (value) => html`<text x=${x(value)} y=${side + 15} text-anchor="middle">${figure(value)}</text>`,
    )}
    ${ticks(centre - reach, centre + reach, 4).map(
      (value) => html`<text x=${EDGE - 5} y=${y(value) + 4} text-anchor="end">${figure(value)}</text>`,
    )}
    <text x=${(SIDE + EDGE) / 2} y=${SIDE - 6} text-anchor="middle">z${pair[0]}</text>
    <text text-anchor="middle" transform=${`translate(11 ${(SIDE - EDGE) / 2}) rotate(-90)`}>z${pair[1]}</text>
    ${(close ? [] : [1, 2]).map((size) => html`<circle class="prior" cx=${x(0)} cy=${y(0)} r=${size * unit} />`)}
    ${[2, 1].map(
      (size) =>
        html`<ellipse
          class="posterior"
          cx=${x(mean[0])}
          cy=${y(mean[1])}
          rx=${size * deviation[0] * unit}
          ry=${size * deviation[1] * unit}
        />`,
    )}
    ${samples.map(
      ({ latent, key }, index) =>
        html`<circle
          key=${key}
          class=${index ? "sample former" : "sample"}
          cx=${x(latent[pair[0]])}
          cy=${y(latent[pair[1]])}
          r=${index ? 3 : 5}
        />`,
    )}
    <circle cx=${x(mean[0])} cy=${y(mean[1])} r="3.5" fill="var(--ink)" />
  </svg>`;
}
