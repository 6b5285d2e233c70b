// A picture's way through the network: maps that shrink, their filters, and the kernel that slides.

import { html, useState } from "../vendor/htm-preact.js";
import { arrayOf, ask, formOf, partsOf } from "../shared/api.js";
import { diverging, sequential } from "../shared/colours.js";
import { Busy, Part, Problem, useAsked } from "../shared/frame.js";
import { counted, figure } from "../shared/numbers.js";
import { Picture, Pixels, Scale, coloured, extent, levels } from "../shared/pictures.js";
import { Kernel } from "./kernel.js";
import { mapImage } from "./map_image.js";

const LARGEST = 104;
const MAP = 76;

export function Network({ model, file }) {
  const { value, error, again } = useAsked(
    (signal) => ask(`api/models/${model.name}/maps`, { form: formOf("picture", [file]), signal }),
    [file],
  );
  const [index, setIndex] = useState(0);
  const [map, setMap] = useState(null);
  const layers = value?.layers ?? [];
  const layer = layers[index];
  return html`<${Part}
    id="network"
    title="The way through the network"
    words="Each layer looks for patterns with its filters. Its maps shrink, and there are more of them: fewer places, more meaning."
    figure=${
      value &&
      `${layers.length} layers · ${layers.map(({ shape }) => shape.join("×")).join(" → ")} (maps × rows × columns)`
    }
  >
    <${Problem} error=${error} again=${again} />
    ${!value && !error && html`<${Busy} of="Sending the picture through" />`}
    ${
      value &&
      html`
        <div class="scroll" tabindex="0" role="group" aria-label="Layers, from the picture to the last">
          <div class="network">
            <${Stage} picture=${arrayOf(value.picture)} />
            ${layers.map(
              (each, place) =>
                html`<button
                  type="button"
                  key=${each.name}
                  aria-pressed=${String(place === index)}
                  onClick=${() => {
                    setIndex(place);
                    setMap(null);
                  }}
                >
                  <${Pixels}
                    image=${mapImage(partsOf(arrayOf(each.maps))[0])}
                    width=${Math.max(14, (LARGEST * each.shape[2]) / arrayOf(value.picture).shape[1])}
                    alt="The strongest map"
                  />
                  <span>${each.name}</span><span class="soft">${each.shape.join("×")}</span>
                </button>`,
            )}
            <a class="stage" href="#last-layer"
              >fully connected layer, softmax<br />${counted(model.classes.length, "class", "classes")}</a
            >
          </div>
        </div>
        <${Maps} layer=${layer} chosen=${map} onChoose=${setMap} />
        <${Filters} key=${`f${layer.name}`} model=${model} layer=${layer} />
        ${
          map !== null &&
          html`<${Kernel}
            key=${`${layer.name} ${map}`}
            model=${model}
            file=${file}
            layers=${layers}
            index=${index}
            map=${map}
            picture=${arrayOf(value.picture)}
          />`
        }
      `
    }
  <//>`;
}

function Stage({ picture }) {
  return html`<div>
    <${Picture} picture=${picture} width=${LARGEST} alt="The picture that goes in" />
    <span class="soft">${picture.shape[0]}×${picture.shape[1]} pixels</span>
  </div>`;
}

function Maps({ layer, chosen, onChoose }) {
  const maps = partsOf(arrayOf(layer.maps));
  const all = layer.shape[0];
  const count = maps.length < all ? `the ${maps.length} strongest of ${all} maps` : counted(all, "map");
  return html`
    <h3>${`${layer.name}: ${count}`}</h3>
    <p class="soft">Choose a map to see how each of its pixels is computed.</p>
    <ul class="tiles maps">
      ${maps.map(
        (map, place) =>
          html`<li key=${place}>
            <button
              type="button"
              class="tile"
              aria-pressed=${String(chosen === layer.shown[place])}
              onClick=${() => onChoose(layer.shown[place])}
            >
              <${Pixels}
                image=${mapImage(map)}
                width=${MAP}
                alt=${`Map ${layer.shown[place]} of ${layer.name}, largest value ${figure(extent(map.data)[1])}`}
              />
            </button>
          </li>`,
      )}
    </ul>
    <${Scale} colour=${sequential} from="0" to="largest" words="of each map; below 0: blue" />
  `;
}

function Filters({ model, layer }) {
  const { value, error } = useAsked(
    (signal) => ask(`api/models/${model.name}/filters?layer=${encodeURIComponent(layer.name)}`, { signal }),
    [layer.name],
  );
  const step = value?.steps.find(({ kind }) => kind === "convolution");
  if (error) return html`<${Problem} error=${error} />`;
  if (!step)
    return value
      ? html`<p class="soft">The filters of this layer are no single convolution: they are not shown.</p>`
      : null;
  const filters = partsOf(arrayOf(step.weights));
  const [, bands, rows, columns] = arrayOf(step.weights).shape;
  const colour = bands === 3;
  return html`
    <h3>Its filters</h3>
    <p class="figure">
      ${`${counted(step.filters, "filter")} of ${bands}×${rows}×${columns} weights, stride ${step.stride[0]}, `}
      ${`padding ${step.padding[0]}`}
    </p>
    <ul class="tiles filters">
      ${layer.shown.map(
        (index) =>
          html`<li key=${index}>
            <${Pixels}
              image=${colour ? filterColours(filters[index]) : filterSlice(filters[index])}
              width=${36}
              alt=${`Filter ${index}: its weights ${colour ? "as colours" : "for the first map that comes in"}`}
            />
          </li>`,
      )}
    </ul>
    <p class="soft">
      ${
        colour
          ? "Weights of red, green and blue as colours; grey is 0."
          : "Of each filter, the part for the first map: blue is negative, orange positive."
      }
    </p>
  `;
}

/** The weights of a filter that sees red, green and blue, as colours around grey. */
function filterColours({ shape: [bands, rows, columns], data }) {
  const most = Math.max(...data.map(Math.abs), 1e-9);
  const picture = new Uint8Array(rows * columns * 3);
  for (let band = 0; band < bands; band++) {
    for (let place = 0; place < rows * columns; place++)
      picture[3 * place + band] = 128 + (127 * data[band * rows * columns + place]) / most;
  }
  return levels({ shape: [rows, columns, 3], data: picture });
}

function filterSlice({ shape: [, rows, columns], data }, band = 0) {
  const part = data.subarray(band * rows * columns, (band + 1) * rows * columns);
  const most = Math.max(...part.map(Math.abs), 1e-9);
  return coloured({ shape: [rows, columns], data: part }, (value) => diverging(value / most));
}
