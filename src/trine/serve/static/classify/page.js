// Classify: pictures in, answers in words, the evidence, and the way through the network.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { ask, formOf } from "../shared/api.js";
import { Busy, Part, Problem, TaskPage, show, useAsked } from "../shared/frame.js";
import { counted, percent } from "../shared/numbers.js";
import { PictureInput } from "../shared/picture_input.js";
import { Evidence } from "./evidence.js";
import { Network } from "./network.js";
import { Probabilities } from "./probabilities.js";

const AT_ONCE = 64;

function Classify({ model }) {
  const about = useAsked((signal) => ask(`api/models/${model.name}`, { signal }), [model.name]);
  const [answers, setAnswers] = useState([]);
  const [chosen, setChosen] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  async function classify(files) {
    setBusy(true);
    setError(null);
    try {
      for (let start = 0; start < files.length; start += AT_ONCE) {
        const some = files.slice(start, start + AT_ONCE);
        const { pictures } = await ask(`api/models/${model.name}/classify`, { form: formOf("pictures", some) });
        const found = pictures.map((answer, index) => ({
          answer,
          file: some[index],
          key: crypto.randomUUID?.() ?? Math.random(),
        }));
        setAnswers((before) => [...found, ...before].slice(0, 500));
        const first = found.find(({ answer }) => !answer.error);
        if (first && start === 0) setChosen(first);
      }
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }
  const { threshold, unlike } = about.value?.about ?? {};
  const accuracy = about.value?.figures?.metrics?.accuracy;
  return html`
    <${Part}
      id="pictures"
      title="Your pictures"
      words="Give pictures: the network says what they show, how sure it is, and whether they are like those it learned from."
      figure=${
        threshold !== undefined &&
        `${model.classes.length} classes · decides from ${percent(threshold)} on (the mark on the bars) · ` +
          `calls a picture unlike the training below p = ${unlike}` +
          (accuracy ? ` · accuracy on held-out test pictures ${percent(accuracy)}` : "")
      }
    >
      <${PictureInput} onFiles=${classify} />
      <${Problem} error=${error ?? about.error} again=${about.again} />
      ${busy && html`<${Busy} of="Looking at the pictures" />`}
      <p class="soft" role="status">${answers.length ? `${counted(answers.length, "picture")} so far` : ""}</p>
      <ul class="cards">
        ${answers.map(
          (each) =>
            html`<${Answer}
              key=${each.key}
              ...${each}
              threshold=${threshold}
              unlike=${unlike}
              chosen=${each === chosen}
              onChoose=${() => setChosen(each)}
            />`,
        )}
      </ul>
    <//>
    ${
      chosen &&
      html`
        <${Evidence} key=${`e${chosen.key}`} model=${model} file=${chosen.file} threshold=${threshold} />
        <${Network} key=${`n${chosen.key}`} model=${model} file=${chosen.file} />
      `
    }
  `;
}

function Answer({ answer, file, threshold, unlike, chosen, onChoose }) {
  return html`<li class="card answer">
    <div class="row">
      <${FilePicture} file=${file} alt=${`The picture ${answer.path}`} />
      <div>
        <b>${answer.path}</b><br />
        ${
          answer.error
            ? html`<span class="badge bad">not read</span>`
            : html`<span class=${answer.abstain ? "badge bad" : "badge good"}
                >${answer.abstain ? "abstains" : "decides"}</span
              >`
        }
      </div>
    </div>
    ${answer.error && html`<p class="problem">${answer.error}</p>`}
    ${
      !answer.error &&
      html`
        <p class="said">${answer.words}</p>
        <${Probabilities} top=${answer.top} threshold=${threshold} />
        <p class="soft">${typicalityWords(answer.typicality, unlike)}</p>
        <button type="button" aria-pressed=${String(chosen)} onClick=${onChoose}>Look inside</button>
      `
    }
  </li>`;
}

function typicalityWords(typicality, unlike) {
  const share = `${percent(typicality)} of held-out training pictures are at least as unusual`;
  if (typicality < unlike) return `Unlike the training pictures: ${share}.`;
  return `${typicality < 0.1 ? "Rather unusual" : "Like the training pictures"}: ${share}.`;
}

function FilePicture({ file, alt }) {
  const picture = useRef(null);
  const [shown, setShown] = useState(true);
  useEffect(() => {
    const address = URL.createObjectURL(file);
    picture.current.src = address;
    return () => URL.revokeObjectURL(address);
  }, [file]);
  return html`<img
    ref=${picture}
    alt=${shown ? alt : ""}
    class="pixels"
    width="72"
    hidden=${!shown}
    onError=${() => setShown(false)}
  />`;
}

show(
  "classify",
  () =>
    html`<${TaskPage}
      task="classify"
      title="Classify"
      words="What does a picture show? See the answer, why the network gives it, and every step of the computation."
      view=${Classify}
    />`,
);
