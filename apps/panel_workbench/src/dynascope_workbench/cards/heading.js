// The buttons of a card. Python is told which one was pressed.

const BUTTONS = {
  about: ["What am I looking at?", '<circle cx="12" cy="12" r="8.5"/><path d="M9.7 9.6a2.4 2.4 0 1 1 3.6 2.1c-.9.5-1.3 1-1.3 2"/><path d="M12 16.4v.2"/>'],
  save: ["Save", '<path d="M12 4.5v10.5M7.5 11l4.5 4.5 4.5-4.5M5 19.5h14"/>'],
  widen: ["Whole width, or half", '<path d="M3.5 12h17M7 8l-4 4 4 4M17 8l4 4-4 4"/>'],
  expand: ["Full screen", '<path d="M14 4.5h5.5V10M19.5 4.5l-6 6M10 19.5H4.5V14M4.5 19.5l6-6"/>'],
  remove: ["Remove", '<path d="M6 6l12 12M18 6 6 18"/>'],
};
const KINDS = { png: "Picture (PNG)", svg: "Picture (SVG)", csv: "Numbers (CSV)" };

export function render({ model, el }) {
  el.innerHTML = `<div class="buttons"></div>`;
  const bar = el.firstElementChild;
  let menu = null;

  const press = (action, kind = "") => { model.pressed = { action, kind, number: (model.pressed.number ?? 0) + 1 }; };

  function close(focus) {
    const closed = menu;
    menu = null; // before it goes: it loses the focus then, and would be closed again
    closed?.remove();
    const opener = bar.querySelector("[data-do=save]");
    opener?.setAttribute("aria-expanded", "false");
    if (focus) opener?.focus();
  }

  function open(opener) {
    menu = document.createElement("div");
    menu.className = "menu";
    menu.setAttribute("role", "menu");
    for (const [kind, said] of Object.entries(KINDS)) {
      const item = document.createElement("button");
      item.type = "button";
      item.setAttribute("role", "menuitem");
      item.textContent = said;
      item.onclick = () => { close(true); press("save", kind); };
      menu.append(item);
    }
    menu.onkeydown = (event) => {
      const items = [...menu.children], at = items.indexOf(event.target);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
      if (to !== undefined) items[(to + items.length) % items.length].focus();
      else if (event.key === "Escape") close(true);
      else if (event.key !== "Tab") return;
      if (event.key !== "Tab") event.preventDefault();
      event.stopPropagation(); // these keys are not the page's
    };
    menu.addEventListener("focusout", (event) => { if (!bar.contains(event.relatedTarget)) close(false); });
    bar.append(menu);
    opener.setAttribute("aria-expanded", "true");
    menu.firstElementChild.focus();
  }

  function show() {
    bar.innerHTML = "";
    for (const name of model.offered) {
      const [said, drawn] = BUTTONS[name], button = document.createElement("button");
      button.type = "button";
      button.dataset.do = name;
      button.title = said;
      button.setAttribute("aria-label", said);
      button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${drawn}</svg>`;
      button.onclick = () => press(name);
      if (name === "save") {
        button.setAttribute("aria-haspopup", "menu");
        button.onclick = () => (menu === null ? open(button) : close(true));
        button.onpointerdown = (event) => event.preventDefault(); // it keeps the focus where it is: in the menu
      }
      bar.append(button);
    }
  }

  model.on("offered", show);
  show();
}
