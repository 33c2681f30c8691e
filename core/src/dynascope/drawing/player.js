// The epoch control. The browser owns the position: buttons, keys and play set the index here, and
// whoever made the model follows it. `model.index` changes from elsewhere only when a curve is
// clicked, checkpoints are added, or another variant is chosen.

const ICONS = {
  first: "M6 6h2v12H6zm3.5 6 8.5 6V6z",
  previous: "M15.4 7.4 14 6l-6 6 6 6 1.4-1.4L10.8 12z",
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zm8 0h4v14h-4z",
  next: "M8.6 16.6 10 18l6-6-6-6-1.4 1.4L13.2 12z",
  last: "M6 18l8.5-6L6 6zM16 6v12h2V6z",
};
const SPEEDS = [2, 4, 8, 16, 30]; // checkpoints a second
const USUAL_SPEED = 8;

function icon(name) {
  return `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
}

function button(name, title, said, more = "") {
  return `<button type="button" data-do="${name}" title="${title}" aria-label="${said}" ${more}>${icon(name)}</button>`;
}

function written(number) {
  return number.toLocaleString("en-US");
}

// The place of the one nearest to a number; the earlier of two that are equally near.
function nearest(sorted, number) {
  let low = 0, high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= number) low = middle; else high = middle;
  }
  return number - sorted[low] <= sorted[high] - number ? low : high;
}

export function render({ model, el }) {
  const name = model.title || "epoch";
  el.innerHTML = `
    <div class="player" role="group" aria-label="${model.title} epoch control">
      <b></b>
      ${button("first", "First checkpoint (Home)", "first checkpoint")}
      ${button("previous", "Previous checkpoint (←)", "previous checkpoint")}
      ${button("play", "Play (space)", "play", 'class="play"')}
      ${button("next", "Next checkpoint (→)", "next checkpoint")}
      ${button("last", "Last checkpoint (End)", "last checkpoint")}
      <select aria-label="speed" title="Checkpoints a second, when it plays">
        ${SPEEDS.map((speed) => `<option value="${speed}" ${speed === USUAL_SPEED ? "selected" : ""}>${speed}/s</option>`).join("")}
      </select>
      <div class="track"><div class="ticks"></div><input type="range" min="0" step="1" aria-label="checkpoint"></div>
      <label><span></span> <input class="typed" type="text" inputmode="numeric" aria-label="${name}"
        title="Type an epoch: the nearest checkpoint is shown"></label>
      <output></output>
    </div>`;
  const find = (selector) => el.querySelector(selector);
  const slider = find("input[type=range]"), label = find("output"), typed = find(".typed"), play = find(".play");
  const ticks = find(".ticks"), speed = find("select");
  let timer = null;

  const last = () => model.epochs.length - 1;

  function phase(epoch) {
    let found = "";
    for (const [start, said] of model.phases) if (start <= epoch) found = said;
    return found;
  }

  function show() {
    const index = Math.max(0, Math.min(model.index, last()));
    const some = last() >= 0;
    slider.max = Math.max(last(), 0);
    slider.value = index;
    slider.style.setProperty("--done", `${last() > 0 ? (100 * index) / last() : 0}%`);
    const said = some ? phase(model.epochs[index]) : "";
    const place = some ? `checkpoint ${written(index + 1)} of ${written(last() + 1)}${said ? ` · ${said}` : ""}` : "no checkpoint";
    if (el.getRootNode().activeElement !== typed) typed.value = some ? written(model.epochs[index]) : "";
    label.textContent = place;
    label.title = place;
    slider.setAttribute("aria-valuetext", some ? `${model.unit} ${written(model.epochs[index])} · ${place}` : place);
    for (const each of el.querySelectorAll("button, select")) each.disabled = last() < 1;
    slider.disabled = last() < 1;
    typed.disabled = !some;
  }

  function showFrame() {
    find("b").textContent = model.title;
    find("label span").textContent = model.unit;
    ticks.innerHTML = "";
    const marks = [...model.phases.slice(1).map((mark) => ["phase", ...mark]), ...model.events.map((mark) => ["event", ...mark])];
    for (const [kind, epoch, said] of last() > 0 ? marks : []) {
      const tick = document.createElement("i");
      tick.className = kind;
      tick.dataset.said = `${said}: ${model.unit} ${written(epoch)}`;
      tick.style.left = `${(100 * nearest(model.epochs, epoch)) / last()}%`;
      ticks.append(tick);
    }
    show();
  }

  function go(index) {
    model.index = Math.max(0, Math.min(last(), index));
    if (model.wanted !== null) model.wanted = null;
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.innerHTML = icon("play");
    play.setAttribute("aria-label", "play");
  }

  function start() {
    timer = setInterval(() => (model.index < last() ? go(model.index + 1) : stop()), 1000 / speed.value);
    play.innerHTML = icon("pause");
    play.setAttribute("aria-label", "pause");
  }

  function toggle() {
    if (timer !== null) return stop();
    if (model.index >= last()) go(0);
    start();
  }

  const actions = {
    first: () => go(0),
    previous: () => go(model.index - 1),
    play: toggle,
    next: () => go(model.index + 1),
    last: () => go(last()),
  };
  const keys = { Home: "first", ArrowLeft: "previous", " ": "play", ArrowRight: "next", End: "last" };

  for (const each of el.querySelectorAll("button")) each.onclick = () => actions[each.dataset.do]();
  // Ticks lie above the slider and let its clicks through: what they mean is said by the slider itself.
  slider.onpointermove = (event) => {
    const near = [...ticks.children].find((tick) => Math.abs(tick.getBoundingClientRect().left - event.clientX) < 5);
    slider.title = near?.dataset.said ?? "";
  };
  slider.oninput = () => go(slider.valueAsNumber);
  speed.onchange = () => { if (timer !== null) { stop(); start(); } };

  function type() {
    const number = Number(typed.value.replace(/[,\s_]/g, ""));
    if (typed.value.trim() !== "" && Number.isInteger(number) && last() >= 0) {
      stop();
      const index = nearest(model.epochs, number);
      go(index);
      if (model.epochs[index] !== number) model.wanted = number;
    }
    typed.value = written(model.epochs[model.index] ?? 0);
  }
  typed.onfocus = () => typed.select();
  typed.onblur = show;
  typed.onkeydown = (event) => {
    if (event.key === "Enter") { type(); typed.select(); }
    if (event.key === "Escape") typed.blur();
  };

  // Keys work wherever the focus is, except where they mean something else.
  function pressed(event) {
    if (model.keys && event.key === "Escape") { model.escaped += 1; return; }
    if (!model.keys || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    if (el.checkVisibility && !el.checkVisibility()) return;
    const typing = "input, textarea, select, [role=slider], [role=combobox], [role=listbox], [role=option], [role=tab], [role=menuitem]";
    const taken = event.key === " " ? `${typing}, button, summary` : typing;
    if (event.composedPath().some((node) => node instanceof Element && node.matches(taken))) return;
    event.preventDefault();
    actions[keys[event.key]]();
  }
  window.addEventListener("keydown", pressed);

  const measure = () => { model.window_height = window.innerHeight; };
  window.addEventListener("resize", measure);
  measure();

  // Another variant was chosen: its list would keep the keys to itself.
  function leaveFocus() {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    if (active?.getAttribute("role") === "combobox") active.blur();
  }

  model.on("index", show);
  model.on("epochs", () => { showFrame(); leaveFocus(); });
  model.on("phases", showFrame);
  model.on("events", showFrame);
  model.on("unit", showFrame);
  model.on("title", showFrame);
  model.on("remove", () => {
    stop();
    window.removeEventListener("keydown", pressed);
    window.removeEventListener("resize", measure);
  });
  showFrame();
}
