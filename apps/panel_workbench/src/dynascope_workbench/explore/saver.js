// Saves what is shown, with the browser's own means.

const MARGIN = 16;
const TITLE = 34;

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// The colours of the card in which a picture stands.
function colours(node) {
  for (let each = node; each; each = each.parentElement ?? each.getRootNode().host) {
    const style = getComputedStyle(each);
    if (style.backgroundColor !== "rgba(0, 0, 0, 0)") return { paper: style.backgroundColor, ink: style.color };
  }
  return { paper: "#fff", ink: "#000" };
}

async function image(canvas) {
  const picture = new Image();
  picture.src = URL.createObjectURL(await canvas.to_blob());
  await picture.decode();
  URL.revokeObjectURL(picture.src);
  return picture;
}

async function png(views, order) {
  const scale = window.devicePixelRatio || 1;
  const pictures = [];
  for (const view of views) pictures.push(await image(view.export("png", true)));
  const whole = document.createElement("canvas");
  whole.width = pictures.reduce((sum, one) => sum + one.width, 0) + 2 * MARGIN * scale;
  whole.height = Math.max(...pictures.map((one) => one.height)) + (TITLE + MARGIN) * scale;
  const pen = whole.getContext("2d");
  const { paper, ink } = colours(views[0].el);
  pen.fillStyle = paper;
  pen.fillRect(0, 0, whole.width, whole.height);
  pen.fillStyle = ink;
  pen.font = `${13 * scale}px Roboto, Helvetica, Arial, sans-serif`;
  pen.fillText(order.title, MARGIN * scale, 22 * scale, whole.width - 2 * MARGIN * scale);
  let left = MARGIN * scale;
  for (const one of pictures) {
    pen.drawImage(one, left, TITLE * scale);
    left += one.width;
  }
  whole.toBlob((blob) => save(blob, order.name));
}

async function svg(views, order) {
  for (const [index, view] of views.entries()) {
    const name = views.length > 1 ? order.name.replace(/\.svg$/, `-${"AB"[index]}.svg`) : order.name;
    save(await view.export("svg", false).to_blob(), name);
  }
}

const kinds = {
  png: (order) => png(shown(order), order),
  svg: (order) => svg(shown(order), order),
  text: (order) => save(new Blob([order.text], { type: "text/plain" }), order.name),
  link: () => navigator.clipboard?.writeText(location.href),
};

function shown(order) {
  return order.models.map((id) => Bokeh.index.find_one_by_id(id)).filter((view) => view);
}

export function render({ model }) {
  model.on("order", () => kinds[model.order.kind]?.(model.order));
}
