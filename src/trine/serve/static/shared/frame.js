// What all pages have in common: heading, ways to the other pages, choice of the model, errors in words.

import { html, render, useEffect, useState } from "../vendor/htm-preact.js";
import { ask, keepToken } from "./api.js";

const PAGES = [
  ["classify", "Classify"],
  ["detect", "Detect"],
  ["generate", "Generate"],
  ["runs", "Runs"],
];
export const NOUNS = { classify: "classifier", detect: "detector", generate: "generator" };

/** Show a page: `content` is a component without properties. */
export function show(here, content) {
  render(html`<${Frame} here=${here} content=${content} />`, document.getElementById("page"));
}

function Frame({ here, content: Content }) {
  return html`
    <a class="skip" href="#content">To the content</a>
    <header>
      <a class="home" href="./" aria-current=${here === "index" ? "page" : null}
        ><img src="icon.svg" alt="" width="28" height="28" />Trine</a
      >
      <nav aria-label="Pages">
        ${PAGES.map(
          ([name, title]) =>
            html`<a key=${name} href=${`${name}.html`} aria-current=${name === here ? "page" : null}>${title}</a>`,
        )}
      </nav>
    </header>
    <main id="content" tabindex="-1"><${Content} /></main>
  `;
}

/** A value that is asked for: `{value, error, again}`. */
export function useAsked(question, changes) {
  const [state, setState] = useState({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const control = new AbortController();
    setState({});
    question(control.signal).then(
      (value) => control.signal.aborted || setState({ value }),
      (error) => control.signal.aborted || setState({ error }),
    );
    return () => control.abort();
  }, [...changes, turn]);
  return { ...state, again: () => setTurn(turn + 1) };
}

/** Milliseconds between two looks whether a model was replaced. */
const PAUSE = 5000;

/** Whether a model was replaced since the page asked for it. */
function useReplaced(model) {
  const [replaced, setReplaced] = useState(false);
  useEffect(() => {
    setReplaced(false);
    if (!model) return undefined;
    async function look() {
      if (document.hidden) return;
      const { models } = await ask("api/models");
      setReplaced(models.some(({ name, version }) => name === model.name && version !== model.version));
    }
    const timer = setInterval(() => look().catch(() => {}), PAUSE); // a service that is gone is said where it is asked
    return () => clearInterval(timer);
  }, [model?.name, model?.version]);
  return replaced;
}

/** The page of a task: the models of that task, and the chosen one as `model` of `view`. */
export function TaskPage({ task, title, words, view: View }) {
  const models = useAsked(() => ask("api/models"), []);
  const known = (models.value?.models ?? []).filter((model) => model.task === task);
  const [name, setName] = useState(new URLSearchParams(location.search).get("model"));
  const model = known.find((each) => each.name === name) ?? known[0];
  const replaced = useReplaced(model);
  function choose(event) {
    setName(event.target.value);
    history.replaceState(null, "", `?model=${encodeURIComponent(event.target.value)}`);
  }
  return html`
    <div class="title">
      <h1>${title}</h1>
      ${
        known.length > 0 &&
        html`<label class="model"
          >Model
          <select value=${model.name} onChange=${choose}>
            ${known.map((each) => html`<option key=${each.name} value=${each.name}>${each.name}</option>`)}
          </select></label
        >`
      }
    </div>
    <p class="lead">${words}</p>
    <${Problem} error=${models.error} again=${models.again} />
    ${
      models.value &&
      !model &&
      html`<p class="note">
        No ${NOUNS[task]} is served here. Train one with <code>trine ${task} fit</code>, then start
        <code>trine serve</code> with its run.
      </p>`
    }
    ${
      replaced &&
      html`<p class="note" role="status">
        The model was replaced since this page was opened.${" "}
        <button type="button" class="small" onClick=${models.again}>Show the new one</button>
      </p>`
    }
    ${model && html`<${View} key=${`${model.name} ${model.version}`} model=${model} />`}
  `;
}

/** A part of a page: a heading, a sentence for beginners, a figure for experts. */
export function Part({ id, title, words, figure, children }) {
  return html`<section aria-labelledby=${id} class="part">
    <h2 id=${id}>${title}</h2>
    <p class="words">${words}</p>
    ${figure && html`<p class="figure">${figure}</p>`} ${children}
  </section>`;
}

/** An error, where it happened; a missing token can be given there. */
export function Problem({ error, again }) {
  if (!error || error.name === "AbortError") return null;
  if (error.status === 401) return html`<${TokenForm} again=${again} />`;
  return html`<p class="problem" role="alert">${error.message}</p>`;
}

function TokenForm({ again }) {
  function keep(event) {
    event.preventDefault();
    keepToken(new FormData(event.target).get("token").trim());
    if (again) again();
    else location.reload();
  }
  return html`<form class="problem" role="alert" onSubmit=${keep}>
    <label>This service asks for its token <input name="token" type="password" autocomplete="off" required /></label>
    <button>Go on</button>
  </form>`;
}

/** A small square in a colour, beside the words that it belongs to. */
export function Dot({ colour }) {
  return html`<svg class="dot" width="11" height="11" aria-hidden="true">
    <rect width="11" height="11" rx="2" fill=${colour} />
  </svg>`;
}

export function Busy({ of }) {
  return html`<p class="busy" role="status">${of}…</p>`;
}
