// Dense series by uPlot, in the colours of the page, with a text for those who do not see it.

import { html, useEffect, useRef } from "../vendor/htm-preact.js";
import { classColour } from "./colours.js";
import { figure } from "./numbers.js";

const HEIGHT = 240;

/** `series`: `{label, values}` over `x`; missing values are null. */
export function Plot({ x, series, xLabel, yLabel, alt, logarithmic = false, height = HEIGHT }) {
  const place = useRef(null);
  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const [ink, line] = ["--soft", "--line"].map((name) => style.getPropertyValue(name));
    const axis = (label) => ({
      label,
      stroke: ink,
      grid: { stroke: line, width: 1 },
      ticks: { stroke: line },
      labelSize: 22,
      font: "12px system-ui",
      labelFont: "12px system-ui",
    });
    const number = { value: (_, value) => figure(value) };
    const drawn = new uPlot(
      {
        width: place.current.clientWidth,
        height,
        cursor: { drag: { setScale: true } },
        scales: { x: { time: false }, y: logarithmic ? { distr: 3 } : {} },
        axes: [
          axis(xLabel),
          {
            ...axis(yLabel),
            size: 72,
            values: (_, values) => values.map((value) => (value === null ? "" : figure(value))),
          },
        ],
        series: [
          { label: xLabel, ...number },
          ...series.map(({ label, sparse }, index) => ({
            label,
            stroke: classColour(index),
            width: 1.75,
            spanGaps: true,
            points: { show: Boolean(sparse) },
            ...number,
          })),
        ],
      },
      [x, ...series.map(({ values }) => values)],
      place.current,
    );
    const fit = new ResizeObserver(() => drawn.setSize({ width: place.current.clientWidth, height }));
    fit.observe(place.current);
    return () => {
      fit.disconnect();
      drawn.destroy();
    };
  }, [x, series]);
  return html`<div class="plot" role="group" aria-label=${alt}><div ref=${place}></div></div>`;
}
