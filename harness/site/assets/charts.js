"use strict";
// Charts: Vega-Lite specifications made of the data that stand beside each chart. Expressions run in Vega's interpreter, so that the
// page's policy can forbid code in texts.
window.harness = window.harness || {};

(function () {
  // Okabe and Ito's colours, in the order of the plots in Markdown.
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F"];
  const DARK_COLOURS = ["#4FA8DC", "#F0803C", "#2BC79A", "#DE9CC0", "#EFB23A", "#8ACDF2", "#A8A8A8"];
  const SHAPES = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right"];
  const DASHES = [[1, 0], [6, 3], [6, 2, 2, 2], [2, 2], [8, 2], [4, 2, 1, 2, 1, 2]];
  const LARGE_RATIO = 20;
  const PARETO_HEIGHT = 380;
  const AXIS_WIDTH = 45;
  const ZERO = "datum.value === 0 ? '0' : datum.label";

  function colours() {
    return harness.isDark() ? DARK_COLOURS : COLOURS;
  }

  function look(style) {
    const all = colours();
    if (style < 0) return { colour: ink(), shape: "circle", dash: [5, 3] }; // the floor
    return {
      colour: all[style % all.length],
      shape: SHAPES[(style + Math.floor(style / all.length)) % SHAPES.length],
      dash: DASHES[style % DASHES.length],
    };
  }

  function ink() {
    return harness.isDark() ? "#e8e6e1" : "#1c1c1c";
  }

  function config() {
    const faint = harness.isDark() ? "#3a3f47" : "#e3e3e3";
    const soft = harness.isDark() ? "#b9b6af" : "#555555";
    return {
      background: null,
      font: "system-ui, sans-serif",
      view: { stroke: null },
      axis: { labelColor: soft, titleColor: ink(), gridColor: faint, domainColor: soft, tickColor: soft, titleFontWeight: 500 },
      legend: { labelColor: ink(), titleColor: ink(), labelLimit: 320, symbolSize: 60, layout: { bottom: { anchor: "start", direction: "vertical", margin: 12 } } },
      text: { color: ink() },
    };
  }

  // Scales by label: every label has one look, in the order of the first appearance.
  function scales(entries) {
    const found = new Map();
    for (const [label, style] of entries) if (!found.has(label)) found.set(label, look(style));
    const range = (part) => ({ domain: [...found.keys()], range: [...found.values()].map((each) => each[part]) });
    return { colour: range("colour"), shape: range("shape"), dash: range("dash"), size: found.size };
  }

  function legend(count) {
    return count > 1 ? { title: null, orient: "bottom", columns: innerWidth < 600 ? 1 : 2, symbolOpacity: 1, symbolStrokeWidth: 2 } : null;
  }

  function lines(data) {
    const values = data.lines.flatMap((line) =>
      line.x.map((x, place) => ({ x, mean: line.mean[place], low: line.low[place], high: line.high[place], line: line.label })),
    );
    const scale = scales(data.lines.map((line) => [line.label, line.style]));
    const color = { field: "line", type: "nominal", scale: scale.colour, legend: legend(scale.size) };
    const x = {
      field: "x",
      type: "quantitative",
      title: data.x,
      axis: { format: "~s", labelExpr: ZERO, tickCount: 5, grid: false },
      scale: data.x_log ? { type: "log", nice: false } : { zero: false, nice: false },
    };
    const y = {
      field: "mean",
      type: "quantitative",
      title: data.y || null,
      scale: { ...(data.log ? { type: "log", nice: false } : { zero: false }), ...(data.domain ? { domain: data.domain } : {}) },
      axis: { tickCount: 5, format: ".6~g" },
    };
    const tooltip = [
      { field: "line", title: "line" },
      { field: "x", title: data.x, format: ",~g" },
      { field: "mean", title: "mean", format: ".4~g" },
      { field: "low", title: "band from", format: ".4~g" },
      { field: "high", title: "to", format: ".4~g" },
    ];
    const layer = [
      { mark: { type: "area", opacity: 0.15 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color } },
      {
        mark: { type: "line", strokeWidth: 1.8 },
        encoding: { x, y, color, strokeDash: { field: "line", type: "nominal", scale: scale.dash, legend: legend(scale.size) } },
      },
      {
        mark: { type: "point", filled: true, size: 45, opacity: data.points ? 1 : 0.01 },
        encoding: {
          x,
          y,
          color,
          ...(data.points ? { shape: { field: "line", type: "nominal", scale: scale.shape, legend: legend(scale.size) } } : {}),
          tooltip,
        },
      },
    ];
    if (data.floor) {
      const floor = { values: [data.floor] };
      const colour = ink();
      layer.unshift(
        { data: floor, mark: { type: "rect", color: colour, opacity: 0.08 }, encoding: { y: { field: "low", type: "quantitative" }, y2: { field: "high" } } },
        {
          data: floor,
          mark: { type: "rule", color: colour, strokeDash: [5, 3] },
          encoding: {
            y: { field: "mean", type: "quantitative" },
            tooltip: [{ field: "label", title: "line" }, { field: "mean", title: "mean", format: ".4~g" }],
          },
        },
      );
    }
    return { data: { values }, height: 230, layer };
  }

  function sweep(data) {
    const styled = data.lines.map((line) => ({ ...line, style: typeof line.look === "number" ? line.look : -1 }));
    const values = styled.flatMap((line) =>
      line.x.map((x, place) => ({
        x,
        y: line.y[place],
        setting: line.values[place],
        xlow: x - line.x_sds[place],
        xhigh: x + line.x_sds[place],
        ylow: line.y[place] - line.y_sds[place],
        yhigh: line.y[place] + line.y_sds[place],
        line: line.label,
      })),
    );
    const range = styled.map((line) => (line.look === "control" ? ink() : line.look === "base" ? "#8a8a8a" : look(line.style).colour));
    const color = {
      field: "line",
      type: "nominal",
      scale: { domain: styled.map((line) => line.label), range },
      legend: legend(styled.length),
    };
    const x = { field: "x", type: "quantitative", title: data.x, scale: { zero: false } };
    const y = { field: "y", type: "quantitative", title: data.y, scale: { zero: false } };
    const tooltip = [
      { field: "line", title: "line" },
      { field: "setting", title: "setting" },
      { field: "x", title: data.x, format: ".4~g" },
      { field: "y", title: data.y, format: ".4~g" },
    ];
    return {
      data: { values },
      height: 320,
      layer: [
        { mark: { type: "rule", opacity: 0.5 }, encoding: { x: { ...x, field: "xlow" }, x2: { field: "xhigh" }, y, color } },
        { mark: { type: "rule", opacity: 0.5 }, encoding: { x, y: { ...y, field: "ylow" }, y2: { field: "yhigh" }, color } },
        { mark: { type: "line", strokeWidth: 1.8 }, encoding: { x, y, color, order: { field: "setting", type: "quantitative" } } },
        { mark: { type: "point", filled: true, size: 45 }, encoding: { x, y, color, tooltip } },
        { mark: { type: "text", dx: 8, dy: -7, fontSize: 10 }, encoding: { x, y, color, text: { field: "setting" } } },
      ],
    };
  }

  // How far along its axis each value lies, from 0 to 1, where the axis holds others too.
  function shares(values, others) {
    const all = [...values, ...others];
    const [first, last] = [Math.min(...all), Math.max(...all)];
    return values.map((value) => (last > first ? (value - first) / (last - first) : 0.5));
  }

  // Where the names of points stand: above them, below where another name would be in the way, and nowhere where both would.
  // A point's tooltip has its name too. `left` and `top` are the shares of the chart's sides; a letter is about 6.2 pixels wide.
  function placed(points, width, height) {
    const boxes = [];
    return points.map((point) => {
      const length = 6.2 * point.name.length;
      const align = point.left * width + length + 12 > width ? "right" : "left";
      const start = point.left * width + (align === "left" ? 4 : -4 - length);
      for (const dy of [-11, 17]) {
        const middle = point.top * height + dy - 3;
        const box = { left: start, right: start + length, top: middle - 8, bottom: middle + 8 };
        const meets = boxes.some((other) => box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top);
        if (meets || start < 0 || box.bottom > height) continue;
        boxes.push(box);
        return { ...point, align, dy };
      }
      return { ...point, name: "" };
    });
  }

  function pareto(data, choice, plotWidth) {
    const cost = choice.cost || 0;
    const metric = choice.metric || 0;
    const front = data.fronts[cost][metric];
    const values = data.points.map((point, place) => ({
      label: point.label,
      base: point.base,
      cost: point.costs[cost],
      value: point.values[metric],
      front: front.includes(place) ? "on the line" : "beaten by another row",
      name: front.includes(place) ? point.label : "",
    }));
    const labels = [...new Set(values.map((value) => value.label))];
    const bases = [...new Set(values.map((value) => value.base))];
    const positive = values.map((value) => value.cost).filter((value) => value > 0);
    const wide = positive.length && Math.max(...positive) / Math.min(...positive) > LARGE_RATIO;
    const zero = values.some((value) => value.cost === 0);
    const x = {
      field: "cost",
      type: "quantitative",
      title: data.costs[cost],
      axis: { format: "~s", labelExpr: ZERO, tickCount: 6 },
      scale: wide && !zero ? { type: "log", nice: false } : wide ? { type: "symlog", constant: Math.min(...positive) } : { zero },
    };
    const y = { field: "value", type: "quantitative", title: data.metrics[metric], scale: { zero: false } };
    const color = {
      field: "label",
      type: "nominal",
      scale: { domain: labels, range: labels.map((label, place) => look(place).colour) },
      legend: { title: "Method", orient: "bottom", columns: innerWidth < 600 ? 2 : 4 },
    };
    const shape = {
      field: "base",
      type: "nominal",
      scale: { domain: bases, range: bases.map((base, place) => SHAPES[place % SHAPES.length]) },
      legend: { title: "Base", symbolFillColor: ink(), orient: "bottom", columns: innerWidth < 600 ? 2 : 4 },
    };
    const tooltip = [
      { field: "base", title: "base" },
      { field: "label", title: "method" },
      { field: "cost", title: data.costs[cost], format: ",.4~g" },
      { field: "value", title: data.metrics[metric], format: ".4~g" },
      { field: "front", title: "row" },
    ];
    const onFront = front.map((place) => values[place]);
    const scaled = (cost) => (wide && !zero ? Math.log(cost) : wide ? Math.log1p(cost / Math.min(...positive)) : cost);
    const left = shares(values.map((value) => scaled(value.cost)), zero ? [0] : []);
    const bottom = shares(values.map((value) => value.value), data.floors[metric] === null ? [] : [data.floors[metric]]);
    const points = front.map((place) => ({ ...values[place], left: left[place], top: 1 - bottom[place] }));
    const names = placed(points, plotWidth - AXIS_WIDTH, PARETO_HEIGHT);
    const textLayers = ["left", "right"].flatMap((align) =>
      [-11, 17].map((dy) => ({
        data: { values: names.filter((value) => value.align === align && value.dy === dy) },
        mark: { type: "text", align, dx: align === "left" ? 4 : -4, dy, fontSize: 11, color: ink() },
        encoding: { x, y, text: { field: "name" } },
      })),
    );
    const layer = [
      { data: { values: onFront }, mark: { type: "line", color: ink(), opacity: 0.6, interpolate: "step-after", strokeWidth: 1.2 }, encoding: { x, y } },
      { mark: { type: "point", filled: true, size: 90 }, encoding: { x, y, color, shape, tooltip } },
      ...textLayers.filter((each) => each.data.values.length),
    ];
    const floor = data.floors[metric];
    if (floor !== null) {
      layer.unshift({
        data: { values: [{ floor, label: "floor (real against real)" }] },
        mark: { type: "rule", color: ink(), strokeDash: [5, 3], opacity: 0.7 },
        encoding: { y: { field: "floor", type: "quantitative" }, tooltip: [{ field: "label", title: "line" }, { field: "floor", format: ".4~g" }] },
      });
    }
    return { data: { values }, height: PARETO_HEIGHT, layer };
  }

  function seeds(data, choice) {
    const metric = choice.metric || 0;
    const FLOOR = "floor (real against real)";
    const rows = data.rows.map((row) => ({ label: row.label, values: row.values[metric] || [], mean: row.means[metric] }));
    const floor = data.floors[metric];
    const named = [...(floor.length ? [FLOOR] : []), ...rows.map((row) => row.label)];
    const values = [
      ...floor.map((value, place) => ({ row: FLOOR, value, seed: `pair ${place}` })),
      ...rows.flatMap((row) => row.values.map((value, place) => ({ row: row.label, value, seed: `number ${place + 1} of the row` }))),
    ].filter((entry) => entry.value !== null && entry.value !== undefined);
    const means = rows.filter((row) => row.mean !== null).map((row) => ({ row: row.label, value: row.mean }));
    const numbers = values.map((entry) => entry.value);
    const wide = Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) > LARGE_RATIO;
    // On a phone the base stands above the method: a name that is cut would not say which row it is.
    const narrow = innerWidth < 600;
    const twoLines = `datum.label === '${FLOOR}' ? ['floor', 'real against real'] : split(datum.label, ' × ')`;
    const rowLabels = narrow ? { labelLimit: 165, labelExpr: twoLines, labelOffset: -6 } : { labelLimit: 320 };
    const y = { field: "row", type: "nominal", sort: named, title: null, axis: { ...rowLabels, grid: true } };
    const x = {
      field: "value",
      type: "quantitative",
      title: data.metrics[metric],
      scale: wide ? { type: "log" } : { zero: false },
      axis: { format: ".6~g", tickCount: 6 },
    };
    return {
      data: { values },
      height: (narrow ? 32 : 22) * named.length,
      layer: [
        {
          mark: { type: "point", filled: true, size: 55, opacity: 0.75 },
          encoding: {
            x,
            y,
            color: { condition: { test: { field: "row", equal: FLOOR }, value: ink() }, value: colours()[0] },
            tooltip: [{ field: "row" }, { field: "seed" }, { field: "value", format: ".5~g" }],
          },
        },
        {
          data: { values: means },
          mark: { type: "tick", thickness: 2, size: 16, color: ink() },
          encoding: { x, y, tooltip: [{ field: "row" }, { field: "value", title: "mean", format: ".5~g" }] },
        },
      ],
    };
  }

  // The colours of worse, equal and better. All of them are pale in light, and dark in dark: texts keep the ink of the page.
  function worseToBetter() {
    return harness.isDark() ? ["#8a4a12", "#26292f", "#14567f"] : ["#eeb173", "#f4f4f2", "#7fbce0"];
  }

  function matrixAxis(names, field, extra) {
    const axis = { grid: false, domain: false, ticks: false, labelLimit: innerWidth < 600 ? 110 : 220, ...extra };
    return { field, type: "nominal", sort: names, axis };
  }

  function pairs(data, choice) {
    const names = data.rows.map((name, place) => (data.rows.indexOf(name) === place ? name : `${name} (${place + 1})`));
    const values = data.cells[choice.metric || 0].map((cell) => ({
      ...cell,
      row: names[cell.y],
      column: names[cell.x],
      shown: cell.told ? `${cell.text} ✓` : cell.text,
      finding: cell.told ? `${names[cell.colour > 0 ? cell.y : cell.x]} is better` : "not told apart",
    }));
    const x = { ...matrixAxis(names, "column", { orient: "top", labelAngle: -40, labelAlign: "left" }), title: null };
    const y = { ...matrixAxis(names, "row"), title: null };
    const tooltip = [
      { field: "row", title: "row" },
      { field: "column", title: "less" },
      { field: "text", title: "difference" },
      { field: "interval", title: "95 % interval" },
      { field: "p", title: "p" },
      { field: "holm", title: "p (Holm)" },
      { field: "seeds", title: "seeds" },
      { field: "finding", title: "finding" },
    ];
    const scale = { domain: [-3, 0, 3], range: worseToBetter(), interpolate: "rgb" };
    const color = { field: "colour", type: "quantitative", scale, legend: null };
    return {
      data: { values },
      width: { step: 62 },
      height: { step: 26 },
      autosize: "pad",
      layer: [
        { mark: "rect", encoding: { x, y, color, tooltip } },
        { mark: { type: "text", fontSize: 11, color: ink() }, encoding: { x, y, tooltip, text: { field: "shown" } } },
      ],
    };
  }

  // A grid of two settings. Colours run from worse to better.
  function map(data) {
    const means = data.cells.map((cell) => cell.mean);
    const middle = (Math.min(...means) + Math.max(...means)) / 2;
    const values = data.cells.map((cell) => ({
      ...cell,
      shown: String(Number(cell.mean.toPrecision(3))),
      bright: cell.mean > middle === data.higher,
    }));
    const x = { ...matrixAxis(data.x, "x", { labelAngle: 0 }), title: data.x_name };
    const y = { ...matrixAxis([...data.y].reverse(), "y"), title: data.y_name };
    const tooltip = [
      { field: "x", title: data.x_name },
      { field: "y", title: data.y_name },
      { field: "mean", title: data.label, format: ".4~g" },
      { field: "sd", title: "SD over seeds", format: ".2~g" },
    ];
    const color = {
      field: "mean",
      type: "quantitative",
      title: data.untrained === null ? data.label : `${data.label}; base ${Number(data.untrained.toPrecision(3))}`,
      scale: { scheme: "cividis", reverse: !data.higher, zero: false },
      legend: { orient: "bottom", gradientLength: 180, titleLimit: 320 },
    };
    const text = { condition: { test: "datum.bright", value: "#000000" }, value: "#ffffff" };
    return {
      data: { values },
      height: 36 * data.y.length,
      layer: [
        { mark: "rect", encoding: { x, y, tooltip, color } },
        { mark: { type: "text", fontSize: 12 }, encoding: { x, y, tooltip, text: { field: "shown" }, color: text } },
      ],
      resolve: { scale: { color: "independent" } },
    };
  }

  // A grid of one setting: a point and a bar of one standard deviation for each of its values.
  function bars(data) {
    const values = data.cells.map((cell) => ({ ...cell, low: cell.mean - cell.sd, high: cell.mean + cell.sd }));
    const x = { field: "x", type: "ordinal", sort: data.x, title: data.x_name, axis: { labelAngle: 0, grid: false } };
    const y = { field: "mean", type: "quantitative", title: data.label, scale: { zero: false } };
    const color = colours()[0];
    const tooltip = [
      { field: "x", title: data.x_name },
      { field: "mean", title: "mean", format: ".4~g" },
      { field: "sd", title: "SD over seeds", format: ".2~g" },
    ];
    const layer = [
      { mark: { type: "rule", color, strokeWidth: 1.5 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } } },
      { mark: { type: "line", color, opacity: 0.6 }, encoding: { x, y } },
      { mark: { type: "point", filled: true, size: 60, color }, encoding: { x, y, tooltip } },
    ];
    if (data.untrained !== null) {
      layer.unshift({
        data: { values: [{ base: data.untrained, label: "base without training" }] },
        mark: { type: "rule", color: ink(), strokeDash: [5, 3] },
        encoding: {
          y: { field: "base", type: "quantitative" },
          tooltip: [{ field: "label", title: "line" }, { field: "base", format: ".4~g" }],
        },
      });
    }
    return { data: { values }, height: 230, layer };
  }

  const MAKERS = { lines, sweep, pareto, seeds, pairs, map, bars };

  function tooltip(handler, event, item, value) {
    if (value === null || value === undefined || value === "") {
      harness.hideTip();
      return;
    }
    const entries = typeof value === "object" ? Object.entries(value).map(([name, text]) => `${name}: ${text}`) : [String(value)];
    harness.showTip(entries, { left: event.clientX, right: event.clientX, width: 0, top: event.clientY - 6, bottom: event.clientY + 10 });
  }

  harness.drawSpec = async function (container, spec) {
    if (container.view) container.view.finalize();
    container.replaceChildren();
    const full = { width: "container", autosize: { type: "fit-x", contains: "padding" }, ...spec };
    const compiled = vegaLite.compile(full, { config: config() }).spec;
    const runtime = vega.parse(compiled, null, { ast: true });
    const view = new vega.View(runtime, {
      expr: vegaInterpreter.expressionInterpreter,
      renderer: "svg",
      container,
      hover: true,
      logLevel: vega.Warn,
    });
    view.tooltip(tooltip);
    container.view = view;
    await view.runAsync();
    container.dataset.drawn = "yes";
  };

  harness.scatterColours = () => ({ first: colours()[0], second: colours()[1], real: harness.isDark() ? "#6b6f76" : "#bdbdbd", ink: ink() });

  function choices(figure) {
    const found = {};
    figure.querySelectorAll("select[data-choice]").forEach((select) => (found[select.dataset.choice] = Number(select.value)));
    return found;
  }

  function draw(figure) {
    const kind = [...figure.classList].find((name) => name.startsWith("chart-")).slice("chart-".length);
    const data = JSON.parse(figure.querySelector("script.chart-data").textContent);
    const container = figure.querySelector(".plot");
    figure.dataset.asked = "yes";
    harness.drawSpec(container, MAKERS[kind](data, choices(figure), container.clientWidth));
  }

  // A chart is drawn when it comes near the screen: boards have dozens.
  const watcher = new IntersectionObserver(
    (entries) => entries.forEach((entry) => entry.isIntersecting && !entry.target.dataset.asked && draw(entry.target)),
    { rootMargin: "600px" },
  );

  harness.drawCharts = function (again) {
    for (const figure of document.querySelectorAll("figure.chart")) {
      if (again && figure.dataset.asked) draw(figure);
      if (figure.dataset.started) continue;
      figure.dataset.started = "yes";
      figure.querySelectorAll("select[data-choice]").forEach((select) => select.addEventListener("change", () => draw(figure)));
      watcher.observe(figure);
    }
  };
})();
