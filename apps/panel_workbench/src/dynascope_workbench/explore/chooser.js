// Views to choose from. Python gives the entries; the order of `value` is the order on the page.

export function render({ model, el }) {
  el.innerHTML = `
    <div class="chooser">
      <div class="head">
        <input type="search" placeholder="Search ${model.entries.length} views" aria-label="search views">
        <span class="count" role="status"></span>
      </div>
      <div class="groups"></div>
    </div>`;
  const groups = el.querySelector(".groups"), search = el.querySelector("input"), count = el.querySelector(".count");

  function toggle(id, on) {
    const others = model.value.filter((each) => each !== id);
    model.value = on ? [...others, id] : others;
  }

  function row(entry) {
    const line = document.createElement("div");
    line.className = "entry";
    const label = document.createElement("label"), box = document.createElement("input"), text = document.createElement("span");
    box.type = "checkbox";
    box.dataset.id = entry.id;
    box.onchange = () => toggle(entry.id, box.checked);
    const title = document.createElement("b"), said = document.createElement("small");
    title.textContent = entry.title;
    said.textContent = entry.description;
    text.append(title, said);
    label.append(box, text);
    line.append(label);
    if (entry.note) {
      const note = document.createElement("small");
      note.className = entry.state;
      note.textContent = entry.note;
      line.append(note);
    }
    if (entry.computable) {
      const compute = document.createElement("button");
      compute.type = "button";
      compute.textContent = "Compute";
      compute.setAttribute("aria-label", `Compute ${entry.title}`);
      compute.onclick = () => { model.compute = { id: entry.id, number: (model.compute.number ?? 0) + 1 }; };
      line.append(compute);
    }
    return line;
  }

  function tick() {
    for (const box of groups.querySelectorAll("input")) box.checked = model.value.includes(box.dataset.id);
    count.textContent = `${model.value.length} chosen`;
  }

  function list() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    groups.innerHTML = "";
    let found = 0;
    for (const group of [...new Set(model.entries.map((entry) => entry.group))]) {
      const entries = model.entries.filter((entry) => entry.group === group && words.every((word) =>
        `${entry.title} ${entry.id} ${entry.description}`.toLowerCase().includes(word)));
      if (!entries.length) continue;
      found += entries.length;
      const section = document.createElement("section"), title = document.createElement("h4");
      title.textContent = group;
      section.append(title, ...entries.map(row));
      groups.append(section);
    }
    if (!found) groups.textContent = `No view has "${search.value}" in its title, name or description.`;
    tick();
  }

  search.oninput = list;
  model.on("entries", list);
  model.on("value", tick);
  list();
}
