// The kernel that slides: the patch that it sees, times the filter, summed; and what becomes of the sum.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, formOf, partsOf } from "../shared/api.js";
import { css, diverging } from "../shared/colours.js";
import { Busy, Problem, useAsked } from "../shared/frame.js";
import { figure } from "../shared/numbers.js";
import { Picture, Pixels } from "../shared/pictures.js";
import { Layer } from "./layer.js";
import { mapImage } from "./map_image.js";

const WIDTH = 208;
const PACE = 90;

export function Kernel({ model, file, layers, index, map, picture }) {
  const layer = layers[index].name;
  const before = index ? layers[index - 1].name : null;
  const all = (name) =>
    ask(`api/models/${model.name}/maps?layer=${encodeURIComponent(name)}`, { form: formOf("picture", [file]) });
  const { value, error } = useAsked(
    () =>
      Promise.all([
        ask(`api/models/${model.name}/filters?layer=${encodeURIComponent(layer)}`),
        all(layer),
        before === null ? null : all(before),
      ]),
    [layer],
  );
  return html`<div class="kernel-view">
    <h3>How map ${map} of ${layer} is computed</h3>
    <${Problem} error=${error} />
    ${!value && !error && html`<${Busy} of="Fetching the filter" />`}
    ${value && html`<${Sliding} found=${value} map=${map} before=${before} picture=${picture} />`}
  </div>`;
}

function byIndex(answer) {
  const { maps, shown } = answer.layers[0];
  const found = [];
  partsOf(arrayOf(maps)).forEach((part, place) => (found[shown[place]] = part));
  return found;
}

function inputOf(maps, picture) {
  if (maps) {
    return (channel, row, column) => {
      const [rows, columns] = maps[channel].shape;
      return row < 0 || column < 0 || row >= rows || column >= columns ? 0 : maps[channel].data[row * columns + column];
    };
  }
  const [rows, columns, bands] = picture.shape;
  return (channel, row, column) =>
    row < 0 || column < 0 || row >= rows || column >= columns
      ? null
      : picture.data[(row * columns + column) * bands + channel];
}

function Sliding({ found: [anatomy, own, earlier], map, before, picture }) {
  const outputs = useMemo(() => byIndex(own), [own]);
  const inputs = useMemo(() => earlier && byIndex(earlier), [earlier]);
  const layer = useMemo(() => new Layer(anatomy.steps, inputOf(inputs, picture)), [anatomy]);
  const output = outputs[map];
  const [rows, columns] = output.shape;
  const [[row, column], setPlace] = useState([rows >> 1, columns >> 1]);
  const [band, setBand] = useState(null);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return undefined;
    const timer = setInterval(
      () => setPlace(([down, across]) => (across + 1 < columns ? [down, across + 1] : [(down + 1) % rows, 0])),
      PACE,
    );
    return () => clearInterval(timer);
  }, [playing]);
  const traced = layer.traced(map, row, column);
  if (!traced)
    return html`<p class="note">This layer is no plain chain of steps: its maps are shown, its sums are not.</p>`;
  const sum = layer.sum(traced.step, map, ...traced.place);
  const loudest = sum.parts.reduce(
    (best, part, place) => (Math.abs(part.sum) > Math.abs(sum.parts[best].sum) ? place : best),
    0,
  );
  const shown = band ?? loudest;
  const pooled = layer.pooled(map, row, column);
  const [inRows, inColumns] = inputs ? inputs[shown].shape : picture.shape;
  function move(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!steps) return;
    event.preventDefault();
    setPlace([Math.min(rows - 1, Math.max(0, row + steps[0])), Math.min(columns - 1, Math.max(0, column + steps[1]))]);
  }
  function point(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const at = (value, start, size, count) =>
      Math.min(count - 1, Math.max(0, Math.floor(((value - start) / size) * count)));
    setPlaying(false);
    setPlace([at(event.clientY, box.top, box.height, rows), at(event.clientX, box.left, box.width, columns)]);
  }
  return html`
    <p>Move over the second picture, or use the arrow keys there. The frame on the first is what the filter sees.</p>
    <div class="columns">
      <div class="row pair">
        <div>
          <div class="overlay">
            ${
              inputs
                ? html`<${Pixels}
                    image=${mapImage(inputs[shown])}
                    width=${WIDTH}
                    alt=${`Map ${shown} of ${before}, which comes in`}
                  />`
                : html`<${Picture} picture=${picture} width=${WIDTH} alt="The picture, which comes in" />`
            }
            <${Frame} box=${[sum.top, sum.left, sum.rows, sum.columns]} of=${[inRows, inColumns]} />
          </div>
          <span class="soft">${before ? `${before}, map ${shown}` : "the picture"}</span>
        </div>
        <div>
          <div
            class="overlay slide"
            tabindex="0"
            role="application"
            aria-label=${`Map ${map}: arrow keys move the kernel; row ${row}, column ${column}`}
            onKeyDown=${move}
            onPointerMove=${point}
            onPointerDown=${point}
          >
            <${Pixels} image=${mapImage(output)} width=${WIDTH} alt=${`Map ${map} of ${anatomy.layer}`} />
            <${Frame} box=${[row, column, 1, 1]} of=${[rows, columns]} />
          </div>
          <span class="soft">${anatomy.layer}, map ${map}, row ${row}, column ${column}</span>
        </div>
        <button type="button" onClick=${() => setPlaying(!playing)}>${playing ? "Stop" : "Slide"}</button>
      </div>
      <div>
        <${Arithmetic}
          sum=${sum}
          shown=${shown}
          loudest=${loudest}
          band=${band}
          onBand=${setBand}
          before=${before}
          pooled=${pooled}
        />
        <p class="figure">
          ${`${allOf(sum, before)}: ${figure(sum.total)}${stepsAfter(layer, map, [row, column], traced)}`}
        </p>
        <p class="figure check">
          Computed here <b>${figure(layer.value(layer.steps.length - 1, map, row, column))}</b> · in the network
          ${" "}<b>${figure(output.data[row * columns + column])}</b>
        </p>
      </div>
    </div>
  `;
}

