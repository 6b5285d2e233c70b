// A pad to draw on by hand: white on black, as in pictures of digits.

import { html, useEffect, useRef } from "../vendor/htm-preact.js";

const SIDE = 224;
const THICK = 17;

export function DrawPad({ onPicture }) {
  const pad = useRef(null);
  const last = useRef(null);
  useEffect(clear, []);
  function clear() {
    const pen = pad.current.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, SIDE, SIDE);
  }
  function place(event) {
    const box = event.currentTarget.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }
  function begin(event) {
    event.currentTarget.setPointerCapture(event.pointerId);
    last.current = place(event);
    draw(event);
  }
  function draw(event) {
    if (!last.current) return;
    const pen = pad.current.getContext("2d");
    const to = place(event);
    pen.strokeStyle = "#fff";
    pen.lineWidth = THICK;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(...last.current);
    pen.lineTo(...to);
    pen.stroke();
    last.current = to;
  }
  function end() {
    if (!last.current) return;
    last.current = null;
    pad.current.toBlob((blob) => onPicture(new File([blob], "drawing.png", { type: "image/png" })));
  }
  return html`<div class="pad">
    <p class="soft">Or draw one, such as a digit:</p>
    <canvas
      ref=${pad}
      width=${SIDE}
      height=${SIDE}
      class="pixels smooth"
      role="img"
      aria-label="A pad to draw on with the pointer; pictures can be chosen above in its place"
      onPointerDown=${begin}
      onPointerMove=${draw}
      onPointerUp=${end}
      onPointerCancel=${end}
    ></canvas>
    <p><button type="button" class="small" onClick=${clear}>Clear</button></p>
  </div>`;
}
