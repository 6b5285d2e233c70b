// Detect: a log as sessions, one session in full, the network's inside, and findings as they come.

import { html, useState } from "../vendor/htm-preact.js";
import { ask } from "../shared/api.js";
import { Busy, Part, Problem, TaskPage, show, useAsked } from "../shared/frame.js";
import { counted, percent } from "../shared/numbers.js";
import { Day } from "./day.js";
import { Live } from "./live.js";
import { Session } from "./session.js";
import { SessionList } from "./session_list.js";

const MOST = 200;

function Detect({ model }) {
  const about = useAsked((signal) => ask(`api/models/${model.name}`, { signal }), [model.name]);
  const [judged, setJudged] = useState(null);
  const [chosen, setChosen] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [text, setText] = useState("");
  const [over, setOver] = useState(false);
  async function judge(log) {
    setBusy(true);
    setError(null);
    try {
      const answer = await ask(`api/models/${model.name}/sessions`, { json: { log, most: MOST } });
      setJudged(answer);
      setChosen(answer.listed[0] ?? null);
    } catch (problem) {
      setError(problem);
      setJudged(null);
      setChosen(null);
    }
    setBusy(false);
  }
  async function read(file) {
    if (!file) return;
    const log = await file.text();
    setText(log.length > 100_000 ? "" : log);
    judge(log);
  }
  return html`
    <${Part}
      id="log"
      title="Your log"
      words="Paste or drop a log like those it learned from. Its lines become sessions, and each session is judged."
      figure=${about.value && figureOf(about.value.about)}
    >
      <form
        class=${over ? "drop over" : "drop"}
        onSubmit=${(event) => {
          event.preventDefault();
          judge(text);
        }}
        onDragOver=${(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave=${() => setOver(false)}
        onDrop=${(event) => {
          event.preventDefault();
          setOver(false);
          read(event.dataTransfer.files[0]);
        }}
      >
        <label class="wide"
          >Lines of the log
          <textarea
            value=${text}
            onInput=${(event) => setText(event.target.value)}
            placeholder=${placeholderOf(about.value?.about)}
            spellcheck=${false}
          ></textarea>
        </label>
        <button class="main" disabled=${!text.trim() || busy}>Judge</button>
        <label class="button plain"
          >Choose a file <input type="file" onChange=${(event) => read(event.target.files[0])}
        /></label>
        <span class="soft">or drop it here</span>
      </form>
      <${Problem} error=${error ?? about.error} again=${about.again} />
      ${busy && html`<${Busy} of="Reading and judging" />`} ${judged && html`<${Reading} judged=${judged} />`}
    <//>
    ${
      judged &&
      judged.listed.length > 0 &&
      html`
        <${SessionList} judged=${judged} chosen=${chosen} onChoose=${setChosen} />
        <${Day} sessions=${judged.listed} chosen=${chosen} onChoose=${setChosen} share=${judged.share} />
      `
    }
    ${
      chosen &&
      html`<${Session} key=${judged.listed.indexOf(chosen)} model=${model} session=${chosen} share=${judged.share} />`
    }
    <${Live} />
  `;
}

/** What can be pasted, for a detector that learned from sequences of events and not from lines of a log. */
function placeholderOf(about) {
  if (!about || about.log_format) return "";
  const one = about.example.some((name) => /\s/.test(name)) ? `{"events": ["…", "…"]}` : about.example.join(" ");
  return `One sequence per line, such as ${one}`;
}

function figureOf({ cell, members, share, log_format: format }) {
  return [
    `${cell ? cell.toUpperCase() : "no network"} and ${members.length} members: ${members.join(", ")}`,
    `may flag ${percent(share)} of normal sessions`,
    `reads ${format ?? "events, a sequence per line"}`,
  ].join(" · ");
}

function Reading({ judged: { reading, remarks, sessions, events, flagged } }) {
  const none = sessions === 0;
  const found = none
    ? "No event was found in these lines."
    : `${counted(sessions, "session")} of ${counted(events, "event")}; ${flagged} flagged.`;
  const read = reading && `${counted(reading.lines, "line")}, ${reading.unparsed} of them not understood.`;
  const words = [found, read, ...remarks.slice(0, 3)].filter(Boolean).join(" ");
  return html`<p class=${none ? "problem" : "note"} role="status">${words}</p>`;
}

show(
  "detect",
  () =>
    html`<${TaskPage}
      task="detect"
      title="Detect"
      words="The network predicts the next event. What surprises it, again and again, is worth a look."
      view=${Detect}
    />`,
);
