// Pictures from a person: chosen, dropped, pasted, or taken by the camera.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";

/** `onFiles` gets an array of files; with `pasted`, those of the clipboard too. */
export function PictureInput({ onFiles, label = "Choose pictures", many = true, pasted = true, camera = true }) {
  const [over, setOver] = useState(false);
  const [problem, setProblem] = useState(null);
  const [taking, setTaking] = useState(false);
  function take(list) {
    const files = [...list].filter((file) => file.type.startsWith("image/") || !file.type);
    if (!files.length) {
      setProblem(
        list.length ? `${list[0].name} is no picture: give PNG, JPEG, WebP, GIF or TIFF.` : "There is no picture.",
      );
      return;
    }
    setProblem(null);
    onFiles(many ? files : files.slice(0, 1));
  }
  useEffect(() => {
    if (!pasted) return undefined;
    function paste(event) {
      if (event.clipboardData.files.length) take(event.clipboardData.files);
    }
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  });
  return html`
    <div
      class=${over ? "drop over" : "drop"}
      onDragOver=${(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave=${() => setOver(false)}
      onDrop=${(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer.files);
      }}
    >
      <label class="button"
        >${label}
        <input
          type="file"
          accept="image/*"
          multiple=${many}
          onChange=${(event) => {
            take(event.target.files);
            event.target.value = "";
          }}
        />
      </label>
      ${
        camera &&
        html`<button type="button" onClick=${() => setTaking(!taking)}>
          ${taking ? "Close the camera" : "Camera"}
        </button>`
      }
      <span class="soft">${pasted ? "or drop or paste them here" : "or drop it here"}</span>
    </div>
    ${problem && html`<p class="problem" role="alert">${problem}</p>`}
    ${taking && html`<${Camera} onPicture=${(file) => take([file])} />`}
  `;
}

function Camera({ onPicture }) {
  const video = useRef(null);
  const [problem, setProblem] = useState(null);
  const [ready, setReady] = useState(false);
  useEffect(() => {
    let stream = null;
    let gone = false;
    const asked = navigator.mediaDevices?.getUserMedia({ video: { facingMode: "environment" } });
    if (!asked) setProblem("The browser gives no camera here: it does so on this machine or over https.");
    asked?.then(
      (found) => {
        stream = found;
        if (gone) stream.getTracks().forEach((track) => track.stop());
        else video.current.srcObject = stream;
      },
      (error) => setProblem(`The camera cannot be used: ${error.message}`),
    );
    return () => {
      gone = true;
      stream?.getTracks().forEach((track) => track.stop());
    };
  }, []);
  function shoot() {
    const side = Math.min(video.current.videoWidth, video.current.videoHeight);
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    const left = (video.current.videoWidth - side) / 2;
    const top = (video.current.videoHeight - side) / 2;
    canvas.getContext("2d").drawImage(video.current, left, top, side, side, 0, 0, side, side);
    canvas.toBlob((blob) => onPicture(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.9);
  }
  if (problem) return html`<p class="problem" role="alert">${problem}</p>`;
  return html`<div class="camera">
    <video
      ref=${video}
      autoplay
      muted
      playsinline
      aria-label="What the camera sees"
      onPlaying=${() => setReady(true)}
    ></video>
    <button type="button" disabled=${!ready} onClick=${shoot}>Take a picture</button>
  </div>`;
}
