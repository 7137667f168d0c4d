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
  const ranks = { "model-rerun": 2, "images-rescored": 1, claimed: 0 };
  const columns = readColumns();
  const original = [...table.tBodies];
  const initial = columns.find(({ cell }) => cell.hasAttribute("aria-sort"));
  const home = { sort: "", order: "", page: Number(table.dataset.page) }; // the view of an address without a hash
  let rows = original.flatMap((body) => rowsOf(body, body.dataset.group));
  let complete = scripts.length === 0;
  let loading = null;

  // One column per cell of a row, in the order in which the cells stand.
  function readColumns() {
    const [upper, lower] = table.tHead.rows;
    const below = [...lower.cells];
    const cells = [...upper.cells].flatMap((cell) => (cell.rowSpan === 2 ? [cell] : below.splice(0, cell.colSpan)));
    return cells.map((cell, index) => ({
      cell,
      index,
      key: cell.dataset.key,
      kind: cell.dataset.kind,
    }));
  }

  function rowsOf(body, group) {
    return [...body.rows].filter((row) => !row.classList.contains("group")).map((row) => ({ row, group }));
  }

  function valueOf(row, column) {
    if (column.key === "parameters") {
      return row.dataset.p === "" ? NaN : Number(row.dataset.p);
    }
    if (column.kind === "level") {
      return ranks[row.dataset.l];
    }
    const cell = row.cells[column.index];
    const text = (cell.querySelector("a") || cell).textContent.trim();
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

  const firstOrder = (column) => (column.kind === "text" || column.key === "parameters" ? "ascending" : "descending");

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
      (!state.name || row.cells[0].textContent.toLowerCase().includes(state.name.toLowerCase())) &&
      (!state.parameters || (data.p !== "" && Number(data.p) <= Number(state.parameters))) &&
      (!state.attention || data.a === state.attention) &&
      (!state.training || data.t === state.training) &&
      (!state.level || data.l === state.level)
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
    cell.colSpan = columns.length;
    cell.textContent = `${name[0].toUpperCase()}${name.slice(1)} – not ranked with the others`;
    row.append(cell);
    return row;
  }

  function bodiesOf(shown) {
    const bodies = new Map();
    shown.forEach(({ row, group }) => {
      if (!bodies.has(group)) {
        const body = document.createElement("tbody");
        body.dataset.group = group;
        if (group) {
          body.append(groupHead(group));
        }
        bodies.set(group, body);
      }
      bodies.get(group).append(row);
    });
    return [...bodies.values()];
  }

  function show(state) {
    const found = arranged(state);
    const last = Math.max(1, Math.ceil(found.length / perPage));
    state.page = Math.min(Math.max(1, state.page), last);
    const shown = complete ? found.slice((state.page - 1) * perPage, state.page * perPage) : found;
    [...table.tBodies].forEach((body) => body.remove());
    table.append(...bodiesOf(shown));
    const sorted = state.sort ? state : { sort: initial.key, order: "descending" }; // the order in which the rows came
    columns.forEach(({ cell, key }) => {
      cell.removeAttribute("aria-sort");
      if (key === sorted.sort) {
        cell.setAttribute("aria-sort", sorted.order);
      }
    });
    count.textContent = found.length === rows.length ? `${rows.length} entries` : `${found.length} of ${rows.length} entries`;
    showPager(state, last);
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
    received.set(number, parsed.map((row, index) => ({ row, group: found[index][0] })));
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
    button.append(...column.cell.childNodes);
    column.cell.append(button);
    button.addEventListener("click", () => {
      const now = column.cell.getAttribute("aria-sort");
      const first = firstOrder(column);
      const other = first === "ascending" ? "descending" : "ascending";
      update({ sort: column.key, order: now === first ? other : first });
    });
  });

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

  form.hidden = false;
  const state = readState();
  fillForm(state);
  count.textContent = `${table.dataset.total} entries`;
  if (!isHome(state)) {
    apply(state);
  }
})();
