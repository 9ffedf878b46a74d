"use strict";
// The table of a board: sorting, filters, columns, seeds one by one, and moving among its figures with the arrow keys.
window.harness = window.harness || {};

harness.startTable = function () {
  const table = document.getElementById("results-table");
  if (!table) return;
  const form = document.getElementById("filters");
  const search = document.getElementById("search");
  const allSeeds = document.getElementById("all-seeds");
  const shown = document.getElementById("shown-rows");
  const heads = [...table.tHead.rows[0].cells];
  const place = `harness-table:${location.pathname}`;
  const groups = [...table.tBodies].map((body) => ({
    body,
    isFloor: body.classList.contains("floor"),
    cells: [...body.rows[0].cells],
    place: Number(body.dataset.place),
    text: body.rows[0].textContent.toLowerCase(),
  }));
  const state = Object.assign({ sort: null, search: "", off: {}, columns: [], seeds: false }, harness.stored.get(place) || {});

  function keep() {
    harness.stored.set(place, state);
  }

  // Sorting. Floors stay on top: they are no competitors. Rows without a value come last, whatever the direction.
  function compare(first, second, column, isText, sign) {
    const a = first.cells[column].dataset.value;
    const b = second.cells[column].dataset.value;
    if (a === "" || b === "") return a === b ? first.place - second.place : a === "" ? 1 : -1;
    const order = isText ? a.localeCompare(b, undefined, { numeric: true }) : Number(a) - Number(b);
    return sign * order || first.place - second.place;
  }

  function sort() {
    const ordered = groups.filter((group) => !group.isFloor);
    heads.forEach((head) => head.setAttribute("aria-sort", "none"));
    if (state.sort && heads[state.sort.column]) {
      const head = heads[state.sort.column];
      const isText = head.querySelector("button").dataset.text === "yes";
      const sign = state.sort.descending ? -1 : 1;
      head.setAttribute("aria-sort", state.sort.descending ? "descending" : "ascending");
      ordered.sort((first, second) => compare(first, second, state.sort.column, isText, sign));
      table.append(...groups.filter((group) => group.isFloor).map((group) => group.body), ...ordered.map((group) => group.body));
    } else {
      table.append(...groups.map((group) => group.body));
    }
  }

  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const now = state.sort && state.sort.column === column ? state.sort : null;
      state.sort = !now ? { column, descending: false } : now.descending ? null : { column, descending: true };
      sort();
      keep();
    });
  });

  // Filters.
  function isKept(group) {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    if (group.isFloor) {
      return Object.entries(state.off).every(([column, values]) => !isSize(column) || !values.includes(value(group, column)));
    }
    return (
      words.every((word) => group.text.includes(word)) &&
      Object.entries(state.off).every(([column, values]) => !values.includes(value(group, column)))
    );
  }

  function value(group, column) {
    return group.cells[column] ? group.cells[column].dataset.value : "";
  }

  function isSize(column) {
    return heads[column] && heads[column].textContent.trim() === "n";
  }

  function filter() {
    let rows = 0;
    for (const group of groups) {
      group.body.hidden = !isKept(group);
      if (!group.isFloor && !group.body.hidden) rows += 1;
    }
    const all = groups.filter((group) => !group.isFloor).length;
    shown.textContent = rows === all ? `${all} rows` : `${rows} of ${all} rows`;
    setRoving();
  }

  function showColumns() {
    heads.forEach((head, column) => (head.hidden = state.columns.includes(column)));
    for (const group of groups) {
      for (const row of group.body.rows) {
        [...row.cells].forEach((cell, column) => (cell.hidden = state.columns.includes(column)));
      }
    }
  }

  function showSeeds(group, isOpen) {
    const button = group.body.querySelector("button.seeds");
    if (!button) return;
    button.setAttribute("aria-expanded", String(isOpen));
    for (const row of [...group.body.rows].slice(1)) row.hidden = !isOpen;
  }

  for (const group of groups) {
    const button = group.body.querySelector("button.seeds");
    if (button) button.addEventListener("click", () => showSeeds(group, button.getAttribute("aria-expanded") !== "true"));
  }

  search.addEventListener("input", () => {
    state.search = search.value;
    filter();
    keep();
  });
  allSeeds.addEventListener("change", () => {
    state.seeds = allSeeds.checked;
    groups.forEach((group) => showSeeds(group, state.seeds));
    keep();
  });
  for (const fieldset of form.querySelectorAll("fieldset[data-column]")) {
    fieldset.addEventListener("change", () => {
      const off = [...fieldset.querySelectorAll("input:not(:checked)")].map((box) => box.value);
      if (off.length) state.off[fieldset.dataset.column] = off;
      else delete state.off[fieldset.dataset.column];
      filter();
      keep();
    });
  }
  document.getElementById("columns").addEventListener("change", () => {
    const boxes = [...form.querySelectorAll("#columns input:not(:checked)")];
    state.columns = boxes.map((box) => Number(box.value));
    showColumns();
    keep();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    Object.assign(state, { sort: null, search: "", off: {}, columns: [], seeds: false });
    apply();
    keep();
  });

  // A menu of a filter closes when another opens, when the reader clicks elsewhere, and with Escape.
  const menus = [...form.querySelectorAll("details.filter")];
  for (const menu of menus) {
    menu.addEventListener("toggle", () => menu.open && menus.forEach((other) => other !== menu && (other.open = false)));
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && menu.open) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    });
  }
  if (!harness.closesMenus) {
    harness.closesMenus = true;
    document.addEventListener("click", (event) => {
      for (const menu of document.querySelectorAll("details.filter[open]")) if (!menu.contains(event.target)) menu.open = false;
    });
  }

  // One figure at a time can be reached with Tab; arrows lead to the others.
  function figures() {
    return [...table.querySelectorAll("tbody:not([hidden]) td:not([hidden]) button.figure")];
  }

  function setRoving(target) {
    const all = figures();
    const current = target || all.find((button) => button.tabIndex === 0) || all[0];
    table.querySelectorAll("button.figure").forEach((button) => (button.tabIndex = -1));
    if (current) current.tabIndex = 0;
  }

  function neighbour(button, key) {
    const cell = button.closest("td");
    const body = cell.closest("tbody");
    const bodies = [...table.tBodies].filter((each) => !each.hidden);
    const cells = [...body.rows[0].cells];
    const inRow = cells.filter((each) => !each.hidden && each.querySelector("button.figure"));
    const at = inRow.indexOf(cell);
    if (key === "ArrowRight") return inRow[at + 1];
    if (key === "ArrowLeft") return inRow[at - 1];
    if (key === "Home") return inRow[0];
    if (key === "End") return inRow[inRow.length - 1];
    const step = key === "ArrowDown" ? 1 : -1;
    for (let next = bodies.indexOf(body) + step; bodies[next]; next += step) {
      const found = bodies[next].rows[0].cells[cells.indexOf(cell)];
      if (found && found.querySelector("button.figure")) return found;
    }
    return null;
  }

  table.addEventListener("keydown", (event) => {
    const button = event.target.closest("button.figure");
    if (!button || !["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    const cell = neighbour(button, event.key);
    event.preventDefault();
    if (!cell) return;
    const target = cell.querySelector("button.figure");
    setRoving(target);
    target.focus();
  });
  table.addEventListener("focusin", (event) => {
    const button = event.target.closest("button.figure");
    if (button) setRoving(button);
  });

  function apply() {
    search.value = state.search;
    allSeeds.checked = state.seeds;
    for (const fieldset of form.querySelectorAll("fieldset[data-column]")) {
      const off = state.off[fieldset.dataset.column] || [];
      fieldset.querySelectorAll("input").forEach((box) => (box.checked = !off.includes(box.value)));
    }
    form.querySelectorAll("#columns input").forEach((box) => (box.checked = !state.columns.includes(Number(box.value))));
    sort();
    showColumns();
    groups.forEach((group) => showSeeds(group, state.seeds));
    filter();
  }

  form.hidden = false;
  apply();
};
