// The network's inside as lanes under the events: gates and cell state, unit by unit, and the gradient's reach.

import { html, useMemo, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask } from "../shared/api.js";
import { diverging, sequential } from "../shared/colours.js";
import { Busy, Problem, useAsked } from "../shared/frame.js";
import { figure } from "../shared/numbers.js";
import { Pixels, Scale, coloured, extent } from "../shared/pictures.js";
import { Plot } from "../shared/plot.js";
import { bodyOf } from "./event_list.js";
import { Spanned } from "./strip.js";

const MOST = 2000;
const LANE = 96;
/** A cell is on where it has at least this part of its mean over the span. */
const ON = 0.5;
const UNITS = 6;
/** Fewer points than this are drawn as points, too. */
const SPARSE = 40;
/** Smallest norm that is drawn on a logarithmic axis. */
const LEAST = 1e-9;
/** Runs of events per unit that are named. */
const MOST_RUNS = 6;

export function Gates({ model, events, at, span, onSpan, onChoose }) {
  const [open, setOpen] = useState(false);
  return html`<details class="gates" onToggle=${(event) => setOpen(event.target.open)}>
    <summary><h3>Inside the network: gates and cell state</h3></summary>
    ${
      open &&
      (events.length > MOST
        ? html`<p class="note">The session has more than ${MOST} events: its gates are not drawn.</p>`
        : html`<${Inside}
            model=${model}
            events=${events}
            at=${at}
            span=${span}
            onSpan=${onSpan}
            onChoose=${onChoose}
          />`)
    }
  </details>`;
}

function Inside({ model, events, at, span, onSpan, onChoose }) {
  const sequence = textOf(events);
  const { value, error } = useAsked(
    (signal) => ask(`api/models/${model.name}/gates`, { json: bodyOf(events), signal }),
    [sequence],
  );
  const [place, setPlace] = useState(0);
  const [unit, setUnit] = useState(0);
  const layer = value?.layers[Math.min(place, value.layers.length - 1)];
  const lanes = useMemo(
    () => layer && Object.entries(layer.values).map(([name, array]) => ({ name, ...arrayOf(array) })),
    [layer],
  );
  if (error) return html`<${Problem} error=${error} />`;
  if (!lanes || lanes[0].shape[0] !== events.length) return html`<${Busy} of="Following the units" />`;
  const state = lanes.find(({ name }) => name === "cell state") ?? lanes.at(-1);
  const units = state.shape[1];
  return html`
    <p>
      Each row is one of ${units} units, each column an event. Gates say what a unit lets in, keeps and shows; the cell
      state is what it remembers. Drag over a lane to select a span.
    </p>
    ${
      value.layers.length > 1 &&
      html`<label
        >Layer
        <select value=${place} onChange=${(event) => setPlace(+event.target.value)}>
          ${value.layers.map((each, index) => html`<option value=${index}>${each.layer}</option>`)}
        </select></label
      >`
    }
    ${lanes.map(
      (lane) =>
        html`<${Lane} key=${lane.name} lane=${lane} at=${at} span=${span} onSpan=${onSpan} onChoose=${onChoose} />`,
    )}
    <${Scale} colour=${sequential} from="0" to="1" words="gates: closed to open" />
    <${Scale} colour=${(share) => diverging(2 * share - 1)} from="−max" to="+max" words="cell state and output" />
    <${SpanChoice} count=${events.length} at=${at} span=${span} onSpan=${onSpan} />
    ${span && html`<${OnOver} state=${state} span=${span} unit=${unit} onUnit=${setUnit} onSpan=${onSpan} />`}
    <label
      >Unit
      <input
        type="number"
        min="0"
        max=${units - 1}
        value=${unit}
        onChange=${(event) => setUnit(Math.min(units - 1, Math.max(0, Math.round(+event.target.value) || 0)))}
    /></label>
    <${UnitPlot} lanes=${lanes} unit=${unit} />
    <${Reach} model=${model} events=${events} at=${at} />
  `;
}

/** Tells one sequence of events from another. */
function textOf(events) {
  return events.map(({ event }) => event).join("\n");
}

function Lane({ lane: { name, shape, data }, at, span, onSpan, onChoose }) {
  const image = useMemo(() => laneImage(name, shape, data), [data]);
  const [low, high] = useMemo(() => extent(data), [data]);
  return html`<div>
    <span class="soft">${name}</span>
    <${Spanned} count=${shape[0]} at=${at} span=${span} onSpan=${onSpan} onChoose=${onChoose}>
      <${Pixels}
        image=${image}
        width=${1200}
        class="pixels strip lane"
        alt=${`${name} of ${shape[1]} units over ${shape[0]} events, from ${figure(low)} to ${figure(high)}`}
      />
    <//>
  </div>`;
}

/** Units down, events across. */
function laneImage(name, [events, units], data) {
  const turned = new Float32Array(events * units);
  for (let event = 0; event < events; event++)
    for (let unit = 0; unit < units; unit++) turned[unit * events + event] = data[event * units + unit];
  const most = Math.max(...extent(data).map(Math.abs), 1e-9);
  return coloured(
    { shape: [units, events], data: turned },
    name.endsWith("gate") ? sequential : (value) => diverging(value / most),
  );
}

