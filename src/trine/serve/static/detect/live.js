// Findings of a detector at work, as they come, each with its explanation and what it was.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { ask, listen } from "../shared/api.js";
import { severityColour, surpriseColour } from "../shared/colours.js";
import { Dot, Part, Problem } from "../shared/frame.js";
import { clock, counted, figure, percent, rarity } from "../shared/numbers.js";

const SHOWN = 50;
/** Members of a finding that are named. */
const LOUDEST = 3;
/** Milliseconds before a stream that ended is asked for again. */
const PAUSE = 3000;

export function Live() {
  const [findings, setFindings] = useState(null);
  const [none, setNone] = useState(null);
  const [error, setError] = useState(null);
  const [fresh, setFresh] = useState(0);
  const put = (finding) =>
    setFindings((before) => [finding, ...(before ?? []).filter(({ id }) => id !== finding.id)].slice(0, SHOWN));
  useEffect(() => {
    const control = new AbortController();
    async function follow() {
      const { findings: known } = await ask(`api/findings?most=${SHOWN}`, { signal: control.signal });
      setFindings(known);
      while (!control.signal.aborted) {
        try {
          await listen(
            "api/findings/events",
            (finding) => {
              put(finding);
              setFresh((count) => count + 1);
              setError(null);
            },
            control.signal,
          );
        } catch (problem) {
          if (problem.name === "AbortError") return;
          setError(problem);
        }
        await new Promise((done) => setTimeout(done, PAUSE));
      }
    }
    // A service without a store says 404: the models' list says so without an error in the console.
    ask("api/models", { signal: control.signal })
      .then(({ store }) => (store ? follow() : setNone(true)))
      .catch((problem) => control.signal.aborted || setError(problem));
    return () => control.abort();
  }, []);
  async function judge(finding, verdict) {
    try {
      const answer = await ask(`api/findings/${finding.id}/feedback`, { json: { verdict } });
      setFindings((before) => before.map((each) => (each.id === answer.id ? answer : each)));
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }
  return html`<${Part}
    id="live"
    title="Findings as they come"
    words="A detector at work reports here. Say what a finding was: benign ones make it quieter about their like."
    figure=${
      findings && `${counted(findings.length, "finding")} shown, ${fresh} new or changed since this page was opened`
    }
  >
    <${Problem} error=${error} />
    ${none && html`<${NoStore} />`} ${findings?.length === 0 && html`<p class="note">${NOTHING}</p>`}
    <div role="log" aria-label="Findings">
      ${(findings ?? []).map(
        (finding) =>
          html`<${Finding} key=${finding.id} finding=${finding} onVerdict=${(verdict) => judge(finding, verdict)} />`,
      )}
    </div>
  <//>`;
}

/** The members that find it strangest. */
function loudest(members) {
  const sorted = Object.entries(members).sort((one, other) => one[1] - other[1]);
  const named = sorted.slice(0, LOUDEST).map(([name, p]) => `${name} p ${figure(p)}`);
  return named.length ? `Loudest of its members: ${named.join(", ")}. ` : "";
}

const NOTHING = "No findings yet: the detector is at work and has seen nothing strange.";

function NoStore() {
  return html`<p class="note">
    No findings are shown here. Start <code>trine detect watch MODEL SOURCE --store FILE</code>, then${" "}
    <code>trine serve MODEL --store FILE</code>.
  </p>`;
}

function Finding({ finding, onVerdict }) {
  const facts = [
    `p ${figure(finding.p_value)}`,
    counted(finding.events, "event"),
    finding.status,
    finding.last_time === null ? "" : `${clock(finding.last_time)} UTC`,
  ];
  return html`<details class="finding">
    <summary>
      <${Dot} colour=${severityColour(finding.p_value)} />${" "} <b>${finding.entity || finding.source}</b> ${" "}<span
        class="soft"
        >${facts.filter(Boolean).join(" · ")}</span
      >
      ${" "}
      ${
        finding.feedback &&
        html`<span class=${finding.feedback === "breach" ? "badge bad" : "badge good"}>${finding.feedback}</span>`
      }
    </summary>
    <p>${`By its p-value, ${rarity(finding.p_value)}. ${loudest(finding.members)}These lines count most:`}</p>
    <ol class="events short">
      ${finding.lines.slice(0, 8).map(
        (line) =>
          html`<li>
            <span class="soft">${line.line}</span>
            <span
              class=${line.surprisal > 4.4 ? "nats hot" : "nats"}
              style=${{ background: surpriseColour(line.surprisal) }}
              >${figure(line.surprisal)}</span
            >
            <span>${line.event}</span>
            <span class="raw">${line.text}</span>
            ${
              line.expected.length > 0 &&
              html`<span class="raw">
                ${`expected: ${line.expected.map(([name, p]) => `${name} ${percent(p)}`).join(", ")}`}
              </span>`
            }
          </li>`,
      )}
    </ol>
    <div class="row">
      ${["benign", "breach"].map(
        (verdict) =>
          html`<button
            type="button"
            aria-pressed=${String(finding.feedback === verdict)}
            onClick=${() => onVerdict(verdict)}
          >
            ${verdict}
          </button>`,
      )}
    </div>
  </details>`;
}
