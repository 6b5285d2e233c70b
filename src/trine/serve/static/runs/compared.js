// Some runs side by side: curves, figures, recipes, pictures.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/htm-preact.js";
import { ask, pictureAddress } from "../shared/api.js";
import { Busy, Part, Problem } from "../shared/frame.js";
import { counted, figure } from "../shared/numbers.js";
import { Plot } from "../shared/plot.js";

const PAUSE = 1500;

export function Compared({ names }) {
  const [runs, setRuns] = useState({});
  const [error, setError] = useState(null);
  useEffect(() => {
    let gone = false;
    for (const name of names) {
      if (runs[name]) continue;
      ask(`api/runs/${encodeURIComponent(name)}`).then(
        (run) => gone || setRuns((before) => ({ ...before, [name]: run })),
        setError,
      );
    }
    return () => (gone = true);
  }, [names.join("\n")]);
  useEffect(() => {
    const timer = setInterval(() => {
      for (const name of names) if (runs[name] && !runs[name].finished) follow(name, runs[name], setRuns, setError);
    }, PAUSE);
    return () => clearInterval(timer);
  });
  const shown = names.map((name) => runs[name]).filter(Boolean);
  if (!names.length) return html`<p class="note">Choose a run in the table.</p>`;
  if (!shown.length) return html`<${Problem} error=${error} />${!error && html`<${Busy} of="Reading the runs" />`}`;
  return html`
    <${Problem} error=${error} />
    <${Curves} runs=${shown} />
    <${Figures} runs=${shown} />
    <${Recipes} runs=${shown} />
    <${Pictures} runs=${shown} />
  `;
}

/** Only what came after the last step that is known of each stage. */
async function follow(name, run, setRuns, setError) {
  const known = Object.entries(run.curves).filter(([, entries]) => entries.length);
  const since = known.map(([stage, entries]) => `since=${stage ? `${stage}:` : ""}${entries.at(-1).step}`);
  try {
    const more = await ask(`api/runs/${encodeURIComponent(name)}?${since.join("&")}`);
    const stages = new Set([...Object.keys(run.curves), ...Object.keys(more.curves)]);
    const curves = Object.fromEntries(
      [...stages].map((stage) => [stage, [...(run.curves[stage] ?? []), ...(more.curves[stage] ?? [])]]),
    );
    const grown = Object.values(more.curves).some((entries) => entries.length);
    if (grown || more.finished) setRuns((before) => ({ ...before, [name]: { ...more, curves } }));
  } catch (problem) {
    setError(problem);
  }
}

/** The series of runs on one axis of steps. */
function aligned(runs, stage, key) {
  const having = runs.filter((run) =>
    (run.curves[stage] ?? []).some((entry) => typeof valueOf(entry, key) === "number"),
  );
  const steps = [...new Set(having.flatMap((run) => run.curves[stage].map(({ step }) => step)))].sort(
    (one, other) => one - other,
  );
  const series = having.map((run) => {
    const byStep = new Map(run.curves[stage].map((entry) => [entry.step, valueOf(entry, key)]));
    const values = steps.map((step) => byStep.get(step) ?? null);
    return { label: run.name, values, sparse: values.filter((value) => value !== null).length < 40 };
  });
  return { steps, series };
}

function valueOf(entry, key) {
  const [first, second] = key.split(".");
  return second === undefined ? entry[first] : entry[first]?.[second];
}

function keysOf(runs, stage) {
  const keys = new Set();
  for (const run of runs) {
    for (const entry of run.curves[stage] ?? []) {
      for (const [name, value] of Object.entries(entry)) {
        if (typeof value === "number") keys.add(name);
        else if (value && typeof value === "object")
          Object.entries(value).forEach(([inner, each]) => typeof each === "number" && keys.add(`${name}.${inner}`));
      }
    }
  }
  for (const name of ["step", "progress", "total"]) keys.delete(name);
  return [...keys];
}

function Curves({ runs }) {
  const stages = [...new Set(runs.flatMap((run) => Object.keys(run.curves)))];
  const [stage, setStage] = useState("");
  const at = stages.includes(stage) ? stage : (stages[0] ?? "");
  const keys = keysOf(runs, at);
  const [logarithmic, setLogarithmic] = useState(false);
  return html`<${Part}
    id="curves"
    title="Curves"
    words="The loss says how wrong the network is on what it learns from; validation says it for what it has not learned from."
    figure=${runs
      .map((run) => `${run.name}: ${counted((run.curves[at] ?? []).length, "entry", "entries")}`)
      .join(" · ")}
  >
    <div class="row">
      ${
        stages.length > 1 &&
        html`<label
          >Stage
          <select value=${at} onChange=${(event) => setStage(event.target.value)}>
            ${stages.map((name) => html`<option value=${name}>${name || "training"}</option>`)}
          </select></label
        >`
      }
      <label
        ><input
          type="checkbox"
          checked=${logarithmic}
          onChange=${(event) => setLogarithmic(event.target.checked)}
        />${" logarithmic"}</label
      >
    </div>
    ${!keys.length && html`<p class="note">No curves yet.</p>`}
    <div class="columns curves">
      ${keys.map(
        (key) =>
          html`<${Curve} key=${`${at} ${key}`} runs=${runs} stage=${at} name=${key} logarithmic=${logarithmic} />`,
      )}
    </div>
  <//>`;
}

