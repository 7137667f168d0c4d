// The plot of per-image differences: one bar an image, the largest gain of A first, with a table of the same numbers.
"use strict";

globalThis.srbenchDifferences = (() => {
  const WIDTH = 480;
  const HEIGHT = 240;
  const LETTER = 8; // pixels of one in text of 14 pixels, which pages.css sets on small screens
  const EDGE = { left: 72, right: 12, top: 12, bottom: 26 };
  const SVG = "http://www.w3.org/2000/svg";

  const shape = (name, attributes, text = "") => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, value);
    }
    made.textContent = text;
    return made;
  };

  const stepOf = (span) => {
    const rough = (span || 1) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * (1 - 1e-9));
  };

  const signed = (value, digits) => {
    if (!Number.isFinite(value)) {
      return value > 0 ? "+∞" : "−∞";
    }
    return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  };

  const plain = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "∞");

  const ticksOf = (values) => {
    const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
    const step = stepOf(high - low);
    const first = Math.floor(low / step + 1e-9);
    const last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
    return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  };

  const plot = (rows, { title, description, digits }) => {
    const finite = rows.map((row) => row.difference).filter(Number.isFinite);
    const ticks = ticksOf(finite);
    const [low, high] = [ticks[0], ticks[ticks.length - 1]];
    const bottom = HEIGHT - EDGE.bottom;
    const upward = (value) => bottom - ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * (bottom - EDGE.top);
    const chart = shape("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
    chart.append(shape("desc", {}, description));
    for (const tick of ticks) {
      const at = upward(tick).toFixed(1);
      chart.append(shape("line", { class: Math.abs(tick) < 1e-12 ? "axis" : "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: at, y2: at }));
      chart.append(shape("text", { x: EDGE.left - 8, y: Number(at) + 4, "text-anchor": "end" }, Number(tick.toPrecision(6)).toString().replace("-", "−")));
    }
    const width = (WIDTH - EDGE.left - EDGE.right) / rows.length;
    const named = rows.every((row) => row.image.length * LETTER <= width);
    rows.forEach((row, index) => {
      const [from, to] = [upward(Math.max(0, row.difference)), upward(Math.min(0, row.difference))];
      const bar = shape("rect", {
        class: `bar ${row.difference < 0 ? "lost" : "won"}`,
        x: (EDGE.left + index * width + Math.min(1, width * 0.1)).toFixed(2),
        y: from.toFixed(2),
        width: Math.max(0.5, width * 0.85).toFixed(2),
        height: Math.max(0.75, to - from).toFixed(2),
      });
      bar.append(shape("title", {}, `${row.image}: ${signed(row.difference, digits)}`));
      chart.append(bar);
      if (named) {
        const middle = EDGE.left + (index + 0.5) * width;
        chart.append(shape("text", { x: middle.toFixed(1), y: HEIGHT - 8, "text-anchor": "middle" }, row.image));
      }
    });
    if (named) {
      return chart;
    }
    chart.append(shape("text", { x: EDGE.left, y: HEIGHT - 8 }, "← A higher"));
    chart.append(shape("text", { x: WIDTH - EDGE.right, y: HEIGHT - 8, "text-anchor": "end" }, "B higher →"));
    return chart;
  };

  const cell = (kind, text, isNumber) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (isNumber) {
      made.className = "num";
    }
    return made;
  };

  const table = (rows, digits, label) => {
    const made = document.createElement("table");
    const head = made.createTHead().insertRow();
    for (const [index, text] of ["Image", "A", "B", "A − B"].entries()) {
      const top = cell("th", text, index > 0);
      top.scope = "col";
      head.append(top);
    }
    const body = made.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      const name = cell("th", row.image);
      name.scope = "row";
      line.append(name, cell("td", plain(row.a, digits), true), cell("td", plain(row.b, digits), true),
        cell("td", signed(row.difference, digits), true));
    }
    const scroller = document.createElement("div");
    scroller.className = "scroller";
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "region");
    scroller.setAttribute("aria-label", label);
    scroller.append(made);
    return scroller;
  };

  // A panel for one dataset; rows: image, a, b, difference.
  const panel = (dataset, rows, { digits, unit }) => {
    const ordered = [...rows].sort((p, q) => q.difference - p.difference || (p.image < q.image ? -1 : 1));
    const figure = document.createElement("figure");
    figure.className = "panel";
    const caption = document.createElement("figcaption");
    const heading = document.createElement("h3");
    heading.textContent = `${dataset}: A minus B${unit}`;
    caption.append(heading);
    const wins = rows.filter((row) => row.difference > 0).length;
    const description = `${rows.length} images; A is higher on ${wins}. Largest gain ${ordered[0].image}, ` +
      `largest loss ${ordered[ordered.length - 1].image}.`;
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = `Differences on ${dataset} as a table`;
    details.append(summary, table(ordered, digits, `Images of ${dataset}`));
    figure.append(caption, plot(ordered, { title: heading.textContent, description, digits }), details);
    return figure;
  };

  return { panel, signed };
})();
