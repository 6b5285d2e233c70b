// Sliders for the directions of the latent space that matter, with the pictures at their ends.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.js";
import { latest } from "../shared/api.js";
import { Part, Problem } from "../shared/frame.js";
import { signed } from "../shared/numbers.js";
import { Picture } from "../shared/pictures.js";
import { decoded } from "./decode.js";
import { LabelChoice } from "./label_choice.js";
import { along, movedTo, weight } from "./space.js";

const SHOWN = 8;
/** Ends of the sliders, in standard deviations. */
const REACH = 3;
const END = 48;

export function Directions({ model, space, origin }) {
  const [latent, setLatent] = useState(space.centre);
  const [label, setLabel] = useState("");
  const [picture, setPicture] = useState(null);
  const [ends, setEnds] = useState(null);
  const [error, setError] = useState(null);
  const shown = space.directions.slice(0, SHOWN);
  const start = origin ? origin.mean : space.centre;
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
  useEffect(() => setLatent(start), [origin]);
  useEffect(() => {
    next([latent, label]);
  }, [latent, label]);
  useEffect(() => {
    const both = shown.flatMap((_, index) => [-REACH, REACH].map((place) => movedTo(space, start, [[index, place]])));
    decoded(model, both, label).then(setEnds, setError);
  }, [origin, label]);
  return html`<${Part}
    id="directions"
    title="The directions that matter"
    words="Each slider moves the picture along one direction in which the training pictures differ. Move it and see what it stands for."
    figure=${figureOf(space, shown)}
  >
    <div class="main-and-side">
      <div>
        ${shown.map(
          (direction, index) =>
            html`<${Slider}
              key=${index}
              direction=${direction}
              place=${along(space, latent, index)}
              ends=${ends && [ends[2 * index], ends[2 * index + 1]]}
              onMove=${(place) => setLatent(movedTo(space, latent, [[index, place]]))}
            />`,
        )}
      </div>
      <div>
        <${Problem} error=${error} />
        ${picture && html`<${Picture} picture=${picture} width=${224} alt=${altOf(space, latent, shown)} />`}
        <div class="row">
          ${origin && html`<button type="button" onClick=${() => setLatent(start)}>Back to the picture</button>`}
          <button type="button" onClick=${() => setLatent(space.centre)}>All to 0</button>
        </div>
        <${LabelChoice} model=${model} label=${label} onLabel=${setLabel} />
      </div>
    </div>
  <//>`;
}

function figureOf(space, shown) {
  const count = `${shown.length} of ${space.centre.length} dimensions`;
  const moves = "moves: root mean square change of the pixels from −1 to +1";
  if (shown[0]?.share === null) {
    return `Single latent numbers, the most informative first (${count}), in deviations of N(0, 1) · ${moves}`;
  }
  const sum = shown.reduce((total, { share }) => total + share, 0);
  return (
    `Principal components of the training pictures' latents (${count}, ${Math.round(100 * sum)} % of the variance), ` +
    `in their standard deviations · ${moves}`
  );
}

function altOf(space, latent, shown) {
  const places = shown.slice(0, 3).map(({ name }, index) => `${name} ${signed(along(space, latent, index))}`);
  return `Decoded from the sliders: ${places.join(", ")}`;
}

function Slider({ direction, place, ends, onMove }) {
  const end = (index) =>
    ends &&
    html`<${Picture}
      picture=${ends[index]}
      width=${END}
      alt=${`${direction.name} at ${signed([-REACH, REACH][index])}`}
    />`;
  return html`<div class="direction">
    ${end(0)}
    <label
      >${direction.name}: ${signed(place)} <span class="soft">(${weight(direction)})</span>
      <input
        type="range"
        min=${-REACH}
        max=${REACH}
        step="0.05"
        value=${place}
        onInput=${(event) => onMove(+event.target.value)}
      />
    </label>
    ${end(1)}
  </div>`;
}
