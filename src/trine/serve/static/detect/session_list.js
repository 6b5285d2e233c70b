// The sessions of a log, the strangest first.

import { html, useState } from "../vendor/htm-preact.js";
import { severityColour } from "../shared/colours.js";
import { Dot, Part } from "../shared/frame.js";
import { clock, figure, rarity } from "../shared/numbers.js";

const SHOWN = 12;

export function SessionList({ judged, chosen, onChoose }) {
  const [all, setAll] = useState(false);
  const rows = all ? judged.listed : judged.listed.slice(0, SHOWN);
  return html`<${Part}
    id="sessions"
    title="Sessions, the strangest first"
    words="The p-value says how rare it is that a normal session looks as strange as this one."
    figure=${
      `p-values among held-out normal sessions · ` +
      `flagged where at most ${figure(100 * judged.share)} % of normal sessions would be`
    }
  >
    <div class="scroll" tabindex="0" role="group" aria-label="Sessions">
      <table class="sessions">
        <thead>
          <tr>
            <th>session</th>
            <th class="number">p-value</th>
            <th>in words</th>
            <th class="number">events</th>
            <th class="number">never seen</th>
            <th>loudest member</th>
            <th>begins, UTC</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (session, index) =>
              html`<tr key=${index} class=${session === chosen ? "chosen" : ""}>
                <td>
                  <button
                    type="button"
                    class="small"
                    aria-pressed=${String(session === chosen)}
                    onClick=${() => onChoose(session)}
                  >
                    ${session.entity || session.source || session.name}
                  </button>
                </td>
                <td class="number">
                  <${Dot} colour=${severityColour(session.p_value)} />${` ${figure(session.p_value)}`}
                </td>
                <td>
                  ${session.flagged && html`<span class="badge bad">flagged</span>`}${` ${rarity(session.p_value)}`}
                </td>
                <td class="number">${session.length}</td>
                <td class="number">${session.never_seen}</td>
                <td>${session.loudest}</td>
                <td>${session.times ? clock(session.times[0]) : ""}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${
      judged.listed.length > SHOWN &&
      html`<p>
        <button type="button" class="small" onClick=${() => setAll(!all)}>
          ${all ? "Fewer" : `All ${judged.listed.length}`}
        </button>
      </p>`
    }
  <//>`;
}
