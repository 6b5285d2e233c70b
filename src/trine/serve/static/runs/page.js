// Runs: finished ones and those that go on, compared side by side.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { ask } from "../shared/api.js";
import { Busy, Part, Problem, show, useAsked } from "../shared/frame.js";
import { clock, figure, percent } from "../shared/numbers.js";
import { Compared } from "./compared.js";

const MOST = 4;
/** Milliseconds between two looks at runs that go on. */
const PAUSE = 2000;
const LEADING = { classify: "accuracy", detect: "auc", generate: "elbo_nats" };

function Runs() {
  const { value, error, again } = useAsked((signal) => ask("api/runs", { signal }), []);
  const [runs, setRuns] = useState(null);
  const [chosen, setChosen] = useState(() => new URLSearchParams(location.search).getAll("run"));
  useEffect(() => {
    if (!value) return undefined;
    setRuns(value.runs);
    if (!chosen.length && value.runs.length) setChosen([value.runs[0].name]);
    const timer = setInterval(
      () =>
        ask("api/runs").then(
          (answer) => setRuns(answer.runs),
          () => {},
        ),
      PAUSE,
    );
    return () => clearInterval(timer);
  }, [value]);
  function toggle(name) {
    const next = chosen.includes(name) ? chosen.filter((each) => each !== name) : [...chosen, name].slice(-MOST);
    setChosen(next);
    history.replaceState(
      null,
      "",
      next.length ? `?${next.map((each) => `run=${encodeURIComponent(each)}`).join("&")}` : location.pathname,
    );
  }
  const known = (runs ?? []).map(({ name }) => name);
  return html`
    <div class="title"><h1>Runs</h1></div>
    <p class="lead">Every training is kept as a folder: its settings, its curves, what it cost and what came of it.</p>
    <${Part}
      id="table"
      title="All runs"
      words=${`Choose up to ${MOST} to see them side by side. Runs that go on move by themselves.`}
      figure="Accuracy, AUC or bound (nats) of the one evaluation at the end; compute in PFLOP counted on real steps"
    >
      <${Problem} error=${error} again=${again} />
      ${!runs && !error && html`<${Busy} of="Looking for runs" />`}
      ${
        runs?.length === 0 &&
        html`<p class="note">
          There are no runs here. Start <code>trine serve</code> with <code>--runs FOLDER</code>.
        </p>`
      }
      ${
        runs?.length > 0 &&
        html`<div class="scroll" tabindex="0" role="group" aria-label="Runs">
          <table class="runs">
            <thead>
              <tr>
                <th>run</th>
                <th>task</th>
                <th>data</th>
                <th>state</th>
                <th class="number">figure</th>
                <th class="number">PFLOP</th>
                <th class="number">seconds</th>
                <th>written, UTC</th>
              </tr>
            </thead>
            <tbody>
              ${runs.map(
                (run) =>
                  html`<tr key=${run.name} class=${chosen.includes(run.name) ? "chosen" : ""}>
                    <td>
                      <label
                        ><input
                          type="checkbox"
                          checked=${chosen.includes(run.name)}
                          onChange=${() => toggle(run.name)}
                        />${` ${run.name}`}</label
                      >
                    </td>
                    <td>${run.task}</td>
                    <td>${run.data}</td>
                    <td>${run.finished ? "finished" : html`<span class="badge">${state(run)}</span>`}</td>
                    <td class="number">${leading(run)}</td>
                    <td class="number">${figure(run.compute?.train_pflop)}</td>
                    <td class="number">${figure(run.compute?.train_seconds)}</td>
                    <td>${clock(run.changed)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>
        </div>`
      }
    <//>
    ${runs && html`<${Compared} names=${chosen.filter((name) => known.includes(name))} />`}
  `;
}

function state({ step, steps }) {
  if (step === null) return "begun";
  return steps ? `step ${step} of ${steps}, ${percent(step / steps)}` : `step ${step}`;
}

function leading({ task, metrics }) {
  const name = LEADING[task];
  return name in metrics ? `${name} ${figure(metrics[name])}` : "–";
}

show("runs", Runs);
