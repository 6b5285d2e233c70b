// The timeline of a session: a stripe per event, coloured by surprise. Dragging selects a span.

import { html, useMemo, useRef } from "../vendor/htm-preact.js";
import { surpriseColour } from "../shared/colours.js";
import { figure } from "../shared/numbers.js";
import { Pixels } from "../shared/pictures.js";

export function Strip({ events, at, span, onChoose, onSpan }) {
  const image = useMemo(() => stripes(events), [events]);
  const largest = events.reduce((most, { surprisal }) => Math.max(most, surprisal), 0);
  return html`
    <${Spanned} count=${events.length} at=${at} span=${span} onChoose=${onChoose} onSpan=${onSpan}>
      <${Pixels}
        image=${image}
        width=${1200}
        class="pixels strip"
        alt=${`Surprise of ${events.length} events; the largest is ${figure(largest)} nats`}
      />
    <//>
    <label class="soft">
      Event ${at + 1} of ${events.length}
      <input
        type="range"
        min="0"
        max=${events.length - 1}
        value=${at}
        onInput=${(event) => onChoose(+event.target.value)}
      />
    </label>
  `;
}

function stripes(events) {
  const image = new ImageData(events.length, 1);
  events.forEach(({ surprisal }, index) =>
    image.data.set([...surpriseColour(surprisal).match(/\d+/g).map(Number), 255], 4 * index),
  );
  return image;
}

/** Something whose width is the events, with the chosen event and the selected span on it. */
export function Spanned({ count, at, span, onChoose, onSpan, children }) {
  const from = useRef(null);
  const place = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(count - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * count)));
  };
  function begin(event) {
    from.current = place(event);
    event.currentTarget.setPointerCapture(event.pointerId);
  }
  function drag(event) {
    const to = place(event);
    if (from.current !== null && to !== from.current) onSpan([Math.min(from.current, to), Math.max(from.current, to)]);
  }
  function end(event) {
    const to = place(event);
    if (from.current === to) onChoose(to);
    from.current = null;
  }
  return html`<div class="spanned" onPointerDown=${begin} onPointerMove=${drag} onPointerUp=${end}>
    ${children}
    <svg viewBox=${`0 0 ${count} 1`} preserveAspectRatio="none" width="100%" height="100%" aria-hidden="true">
      ${
        span &&
        html`<rect
          x=${span[0]}
          y="0"
          width=${span[1] - span[0] + 1}
          height="1"
          fill="var(--accent)"
          fill-opacity=".3"
          stroke="var(--accent)"
          vector-effect="non-scaling-stroke"
        />`
      }
      <path d=${`M${at + 0.5} 0V1`} stroke="#fff" stroke-width="4" vector-effect="non-scaling-stroke" />
      <path d=${`M${at + 0.5} 0V1`} stroke="#111" stroke-width="2" vector-effect="non-scaling-stroke" />
    </svg>
  </div>`;
}
