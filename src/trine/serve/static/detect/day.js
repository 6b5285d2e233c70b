// Lanes: entities over time, coloured by severity.

import { html } from "../vendor/htm-preact.js";
import { severity, severityColour } from "../shared/colours.js";
import { Part } from "../shared/frame.js";
import { clock, counted, figure } from "../shared/numbers.js";

const WIDTH = 900;
const NAMES = 190;
const LANE = 17;
const MOST = 40;
const STEPS = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000];

export function Day({ sessions, chosen, onChoose, share }) {
  const timed = sessions.filter(({ times }) => times && times.every((time) => time !== null));
  if (!timed.length) return null;
  const name = (session) => session.entity || session.source || session.name;
  const entities = [...new Set(timed.map(name))].slice(0, MOST);
  const shown = timed.filter((session) => entities.includes(name(session)));
  const start = Math.min(...shown.map(({ times }) => times[0]));
  const end = Math.max(start + 1, ...shown.map(({ times }) => times.at(-1)));
  const x = (time) => NAMES + ((time - start) / (end - start)) * (WIDTH - NAMES - 8);
  const height = entities.length * LANE;
  const step = STEPS.find((each) => (end - start) / each <= 8) ?? 2592000;
  const marks = [];
  for (let mark = Math.ceil(start / step) * step; mark <= end; mark += step) marks.push(mark);
  return html`<${Part}
    id="day"
    title="Who, and when"
    words="Each lane is one entity, each bar one session. The redder, the stranger."
    figure=${
      `Colour: −log₁₀ p from 0 to 4 · ${counted(shown.length, "session")} of the strangest · ` +
      `${clock(start)} to ${clock(end)} UTC`
    }
  >
    <div class="scroll" tabindex="0" role="group" aria-label="Lanes of entities over time">
      <svg
        class="day"
        viewBox=${`0 0 ${WIDTH} ${height + 24}`}
        width=${WIDTH}
        height=${height + 24}
        role="group"
        aria-label="Sessions by entity and time"
      >
        ${marks.map(
          (mark) => html`
            <path class="axis" d=${`M${x(mark)} 0V${height}`} />
            <text x=${x(mark)} y=${height + 16} text-anchor="middle">${markText(mark, step)}</text>
          `,
        )}
        ${entities.map(
          (entity, lane) =>
            html`<text x=${NAMES - 8} y=${lane * LANE + 13} text-anchor="end">${shortened(entity)}</text>`,
        )}
        ${[...shown]
          .reverse()
          .map(
            (session) =>
              html`<rect
                class="bar-of"
                role="button"
                tabindex="0"
                aria-label=${`${name(session)}, ${clock(session.times[0])}, p ${figure(session.p_value)}`}
                aria-pressed=${String(session === chosen)}
                x=${x(session.times[0]) - 2.5}
                y=${entities.indexOf(name(session)) * LANE + 3}
                width=${Math.max(6, x(session.times.at(-1)) - x(session.times[0]) + 5)}
                height=${LANE - 5}
                rx="2"
                fill=${severityColour(session.p_value)}
                stroke=${session === chosen ? "var(--ink)" : session.p_value <= share ? "#7d1710" : "#8a94a6"}
                stroke-width=${session === chosen ? 2.5 : 0.5 + severity(session.p_value) / 2}
                onClick=${() => onChoose(session)}
                onKeyDown=${(event) => pressed(event) && onChoose(session)}
              />`,
          )}
      </svg>
    </div>
  <//>`;
}

/** A mark of the time axis: days, minutes or seconds, by the distance of the marks. */
function markText(time, step) {
  const text = clock(time);
  if (step >= 86400) return text.slice(5, 10);
  return text.slice(11, step < 60 ? 19 : 16);
}

function shortened(name) {
  return name.length > 26 ? `${name.slice(0, 25)}…` : name;
}

/** Whether a key is pressed that works as a click. */
function pressed(event) {
  if (!["Enter", " "].includes(event.key)) return false;
  event.preventDefault();
  return true;
}
