// The label that pictures are encoded or decoded with, for a model that was trained with labels.

import { html } from "../vendor/htm-preact.js";

/** An address with the chosen label. */
export function labelled(path, label) {
  if (!label) return path;
  return `${path}${path.includes("?") ? "&" : "?"}label=${encodeURIComponent(label)}`;
}

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
