// The label that pictures are decoded with, for a model that was trained with labels.

import { html } from "../vendor/htm-preact.js";

export function LabelChoice({ model, label, onLabel }) {
  if (!model.classes.length) return null;
  return html`<label
    >Label
    <select value=${label} onChange=${(event) => onLabel(event.target.value)}>
      <option value="">any</option>
      ${model.classes.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
    </select></label
  >`;
}
