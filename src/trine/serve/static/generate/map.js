// The latent space as a map of two of its numbers: drag, and the picture follows.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, latest, partsOf } from "../shared/api.js";
import { classColour } from "../shared/colours.js";
import { Busy, Part, Problem, useAsked } from "../shared/frame.js";
import { figure, ticks } from "../shared/numbers.js";
import { Picture, extent, levels } from "../shared/pictures.js";
import { decoded } from "./decode.js";

const SIDE = 440;
const EDGE = 42;
const THUMB = 20;
const SHOWN = 128;
/** Pictures around the pointer whose other numbers are taken. */
const NEAR = 6;

export function LatentMap({ model, units }) {
  const [axes, setAxes] = useState([units[0].unit, (units[1] ?? units[0]).unit]);
  const { value, error, again } = useAsked(
    (signal) => ask(`api/models/${model.name}/map?n=${SHOWN}&across=${axes[0]}&up=${axes[1]}`, { signal }),
    [model.name, ...axes],
  );
  const choice = (place, words) => html`<label
    >${words}
    <select value=${axes[place]} onChange=${(event) => setAxes(axes.map((axis, index) => (index === place ? +event.target.value : axis)))}>
      ${units.slice(0, 32).map(({ unit, nats }) => html`<option key=${unit} value=${unit}>z${unit} (${figure(nats)} nats)</option>`)}
    </select></label
  >`;
  return html`<${Part}
    id="map"
    title="The map of the latent space"
    words="Near places give similar pictures. Drag over the map: the picture is decoded as you move."
    figure=${`${SHOWN} new pictures, encoded; two of the ${units.length} latent numbers span the map, their information in nats per picture. The others are those of the ${NEAR} nearest pictures, weighted by distance.`}
  >
    <div class="row">${choice(0, "Across")} ${choice(1, "Up")}</div>
    <${Problem} error=${error} again=${again} />
    ${!value && !error && html`<${Busy} of="Drawing the map" />`}
    ${value && html`<${Plane} model=${model} found=${value} axes=${axes} />`}
  <//>`;
}

function Plane({ model, found, axes }) {
  const latents = useMemo(() => partsOf(arrayOf(found.latents)).map(({ data }) => data), [found]);
  const pictures = useMemo(() => partsOf(arrayOf(found.pictures)), [found]);
  const labels = [...new Set(found.labels.filter(Boolean))];
  const range = useMemo(() => axes.map((axis) => padded(extent(latents.map((latent) => latent[axis])))), [found]);
  const [place, setPlace] = useState([0, 0]);
  const [picture, setPicture] = useState(null);
  const [error, setError] = useState(null);
  const [rate, setRate] = useState(null);
  const times = useRef([]);
  const next = useMemo(
    () =>
      latest(
        (at) => decoded(model, [latentAt(at, axes, latents, found.points)], null),
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
    const x = ((event.clientX - box.left) / box.width) * SIDE;
    const y = ((event.clientY - box.top) / box.height) * SIDE;
    go([range[0][0] + ((x - EDGE) / (SIDE - EDGE)) * (range[0][1] - range[0][0]), range[1][0] + ((SIDE - EDGE - y) / (SIDE - EDGE)) * (range[1][1] - range[1][0])]);
  }
  function step(event) {
    const steps = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!steps) return;
    event.preventDefault();
    go(place.map((value, axis) => value + (steps[axis] * (range[axis][1] - range[axis][0])) / 40));
  }
  return html`<div class="columns">
    <div
      class="overlay plane"
      tabindex="0"
      role="application"
      aria-label=${`Map: arrow keys move; across z${axes[0]} ${figure(place[0])}, up z${axes[1]} ${figure(place[1])}`}
      onPointerMove=${point}
      onPointerDown=${point}
      onKeyDown=${step}
    >
      <${Thumbnails} pictures=${pictures} points=${found.points} labels=${found.labels.map((label) => labels.indexOf(label))} range=${range} />
      <${Axes} axes=${axes} range=${range} place=${place} />
    </div>
    <div>
      ${picture && html`<${Picture} picture=${picture} width=${200} alt=${`Decoded at z${axes[0]} = ${figure(place[0])}, z${axes[1]} = ${figure(place[1])}`} />`}
      <p class="figure">z${axes[0]} = ${figure(place[0])}, z${axes[1]} = ${figure(place[1])}</p>
      <p class="figure rate">${rate ? `${rate} pictures decoded in the last second of moving` : ""}</p>
      <${Problem} error=${error} />
      ${labels.length > 0 &&
      html`<p class="soft">
        Frames: ${labels.map((label, index) => html`<span key=${label}><svg class="dot" width="11" height="11" aria-hidden="true"><rect width="11" height="11" fill=${classColour(index)} /></svg> ${label} ${" "}</span>`)}
      </p>`}
    </div>
  </div>`;
}

