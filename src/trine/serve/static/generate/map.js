// The latent space as a map of two of its directions: drag, and the picture follows.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, latest, partsOf } from "../shared/api.js";
import { classColour } from "../shared/colours.js";
import { Busy, Dot, Part, Problem, useAsked } from "../shared/frame.js";
import { counted, signed } from "../shared/numbers.js";
import { Picture, extent } from "../shared/pictures.js";
import { decoded } from "./decode.js";
import { Axes, EDGE, SIDE, Thumbnails } from "./map_drawing.js";
import { movedTo, weight } from "./space.js";

const SHOWN = 128;
/** Pictures around the pointer whose other coordinates are taken. */
const NEAR = 6;
const ARROWS = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function LatentMap({ model, space }) {
  const [axes, setAxes] = useState([0, Math.min(1, space.directions.length - 1)]);
  const { value, error, again } = useAsked(
    (signal) => ask(`api/models/${model.name}/map?n=${SHOWN}&across=${axes[0]}&up=${axes[1]}`, { signal }),
    [model.name, ...axes],
  );
  const choose = (place, direction) => setAxes(axes.map((axis, index) => (index === place ? direction : axis)));
  const choice = (place, words) =>
    html`<label
      >${words}
      <select value=${axes[place]} onChange=${(event) => choose(place, +event.target.value)}>
        ${space.directions.map(
          (direction, index) =>
            html`<option key=${index} value=${index}>${direction.name} (${weight(direction)})</option>`,
        )}
      </select></label
    >`;
  return html`<${Part}
    id="map"
    title="The map of the latent space"
    words="Near places give similar pictures. Drag over the map: the picture is decoded as you move."
    figure=${
      `${SHOWN} new pictures, encoded, in the plane of two of the latent space's ${space.centre.length} dimensions, ` +
      `in standard deviations. The other coordinates are those of the ${NEAR} nearest pictures, weighted by distance.`
    }
  >
    <div class="row">${choice(0, "Across")} ${choice(1, "Up")}</div>
    <${Problem} error=${error} again=${again} />
    ${!value && !error && html`<${Busy} of="Drawing the map" />`}
    ${value && html`<${Plane} model=${model} space=${space} found=${value} axes=${axes} />`}
  <//>`;
}

function Plane({ model, space, found, axes }) {
  const latents = useMemo(() => partsOf(arrayOf(found.latents)).map(({ data }) => data), [found]);
  const pictures = useMemo(() => partsOf(arrayOf(found.pictures)), [found]);
  const labels = [...new Set(found.labels.filter(Boolean))];
  const range = useMemo(() => [0, 1].map((axis) => padded(extent(found.points.map((point) => point[axis])))), [found]);
  const [place, setPlace] = useState([0, 0]);
  const [picture, setPicture] = useState(null);
  const [error, setError] = useState(null);
  const [rate, setRate] = useState(null);
  const times = useRef([]);
  const next = useMemo(
    () =>
      latest(
        (at) => decoded(model, [latentAt(at, axes, space, latents, found.points)]),
        ([answer]) => {
          const now = performance.now();
          times.current = [...times.current.filter((time) => now - time < 1000), now];
          setRate(times.current.length);
          setPicture(answer);
          setError(null);
        },
        setError,
      ),
    [found],
  );
  const go = (at) => {
    const inside = at.map((value, axis) => Math.min(range[axis][1], Math.max(range[axis][0], value)));
    setPlace(inside);
    next(inside);
  };
  useEffect(() => go(place), [found]);
  function point(event) {
    if (event.type === "pointermove" && event.pointerType !== "mouse" && !event.buttons) return;
    const box = event.currentTarget.getBoundingClientRect();
    const right = (((event.clientX - box.left) / box.width) * SIDE - EDGE) / (SIDE - EDGE);
    const high = 1 - ((event.clientY - box.top) / box.height) * (SIDE / (SIDE - EDGE));
    go([right, high].map((share, axis) => range[axis][0] + share * (range[axis][1] - range[axis][0])));
  }
  function step(event) {
    const steps = ARROWS[event.key];
    if (!steps) return;
    event.preventDefault();
    go(place.map((value, axis) => value + (steps[axis] * (range[axis][1] - range[axis][0])) / 40));
  }
  const names = axes.map((axis) => space.directions[axis].name);
  const here = names.map((name, axis) => `${name} = ${signed(place[axis])}`).join(", ");
  const frames = found.labels.map((label) => labels.indexOf(label));
  return html`<div class="main-and-side even">
    <div
      class="overlay plane"
      tabindex="0"
      role="application"
      aria-label=${`Map: arrow keys move; now at ${here}`}
      onPointerMove=${point}
      onPointerDown=${point}
      onKeyDown=${step}
    >
      <${Thumbnails} pictures=${pictures} points=${found.points} labels=${frames} range=${range} />
      <${Axes} names=${names} range=${range} place=${place} />
    </div>
    <div>
      ${picture && html`<${Picture} picture=${picture} width=${288} alt=${`Decoded at ${here}`} />`}
      <p class="figure">${here}</p>
      <p class="figure rate">${rate ? `${counted(rate, "picture")} decoded in the last second of moving` : ""}</p>
      <${Problem} error=${error} />
      ${labels.length > 0 && html`<${Legend} labels=${labels} />`}
    </div>
  </div>`;
}

function Legend({ labels }) {
  return html`<p class="soft legend">
    Frames:
    ${labels.map(
      (label, index) => html`<span key=${label}><${Dot} colour=${classColour(index)} />${` ${label}`}</span>`,
    )}
  </p>`;
}

function padded([low, high]) {
  const edge = 0.06 * (high - low) || 1;
  return [low - edge, high + edge];
}

/** The latent vector at a place: a mean of those of the pictures around, moved to the place along both directions. */
function latentAt(at, axes, space, latents, points) {
  const near = points
    .map((point, index) => [Math.hypot(point[0] - at[0], point[1] - at[1]), index])
    .sort((one, other) => one[0] - other[0])
    .slice(0, NEAR);
  const weights = near.map(([distance]) => 1 / (distance + 0.05) ** 2);
  const total = weights.reduce((sum, each) => sum + each, 0);
  const latent = new Float32Array(space.centre.length);
  near.forEach(([, index], rank) => {
    latents[index].forEach((value, number) => (latent[number] += (weights[rank] / total) * value));
  });
  return movedTo(
    space,
    latent,
    axes.map((axis, index) => [axis, at[index]]),
  );
}
