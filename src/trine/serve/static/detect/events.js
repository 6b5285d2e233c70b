// The events of a session with their raw lines; each can be taken away, or swapped with the next.

import { html, useEffect, useRef } from "../vendor/htm-preact.js";
import { MOST_NATS, surpriseColour } from "../shared/colours.js";
import { figure } from "../shared/numbers.js";

const PAGE = 100;

export function Events({ events, at, onChoose, onTakeAway, onSwap }) {
  const list = useRef(null);
  const start = Math.floor(at / PAGE) * PAGE;
  useEffect(() => {
    const row = list.current?.querySelector(".chosen");
    if (row) list.current.scrollTop = row.offsetTop - list.current.clientHeight / 2;
  }, [at]);
  return html`
    <h3>Events ${start + 1} to ${Math.min(events.length, start + PAGE)}</h3>
    <ol class="events" ref=${list} start=${start + 1} tabindex="0" aria-label="Events with their lines">
      ${events.slice(start, start + PAGE).map((event, offset) => {
        const index = start + offset;
        const hot = event.surprisal > 0.55 * MOST_NATS;
        return html`<li key=${index} class=${index === at ? "chosen" : ""}>
          <span class="soft">${index + 1}</span>
          <span class=${hot ? "nats hot" : "nats"} style=${{ background: surpriseColour(event.surprisal) }}
            >${figure(event.surprisal)}</span
          >
          <button
            type="button"
            class="name"
            aria-current=${index === at ? "true" : null}
            onClick=${() => onChoose(index)}
          >
            ${event.event}${event.never_seen ? " (never seen)" : ""}
          </button>
          <span class="acts">
            <button
              type="button"
              class="small"
              title="Take this event away"
              aria-label=${`Take event ${index + 1} away`}
              disabled=${events.length < 2}
              onClick=${() => onTakeAway(index)}
            >
              ✕
            </button>
            <button
              type="button"
              class="small"
              title="Swap with the next"
              aria-label=${`Swap event ${index + 1} with the next`}
              disabled=${index + 1 >= events.length}
              onClick=${() => onSwap(index)}
            >
              ⇅
            </button>
          </span>
          ${event.text && html`<span class="raw">${event.line}: ${event.text}</span>`}
        </li>`;
      })}
    </ol>
    ${
      events.length > PAGE &&
      html`<div class="row">
        <button type="button" class="small" disabled=${start === 0} onClick=${() => onChoose(start - PAGE)}>
          Before
        </button>
        <button
          type="button"
          class="small"
          disabled=${start + PAGE >= events.length}
          onClick=${() => onChoose(start + PAGE)}
        >
          After
        </button>
      </div>`
    }
  `;
}
