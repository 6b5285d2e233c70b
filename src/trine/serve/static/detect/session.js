// One session: the timeline of surprise, its raw lines, what was expected; events taken away or swapped.

import { html, useEffect, useMemo, useState } from "../vendor/htm-preact.js";
import { ask, latest } from "../shared/api.js";
import { MOST_NATS, surpriseColour } from "../shared/colours.js";
import { Dot, Part, Problem } from "../shared/frame.js";
import { clock, counted, figure, percent, rarity } from "../shared/numbers.js";
import { bodyOf, eventsOf } from "./event_list.js";
import { Events } from "./events.js";
import { Gates } from "./gates.js";
import { Strip } from "./strip.js";

export function Session({ model, session, share }) {
  const original = useMemo(() => eventsOf(session), [session]);
  const [events, setEvents] = useState(original);
  const [judged, setJudged] = useState(session);
  const [at, setAt] = useState(() => loudest(original));
  const [span, setSpan] = useState(null);
  const [expected, setExpected] = useState(null);
  const [error, setError] = useState(null);
  const next = useMemo(
    () =>
      latest(
        ({ list, position }) =>
          ask(`api/models/${model.name}/sequence`, {
            json: { ...bodyOf(list), name: session.name, expected: [position] },
          }),
        (answer, { list, position }) => {
          setError(null);
          setJudged(answer);
          setExpected({ position, events: answer.expected[0]?.events ?? [] });
          setEvents((now) => (now.length === list.length ? withAnswer(now, answer) : now));
        },
        setError,
      ),
    [session],
  );
  useEffect(() => {
    next({ list: events, position: at });
  }, [at]);
  function change(list, position = Math.min(at, list.length - 1)) {
    setEvents(list);
    setSpan(null);
    setAt(position);
    next({ list, position });
  }
  function takeAway(index) {
    if (events.length > 1) change(events.filter((_, place) => place !== index));
  }
  /** The events change places; the times stay where they are, as they must not decrease. */
  function swap(index) {
    const list = [...events];
    [list[index], list[index + 1]] = [
      { ...events[index + 1], time: events[index].time },
      { ...events[index], time: events[index + 1].time },
    ];
    change(list, index + 1);
  }
  const edited =
    events.length !== original.length || events.some(({ event }, index) => event !== original[index].event);
  const flagged = judged.p_value <= share;
  const total = events.reduce((sum, { surprisal }) => sum + surprisal, 0);
  const name = session.entity || session.source || session.name;
  return html`<${Part}
    id="session"
    title=${`The session of ${name}`}
    words="Each stripe is an event, from pale, as expected, to red, a surprise. Choose one to see what was expected there."
    figure=${
      `Surprise is −ln p of the event given those before, in nats; ${MOST_NATS} and more is full red · ` +
      `${counted(events.length, "event")}, ${figure(total)} nats in all, ${figure(total / events.length)} per event`
    }
  >
    <${Problem} error=${error} />
    <p class="verdict" role="status">
      p = <b class="p">${figure(judged.p_value)}</b>${`: ${rarity(judged.p_value)}. `}
      <span class=${flagged ? "badge bad" : "badge good"}>${flagged ? "flagged" : "not flagged"}</span>
      ${
        edited &&
        html`${" "}<span class="badge">edited; it was ${figure(session.p_value)}</span>${" "}
          <button type="button" class="small" onClick=${() => change(original, loudest(original))}>Undo all</button>`
      }
    </p>
    <${Strip} events=${events} at=${at} span=${span} onChoose=${setAt} onSpan=${setSpan} />
    <div class="main-and-side">
      <div>
        <${Events} events=${events} at=${at} onChoose=${setAt} onTakeAway=${takeAway} onSwap=${swap} />
      </div>
      <div class="columns">
        <${Expected} event=${events[at]} at=${at} expected=${expected} />
        <${Members} members=${judged.members} share=${share} />
      </div>
    </div>
    <${Gates} model=${model} events=${events} at=${at} span=${span} onSpan=${setSpan} onChoose=${setAt} />
  <//>`;
}

/** Events with what the detector says of each. */
function withAnswer(events, { surprisals, never_seen_at: unseen }) {
  const never = new Set(unseen);
  return events.map((event, index) => ({ ...event, surprisal: surprisals[index], never_seen: never.has(index) }));
}

function loudest(events) {
  return events.reduce((best, { surprisal }, index) => (surprisal > events[best].surprisal ? index : best), 0);
}

function Expected({ event, at, expected }) {
  if (!event) return null;
  return html`<div class="expected">
    <h3>Event ${at + 1}</h3>
    <p>
      <${Dot} colour=${surpriseColour(event.surprisal)} />
      ${` ${event.event}: ${figure(event.surprisal)} nats, a chance of ${percent(Math.exp(-event.surprisal))}.`}
      ${event.never_seen && " No normal session of the training has it."}
      ${event.time !== null && html`<span class="soft">${` ${clock(event.time)} UTC`}</span>`}
    </p>
    <h3>Expected here</h3>
    ${
      expected?.position === at && expected.events.length
        ? html`<div class="bars">
            ${expected.events.map(
              ([name, p]) => html`
                <span class="soft">${name}</span>
                <span class="bar" aria-hidden="true"><i style=${{ width: `${100 * p}%` }}></i></span>
                <span>${percent(p)}</span>
              `,
            )}
          </div>`
        : html`<p class="soft">
            ${expected?.position === at ? "This detector has no network that expects events." : "…"}
          </p>`
    }
  </div>`;
}

const LEAST = 6;

function Members({ members, share }) {
  const size = (p) => Math.min(1, -Math.log10(Math.max(p, 10 ** -LEAST)) / LEAST);
  return html`<div class="members">
    <h3>What its members say</h3>
    <div class="bars">
      ${Object.entries(members).map(
        ([name, p]) => html`
          <span>${name}</span>
          <span class="bar" aria-hidden="true">
            <i style=${{ width: `${100 * size(p)}%` }}></i>
            <b style=${{ left: `${100 * size(share)}%` }}></b>
          </span>
          <span>p ${figure(p)}</span>
        `,
      )}
    </div>
    <p class="soft">
      Bars: −log₁₀ p from 0 to ${LEAST}; the mark is at ${100 * share} %. All members together give the session's
      p-value.
    </p>
  </div>`;
}
