// Probabilities of classes as bars, with the threshold of a decision.

import { html } from "../vendor/htm-preact.js";
import { percent } from "../shared/numbers.js";

export function Probabilities({ top, threshold }) {
  return html`<div class="bars">
    ${top.map(
      ([label, probability]) => html`
        <span>${label}</span>
        <span class="bar" aria-hidden="true">
          <i style=${{ width: `${100 * probability}%` }}></i>
          ${threshold !== undefined && html`<b style=${{ left: `${100 * threshold}%` }}></b>`}
        </span>
        <span>${percent(probability)}</span>
      `,
    )}
  </div>`;
}