/** The patch times the filter, its sum, and what pooling takes of the sums around. */
function Arithmetic({ sum, shown, loudest, band, onBand, before, pooled }) {
  const part = sum.parts[shown];
  return html`
    ${
      sum.parts.length > 1 &&
      html`<label
        >${before ? "Map that comes in" : "Colour"}
        <select
          value=${band ?? ""}
          onChange=${(event) => onBand(event.target.value === "" ? null : +event.target.value)}
        >
          <option value="">the one that counts most (${before ? loudest : COLOURS[loudest]})</option>
          ${sum.parts.map(
            (_, place) => html`<option key=${place} value=${place}>${before ? place : COLOURS[place]}</option>`,
          )}
        </select></label
      >`
    }
    <div class="sum scroll" tabindex="0" role="group" aria-label="Patch times filter">
      <${Grid} values=${part.patch} columns=${sum.columns} caption="patch" />
      <span class="op" aria-label="times">×</span>
      <${Grid} values=${[...part.filter]} columns=${sum.columns} caption="filter" />
      <span class="op" aria-label="gives">=</span>
      <b>${figure(part.sum)}</b>
    </div>
    ${
      pooled &&
      html`<div class="row pooled">
        <${Grid} values=${pooled.values} columns=${pooled.size} caption="pooled" marked=${pooled.largest} />
        <p>
          Pooling: the filter's sums at ${pooled.size}×${pooled.size} places, of which the largest stays. The patch
          above is that of the largest.
        </p>
      </div>`
    }
  `;
}

const COLOURS = ["red", "green", "blue"];
const NAMES = { pool: "largest of the window", "normalise maps": "normalised" };

/** What is summed, in words. */
function allOf({ parts, bias }, before) {
  const all = parts.length > 1 ? `All ${parts.length} ${before ? "maps" : "colours"} together` : "The sum";
  return bias === null ? all : `${all} with bias ${figure(bias)}`;
}

/** What becomes of the sum: each step after the convolution with its value. */
function stepsAfter(layer, map, place, traced) {
  const texts = layer.steps.slice(traced.step + 1).map((step, index) => {
    const after = traced.step + 1 + index;
    const value = layer.value(after, map, ...placeAfter(layer, after, place, traced.place));
    return ` → ${NAMES[step.kind] ?? step.function} ${figure(value)}`;
  });
  return texts.join("");
}

/** The place after a step: that of the convolution until a pooling step, that of the layer from then on. */
function placeAfter(layer, step, place, convolved) {
  const from = layer.steps.findIndex(({ kind }) => kind === "convolution");
  const pooled = layer.steps.slice(from, step + 1).some(({ kind }) => kind === "pool");
  return pooled || !layer.steps.some(({ kind }) => kind === "pool") ? place : convolved;
}

function Frame({ box: [top, left, height, width], of: [rows, columns] }) {
  return html`<svg
    aria-hidden="true"
    width="100%"
    height="100%"
    viewBox=${`0 0 ${columns} ${rows}`}
    preserveAspectRatio="none"
  >
    ${[
      ["#fff", 3],
      ["#d01c4b", 1.5],
    ].map(
      ([colour, thick]) =>
        html`<rect
          x=${left}
          y=${top}
          width=${width}
          height=${height}
          fill="none"
          stroke=${colour}
          stroke-width=${thick}
          vector-effect="non-scaling-stroke"
        />`,
    )}
  </svg>`;
}

function Grid({ values, columns, caption, marked = -1 }) {
  const most = Math.max(...values.map(Math.abs), 1e-9);
  const rows = Array.from({ length: values.length / columns }, (_, row) =>
    values.slice(row * columns, (row + 1) * columns),
  );
  return html`<div class="kernel">
    <table>
      <caption class="soft">
        ${caption}
      </caption>
      <tbody>
        ${rows.map(
          (cells, row) =>
            html`<tr>
              ${cells.map(
                (value, column) =>
                  html`<td
                    class=${row * columns + column === marked ? "marked" : ""}
                    style=${{ background: css(diverging((0.6 * value) / most)), color: "#fff" }}
                  >
                    ${figure(value)}
                  </td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
