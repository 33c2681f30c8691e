// What Bokeh and Panel do in the browser needlessly, or too early. Each is done once for the page, whatever is shown.

export function render() {
  // Bokeh writes the style sheets of all that a picture consists of at each of its paints, though nothing moved, and the
  // browser then works out its styles anew, several times: that is most of a tick. Equal ones are left alone here.
  const sheet = globalThis.Bokeh?.require?.("core/dom")?.InlineStyleSheet?.prototype;
  if (!sheet?._update || sheet.mended) return;
  sheet.mended = true;
  const write = sheet._update;
  sheet._update = function (css) { if (this.el.textContent !== css) write.call(this, css); };
  // Panel lays out pictures that React has not put into the page yet; it does so again when they are there.
  const picture = Bokeh.Models.get("Plot").prototype.default_view.prototype;
  for (const step of ["_measure_layout", "_after_layout"]) {
    const take = picture[step];
    picture[step] = function () { if (this.layout !== undefined) take.call(this); };
  }
  // A React part that is rendered again before its first rendering is done has nothing to take away yet.
  const part = Bokeh.Models.get("panel.models.esm.ReactComponent").prototype.default_view.prototype;
  const render = part.render;
  part.render = function () {
    if (this.react_root) this.react_root = this.react_root.then((root) => root ?? { unmount() {} });
    render.call(this);
  };
  // Each part that comes has the whole page laid out, and all its pictures painted. Once in a frame is enough, and
  // while the page is busy with it, once in twice the time that it takes.
  for (const name of ["Column", "panel.models.esm.ReactComponent"]) {
    let view = Bokeh.Models.get(name)?.prototype.default_view.prototype;
    while (view && !Object.hasOwn(view, "invalidate_layout")) view = Object.getPrototypeOf(view);
    if (view) layOutOnce(view);
  }
}

function layOutOnce(view) {
  const layOut = view.invalidate_layout, waiting = new Set();
  let ended = 0, took = 0;
  view.invalidate_layout = function () {
    if (this.is_managed) return layOut.call(this);
    if (waiting.has(this)) return;
    waiting.add(this);
    setTimeout(() => requestAnimationFrame(() => {
      waiting.delete(this);
      if (this.is_destroyed) return;
      const begun = performance.now();
      layOut.call(this);
      ended = performance.now();
      took = ended - begun;
    }), ended + took - performance.now());
  };
}
