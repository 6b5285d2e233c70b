// Pictures encoded and decoded again: what is kept and what it costs, in nats.

import { html, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, formOf, partsOf } from "../shared/api.js";
import { Busy, Part, Problem } from "../shared/frame.js";
import { figure } from "../shared/numbers.js";
import { PictureInput } from "../shared/picture_input.js";
import { Picture } from "../shared/pictures.js";
import { LabelChoice, labelled } from "./label_choice.js";

const MOST = 64;

export function Reconstruction({ model, figures }) {
  const [rows, setRows] = useState([]);
  const [label, setLabel] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  async function give(files) {
    setBusy(true);
    setError(null);
    try {
      const some = files.slice(0, MOST);
      const path = labelled(`api/models/${model.name}/reconstruct`, label);
      const answer = await ask(path, { form: formOf("pictures", some) });
      const [read, made] = [answer.pictures, answer.reconstructions].map((array) => partsOf(arrayOf(array)));
      const found = some.map((file, index) => ({
        name: file.name,
        read: read[index],
        made: made[index],
        kl: answer.kl_nats[index],
        nats: answer.reconstruction_nats?.[index] ?? null,
        error: answer.squared_error[index],
      }));
      setRows((before) => [...found, ...before].slice(0, MOST));
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }
  const { kl_nats: kl, reconstruction_nats: nats } = figures?.metrics ?? {};
  return html`<${Part}
    id="reconstruction"
    title="What is kept of a picture"
    words="The network keeps a picture as a few numbers and draws it again from them. Pictures like the training's come back well, others do not."
    figure=${
      kl === undefined
        ? "KL and reconstruction in nats per picture; their sum is the negative bound"
        : "KL and −ln p of the reconstruction in nats per picture; " +
          `means on the test pictures: ${figure(kl)} and ${figure(nats)}`
    }
  >
    <${LabelChoice} model=${model} label=${label} onLabel=${setLabel} />
    <${PictureInput} onFiles=${give} pasted=${false} camera=${false} />
    <${Problem} error=${error} />
    ${busy && html`<${Busy} of="Encoding and decoding" />`}
    ${
      rows.length > 0 &&
      html`<div class="scroll" tabindex="0" role="group" aria-label="Pictures and their reconstructions">
        <table class="reconstructions">
          <thead>
            <tr>
              <th>given</th>
              <th>again</th>
              <th>name</th>
              <th class="number">KL, nats</th>
              <th class="number">−ln p(x|z), nats</th>
              <th class="number">squared error</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              (row, index) =>
                html`<tr key=${index}>
                  <td><${Picture} picture=${row.read} width=${56} alt=${`${row.name} as given`} /></td>
                  <td><${Picture} picture=${row.made} width=${56} alt=${`${row.name}, reconstructed`} /></td>
                  <td>${row.name}</td>
                  <td class="number">${figure(row.kl)}</td>
                  <td class="number">${figure(row.nats)}</td>
                  <td class="number">${figure(row.error)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`
    }
  <//>`;
}
