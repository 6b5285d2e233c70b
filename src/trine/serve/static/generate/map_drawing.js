// What is drawn on the map: pictures at their places, axes, and the place that is decoded.

import { html, useEffect, useRef } from "../vendor/htm-preact.js";
import { classColour } from "../shared/colours.js";
import { figure, ticks } from "../shared/numbers.js";
import { levels } from "../shared/pictures.js";

export const SIDE = 440;
export const EDGE = 42;
const THUMB = 20;

function across(value, [low, high]) {
  return EDGE + ((value - low) / (high - low)) * (SIDE - EDGE);
}
function down(value, [low, high]) {
  return SIDE - EDGE - ((value - low) / (high - low)) * (SIDE - EDGE);
}

export function Thumbnails({ pictures, points, labels, range }) {
  const canvas = useRef(null);
  useEffect(() => {
    canvas.current.width = canvas.current.height = 2 * SIDE;
    const pen = canvas.current.getContext("2d");
    pen.scale(2, 2);
    pictures.forEach((picture, index) => {
      const image = levels(picture);
      const own = new OffscreenCanvas(image.width, image.height);
      own.getContext("2d").putImageData(image, 0, 0);
      const scale = THUMB / Math.max(image.width, image.height);
      const [wide, high] = [scale * image.width, scale * image.height];
      const left = across(points[index][0], range[0]) - wide / 2;
      const top = down(points[index][1], range[1]) - high / 2;
      if (labels[index] >= 0) {
        pen.fillStyle = classColour(labels[index]);
        pen.fillRect(left - 1.5, top - 1.5, wide + 3, high + 3);
      }
      pen.drawImage(own, left, top, wide, high);
    });
  }, [pictures]);
  const words = `${pictures.length} new pictures at their places in the latent space`;
  return html`<canvas ref=${canvas} class="map" role="img" aria-label=${words}></canvas>`;
}

export function Axes({ names, range, place }) {
  const bottom = SIDE - EDGE;
  const [x, y] = [across(place[0], range[0]), down(place[1], range[1])];
  return html`<svg viewBox=${`0 0 ${SIDE} ${SIDE}`} width="100%" height="100%" aria-hidden="true">
    <path class="axis" d=${`M${EDGE} 0V${bottom}H${SIDE}`} fill="none" />
    ${ticks(...range[0]).map(
      (value) => html`<text x=${across(value, range[0])} y=${bottom + 15} text-anchor="middle">${figure(value)}</text>`,
    )}
    ${ticks(...range[1]).map(
      (value) => html`<text x=${EDGE - 6} y=${down(value, range[1]) + 4} text-anchor="end">${figure(value)}</text>`,
    )}
    <text x=${(SIDE + EDGE) / 2} y=${SIDE - 6} text-anchor="middle">${names[0]}</text>
    <text text-anchor="middle" transform=${`translate(11 ${bottom / 2}) rotate(-90)`}>${names[1]}</text>
    <circle class="place" cx=${x} cy=${y} r="7" fill="none" stroke="#fff" stroke-width="4" />
    <circle cx=${x} cy=${y} r="7" fill="none" stroke="#d01c4b" stroke-width="2.5" />
  </svg>`;
}
