// Moves the page as a hand would, notes when its pictures are painted, and tells the server what it found.
//
// It stands in the head of the page, so that no paint escapes it, and adds nothing to the document. `drive` in the
// address says what to do; without it, it does nothing.

(() => {
  const asked = new URLSearchParams(location.search);
  const QUIET = Number(asked.get("quiet") ?? 150); // ms without a paint: everything has been painted
  const LONGEST = 20_000; // ms to wait for what never comes

  const paints = []; // of each paint: which figure, when it ended, and at which epoch the page was then

  const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const models = () => Bokeh.documents[0]._all_models;

  function* nodes(root) {
    for (const node of root.querySelectorAll("*")) {
      yield node;
      if (node.shadowRoot) yield* nodes(node.shadowRoot);
    }
  }

  // Where the page is: the slider of the workbench, or Panel's own, which its model moves.
  let epochs = [];
  let hand = null, rest = 0; // rest: when all pictures and the slider were there
  function find_hand() {
    for (const node of nodes(document)) {
      if (node.matches(".player input[type=range]")) {
        return {
          last: () => Number(node.max),
          move: (index) => { node.value = index; node.dispatchEvent(new Event("input", { bubbles: true })); },
        };
      }
    }
    const slider = [...models().values()].find((model) => /Slider$/.test(model.type) && typeof model.value === "number");
    return slider && { last: () => slider.end, move: (index) => { slider.value = index; } };
  }

  // The epoch line of a picture over the epochs: what has reached the browser.
  let line = null;
  function shown() {
    if (line === null || line.document === null) {
      line = [...models().values()].find((one) => one.type === "Span" && one.dimension === "height" && one.visible) ?? null;
    }
    return line?.location;
  }

  function watch_paints() {
    if (!window.Bokeh?.Models) return setTimeout(watch_paints, 0);
    const view = Bokeh.Models.get("Plot").prototype.default_view.prototype, paint = view._actual_paint;
    view._actual_paint = function () {
      paint.call(this);
      paints.push({ figure: this.model.id, ended: performance.now(), shown: Bokeh.documents.length ? shown() : undefined });
    };
  }
  if (asked.has("drive")) watch_paints();

  async function until(ready, patience = LONGEST) {
    const begun = performance.now();
    while (!ready()) {
      if (performance.now() - begun > patience) return false;
      await later(4);
    }
    return true;
  }

  // Wait until a position has been painted, and then nothing for a while; return what was painted since a moment.
  async function painted(since, index, quiet = QUIET) {
    const there = () => index === null || paints.some((one) => one.ended > since && one.shown === epochs[index]);
    await until(() => there() && paints.length && performance.now() - paints.at(-1).ended > quiet);
    return paints.filter((one) => one.ended > since);
  }

  async function tick(index) {
    await later(17 * Math.random()); // a hand does not wait for a frame
    const begun = performance.now();
    hand.move(index);
    const made = await painted(begun, index);
    return {
      ms: (made.at(-1)?.ended ?? Infinity) - begun,
      figures: new Set(made.map((one) => one.figure)).size,
      right: shown() === epochs[index],
    };
  }

  // Positions that are far from each other, none twice.
  function places(count) {
    const whole = hand.last() + 1, step = [89, 97, 101, 103].find((one) => whole % one) ?? 1;
    return Array.from({ length: Math.min(count, whole) }, (_, index) => (index * step) % whole);
  }

  async function ticks() {
    const count = Number(asked.get("count")), all = places(count + 3);
    for (const place of all.slice(count)) await tick(place);
    const cold = [], again = [];
    for (const place of all.slice(0, count)) cold.push(await tick(place));
    for (const place of all.slice(0, count)) again.push(await tick(place));
    return { cold, again };
  }

  // A hand that drags the slider from one end to the other in a second, and lets go.
  async function drag() {
    const EVENTS = 60, found = [];
    for (let turn = 0; turn < Number(asked.get("count")); turn++) {
      const back = turn % 2 === 1, positions = Array.from({ length: EVENTS }, (_, index) => {
        const place = Math.round(((index + 1) * hand.last()) / EVENTS);
        return back ? hand.last() - place : place;
      });
      await tick(back ? hand.last() : 0);
      await later(QUIET);
      const start = shown(), begun = performance.now(), first = paints.length;
      let let_go = begun;
      for (const [index, place] of positions.entries()) {
        await later(Math.max(0, begun + (1000 * index) / EVENTS - performance.now()));
        hand.move(place);
        let_go = performance.now();
      }
      await painted(begun, positions.at(-1), Math.max(QUIET, 400));
      const made = paints.slice(first);
      found.push({
        seconds: (let_go - begun) / 1000,
        events: EVENTS,
        frames: new Set(made.map((one) => one.shown).filter((one) => one !== start)).size,
        lag: made.at(-1).ended - let_go,
        shown: shown(),
        right: shown() === epochs[positions.at(-1)],
      });
    }
    return { drags: found };
  }

  // Another variant is chosen in the list, to and fro; of each time, when its pictures are all painted.
  async function change() {
    const list = [...models().values()].find((model) => model.data?.label === "variant").data, all = [];
    const names = (Array.isArray(list.options) ? list.options : Object.entries(list.options)).map((one) => (Array.isArray(one) ? one[1] : one));
    for (let turn = 0; turn < Number(asked.get("count")); turn++) {
      const before = new Set(paints.map((one) => one.figure)), begun = performance.now();
      list.value = names.find((name) => name !== list.value);
      const fresh = () => paints.filter((one) => one.ended > begun && !before.has(one.figure));
      await until(() => new Set(fresh().map((one) => one.figure)).size >= Number(asked.get("figures")));
      await until(() => performance.now() - paints.at(-1).ended > 400);
      all.push(fresh().map((one) => ({ ...one, ended: one.ended - begun })));
    }
    return { all };
  }

  function memory() {
    for (let turn = 0; turn < 3; turn++) window.gc?.();
    return { heap: performance.memory.usedJSHeapSize, models: models().size, views: Bokeh.index.roots.length };
  }

  async function soak() {
    const count = Number(asked.get("count")), warm = Number(asked.get("warm")), marks = [];
    for (let turn = 0; turn <= warm + count; turn++) {
      if (turn >= warm && (turn - warm) % Math.round(count / 4) === 0) {
        await later(1_000);
        marks.push({ turn: turn - warm, ...memory(), server: await tell("state", {}) });
      }
      const begun = performance.now();
      const place = (turn * 37) % (hand.last() + 1);
      hand.move(place);
      await until(() => paints.some((one) => one.ended > begun && one.shown === epochs[place]), 3_000);
      paints.splice(0, Math.max(0, paints.length - 50));
      await later(20);
    }
    return { marks };
  }

  // What the browser knows of how it came here.
  function arrival(figures) {
    const [way] = performance.getEntriesByType("navigation"), first = new Map();
    for (const one of paints) if (!first.has(one.figure)) first.set(one.figure, one.ended);
    const order = [...first.values()].sort((a, b) => a - b);
    return { answered: way.responseEnd, one: order[0] ?? null, all: order[figures - 1] ?? null, figures: order.length };
  }

  async function paint() {
    return { ...arrival(Number(asked.get("figures"))), rest, ...memory() };
  }

  async function tabs() {
    const turn = Number(asked.get("turn") ?? 0), count = Number(asked.get("count"));
    if (turn < count) {
      asked.set("turn", turn + 1);
      if (turn % 10 === 5) await tell("state", { turn });
      location.search = asked.toString();
      return null;
    }
    await later(5_000); // the sessions of the closed ones end
    return { turns: turn };
  }

  async function tell(kind, found) {
    const answer = await fetch("/found", { method: "POST", body: JSON.stringify({ kind, drive: asked.get("drive"), ...found }) });
    return answer.json();
  }

  const drives = { ticks, drag, change, soak, paint, tabs };

  async function begin() {
    const figures = Number(asked.get("figures"));
    await until(() => window.Bokeh?.documents?.length && new Set(paints.map((one) => one.figure)).size >= figures, 120_000);
    await until(() => (hand = find_hand()));
    rest = performance.now();
    if (figures) await painted(-1, null, 400);
    epochs = (await (await fetch("/found")).json()).epochs;
    const found = await drives[asked.get("drive")]();
    if (found !== null) await tell("found", found);
  }
  if (asked.has("drive")) begin().catch((error) => tell("error", { error: `${error} ${error.stack}` }));
})();
