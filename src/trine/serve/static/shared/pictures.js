// Pictures and maps on canvases: every one has an alternative text.

import { html, useEffect, useRef } from "../vendor/htm-preact.js";

/** Levels of an 8-bit picture of shape (height, width, channels). */
export function levels({ shape: [height, width, channels], data }) {
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let band = 0; band < 3; band++)
      image.data[4 * pixel + band] = data[channels * pixel + (channels === 1 ? 0 : band)];
    image.data[4 * pixel + 3] = channels === 4 ? data[channels * pixel + 3] : 255;
  }
  return image;
}

/** A map of shape (rows, columns), by a colour for each value; a colour can have an opacity. */
export function coloured({ shape: [height, width], data }, colour) {
  const image = new ImageData(width, height);
  for (let index = 0; index < width * height; index++) {
    const [red, green, blue, opacity = 255] = colour(data[index]);
    image.data.set([red, green, blue, opacity], 4 * index);
  }
  return image;
}

/** Pixels with a text; `width` in CSS pixels. */
export function Pixels({ image, alt, width, smooth = false, board = false, ...rest }) {
  const canvas = useRef(null);
  useEffect(() => {
    canvas.current.width = image.width;
    canvas.current.height = image.height;
    canvas.current.getContext("2d").putImageData(image, 0, 0);
  }, [image]);
  return html`<canvas
    ref=${canvas}
    role="img"
    aria-label=${alt}
    class=${`pixels${smooth ? " smooth" : ""}${board ? " board" : ""}`}
    style=${{ width: `${width}px`, aspectRatio: `${image.width} / ${image.height}` }}
    ...${rest}
  />`;
}

export function Picture({ picture, ...rest }) {
  return html`<${Pixels} image=${levels(picture)} board=${picture.shape[2] === 4} ...${rest} />`;
}

/** A picture of a model as a PNG file, at its own size. */
export async function fileOf(picture, name) {
  const image = levels(picture);
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return new File([await canvas.convertToBlob({ type: "image/png" })], name, { type: "image/png" });
}

/** The range of values. */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** A bar from colour to colour with its ends named. */
export function Scale({ colour, from, to, words }) {
  const steps = 64;
  const image = coloured(
    { shape: [1, steps], data: Float32Array.from({ length: steps }, (_, i) => i / (steps - 1)) },
    colour,
  );
  return html`<p class="scale">
    <span>${from}</span><${Pixels} image=${image} width=${96} alt=${`Colour scale from ${from} to ${to}`} /><span
      >${to}</span
    >
    <span class="soft">${words}</span>
  </p>`;
}
