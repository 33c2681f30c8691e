// The epoch control. The browser owns the position: buttons, keys and play set the index here, and
// Python receives the newest one. `model.index` changes from Python only when a curve is clicked or
// another variant is chosen.

const ICONS = {
  first: "M6 6h2v12H6zm3.5 6 8.5 6V6z",
  previous: "M15.4 7.4 14 6l-6 6 6 6 1.4-1.4L10.8 12z",
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zm8 0h4v14h-4z",
  next: "M8.6 16.6 10 18l6-6-6-6-1.4 1.4L13.2 12z",
  last: "M6 18l8.5-6L6 6zM16 6v12h2V6z",
};
const FRAME_MS = 120;

function icon(name) {
  return `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
}

export function render({ model, el }) {
  el.innerHTML = `
    <div class="player" role="group" aria-label="epoch control">
      <button type="button" data-do="first" title="First checkpoint (Home)" aria-label="first checkpoint">${icon("first")}</button>
      <button type="button" data-do="previous" title="Previous checkpoint (←)" aria-label="previous checkpoint">${icon("previous")}</button>
      <button type="button" data-do="play" class="play" title="Play (space)" aria-label="play">${icon("play")}</button>
      <button type="button" data-do="next" title="Next checkpoint (→)" aria-label="next checkpoint">${icon("next")}</button>
      <button type="button" data-do="last" title="Last checkpoint (End)" aria-label="last checkpoint">${icon("last")}</button>
      <input type="range" min="0" step="1" aria-label="checkpoint">
      <output></output>
    </div>`;
  const slider = el.querySelector("input");
  const label = el.querySelector("output");
  const play = el.querySelector(".play");
  let timer = null;

  const last = () => model.epochs.length - 1;

  function show() {
    const index = Math.min(model.index, last());
    slider.max = Math.max(last(), 0);
    slider.value = index;
    slider.style.setProperty("--done", `${last() > 0 ? (100 * index) / last() : 0}%`);
    const text = last() < 0
      ? "no checkpoint"
      : `epoch ${model.epochs[index].toLocaleString("en-US")} · checkpoint ${index + 1} of ${last() + 1}`;
    label.textContent = text;
    slider.setAttribute("aria-valuetext", text);
    for (const button of el.querySelectorAll("button")) button.disabled = last() < 1;
    slider.disabled = last() < 1;
  }

  function go(index) {
    model.index = Math.max(0, Math.min(last(), index));
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.innerHTML = icon("play");
    play.setAttribute("aria-label", "play");
  }

  function toggle() {
    if (timer !== null) return stop();
    if (model.index >= last()) go(0);
    timer = setInterval(() => (model.index < last() ? go(model.index + 1) : stop()), FRAME_MS);
    play.innerHTML = icon("pause");
    play.setAttribute("aria-label", "pause");
  }

  const actions = {
    first: () => go(0),
    previous: () => go(model.index - 1),
    play: toggle,
    next: () => go(model.index + 1),
    last: () => go(last()),
  };
  const keys = { Home: "first", ArrowLeft: "previous", " ": "play", ArrowRight: "next", End: "last" };

  for (const button of el.querySelectorAll("button")) button.onclick = () => actions[button.dataset.do]();
  slider.oninput = () => go(slider.valueAsNumber);

  // Keys work wherever the focus is, except where they mean something else.
  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    const typing = "input, textarea, select, [role=slider], [role=combobox], [role=listbox], [role=option]";
    const taken = event.key === " " ? `${typing}, button` : typing;
    if (event.composedPath().some((node) => node instanceof Element && node.matches(taken))) return;
    event.preventDefault();
    actions[keys[event.key]]();
  }
  window.addEventListener("keydown", pressed);

  // Another variant was chosen: its list would keep the keys to itself.
  function leaveFocus() {
    let active = document.activeElement;
    while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
    if (active?.getAttribute("role") === "combobox") active.blur();
  }

  model.on("index", show);
  model.on("epochs", () => { stop(); show(); leaveFocus(); });
  model.on("remove", () => { stop(); window.removeEventListener("keydown", pressed); });
  show();
}
