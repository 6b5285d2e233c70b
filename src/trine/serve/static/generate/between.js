// From one picture to another, step by step through the latent space.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, formOf, partsOf } from "../shared/api.js";
import { Part, Problem } from "../shared/frame.js";
import { PictureInput } from "../shared/picture_input.js";
import { Picture } from "../shared/pictures.js";
import { LabelChoice, labelled } from "./label_choice.js";

const STEPS = 12;

export function Between({ model, given }) {
  const [ends, setEnds] = useState([null, null]);
  const [label, setLabel] = useState("");
  const [pictures, setPictures] = useState(null);
  const [place, setPlace] = useState(0);
  const [error, setError] = useState(null);
  useEffect(() => {
    if (given) setEnds(([, second]) => [given, second]);
  }, [given]);
  useEffect(() => {
    if (!ends[0] || !ends[1]) return;
    const path = labelled(`api/models/${model.name}/interpolate?steps=${STEPS}`, label);
    ask(path, { form: formOf("pictures", ends) }).then((answer) => {
      setPictures(partsOf(arrayOf(answer.pictures)));
      setError(null);
    }, setError);
  }, [...ends, label]);
  const set = (index, files) =>
    setEnds((before) =>
      files.length > 1 ? files.slice(0, 2) : before.map((file, at) => (at === index ? files[0] : file)),
    );
  return html`<${Part}
    id="between"
    title="From one picture to another"
    words="Give two pictures. Every step between them is a picture of its own, not one faded into the other."
    figure=${
      "Spherical interpolation between the means of both posteriors: it keeps the distance from the origin, " +
      "where the prior has its mass."
    }
  >
    <${LabelChoice} model=${model} label=${label} onLabel=${setLabel} />
    <div class="columns">
      ${["first", "second"].map(
        (name, index) =>
          html`<div key=${name}>
            <${PictureInput}
              label=${`Choose the ${name}`}
              onFiles=${(files) => set(index, files)}
              pasted=${false}
              camera=${false}
            />
            <p class="soft">${ends[index] ? ends[index].name : "none yet"}</p>
          </div>`,
      )}
    </div>
    <${Problem} error=${error} />
    ${
      pictures &&
      html`
        <ul class="tiles between">
          ${pictures.map(
            (picture, index) =>
              html`<li key=${index}>
                <${Picture} picture=${picture} width=${64} alt=${`Step ${index + 1} of ${pictures.length}`} />
              </li>`,
          )}
        </ul>
        <div class="row">
          <${Picture} picture=${pictures[place]} width=${160} alt=${`Step ${place + 1}, larger`} />
          <label class="slider"
            >Step ${place + 1} of ${pictures.length}<input
              type="range"
              min="0"
              max=${pictures.length - 1}
              value=${place}
              onInput=${(e) => setPlace(+e.target.value)}
          /></label>
        </div>
      `
    }
  <//>`;
}
