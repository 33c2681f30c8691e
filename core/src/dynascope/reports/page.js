// Moves the pictures of a page along the epochs: what the server would send at a tick is read from the page itself.

const told = (id) => JSON.parse(document.getElementById(id).textContent);
const { epochs, phases, events, films, start, packing } = told("film");

async function bytesOf(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (packing !== "gzip") return packed.buffer;
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const TYPES = { 8: Uint8Array, 16: Uint16Array, 32: Float32Array, 64: Float64Array };

// What a track is at a place of its film.
function valueOf(track, place, numbers, model) {
  if (track.kind === "values") return track.values[track.which[place]];
  const count = track.shape.slice(1).reduce((one, other) => one * other, 1);
  const Type = TYPES[track.bits];
  const codes = new Type(numbers, track.at + place * count * Type.BYTES_PER_ELEMENT, count);
  if (track.kind === "numbers") return codes;
  const most = 2 ** track.bits - 2, step = (track.high - track.low) / most;
  const values = new Float32Array(count);
  for (let at = 0; at < count; at++) {
    const value = codes[at] > most ? NaN : track.low + codes[at] * step;
    values[at] = track.log ? 10 ** value : value;
  }
  const before = model.data[track.column][0]; // an array of Bokeh's, which knows its shape
  return [new before.constructor(values, before.shape)];
}

class Film {
  constructor({ places, epochs, tracks, card }, find, numbers) {
    this.places = places;
    this.epochs = epochs;
    this.card = card;
    this.numbers = numbers;
    this.at = null;
    this.byModel = new Map();
    for (const track of tracks) {
      if (!this.byModel.has(track.model)) this.byModel.set(track.model, { model: find(track.model), tracks: [] });
      this.byModel.get(track.model).tracks.push(track);
    }
  }

  show(index) {
    const place = this.places[index];
    const own = this.card?.querySelector(".own");
    if (own) {
      own.hidden = this.epochs[place] === epochs[index];
      own.textContent = `epoch ${this.epochs[place].toLocaleString("en-US")}`;
    }
    if (place === this.at) return;
    this.at = place;
    for (const { model, tracks } of this.byModel.values()) {
      const columns = {}, changed = {};
      for (const track of tracks) {
        const value = valueOf(track, place, this.numbers, model);
        if (model instanceof Element) model.innerHTML = value;
        else if (track.attribute === "data") columns[track.column] = value;
        else changed[track.attribute] = value;
      }
      if (Object.keys(columns).length) changed.data = { ...model.data, ...columns };
      if (!(model instanceof Element)) model.setv(changed);
    }
  }
}

// The epoch control asks for a model that tells what changes.
function observed(values) {
  const followers = {};
  return new Proxy(values, {
    get: (target, name) => (name === "on" ? (what, follow) => (followers[what] ??= []).push(follow) : target[name]),
    set: (target, name, value) => {
      if (target[name] !== value) {
        target[name] = value;
        for (const follow of followers[name] ?? []) follow();
      }
      return true;
    },
  });
}

// Bokeh draws on canvas, which no style reaches: its models are told the colours of the page.
function colour(models) {
  const ink = getComputedStyle(document.body).color, grey = "#8a8a8a";
  const parts = {
    major_label_text_color: ink, axis_label_text_color: ink, axis_line_color: ink, major_tick_line_color: ink,
    label_text_color: ink,
  };
  for (const model of models) {
    const names = Object.keys(parts).filter((name) => name in model && model[name] !== null && model[name] !== grey);
    if (names.length && !model.name) model.setv(Object.fromEntries(names.map((name) => [name, parts[name]])));
    if (model.type === "ColorBar") model.setv({ title_text_color: ink, background_fill_alpha: 0 });
  }
}

const { docs, items } = told("bokeh");
const [numbers] = await Promise.all([
  bytesOf(document.getElementById("numbers").textContent),
  items.length ? Bokeh.embed.embed_items(docs, items) : null,
]);
const pages = Bokeh.documents;
const find = (id) => pages.map((page) => page.get_model_by_id(id)).find(Boolean) ?? document.getElementById(id);
const shown = films.map((film) => {
  const picture = document.querySelector(`[data-film="${film.number}"]`);
  return new Film({ ...film, card: picture?.closest(".card") }, find, numbers);
});

const control = observed({
  epochs, phases, events, index: start, wanted: null, unit: "epoch", title: "", keys: true, escaped: 0, window_height: 0,
});
let asked = false;
control.on("index", () => { // however fast the hand is, one picture for each frame of the screen
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    for (const film of shown) film.show(control.index);
  });
});
render({ model: control, el: document.getElementById("player") });
for (const film of shown) film.show(start);

const all = pages.flatMap((page) => [...page._all_models.values()]);
colour(all);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => colour(all));
window.dynascope = { control, go: (epoch) => { control.index = nearest(epochs, epoch); } };
document.documentElement.dataset.ready = "yes";