function SpanChoice({ count, at, span, onSpan }) {
  const [from, to] = span ?? [at, at];
  const inside = (value) => Math.min(count, Math.max(1, Math.round(value) || 1)) - 1;
  return html`<fieldset class="row span">
    <legend class="soft">A span of events</legend>
    <label
      >From
      <input
        type="number"
        min="1"
        max=${count}
        value=${from + 1}
        onChange=${(e) => onSpan([inside(+e.target.value), Math.max(to, inside(+e.target.value))])}
    /></label>
    <label
      >To
      <input
        type="number"
        min="1"
        max=${count}
        value=${to + 1}
        onChange=${(e) => onSpan([Math.min(from, inside(+e.target.value)), inside(+e.target.value)])}
    /></label>
    ${span && html`<button type="button" class="small" onClick=${() => onSpan(null)}>No span</button>`}
  </fieldset>`;
}

/** The units whose state stands out over a span, and where else they are on. */
function OnOver({
  state: {
    name,
    shape: [events, units],
    data,
  },
  span: [from, to],
  unit,
  onUnit,
  onSpan,
}) {
  const found = useMemo(() => {
    const all = Array.from({ length: units }, (_, index) => {
      let [inside, outside, square] = [0, 0, 0];
      for (let event = 0; event < events; event++) {
        const value = data[event * units + index];
        square += value * value;
        if (event >= from && event <= to) inside += value;
        else outside += value;
      }
      const mean = inside / (to - from + 1);
      const rest = outside / Math.max(1, events - (to - from + 1));
      return { index, mean, stands: Math.abs(mean - rest) / (Math.sqrt(square / events) + 1e-6) };
    });
    return all.sort((one, other) => other.stands - one.stands).slice(0, UNITS);
  }, [data, from, to]);
  const elsewhere = ({ index, mean }) => {
    const runs = [];
    for (let event = 0; event < events; event++) {
      const on = data[event * units + index] * Math.sign(mean) >= ON * Math.abs(mean);
      if (!on || (event >= from && event <= to)) continue;
      if (runs.length && runs.at(-1)[1] === event - 1) runs.at(-1)[1] = event;
      else runs.push([event, event]);
    }
    return runs;
  };
  return html`<h3>On over events ${from + 1} to ${to + 1}</h3>
    <div class="scroll">
      <table class="cells">
        <thead>
          <tr>
            <th>unit</th>
            <th class="number">mean ${name}</th>
            <th>on elsewhere, at half of that and more</th>
          </tr>
        </thead>
        <tbody>
          ${found.map((cell) => {
            const runs = elsewhere(cell);
            return html`<tr key=${cell.index} class=${cell.index === unit ? "chosen" : ""}>
              <td><button type="button" class="small" onClick=${() => onUnit(cell.index)}>${cell.index}</button></td>
              <td class="number">${figure(cell.mean)}</td>
              <td>
                ${runs
                  .slice(0, MOST_RUNS)
                  .map(
                    (run) =>
                      html`<button type="button" class="small" onClick=${() => onSpan(run)}>${runText(run)}</button
                        >${" "}`,
                  )}
                ${runs.length === 0 && "nowhere"} ${runs.length > MOST_RUNS && `and ${runs.length - MOST_RUNS} more`}
              </td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`;
}

/** A run of events, counted from 1. */
function runText([from, to]) {
  return from === to ? from + 1 : `${from + 1}–${to + 1}`;
}

function UnitPlot({ lanes, unit }) {
  const [x, series] = useMemo(() => {
    const [events, units] = lanes[0].shape;
    const places = Array.from({ length: events }, (_, index) => index + 1);
    return [
      places,
      lanes.map(({ name, data }) => ({ label: name, values: places.map((place) => data[(place - 1) * units + unit]) })),
    ];
  }, [lanes, unit]);
  return html`<${Plot}
    x=${x}
    series=${series}
    xLabel="event"
    yLabel="value"
    alt=${`Gates and state of unit ${unit} over the events`}
  />`;
}

function Reach({ model, events, at }) {
  const sequence = textOf(events.slice(0, at + 1));
  const { value, error } = useAsked(
    (signal) => ask(`api/models/${model.name}/reach`, { json: { ...bodyOf(events), position: at }, signal }),
    [sequence],
  );
  const [x, series] = useMemo(() => {
    const reach = value?.reach ?? [];
    const values = reach.map((norm) => Math.max(norm, LEAST));
    return [
      reach.map((_, index) => index + 1),
      [{ label: "norm of the gradient", values, sparse: values.length < SPARSE }],
    ];
  }, [value]);
  return html`<h3>How far back it looks from event ${at + 1}</h3>
    <p class="soft">How much an event some places before changes its surprise: the norm of the gradient.</p>
    <${Problem} error=${error} />
    ${value?.reach.length === 0 && html`<p class="note">No event comes before.</p>`}
    ${
      x.length > 0 &&
      html`<${Plot}
        x=${x}
        series=${series}
        xLabel="events before"
        yLabel="norm"
        logarithmic
        height=${200}
        alt=${
          `Reach of the gradient from event ${at + 1}: ${figure(value.reach[0])} one event back, ` +
          `${figure(value.reach.at(-1))} ${value.reach.length} events back`
        }
      />`
    }`;
}
