// Sorting, filtering and deep links of a main table. The table is complete without this; the view lives in the
// address after #, so that a link keeps it, from a disk as well as from a server.
"use strict";

(() => {
  const table = document.getElementById("scores");
  const form = document.getElementById("controls");
  const count = document.getElementById("count");
  const pager = document.getElementById("pager");
  const perPage = Number(table.dataset.rows);
  const scripts = JSON.parse(table.dataset.scripts);
  const filters = ["name", "parameters", "attention", "training", "level"];
  const levels = { "model-rerun": 2, "images-rescored": 1, claimed: 0 };
  const filterButton = document.getElementById("filter");
  const compareButton = document.getElementById("compare-chosen");
  const columns = readColumns();
  const original = [...table.tBodies];
  const initial = columns.find(({ cell }) => cell.hasAttribute("aria-sort"));
  const home = { sort: "", order: "", page: Number(table.dataset.page) }; // the view of an address without a hash
  const firstRows = 60; // more than a screen shows: the layout of the others must not delay them
  let turn = 0; // counts the views that were shown, so that one that was replaced is not completed
  let rows = original.flatMap((body) => rowsOf(body, body.dataset.group));
  let complete = scripts.length === 0;
  let loading = null;

  // Everything a row can be sorted by: a column, or one of the two scores in a column of a dataset.
  function readColumns() {
    return [...table.tHead.querySelectorAll("[data-key]")].map((place) => ({
      place,
      cell: place.closest("th"),
      index: place.closest("th").cellIndex,
      key: place.dataset.key,
      kind: place.dataset.kind,
    }));
  }

  function rowsOf(body, group) {
    return [...body.rows].filter((row) => !row.classList.contains("group")).map((row) => ({ row, group }));
  }

  const levelOf = (row) => row.querySelector(".level").classList[1];

  // The complete text of a shortened cell.
  const trainingOf = (row) => row.querySelector(".l abbr[title]")?.title ?? "";

  function valueOf(row, column) {
    const counts = { parameters: row.dataset.p, macs: row.dataset.m };
    if (column.key in counts) {
      return counts[column.key] === "" ? NaN : Number(counts[column.key]);
    }
    if (column.kind === "level") {
      return levels[levelOf(row)];
    }
    if (column.key === "training") {
      return trainingOf(row);
    }
    const cell = row.cells[column.index];
    const text = (cell.querySelector(column.key.endsWith(".ssim") ? "i" : "a") || cell).textContent.trim();
    if (column.kind === "number") {
      return text === "∞" ? Infinity : text === "–" ? NaN : Number(text);
    }
    return text;
  }

  // Rows without a value stay last whichever way the column is sorted.
  function compare(column, sign) {
    if (column.kind === "text") {
      const collator = new Intl.Collator("en", { numeric: true });
      return (a, b) => sign * collator.compare(a.value, b.value);
    }
    return (a, b) => {
      if (Number.isNaN(a.value) || Number.isNaN(b.value)) {
        return Number.isNaN(a.value) - Number.isNaN(b.value);
      }
      return a.value === b.value ? 0 : a.value < b.value ? -sign : sign;
    };
  }

  const firstOrder = ({ kind, key }) =>
    (kind === "text" || ["parameters", "macs", "rank"].includes(key) ? "ascending" : "descending");

  // What the address asks for, as far as this table has it: addresses are typed by hand and outlive columns and options.
  function readState() {
    const found = new URLSearchParams(location.hash.slice(1));
    const column = columns.find(({ key }) => key === found.get("sort"));
    const [order, page] = [found.get("order"), Number(found.get("page"))];
    const state = {
      sort: column ? column.key : home.sort,
      order: !column ? home.order : ["ascending", "descending"].includes(order) ? order : firstOrder(column),
      page: Number.isInteger(page) && page > 0 ? page : home.page,
    };
    filters.forEach((name) => {
      const { options } = form.elements.namedItem(name);
      const value = found.get(name) || "";
      state[name] = !options || [...options].some((option) => option.value === value) ? value : "";
    });
    return state;
  }

  function writeState(state) {
    const kept = new URLSearchParams();
    Object.entries(state).forEach(([name, value]) => {
      if (value && value !== home[name]) {
        kept.set(name, value);
      }
    });
    const hash = kept.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  const isHome = (state) => !state.sort && state.page === home.page && filters.every((name) => !state[name]);

  function fits(row, state) {
    const data = row.dataset;
    return (
      (!state.name || row.cells[1].textContent.toLowerCase().includes(state.name.toLowerCase())) &&
      (!state.parameters || (data.p !== "" && Number(data.p) <= Number(state.parameters))) &&
      (!state.attention || (data.a ?? "none") === state.attention) &&
      (!state.training || trainingOf(row) === state.training) &&
      (!state.level || levelOf(row) === state.level)
    );
  }

  function arranged(state) {
    const column = columns.find((one) => one.key === state.sort);
    const kept = rows.filter(({ row }) => fits(row, state));
    if (!column) {
      return kept;
    }
    const order = new Map([...new Set(rows.map(({ group }) => group))].map((group, index) => [group, index]));
    const by = compare(column, state.order === "ascending" ? 1 : -1);
    return kept
      .map((one) => ({ ...one, value: valueOf(one.row, column) }))
      .sort((a, b) => order.get(a.group) - order.get(b.group) || by(a, b));
  }

  function groupHead(name) {
    const known = original.find((body) => body.dataset.group === name);
    const head = (known || original[0]).querySelector("tr.group");
    if (known && head) {
      return head.cloneNode(true);
    }
    const row = document.createElement("tr");
    row.className = "group";
    const cell = document.createElement("th");
    cell.scope = "rowgroup";
    cell.colSpan = table.tHead.rows[0].cells.length;
    cell.textContent = `${name[0].toUpperCase()}${name.slice(1)} – not ranked with the others`;
    row.append(cell);
    return row;
  }

  function bodyOf(group) {
    const body = document.createElement("tbody");
    body.dataset.group = group;
    if (group) {
      body.append(groupHead(group));
    }
    return body;
  }

  // Append rows, each to the last body if that is of its group, else to a new one.
  function appendRows(shown) {
    const parts = new Map();
    shown.forEach(({ row, group }) => {
      if (!parts.has(group)) {
        parts.set(group, document.createDocumentFragment());
      }
      parts.get(group).append(row);
    });
    parts.forEach((part, group) => {
      const last = [...table.tBodies].at(-1);
      const body = last?.dataset.group === group ? last : table.appendChild(bodyOf(group));
      body.append(part);
    });
  }

  // The first rows at once, the others after the browser has drawn those.
  function replaceRows(shown) {
    const mine = (turn += 1);
    [...table.tBodies].forEach((body) => body.remove());
    appendRows(shown.slice(0, firstRows));
    if (shown.length > firstRows) {
      requestAnimationFrame(() => setTimeout(() => mine === turn && appendRows(shown.slice(firstRows))));
    }
  }

  function show(state) {
    const found = arranged(state);
    const last = Math.max(1, Math.ceil(found.length / perPage));
    state.page = Math.min(Math.max(1, state.page), last);
    const shown = complete ? found.slice((state.page - 1) * perPage, state.page * perPage) : found;
    replaceRows(shown);
    table.hidden = found.length === 0; // no header without a row
    showOrder(state.sort ? state : { sort: initial.key, order: "ascending" });
    count.textContent = found.length === rows.length ? `${rows.length} entries`
      : found.length ? `${found.length} of ${rows.length} entries` : `None of ${rows.length} entries fits these filters`;
    showPager(state, last);
  }

  function showOrder({ sort, order }) {
    columns.forEach(({ place, cell }) => {
      cell.removeAttribute("aria-sort");
      delete place.dataset.order;
    });
    const column = columns.find(({ key }) => key === sort);
    column.cell.setAttribute("aria-sort", order);
    column.place.dataset.order = order;
  }

  function showPager(state, last) {
    if (!pager) {
      return;
    }
    const list = document.createElement("ul");
    for (let number = 1; number <= last && last > 1; number += 1) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = number;
      if (number === state.page) {
        button.setAttribute("aria-current", "page");
      }
      button.addEventListener("click", () => {
        update({ page: number });
        table.scrollIntoView();
      });
      const item = document.createElement("li");
      item.append(button);
      list.append(item);
    }
    pager.replaceChildren(list);
  }

  // The rows of the other pages come as scripts, because a page on a disk may load those and nothing else.
  function loadAll() {
    if (complete) {
      return Promise.resolve();
    }
    loading ||= Promise.all(scripts.map(loadScript)).then(() => {
      rows = scripts.flatMap((_, index) => received.get(index + 1));
      complete = true;
    });
    return loading;
  }

  const received = new Map();
  window.srbenchRows = (number, found) => {
    const template = document.createElement("template");
    template.innerHTML = `<table><tbody>${found.map(([, html]) => html).join("")}</tbody></table>`;
    const parsed = [...template.content.querySelectorAll("tr")];
    const ready = parsed.map((row, index) => ({ row, group: found[index][0] }));
    ready.forEach(addBox);
    received.set(number, ready);
  };

  function loadScript(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => reject(new Error(`cannot load ${address}`)));
      document.head.append(script);
    });
  }

  function apply(state) {
    if (isHome(state) && !complete) {
      count.textContent = `${table.dataset.total} entries`;
      return; // the page as it came
    }
    count.textContent = complete ? "" : "Loading all rows …";
    loadAll().then(
      () => show(readState()), // another view may have been asked for meanwhile
      () => {
        count.textContent = "The other pages of this table could not be loaded.";
      },
    );
  }

  function update(change) {
    const state = { ...readState(), page: 1, ...change };
    writeState(state);
    apply(state);
  }

  function readForm() {
    return Object.fromEntries(filters.map((name) => [name, form.elements.namedItem(name).value]));
  }

  function fillForm(state) {
    filters.forEach((name) => {
      form.elements.namedItem(name).value = state[name];
    });
  }

  columns.forEach((column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...column.place.childNodes);
    if (column.place.dataset.name) {
      button.setAttribute("aria-label", column.place.dataset.name); // a name that no other button has
    }
    column.place.append(button);
    button.addEventListener("click", () => {
      const now = column.place.dataset.order;
      const first = firstOrder(column);
      const other = first === "ascending" ? "descending" : "ascending";
      update({ sort: column.key, order: now === first ? other : first });
    });
  });

  // A box in each row; two of them make a comparison. The column exists only where scripts run.
  const chosen = new Set();

  function addBox({ row }) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", `Compare ${row.cells[1].textContent.trim()}`);
    box.addEventListener("change", () => {
      chosen[box.checked ? "add" : "delete"](row.dataset.id);
      showChosen();
    });
    const cell = row.insertCell();
    cell.className = "n";
    cell.append(box);
  }

  function showChosen() {
    compareButton.disabled = chosen.size !== 2;
    compareButton.textContent = chosen.size > 2 ? "Choose two" : "Compare two";
  }

  compareButton.addEventListener("click", () => {
    const [a, b] = chosen;
    location.href = `${table.dataset.compare}#${new URLSearchParams({ a, b, view: table.dataset.view })}`;
  });

  function addBoxes() {
    const head = document.createElement("th");
    head.scope = "col";
    head.textContent = "Vs";
    head.title = "Choose two to compare them";
    table.tHead.rows[0].append(head);
    table.querySelectorAll("tr.group th").forEach((cell) => {
      cell.colSpan += 1;
    });
    rows.forEach(addBox);
    compareButton.hidden = false;
  }

  function openFilters(open) {
    form.hidden = !open;
    filterButton.setAttribute("aria-expanded", String(open));
  }

  filterButton.addEventListener("click", () => openFilters(form.hidden));

  form.addEventListener("input", () => update(readForm()));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    const cleared = Object.fromEntries(filters.map((name) => [name, ""]));
    fillForm(cleared);
    update({ ...cleared, sort: "", order: "" });
  });
  window.addEventListener("hashchange", () => {
    fillForm(readState());
    apply(readState());
  });

  const state = readState();
  fillForm(state);
  addBoxes();
  initial.place.dataset.order = "ascending";
  filterButton.hidden = false;
  openFilters(filters.some((name) => state[name]));
  count.textContent = `${table.dataset.total} entries`;
  if (!isHome(state)) {
    apply(state);
  }
})();