function padded([low, high]) {
  const edge = 0.06 * (high - low) || 1;
  return [low - edge, high + edge];
}

/** The latent vector at a place: its two numbers, and for the others a mean of those of the pictures around. */
function latentAt(at, axes, latents, points) {
  const near = points
    .map((point, index) => [Math.hypot(point[0] - at[0], point[1] - at[1]), index])
    .sort((one, other) => one[0] - other[0])
    .slice(0, NEAR);
  const weights = near.map(([distance]) => 1 / (distance + 0.05) ** 2);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const latent = new Float32Array(latents[0].length);
  near.forEach(([, index], rank) => latents[index].forEach((value, unit) => (latent[unit] += (weights[rank] / total) * value)));
  axes.forEach((axis, index) => (latent[axis] = at[index]));
  return latent;
}

function across(value, [low, high]) {
  return EDGE + ((value - low) / (high - low)) * (SIDE - EDGE);
}
function down(value, [low, high]) {
  return SIDE - EDGE - ((value - low) / (high - low)) * (SIDE - EDGE);
}

function Thumbnails({ pictures, points, labels, range }) {
  const canvas = useRef(null);
  useEffect(() => {
    canvas.current.width = canvas.current.height = 2 * SIDE;
    const pen = canvas.current.getContext("2d");
    pen.scale(2, 2);
    pictures.forEach((picture, index) => {
      const image = levels(picture);
      const own = new OffscreenCanvas(image.width, image.height);
      own.getContext("2d").putImageData(image, 0, 0);
      const left = across(points[index][0], range[0]) - THUMB / 2;
      const top = down(points[index][1], range[1]) - THUMB / 2;
      if (labels[index] >= 0) {
        pen.fillStyle = classColour(labels[index]);
        pen.fillRect(left - 1.5, top - 1.5, THUMB + 3, THUMB + 3);
      }
      pen.drawImage(own, left, top, THUMB, THUMB);
    });
  }, [pictures]);
  return html`<canvas ref=${canvas} class="map" role="img" aria-label=${`${pictures.length} new pictures at their places in the latent space`}></canvas>`;
}

function Axes({ axes, range, place }) {
  const bottom = SIDE - EDGE;
  return html`<svg viewBox=${`0 0 ${SIDE} ${SIDE}`} width="100%" height="100%" aria-hidden="true">
    <path class="axis" d=${`M${EDGE} 0V${bottom}H${SIDE}`} fill="none" />
    ${ticks(...range[0]).map((value) => html`<text x=${across(value, range[0])} y=${bottom + 15} text-anchor="middle">${figure(value)}</text>`)}
    ${ticks(...range[1]).map((value) => html`<text x=${EDGE - 6} y=${down(value, range[1]) + 4} text-anchor="end">${figure(value)}</text>`)}
    <text x=${(SIDE + EDGE) / 2} y=${SIDE - 6} text-anchor="middle">z${axes[0]}</text>
    <text x="0" y="0" text-anchor="middle" transform=${`translate(11 ${bottom / 2}) rotate(-90)`}>z${axes[1]}</text>
    <circle class="place" cx=${across(place[0], range[0])} cy=${down(place[1], range[1])} r="7" fill="none" stroke="#fff" stroke-width="4" />
    <circle cx=${across(place[0], range[0])} cy=${down(place[1], range[1])} r="7" fill="none" stroke="#d01c4b" stroke-width="2.5" />
  </svg>`;
}