function Curve({ runs, stage, name, logarithmic }) {
  const { steps, series } = useMemo(
    () => aligned(runs, stage, name),
    [runs.map((run) => (run.curves[stage] ?? []).length).join(), runs.map((run) => run.name).join("\n"), name],
  );
  const positive = series.every(({ values }) => values.every((value) => value === null || value > 0));
  const last = series
    .map(({ label, values }) => `${label} ends at ${figure(values.findLast((value) => value !== null))}`)
    .join(", ");
  if (!series.length) return null;
  const words = name.replace("validation.", "validation: ");
  return html`<div>
    <h3>${words}</h3>
    <${Plot}
      key=${String(logarithmic)}
      x=${steps}
      series=${series}
      xLabel="step"
      yLabel=${words}
      logarithmic=${logarithmic && positive}
      height=${220}
      alt=${`${words} over steps: ${last}`}
    />
  </div>`;
}

function Table({ runs, rows, className }) {
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${className}>
    <table class=${className}>
      <thead>
        <tr>
          <th></th>
          ${runs.map((run) => html`<th key=${run.name}>${run.name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([name, values]) =>
            html`<tr key=${name}>
              <th>${name}</th>
              ${values.map((value) => html`<td>${value}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

const SIDES = [
  ["compute", (run) => run.compute ?? {}],
  ["machine", (run) => run.result?.machine ?? {}],
];

function Figures({ runs }) {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.metrics)))];
  const rows = names.map((name) => [name, runs.map((run) => figure(run.metrics[name]))]);
  for (const [side, of] of SIDES) {
    const keys = [...new Set(runs.flatMap((run) => Object.keys(of(run))))].filter((key) =>
      runs.some((run) => typeof of(run)[key] !== "object"),
    );
    rows.push(...keys.map((key) => [`${side}: ${key}`, runs.map((run) => figure(of(run)[key]))]));
  }
  const splits = runs
    .map((run) => run.result?.data)
    .map((data) => (data ? `${data.name}, ${data.split}, ${figure(data.n)}` : "not yet"));
  return html`<${Part}
    id="figures"
    title="Figures"
    words="What came of each run, on examples that it has not learned from. The test set is used once, at the end."
    figure=${`Evaluated on: ${splits.join(" · ")}`}
  >
    <${Table} runs=${runs} rows=${rows} className="figures" />
  <//>`;
}

function Recipes({ runs }) {
  const [all, setAll] = useState(false);
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.recipe)))];
  const text = (value) =>
    value === undefined ? "–" : typeof value === "object" && value !== null ? JSON.stringify(value) : figure(value);
  const rows = names.map((name) => [name, runs.map((run) => text(run.recipe[name]))]);
  const different = rows.filter(([, values]) => new Set(values).size > 1);
  const shown = all || runs.length < 2 ? rows : different;
  return html`<${Part}
    id="recipe"
    title="Recipe"
    words="Every setting of a training. With the same recipe, data and seed, the same network comes out."
    figure=${`${names.length} settings${runs.length > 1 ? `, ${different.length} of them different` : ""}`}
  >
    ${
      runs.length > 1 &&
      html`<label>
        <input type="checkbox" checked=${all} onChange=${(event) => setAll(event.target.checked)} />
        ${" show equal settings too"}
      </label>`
    }
    <${Table} runs=${runs} rows=${shown} className="recipes" />
  <//>`;
}

function Pictures({ runs }) {
  const having = runs.filter((run) => run.pictures.length);
  if (!having.length) return null;
  return html`<${Part}
    id="run-pictures"
    title="Pictures"
    words="What the run drew of itself at its end."
    figure=${`${counted(
      having.reduce((sum, run) => sum + run.pictures.length, 0),
      "picture",
    )} from the folders of the runs`}
  >
    ${having.map(
      (run) =>
        html`<h3 key=${run.name}>${run.name}</h3>
          <div class="columns">
            ${run.pictures.map(
              (name) => html`<${RunPicture} key=${`${run.name}/${name}`} run=${run.name} name=${name} />`,
            )}
          </div>`,
    )}
  <//>`;
}

function RunPicture({ run, name }) {
  const picture = useRef(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    let address = null;
    pictureAddress(`api/runs/${encodeURIComponent(run)}/pictures/${encodeURIComponent(name)}`).then((found) => {
      address = found;
      if (picture.current) picture.current.src = found;
    }, setError);
    return () => address && URL.revokeObjectURL(address);
  }, [run, name]);
  const words = name.replace(".png", "").replace(/[-_]/g, " ");
  return html`<figure>
    <${Problem} error=${error} /><img ref=${picture} class="drawn-by-run" alt=${`${words} of ${run}`} />
    <figcaption class="soft">${words}</figcaption>
  </figure>`;
}
