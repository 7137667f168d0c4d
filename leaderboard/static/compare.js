// Any two entries image by image. The choice lives in the address after #, so that a link keeps it; the scores of an
// entry are loaded when it is chosen, as a script, so that it works from a disk as well as from a server.
"use strict";

globalThis.srbenchCompare = (() => {
  const { holm, pairedDifference } = globalThis.srbenchStatistics;
  const { panel, signed } = globalThis.srbenchDifferences;
  const DIGITS = { psnr: 3, ssim: 4 };
  const WORDS = { psnr: " in dB of PSNR", ssim: " in SSIM" };

  const page = document.getElementById("compare");
  const form = document.getElementById("pick");
  const state = document.getElementById("state");
  const outcome = document.getElementById("outcome");
  const unlike = document.getElementById("unlike");
  const minImages = Number(page.dataset.minImages);
  const root = page.dataset.root;
  const asked = new Map(); // the promise of each entry's scores, one for all who want them
  const waiting = new Map();
  const problem = document.getElementById("problem");
  let titles = new Map();
  let partners = new Map();
  let first = "";
  let wanted = 0;

  const number = (value) => (value === "inf" ? Infinity : value);

  const coded = (id) => encodeURIComponent(encodeURIComponent(id));

  const fetched = (id) =>
    new Promise((resolve, reject) => {
      waiting.set(id, resolve);
      const script = document.createElement("script");
      script.src = `${root}data/compare/${coded(id)}.js`;
      script.addEventListener("error", () => {
        asked.delete(id); // so that choosing it again tries again
        reject(new Error(`the scores of ${titles.get(id)} could not be loaded`));
      });
      document.head.append(script);
    });

  const load = (id) => {
    if (!asked.has(id)) {
      asked.set(id, fetched(id));
    }
    return asked.get(id);
  };

  const entry = (document_) => {
    for (const group of Object.values(document_.groups)) {
      group.images = document_.images[group.images];
      group.psnr = group.psnr.map(number);
      group.ssim = group.ssim.map(number);
    }
    waiting.get(document_.id)?.(document_);
    waiting.delete(document_.id);
  };

  const viewOf = (key) => key.split(" ").slice(0, 2).join(" ");

  const sharedViews = (a, b) => [...new Set(Object.keys(a.groups).filter((key) => key in b.groups).map(viewOf))];

  const fillViews = (views, chosen) => {
    const options = views.map((view) => {
      const [scale, protocol] = view.split(" ");
      return new Option(`×${scale} ${protocol}`, view, false, view === chosen);
    });
    form.view.replaceChildren(...options);
    if (form.view.selectedIndex < 0) {
      form.view.selectedIndex = 0;
    }
  };

  const cells = (row, texts) => {
    const [name, ...others] = texts;
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    for (const text of others) {
      const cell = row.insertCell();
      cell.textContent = text;
      cell.className = "num";
    }
  };

  const fixed = (value, digits) => {
    const known = number(value);
    return known === null ? "–" : known === Infinity ? "∞" : known.toFixed(digits);
  };

  const percent = (share) => (share === null ? "–" : `${Math.round(100 * share)} %`);

  const small = (p) => (p === null || p === undefined ? "–" : p < 0.0001 ? p.toExponential(1) : p.toPrecision(2));

  const compared = (a, b, view, metric) =>
    Object.keys(a.groups)
      .filter((key) => viewOf(key) === view && key in b.groups)
      .map((key) => {
        const [left, right] = [a.groups[key], b.groups[key]];
        const alike = left.inputs === right.inputs;
        const result = alike ? pairedDifference(left[metric], right[metric], minImages) : null;
        return { dataset: key.split(" ").slice(2).join(" "), left, right, alike, result };
      });

  const row = (body, one, metric, corrected) => {
    const digits = DIGITS[metric];
    const line = body.insertRow();
    const means = [fixed(one.left[`${metric}_mean`], digits), fixed(one.right[`${metric}_mean`], digits)];
    if (!one.alike) {
      cells(line, [one.dataset, "–", ...means]);
      const cell = line.insertCell();
      cell.colSpan = 6;
      cell.textContent = "not comparable: other HR or LR pixels, images or protocol version";
      return;
    }
    const { n, mean, interval, p, won, lost } = one.result;
    cells(line, [
      one.dataset, n, ...means, mean === null ? "–" : signed(mean, digits),
      interval ? interval.map((end) => signed(end, digits)).join(" … ") : "–",
      small(p), small(corrected), percent(won), percent(lost),
    ]);
  };

  const showScores = (a, b, view, metric) => {
    const found = compared(a, b, view, metric);
    const tested = found.filter((one) => one.result && one.result.p !== null);
    const corrected = holm(tested.map((one) => one.result.p));
    const body = document.querySelector("#differences tbody");
    body.replaceChildren();
    const plots = [];
    for (const one of found) {
      row(body, one, metric, corrected[tested.indexOf(one)]);
      if (one.result?.differences) {
        const rows = one.result.differences.map((difference, index) => ({
          image: one.left.images[index], a: one.left[metric][index], b: one.right[metric][index], difference,
        }));
        plots.push(panel(one.dataset, rows, { digits: DIGITS[metric], unit: WORDS[metric] }));
      }
    }
    const area = document.getElementById("plots");
    area.replaceChildren(...plots);
    area.querySelectorAll("svg.chart").forEach(globalThis.srbenchCharts.answer);
    outcome.hidden = found.length === 0;
  };

  const showFacts = (a, b) => {
    const names = Object.keys(a.facts).filter((name) => a.facts[name] !== b.facts[name]);
    const body = unlike.querySelector("tbody");
    body.replaceChildren();
    for (const name of names) {
      cells(body.insertRow(), [name, a.facts[name], b.facts[name]]);
      body.lastElementChild.querySelectorAll("td").forEach((cell) => cell.classList.remove("num"));
    }
    unlike.hidden = names.length === 0;
  };

  // The further metrics of both under the view that is shown, a row for each dataset and metric.
  const showMetrics = (a, b, view) => {
    const meansOf = (model) => new Map(model.metrics.flatMap((metric) => Object.entries(metric.means)
      .filter(([key]) => viewOf(key) === view)
      .map(([key, text]) => [`${key.split(" ").slice(2).join(" ")}: ${metric.name}`, text])));
    const [left, right] = [meansOf(a), meansOf(b)];
    const section = document.getElementById("further");
    const body = section.querySelector("tbody");
    body.replaceChildren();
    for (const name of new Set([...left.keys(), ...right.keys()])) {
      cells(body.insertRow(), [name, left.get(name) ?? "–", right.get(name) ?? "–"]);
    }
    section.hidden = left.size + right.size === 0;
  };

  const showPictures = (a, b) => {
    const absolute = (model) => ({
      name: titles.get(model.id),
      samples: Object.fromEntries(Object.entries(model.samples).map(([image, place]) => [image, root + place])),
    });
    const truth = Object.fromEntries([...document.querySelectorAll("#slide [name=image] option")]
      .map((option) => [option.value, `${root}static/samples/${option.value}.webp`]));
    globalThis.srbenchSlider.show([absolute(a), absolute(b)], truth);
  };

  const keep = () => {
    const choice = new URLSearchParams();
    for (const name of ["a", "b", "view", "metric"]) {
      choice.set(name, form[name].value);
    }
    for (const [name, value] of globalThis.srbenchSlider.state()) {
      choice.set(name, value);
    }
    history.replaceState(null, "", `#${choice}`);
  };

  const link = (model) => {
    const made = document.createElement("a");
    made.href = root + model.page;
    made.textContent = titles.get(model.id);
    return made;
  };

  const update = async (view = form.view.value) => {
    const turn = (wanted += 1);
    state.textContent = "Loading…";
    try {
      const [a, b] = await Promise.all([load(form.a.value), load(form.b.value)]);
      if (turn !== wanted) {
        return; // another choice was made meanwhile
      }
      const views = sharedViews(a, b);
      fillViews(views, view);
      const [scale, protocol] = form.view.value.split(" ");
      document.getElementById("outcome-head").textContent =
        views.length ? `${titles.get(a.id)} minus ${titles.get(b.id)}: ×${scale}, ${protocol}` : "A minus B";
      state.replaceChildren("A is ", link(a), ", B is ", link(b), ".");
      if (views.length) {
        showScores(a, b, form.view.value, form.metric.value);
      } else {
        outcome.hidden = true;
        state.append(" They share no scale, protocol and dataset, so their scores are not compared.");
      }
      showMetrics(a, b, form.view.value);
      showFacts(a, b);
      showPictures(a, b);
      keep();
    } catch (error) {
      state.textContent = `Sorry: ${error.message}.`;
    }
  };

  // The matched base or variant of an entry comes first; without one, any other entry.
  const otherThan = (id) => partners.get(id) ?? [...titles.keys()].find((other) => other !== id) ?? id;

  const start = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const unknown = ["a", "b"].map((name) => asked.get(name)).filter((id) => id && !titles.has(id));
    problem.hidden = unknown.length === 0;
    problem.textContent = unknown.length ? `There is no entry ${unknown.join(" and no entry ")}. Choose a model below.` : "";
    const known = (name) => (titles.has(asked.get(name)) ? asked.get(name) : null);
    const a = known("a") ?? (known("b") ? otherThan(known("b")) : first);
    form.a.value = a;
    form.b.value = known("b") ?? otherThan(a);
    showNames();
    form.metric.value = asked.get("metric") === "ssim" ? "ssim" : "psnr";
    globalThis.srbenchSlider.restore(asked);
    update(asked.get("view") ?? "4 matlab-y").then(() => {
      if (asked.get("show") === "pictures") {
        document.getElementById("pictures").scrollIntoView();
      }
    });
  };

  // Text fields with suggestions, so that one of five hundred models is found by a part of its name.
  const showNames = () => {
    for (const name of ["a", "b"]) {
      document.getElementById(`find-${name}`).value = titles.get(form[name].value);
    }
  };

  const findBy = (name) => {
    const field = document.getElementById(`find-${name}`);
    const text = field.value.trim().toLowerCase();
    const entries = [...titles];
    const found = entries.find(([, title]) => title.toLowerCase() === text) ??
      entries.find(([id, title]) => text && (title.toLowerCase().includes(text) || id.includes(text)));
    problem.hidden = Boolean(found);
    problem.textContent = found ? "" : `No model is called ${field.value}.`;
    if (found) {
      form[name].value = found[0];
      showNames();
      update();
    }
  };

  // Called by the list of entries: [id, title, partner] each, no title twice.
  const index = (list) => {
    const { entries } = list;
    titles = new Map(entries.map(([id, title]) => [id, title]));
    partners = new Map(entries.filter(([, , other]) => other).map(([id, , other]) => [id, other]));
    first = titles.has(list.first) ? list.first : entries[0]?.[0];
    page.hidden = false;
    if (entries.length < 2) {
      form.hidden = true;
      state.textContent = "A comparison needs two entries; there are fewer.";
      return;
    }
    document.getElementById("titles").replaceChildren(...entries.map(([, title]) => new Option(title)));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.view.addEventListener("change", () => update());
    form.metric.addEventListener("change", () => update());
    for (const name of ["a", "b"]) {
      document.getElementById(`find-${name}`).addEventListener("change", () => findBy(name));
      document.getElementById(`find-${name}`).addEventListener("focus", (event) => event.target.select());
    }
    document.getElementById("swap").addEventListener("click", () => {
      [form.a.value, form.b.value] = [form.b.value, form.a.value];
      showNames();
      update();
    });
    document.getElementById("slide").addEventListener("change", keep);
    window.addEventListener("hashchange", start);
    start();
  };

  return { entry, index };
})();
