"use strict";
// Samples: sheets with zoom, and two rows from the same noise side by side.
window.harness = window.harness || {};

harness.startSamples = function () {
  const source = document.getElementById("samples-data");
  if (!source) return;
  const samples = JSON.parse(source.textContent);
  startZoom();
  const pair = document.getElementById("pair");
  if (!pair) return;
  const first = document.getElementById("pair-first");
  const second = document.getElementById("pair-second");
  const said = document.getElementById("pair-said");
  const shown = document.getElementById("pair-shown");
  const place = `harness-pair:${location.pathname}`;

  function startZoom() {
    const zoom = document.getElementById("zoom");
    const sheets = [...document.querySelectorAll("img.sheet")];
    if (!zoom || !sheets.length) return;
    const widest = Math.max(...sheets.map((sheet) => Number(sheet.getAttribute("width"))));
    zoom.value = String(Math.max(1, Math.min(8, (innerWidth < 600 ? innerWidth / 2 - 28 : 300) / widest)));
    const apply = () => sheets.forEach((sheet) => (sheet.style.width = `${Number(sheet.getAttribute("width")) * Number(zoom.value)}px`));
    zoom.addEventListener("input", apply);
    apply();
  }

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function option(place) {
    return element("option", { value: place }, samples[place].label);
  }

  const partners = (at) => samples.map((_, other) => other).filter((other) => other !== at && samples[other].group === samples[at].group);
  const able = samples.map((_, at) => at).filter((at) => samples[at].group && partners(at).length);
  if (!able.length) {
    document.getElementById("pairs").hidden = true;
    pair.hidden = true;
    return;
  }

  function fillSecond(wanted) {
    const others = partners(Number(first.value));
    second.replaceChildren(...others.map(option));
    second.value = String(others.includes(wanted) ? wanted : others[0]);
  }

  first.replaceChildren(...able.map(option));
  const kept = harness.stored.get(place);
  if (kept && able.includes(kept[0])) first.value = String(kept[0]);
  fillSecond(kept ? kept[1] : null);

  // Images: the two sheets, and one image of both, enlarged. A slider or the pointer chooses which.
  function showSheets(a, b) {
    const count = Math.min(a.columns * a.lines, b.columns * b.lines);
    const slider = element("input", { type: "range", min: 1, max: count, value: 1, id: "pair-sample" });
    const sheets = [a, b].map((each) => sheet(each, slider));
    const figures = [a, b].map((each, at) => element("figure", {}, sheets[at].frame, element("figcaption", {}, each.label)));
    const magnified = [a, b].map((each) => element("canvas", { width: 160, height: 160, role: "img", "aria-label": `One image of ${each.label}` }));
    const choose = () => {
      const at = Number(slider.value) - 1;
      sheets.forEach((each) => each.mark(at));
      [a, b].forEach((each, number) => enlarge(magnified[number], each, sheets[number].image, at));
    };
    slider.addEventListener("input", choose);
    sheets.forEach((each) => each.image.addEventListener("load", choose));
    shown.replaceChildren(
      element("div", { class: "side-by-side" }, ...figures),
      element("label", {}, "Sample ", slider),
      element("div", { class: "side-by-side enlarged" }, ...magnified),
    );
    choose();
  }

  function side(each) {
    return (each.width + 1) / each.columns - 1;
  }

  function sheet(each, slider) {
    const zoom = Math.max(1, Math.floor(340 / each.width));
    const image = element("img", { class: "sheet", src: each.image, alt: `Sheet of images: ${each.label}`, width: each.width * zoom });
    const box = element("div", { class: "chosen" });
    const frame = element("div", { class: "frame" }, image, box);
    const step = (side(each) + 1) * zoom;
    const numberAt = (event) => {
      const area = image.getBoundingClientRect();
      const scale = area.width / (each.width * zoom);
      const column = Math.min(each.columns - 1, Math.floor((event.clientX - area.left) / (step * scale)));
      const line = Math.min(each.lines - 1, Math.floor((event.clientY - area.top) / (step * scale)));
      return line * each.columns + column + 1;
    };
    image.addEventListener("pointermove", (event) => {
      const number = numberAt(event);
      if (number >= 1 && String(number) !== slider.value) {
        slider.value = String(number);
        slider.dispatchEvent(new Event("input"));
      }
    });
    const mark = (at) => {
      const percent = (value, whole) => `${(100 * value) / whole}%`;
      box.style.left = percent((at % each.columns) * (side(each) + 1), each.width);
      box.style.top = percent(Math.floor(at / each.columns) * (side(each) + 1), each.height);
      box.style.width = percent(side(each), each.width);
      box.style.height = percent(side(each), each.height);
    };
    return { image, frame, mark };
  }

  function enlarge(canvas, each, image, at) {
    if (!image.complete || !image.naturalWidth) return;
    const context = canvas.getContext("2d");
    const size = side(each);
    context.imageSmoothingEnabled = false;
    context.drawImage(image, (at % each.columns) * (size + 1), Math.floor(at / each.columns) * (size + 1), size, size, 0, 0, canvas.width, canvas.height);
  }

  // Points: both sets over real points, and a line from each of the first points to where the other method moved it.
  function showPoints(a, b) {
    const LINES = 200;
    const hue = harness.scatterColours();
    const container = element("div", { class: "plot", role: "img", "aria-label": `Points of ${a.label} and of ${b.label}` });
    shown.replaceChildren(container);
    const real = samples[0].points;
    const xs = real.map((point) => point[0]);
    const ys = real.map((point) => point[1]);
    // One scale for both axes, with a margin around the real points, as in the picture of all rows.
    const middle = (values) => (Math.min(...values) + Math.max(...values)) / 2;
    const half = 0.65 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    const domain = (values) => [middle(values) - half, middle(values) + half];
    const isFinitePoint = (point) => Number.isFinite(point[0]) && Number.isFinite(point[1]);
    const values = (points, set) => points.filter(isFinitePoint).map(([x, y]) => ({ x, y, set }));
    const moves = a.points.slice(0, LINES).map((from, at) => ({ from, to: b.points[at] })).filter(({ from, to }) => to && isFinitePoint(from) && isFinitePoint(to));
    const names = ["real", a.label, b.label];
    const color = { field: "set", type: "nominal", scale: { domain: names, range: [hue.real, hue.first, hue.second] }, legend: { title: null, orient: "bottom", columns: 1 } };
    const axis = { grid: false, title: null, tickCount: 4 };
    const x = { field: "x", type: "quantitative", scale: { domain: domain(xs) }, axis };
    const y = { field: "y", type: "quantitative", scale: { domain: domain(ys) }, axis };
    const side = Math.max(200, Math.min(460, (container.clientWidth || 480) - 60));
    harness.drawSpec(container, {
      width: side,
      height: side,
      autosize: "pad",
      layer: [
        { data: { values: values(real, "real") }, mark: { type: "circle", size: 10, clip: true, opacity: 0.7 }, encoding: { x, y, color } },
        {
          data: { values: moves.map(({ from, to }) => ({ x: from[0], y: from[1], x2: to[0], y2: to[1] })) },
          mark: { type: "rule", clip: true, color: hue.ink, opacity: 0.35, strokeWidth: 0.8 },
          encoding: { x, y, x2: { field: "x2" }, y2: { field: "y2" } },
        },
        { data: { values: [...values(a.points, a.label), ...values(b.points, b.label)] }, mark: { type: "circle", size: 12, clip: true, opacity: 0.9 }, encoding: { x, y, color } },
      ],
    });
  }

  harness.drawPair = function () {
    const a = samples[Number(first.value)];
    const b = samples[Number(second.value)];
    said.textContent = `Seed ${a.seed} of both.`;
    if (a.image) showSheets(a, b);
    else showPoints(a, b);
    harness.stored.set(place, [Number(first.value), Number(second.value)]);
  };

  first.addEventListener("change", () => {
    fillSecond(Number(second.value));
    harness.drawPair();
  });
  second.addEventListener("change", harness.drawPair);
  harness.drawPair();
};
