// A grid of signs. Arrow keys move the focus, Space or Enter chooses, as a click does. Row and column -1 are the heads.

const LOOK_MS = 120;

function made(tag, attributes, text) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

export function render({ model, el }) {
  const box = made("div", { class: "matrix" });
  el.appendChild(box);
  let focus = [0, 0];
  let waiting = null;

  const cell = (row, column) => box.querySelector(`[data-row="${row}"][data-column="${column}"]`);
  const place = (number) => (number < 0 ? null : number);

  function say(what, row, column) {
    model.send_msg({ do: what, row: place(row), column: place(column) });
  }

  function look(row, column) {
    clearTimeout(waiting);
    if (row >= 0 && column >= 0) waiting = setTimeout(() => say("look", row, column), LOOK_MS);
  }

  function head(table) {
    const plugins = made("tr", { role: "row" });
    const corner = made("th", {
      class: "corner", rowspan: 2, role: "columnheader", tabindex: -1, "data-row": -1, "data-column": -1,
      title: "Choose all that the lists show", "aria-label": "choose all that the lists show",
    }, "variant");
    plugins.appendChild(corner);
    let span = null;
    const names = made("tr", { role: "row" });
    model.columns.forEach((column, number) => {
      if (span && span.textContent === column.plugin) span.colSpan += 1;
      else {
        span = made("th", { class: "plugin", scope: "colgroup" }, column.plugin);
        plugins.appendChild(span);
      }
      const said = `${column.id}${column.mark ? " (on demand)" : ""}`;
      const title = made("th", {
        class: "column", role: "columnheader", scope: "col", tabindex: -1, "data-row": -1, "data-column": number,
        title: `${said}: ${column.hint}`, "aria-label": `choose ${said} of all variants`,
      });
      title.appendChild(made("span", {}, column.mark ? `${column.name} ${column.mark}` : column.name));
      names.appendChild(title);
    });
    const top = made("thead", {});
    top.append(plugins, names);
    table.appendChild(top);
  }

  function line(row, number) {
    const node = made("tr", { role: "row" });
    node.appendChild(made("th", {
      class: "row", role: "rowheader", scope: "row", tabindex: -1, "data-row": number, "data-column": -1,
      title: row.name, "aria-label": `choose all of ${row.name}`,
    }, row.name));
    if (row.error) {
      const found = made("td", { class: "unreadable", colspan: Math.max(model.columns.length, 1) });
      found.appendChild(made("div", {}, row.error));
      node.appendChild(found);
      return node;
    }
    row.cells.forEach((one, column) => {
      const found = made("td", {
        class: `cell ${one.kind}`, role: "gridcell", tabindex: -1, "data-row": number, "data-column": column,
        "aria-label": `${model.columns[column].id} of ${row.name}: ${one.words}`, title: one.words,
      });
      found.appendChild(made("span", { class: "sign" }, one.sign));
      if (one.number) found.appendChild(made("span", { class: "number" }, one.number));
      node.appendChild(found);
    });
    return node;
  }

  function draw() {
    const focused = box.contains(el.getRootNode().activeElement);
    const left = box.scrollLeft;
    const table = made("table", { role: "grid", "aria-label": model.label, "aria-multiselectable": "true" });
    head(table);
    const body = made("tbody", {});
    model.rows.forEach((row, number) => body.appendChild(line(row, number)));
    table.appendChild(body);
    box.replaceChildren(table);
    box.scrollLeft = left;
    choose();
    aim(...focus, focused);
  }

  function choose() {
    const chosen = new Set(model.chosen.map(([row, column]) => `${row} ${column}`));
    for (const one of box.querySelectorAll("td.cell")) {
      one.setAttribute("aria-selected", chosen.has(`${one.dataset.row} ${one.dataset.column}`));
    }
  }

  // One cell can be reached with Tab; the arrows lead to the others.
  function aim(row, column, take) {
    const found = cell(row, column) ?? cell(row, -1) ?? cell(-1, -1);
    if (!found) return;
    for (const one of box.querySelectorAll("[tabindex='0']")) one.tabIndex = -1;
    focus = [Number(found.dataset.row), Number(found.dataset.column)];
    found.tabIndex = 0;
    if (take) found.focus();
  }

  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  box.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = focus;
    if (event.key in steps) {
      const [down, right] = steps[event.key];
      const at = [
        Math.max(-1, Math.min(model.rows.length - 1, row + down)),
        Math.max(-1, Math.min(model.columns.length - 1, column + right)),
      ];
      aim(...at, true);
    } else if (event.key === "Home") aim(row, -1, true);
    else if (event.key === "End") aim(row, model.columns.length - 1, true);
    else if (event.key === " " || event.key === "Enter") say("choose", row, column);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const at = (event) => event.target.closest?.("[data-row]");
  box.onclick = (event) => {
    const found = at(event);
    if (!found) return;
    aim(Number(found.dataset.row), Number(found.dataset.column), true);
    say("choose", ...focus);
  };
  box.onmouseover = box.onfocus = (event) => {
    const found = at(event);
    if (found) look(Number(found.dataset.row), Number(found.dataset.column));
  };
  box.addEventListener("focusin", box.onmouseover);
  box.onmouseleave = () => clearTimeout(waiting);

  // Rows and columns may change together: they are drawn once, when both are there.
  let due = false;
  function later() {
    if (due) return;
    due = true;
    queueMicrotask(() => { due = false; draw(); });
  }
  model.on("rows", later);
  model.on("columns", later);
  model.on("label", later);
  model.on("chosen", choose);
  model.on("remove", () => clearTimeout(waiting));
  draw();
}
