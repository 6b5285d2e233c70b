// The first page: the models that are served, and what each does.

import { html } from "./vendor/htm-preact.js";
import { ask } from "./shared/api.js";
import { Busy, NOUNS, Problem, show, useAsked } from "./shared/frame.js";

const WORDS = {
  classify: "Says what a picture shows, and when it does not know.",
  detect: "Has learned how a system normally behaves, and reports what deviates.",
  generate: "Makes new pictures like the ones that it was shown.",
};

function Index() {
  const { value, error, again } = useAsked(() => ask("api/models"), []);
  return html`
    <h1>Three networks, to use and to look into</h1>
    <p class="lead">Everything is computed on the machine that runs this service. Nothing is sent anywhere else.</p>
    <${Problem} error=${error} again=${again} />
    ${!value && !error && html`<${Busy} of="Asking for the models" />`}
    <ul class="cards">
      ${(value?.models ?? []).map(
        (model) =>
          html`<li key=${model.name} class="card">
            <h2><a href=${`${model.task}.html?model=${encodeURIComponent(model.name)}`}>${model.name}</a></h2>
            <p>A ${NOUNS[model.task]}. ${WORDS[model.task]}</p>
            <p class="soft">${about(model)}</p>
          </li>`,
      )}
    </ul>
    <p class="soft">
      Finished trainings and those that go on are under <a href="runs.html">Runs</a>. The routes for programs are
      described in <a href="openapi.json">openapi.json</a>.
    </p>
  `;
}

const COLOURS = { 1: "grey", 3: "colour", 4: "colour with transparency" };

function about({ data, classes, size, channels, engine }) {
  const parts = [`learned from ${data}`];
  if (classes.length) parts.push(`${classes.length} classes`);
  if (size) {
    const [height, width] = Array.isArray(size) ? size : [size, size];
    parts.push(`${width}×${height} pixels, ${COLOURS[channels]}`);
  }
  return `${parts.join(" · ")} · computed by ${engine}`;
}

show("index", Index);
