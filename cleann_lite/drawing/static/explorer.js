// One renderer for every explorer: controls, a picture, panels. It holds no rule of its own: Python sends a
// view (what to show) and gets back what the reader did. Nothing is fetched, and no text becomes markup:
// texts are set as text, and the one picture is parsed as SVG that Python has escaped.

const SVG = "http://www.w3.org/2000/svg";
const KEYS = "data-lm-suppress-shortcuts"; // on what has the focus: JupyterLab would take its keys
const STOPPED = "The kernel has stopped: run this cell again.";
const BUSY = "Python is busy with something else; this comes next.";
const UNHEARD = "No answer from Python: it is busy, or it has stopped. Then run this cell again.";
const FOCUSED = ["input", "select", "textarea", "button", "summary"];

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  if (FOCUSED.includes(tag)) node.setAttribute(KEYS, "true");
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// ---- talking to Python: at most one request under way, what piles up meanwhile becomes one ----------

let asked = 0; // number of the last request: two pictures of one explorer never share one

class Line {
  constructor(model, onMood) {
    this.model = model;
    this.onMood = onMood;
    this.waiting = null; // number of the request under way
    this.pending = null; // what the reader did since then
    this.slow = false; // the request takes long enough to be seen
  }
  send({ state = {}, event = null, start = false }) {
    this.pending ??= { state: {}, events: [], start: false };
    Object.assign(this.pending.state, state);
    if (event) this.pending.events.push(event);
    this.pending.start ||= start;
    this.onMood("sent");
    if (this.waiting === null) this.flush();
    else if (this.slow && start) this.tell({ kind: "stop" }); // only the last event is worth an answer
  }
  flush() {
    this.waiting = asked = Math.max(asked, this.model.get("view").sequence) + 1;
    const request = { kind: "request", sequence: this.waiting, ...this.pending };
    this.pending = null;
    this.heard = Date.now();
    this.timer = setTimeout(() => {
      this.slow = true;
      this.onMood("busy");
      this.listen();
    }, 250);
    this.tell(request);
  }
  // ask for a sign of life now and then: a busy kernel is told from a dead one
  listen() {
    if (this.waiting === null) return;
    if (Date.now() - this.heard > 4000) this.onMood("late");
    this.tell({ kind: "ping" });
    this.timer = setTimeout(() => this.listen(), 1500);
  }
  tell(message) {
    try {
      this.model.send(message);
    } catch {
      this.onMood("late"); // no kernel is there to hear it
    }
  }
  sign() {
    this.heard = Date.now();
  }
  answered(sequence) {
    if (sequence !== this.waiting) return;
    clearTimeout(this.timer);
    this.slow = false;
    this.waiting = null;
    this.onMood("idle");
    if (this.pending) this.flush();
  }
  get idle() {
    return this.waiting === null && this.pending === null;
  }
}

// what the notebook knows of its kernel, where it tells
function silence(model) {
  const kernel = model.widget_manager && model.widget_manager.kernel;
  if (!kernel) return UNHEARD;
  const gone = kernel.isDisposed || ["dead", "terminating", "unknown"].includes(kernel.status);
  return gone || kernel.connectionStatus === "disconnected" ? STOPPED : BUSY;
}

// ---- controls -----------------------------------------------------------------------------------------

// Each maker returns {node, update(control)}; change(value, start) tells Python.
const CONTROLS = {
  slider(control, id, change) {
    let moving = false;
    let later = null; // an answer that came under the moving hand: until it rests, no place changes its value
    let values = control.values;
    let texts = control.texts;
    const output = make("output", { for: id });
    const input = make("input", { type: "range", id, min: 0, step: 1 });
    const show = () => {
      output.textContent = texts[input.value];
      input.setAttribute("aria-valuetext", texts[input.value]);
    };
    input.addEventListener("input", () => {
      show();
      change(values[input.value], !moving);
      moving = true;
    });
    input.addEventListener("change", () => {
      moving = false;
      if (later && later.value === values[input.value]) update(later);
      later = null;
    });
    const update = (next) => {
      if (moving) return void (later = next);
      values = next.values;
      texts = next.texts;
      input.max = values.length - 1;
      const place = values.indexOf(next.value);
      if (place >= 0 && +input.value !== place) input.value = place;
      input.disabled = !!next.disabled;
      show();
    };
    const label = make("label", { for: id }, control.label);
    return { node: make("div", { class: "cl-control cl-slider" }, make("div", {}, label, output), input), update };
  },
  choice(control, id, change) {
    const select = make("select", { id, onchange: () => change(values[select.selectedIndex], true) });
    let values = [];
    let shown = "";
    const update = (next) => {
      values = next.values;
      const key = JSON.stringify(next.texts);
      if (key !== shown) {
        select.replaceChildren(...next.texts.map((text) => make("option", {}, text)));
        shown = key;
      }
      select.selectedIndex = values.indexOf(next.value);
      select.disabled = !!next.disabled;
    };
    return { node: make("div", { class: "cl-control" }, make("label", { for: id }, control.label), select), update };
  },
  switch(control, id, change) {
    const input = make("input", { type: "checkbox", id, onchange: () => change(input.checked, true) });
    const update = (next) => {
      input.checked = next.value;
      input.disabled = !!next.disabled;
    };
    return { node: make("div", { class: "cl-control cl-fixed cl-switch" }, input, make("label", { for: id }, control.label)), update };
  },
  text(control, id, change) {
    let timer = null;
    let last = null;
    const input = make("textarea", { id, rows: control.rows || 3, spellcheck: "false", dir: "auto" });
    const tell = () => {
      clearTimeout(timer);
      timer = null;
      if (input.value !== last) change((last = input.value), true);
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(tell, 500);
    });
    input.addEventListener("change", tell);
    const update = (next) => {
      if (timer === null && next.value !== last) input.value = last = next.value;
    };
    return { node: make("div", { class: "cl-control cl-line" }, make("label", { for: id }, control.label), input), update };
  },
  // a line of text with suggestions from Python; Enter or a chosen suggestion adds it
  entry(control, id, change, event) {
    let timer = null;
    let offers = [];
    const list = make("datalist", { id: id + "-list" });
    const input = make("input", { type: "text", id, list: id + "-list", autocomplete: "off", dir: "auto" });
    let added = null; // what was asked for last: it stays in the line where it could not be added
    let known = ""; // what Python has
    const add = () => {
      clearTimeout(timer);
      if (!input.value.trim()) return;
      added = input.value;
      change(added, false);
      event("add", added);
    };
    input.addEventListener("input", () => {
      clearTimeout(timer);
      added = null;
      if (offers.includes(input.value)) return add();
      timer = setTimeout(() => change(input.value, false), 150);
    });
    input.addEventListener("keydown", (press) => press.key === "Enter" && (press.preventDefault(), add()));
    const update = (next) => {
      if (JSON.stringify(next.offers) !== JSON.stringify(offers)) {
        offers = next.offers;
        list.replaceChildren(...offers.map((value) => make("option", { value })));
      }
      if (next.value === "" && [added, known].includes(input.value)) input.value = "";
      known = next.value;
    };
    const row = make("div", { class: "cl-row" }, input, make("button", { type: "button", onclick: add }, control.button));
    return { node: make("div", { class: "cl-control cl-wide" }, make("label", { for: id }, control.label), row, list), update };
  },
  buttons(control, id, change, event) {
    const row = make("div", { class: "cl-row", role: "group", "aria-label": control.label });
    const known = new Map();
    const update = (next) => {
      for (const { id: name, text, label, disabled } of next.items) {
        if (!known.has(name)) {
          const button = make("button", { type: "button" });
          button.addEventListener("click", () => button.ariaDisabled === "true" || event(name));
          known.set(name, button);
          row.append(button);
        }
        const button = known.get(name);
        if (button.textContent !== text) button.textContent = text;
        if (label) button.setAttribute("aria-label", label);
        button.ariaDisabled = String(!!disabled); // a button that is switched off keeps the focus
      }
    };
    return { node: make("div", { class: "cl-control cl-fixed" }, row), update };
  },
};

// ---- the picture --------------------------------------------------------------------------------------

class Picture {
  constructor(id, onSelect, onHover, onPlace) {
    this.onSelect = onSelect;
    this.onHover = onHover;
    this.onPlace = onPlace; // null where nodes cannot be moved
    this.focused = null;
    this.zoomed = 1;
    this.node = make("div", { class: "cl-picture" });
    this.text = null;
    this.node.addEventListener("click", (press) => this.pick(press));
    this.node.addEventListener("pointerdown", (press) => this.grab(press));
    this.node.addEventListener("wheel", (turn) => {
      if (!turn.ctrlKey) return;
      turn.preventDefault();
      this.zoom(turn.deltaY < 0 ? 1.15 : 1 / 1.15);
    }, { passive: false });
    this.node.addEventListener("keydown", (press) => this.key(press));
    this.node.addEventListener("pointerover", (move) => this.light(this.item(move.target)));
    this.node.addEventListener("pointerleave", () => this.light(null));
    this.node.addEventListener("focusin", (move) => this.light(this.item(move.target)));
    this.node.addEventListener("focusout", () => this.light(null));
  }
  item(target) {
    return target.closest ? target.closest("[data-a],[data-node]") : null;
  }
  pick(press) {
    const item = this.item(press.target);
    if (item && !this.dragged) this.onSelect(item.dataset.key);
    this.dragged = false;
  }
  // 0: as it was
  zoom(factor) {
    const svg = this.node.firstElementChild;
    if (!svg) return;
    if (this.zoomed === 1) this.base = svg.getBoundingClientRect().width;
    this.zoomed = factor ? Math.min(6, Math.max(1, this.zoomed * factor)) : 1;
    this.node.classList.toggle("cl-zoomed", this.zoomed > 1);
    svg.style.width = this.zoomed > 1 ? `${this.base * this.zoomed}px` : "";
    this.node.dataset.zoom = this.zoomed.toFixed(2);
    if (this.zoomed > 1 && this.node.contains(document.activeElement))
      document.activeElement.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  centre(item) {
    const box = item.querySelector("rect").getBBox();
    return [box.x + box.width / 2, box.y + box.height / 2];
  }
  // a node goes where it is put, inside the picture
  place(item, x, y) {
    const frame = this.node.firstElementChild.viewBox.baseVal;
    const box = item.querySelector("rect").getBBox();
    const inside = (at, low, room, size) => Math.min(low + room - size / 2 - 4, Math.max(low + size / 2 + 4, at));
    this.onPlace([+item.dataset.node, inside(x, frame.x, frame.width, box.width), inside(y, frame.y, frame.height, box.height)]);
  }
  grab(press) {
    const item = this.item(press.target);
    this.dragged = false;
    if (!this.onPlace || press.button || !item || item.dataset.node === undefined) return;
    const scale = this.node.firstElementChild.viewBox.baseVal.width / this.node.firstElementChild.getBoundingClientRect().width;
    const way = (move) => [(move.clientX - press.clientX) * scale, (move.clientY - press.clientY) * scale];
    const [x, y] = this.centre(item);
    const drag = (move) => {
      const [dx, dy] = way(move);
      if (Math.hypot(dx, dy) > 5) this.dragged = true;
      if (this.dragged) item.setAttribute("transform", `translate(${dx} ${dy})`);
    };
    const drop = (move) => {
      window.removeEventListener("pointermove", drag);
      window.removeEventListener("pointerup", drop);
      const [dx, dy] = way(move);
      if (this.dragged) this.place(item, x + dx, y + dy);
    };
    window.addEventListener("pointermove", drag);
    window.addEventListener("pointerup", drop);
  }
  // arrow keys: left and right walk through nodes, up and down through edges (those of the node first); with
  // Alt they move the node; + and - zoom, 0 is the whole picture
  key(press) {
    const item = this.item(press.target);
    if (!item) return;
    if (press.key === "Enter" || press.key === " ") {
      press.preventDefault();
      this.onSelect(item.dataset.key);
      return;
    }
    const factor = { "+": 1.25, "=": 1.25, "-": 0.8, 0: 0 }[press.key];
    if (factor !== undefined && !press.ctrlKey && !press.metaKey) {
      press.preventDefault();
      return this.zoom(factor);
    }
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[press.key];
    if (step && press.altKey && this.onPlace && item.dataset.node !== undefined) {
      press.preventDefault();
      const [x, y] = this.centre(item);
      const flat = press.key === "ArrowRight" || press.key === "ArrowLeft";
      return this.place(item, x + (flat ? 24 * step : 0), y + (flat ? 0 : 24 * step));
    }
    if (!step) return;
    press.preventDefault();
    const across = press.key === "ArrowRight" || press.key === "ArrowLeft";
    const all = [...this.node.querySelectorAll(across ? "[data-node]" : "[data-a]")];
    if (!all.length) return;
    let place = all.indexOf(item);
    if (place < 0) {
      const near = across
        ? all.findIndex((node) => node.dataset.node === item.dataset.a)
        : all.findIndex((edge) => edge.dataset.a === item.dataset.node || edge.dataset.b === item.dataset.node);
      place = near < 0 ? 0 : near;
    } else place = (place + step + all.length) % all.length;
    this.enter(all[place]);
  }
  enter(item) {
    for (const other of this.node.querySelectorAll('[tabindex="0"]')) other.setAttribute("tabindex", -1);
    item.setAttribute("tabindex", 0);
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  light(item) {
    const key = item ? item.dataset.key : null;
    if (key === this.focused) return;
    this.focused = key;
    this.shade();
    this.onHover(key);
  }
  // what has to do with the item under the pointer stays, the rest fades
  shade() {
    const item = this.focused && this.node.querySelector(`[data-key="${this.focused}"]`);
    const node = item && item.dataset.node;
    this.node.classList.toggle("cl-lit", !!item);
    const near = new Set(item ? [item] : []);
    for (const edge of item ? this.node.querySelectorAll("[data-a]") : []) {
      if (edge === item || (node !== undefined && (edge.dataset.a === node || edge.dataset.b === node))) {
        near.add(edge);
        for (const end of [edge.dataset.a, edge.dataset.b])
          near.add(this.node.querySelector(`[data-node="${end}"]`));
      }
    }
    for (const each of this.node.querySelectorAll("[data-a],[data-node]"))
      each.classList.toggle("cl-near", near.has(each));
  }
  show(view) {
    if (view.svg === null || view.svg === undefined) {
      this.node.replaceChildren();
      this.text = null;
      return;
    }
    if (view.svg !== this.text) this.replace(view);
    for (const each of this.node.querySelectorAll("[data-a],[data-node]")) {
      each.classList.toggle("cl-selected", each.dataset.key === view.selected);
      each.setAttribute("aria-pressed", each.dataset.key === view.selected);
    }
  }
  replace(view) {
    this.text = view.svg;
    const svg = new DOMParser().parseFromString(view.svg, "image/svg+xml").documentElement;
    if (svg.namespaceURI !== SVG || svg.nodeName !== "svg") return;
    const fresh = document.importNode(svg, true);
    const active = this.node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const tab = this.node.querySelector('[tabindex="0"]');
    const stop = tab && tab.dataset.key;
    const before = new Set([...this.node.querySelectorAll("[data-a]")].map((edge) => edge.dataset.key));
    const items = [...fresh.querySelectorAll("[data-a],[data-node]")];
    if (items.length) fresh.setAttribute("role", "group");
    for (const item of items) {
      item.setAttribute("tabindex", -1);
      item.setAttribute("role", "button");
      item.setAttribute(KEYS, "true");
      const title = item.querySelector("title");
      const text = title ? title.textContent : "";
      item.setAttribute("aria-label", (item.dataset.a === undefined ? "" : "Edge ") + text);
      if (title) title.remove(); // what is pointed at is told by the tip
      if (item.dataset.a === undefined) continue;
      if (before.size && !before.has(item.dataset.key)) item.classList.add("cl-new");
      const line = item.querySelector("path"); // a thin line is hard to hit: a broad, clear one lies above it
      const broad = line.cloneNode();
      broad.setAttribute("class", "cl-broad");
      for (const look of ["stroke", "stroke-dasharray"]) broad.removeAttribute(look);
      item.append(broad);
    }
    const old = this.node.firstElementChild;
    old ? old.replaceWith(fresh) : this.node.append(fresh);
    if (this.zoomed > 1) fresh.style.width = `${this.base * this.zoomed}px`;
    const keep = items.find((item) => item.dataset.key === (active || stop)) || items.find((item) => item.dataset.node);
    if (keep) keep.setAttribute("tabindex", 0);
    if (active && keep && keep.dataset.key === active) keep.focus({ preventScroll: true });
    this.shade();
  }
}

// ---- panels -------------------------------------------------------------------------------------------

const PANELS = {
  text(panel) {
    return make("p", { class: panel.strong ? "cl-strong" : "" }, panel.text);
  },
  list(panel) {
    return make("ul", {}, ...panel.items.map((item) => make("li", {}, item)));
  },
  // a log whose lines lead back to their step
  log(panel, event, change) {
    const items = panel.items.map(({ text, step, now }) =>
      make("li", { class: now ? "cl-now" : "", value: step },
        make("button", { type: "button", "data-chip": step, "aria-current": now ? "step" : null, onclick: () => change(panel.control, step) }, text)));
    return make("ol", { class: "cl-log" }, ...items);
  },
  // units of a text (or films) as buttons that switch
  chips(panel, event, change, tell) {
    const items = panel.items.map((item) =>
      make("button", {
        type: "button",
        class: `cl-chip ${item.letters ? "cl-inset" : ""} ${item.pressed ? "cl-pressed" : ""}`,
        "aria-pressed": item.pressed ? "true" : "false",
        "aria-label": item.label || item.text,
        "data-chip": item.id,
        disabled: !!item.disabled,
        "data-key": panel.said ? `u${item.id}` : null,
        dir: "auto",
        onclick: () => event(panel.name, item.id),
      }, item.text, item.letters ? make("sup", { "aria-hidden": "true" }, item.letters) : null));
    const row = make("div", { class: "cl-chips" + (panel.column ? " cl-column" : ""), role: "group", "aria-label": panel.label }, ...items);
    if (panel.said) attend(panel, row, items, tell);
    return row;
  },
  // small pictures with the attention beside each; a click opens one
  gallery(panel, event, change) {
    const items = panel.items.map((item) => {
      const canvas = make("canvas", { width: item.size, height: item.size, "aria-hidden": "true" });
      const draw = canvas.getContext("2d");
      const cells = atob(item.cells);
      draw.fillStyle = "#0072b2";
      for (let i = 0; i < cells.length; i++) {
        draw.globalAlpha = cells.charCodeAt(i) / 255;
        draw.fillRect(i % item.size, Math.floor(i / item.size), 1, 1);
      }
      const svg = document.importNode(new DOMParser().parseFromString(item.svg, "image/svg+xml").documentElement, true);
      svg.setAttribute("aria-hidden", "true");
      for (const one of svg.querySelectorAll("[data-key]")) for (const name of ["key", "node", "a", "b"]) delete one.dataset[name];
      return make("button", {
        type: "button", class: "cl-small", "data-chip": item.id, "aria-pressed": item.now ? "true" : "false",
        "aria-label": `${item.text}${item.now ? ", shown" : ", open"}`, onclick: () => change(panel.control, item.id),
      }, make("span", {}, item.text + (item.now ? " (shown)" : "")), make("span", { class: "cl-pair" }, svg, canvas));
    });
    return make("div", { class: "cl-gallery", role: "group", "aria-label": panel.title }, ...items);
  },
  bars(panel) {
    const most = Math.max(0, ...panel.items.map((item) => item.value));
    const whole = most < 0.5 ? most || 1 : 1; // small shares of many films fill the width
    const rows = panel.items.map(({ text, value, note, strong }) => {
      const fill = make("i");
      fill.style.width = `${Math.max(0, Math.min(1, value / whole)) * 100}%`;
      return make("tr", { class: strong ? "cl-strong" : "" }, make("th", { scope: "row", dir: "auto" }, text),
        make("td", { class: "cl-track", "aria-hidden": "true" }, make("span", {}, fill)), make("td", {}, note));
    });
    return make("table", { class: "cl-bars", "aria-label": panel.label || panel.title }, make("tbody", {}, ...rows));
  },
  table(panel) {
    const head = make("tr", {}, ...panel.columns.map((text) => make("th", { scope: "col" }, text)));
    const rows = panel.rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", { dir: "auto" }, cell))));
    return make("table", { "aria-label": panel.label || panel.title }, make("thead", {}, head), make("tbody", {}, ...rows));
  },
};

// a word under the pointer, or with the focus: the words that it attends to carry the weight as a number and as a bar
function attend(panel, row, chips, tell) {
  const light = (target) => {
    const place = chips.indexOf(target && target.closest && target.closest("[data-key]"));
    const links = place < 0 ? [] : panel.items[place].links;
    for (const chip of chips) chip.removeAttribute("data-weight");
    for (const [other, weight] of links) {
      const chip = chips[panel.items.findIndex((item) => item.id === other)];
      chip.dataset.weight = weight.toFixed(2).replace("0.", ".");
      chip.style.setProperty("--cl-weight", weight / links[0][1]);
    }
    const said = links.map(([other, weight]) => `${panel.items.find((item) => item.id === other).text} ${weight.toFixed(2)}`);
    const fill = { "{word}": () => panel.items[place].text, "{links}": () => said.join(", ") };
    tell(said.length ? panel.said.replace(/\{word\}|\{links\}/g, (name) => fill[name]()) : "", chips[place]);
  };
  row.addEventListener("pointerover", (move) => light(move.target));
  row.addEventListener("pointerleave", () => light(row.contains(document.activeElement) ? document.activeElement : null));
  row.addEventListener("focusin", (move) => light(move.target));
  row.addEventListener("focusout", () => light(null));
}

function panelNode(panel, ...does) {
  const body = PANELS[panel.kind](panel, ...does);
  const title = panel.title ? make("h4", {}, panel.title) : null;
  return make("section", { class: "cl-panel", "data-panel": panel.name || panel.kind }, title, body);
}

// ---- taking the picture along -------------------------------------------------------------------------

function save(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function savePng(name, text) {
  const image = new Image();
  image.onload = () => {
    const canvas = make("canvas", { width: image.width * 2, height: image.height * 2 });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(name, blob), "image/png");
  };
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
}

// ---- the explorer -------------------------------------------------------------------------------------

let count = 0;

function render({ model, el }) {
  const id = `cl-${Date.now().toString(36)}-${count++}`;
  const spec = model.get("spec");
  let view = model.get("view");
  const status = make("div", { class: "cl-status", role: "status", "aria-live": "polite" });
  const error = make("div", { class: "cl-error", role: "alert" });
  const controls = make("div", { class: "cl-controls" });
  const tools = make("div", { class: "cl-row cl-tools" }); // beside the words that they are about
  const proofs = make("div", { class: "cl-row cl-looks" }); // beside the picture, below its panels
  const looks = make("div", { class: "cl-row cl-looks", role: "group", "aria-label": "The picture" });
  const above = make("div", { class: "cl-above" });
  const side = make("div");
  const below = make("div", { class: "cl-below" });
  const detail = make("p", { class: "cl-detail", "aria-live": "polite" });
  const words = make("ul");
  const summary = make("summary");
  const made = new Map();

  const done = make("span", {}, "");
  const stop = make("button", { type: "button", onclick: () => line.tell({ kind: "stop" }) }, "Stop");
  const work = make("div", { class: "cl-row cl-work", role: "group", "aria-label": "The search" }, done, stop);
  work.hidden = true;
  const line = new Line(model, (mood) => {
    if (mood === "late") error.textContent = silence(model);
    if (mood === "sent") root.dataset.state = "busy";
    if (mood === "busy") done.textContent = "Working …";
    if (mood === "busy" || mood === "idle") {
      work.hidden = mood === "idle";
      root.setAttribute("aria-busy", String(mood === "busy"));
    }
  });
  const change = (name, value) => line.send({ state: { [name]: value }, start: true });
  const event = (name, item = null) => line.send({ event: { name, item }, start: true });
  const onPlace = spec.still ? null : (item) => line.send({ event: { name: "place", item } });
  const picture = new Picture(id, (key) => line.send({ event: { name: "select", item: key } }), (key) => showDetail(key), onPlace);
  const zooms = [["+", "Zoom in", 1.25], ["−", "Zoom out", 0.8], ["1:1", "Whole picture", 0]].map(([text, label, factor]) =>
    make("button", { type: "button", "aria-label": label, onclick: () => picture.zoom(factor) }, text));
  const zoom = make("div", { class: "cl-row cl-save", role: "group", "aria-label": "Zoom" }, make("span", {}, "Zoom"), ...zooms);
  const aloud = make("div", { class: "cl-aloud", "aria-live": "polite" });
  const tip = make("div", { class: "cl-tip", "aria-hidden": "true" });
  tip.hidden = true;

  const saveJson = () => line.tell({ kind: "export", for: id });
  const buttons = make("div", { class: "cl-row cl-save", role: "group", "aria-label": "Save what is shown" },
    make("span", {}, "Save as"),
    make("button", { type: "button", onclick: () => save(view.name + ".svg", new Blob([view.svg], { type: "image/svg+xml" })) }, "SVG"),
    make("button", { type: "button", onclick: () => savePng(view.name + ".png", view.svg) }, "PNG"),
    make("button", { type: "button", onclick: saveJson }, "JSON"));
  const heading = make("h3", { id: id + "-title" }, spec.title);
  const what = make("p", {}, spec.hint || "");
  const tall = innerHeight >= 700; // in a low window the hint waits under its name
  const hint = tall ? what : make("details", {}, make("summary", {}, "What to do"), what);
  hint.classList.add("cl-hint");
  const stage = make("div", { class: "cl-stage" }, make("div", { class: "cl-main" }, picture.node, detail),
    make("div", { class: "cl-side" }, side, proofs));
  const root = make("section", { class: "cl cleann-explorer", "aria-labelledby": id + "-title", "aria-busy": "false" },
    make("header", {}, heading, hint), controls, error, status, work, tools, above, stage, below,
    make("footer", {}, buttons, zoom, looks, make("details", {}, summary, words)), aloud, tip);

  // a sentence beside what is pointed at; nothing else moves
  function showTip(text, item) {
    tip.hidden = !item || !text;
    if (tip.hidden) return;
    tip.textContent = text;
    const frame = root.getBoundingClientRect();
    const box = (item.querySelector("path.cl-broad") || item).getBoundingClientRect();
    const line = item.dataset.a !== undefined;
    tip.style.left = `${Math.max(4, Math.min(box.x + (line ? box.width / 2 : 0) - frame.x + 10, frame.width - tip.offsetWidth - 6))}px`;
    const below = box.y + (line ? box.height / 2 : box.height) - frame.y + 12;
    const room = frame.height - tip.offsetHeight;
    tip.style.top = `${below <= room ? below : Math.max(0, box.y - frame.y - tip.offsetHeight - 10)}px`;
  }
  // what is pointed at is told below the picture too
  function showDetail(key) {
    const text = key && view.details && view.details[key];
    const shown = text || (view.selected && view.details[view.selected]) || view.detail || "";
    if (detail.textContent !== shown) detail.textContent = shown;
    showTip(text, text && picture.node.querySelector(`[data-key="${key}"]`));
  }
  const showWord = (text, chip) => {
    aloud.textContent = text;
    showTip(text, chip);
  };

  function showControls() {
    for (const one of made.values()) one.node.hidden = true; // what this view does not offer
    for (const control of view.controls) {
      if (!made.has(control.name)) {
        const change = (value, start) => line.send({ state: { [control.name]: value }, start });
        const one = CONTROLS[control.kind](control, `${id}-${control.name}`, change, event);
        one.node.dataset.control = control.name;
        made.set(control.name, one);
        ({ words: tools, picture: looks, side: proofs }[control.at] || controls).append(one.node);
      }
      const one = made.get(control.name);
      one.node.hidden = !!control.hidden;
      if (!(line.pending && control.name in line.pending.state)) one.update(control);
    }
  }

  function showPanels(place, panels) {
    const text = JSON.stringify(panels);
    if (place.dataset.shown === text) return;
    place.dataset.shown = text;
    const active = place.contains(document.activeElement) ? document.activeElement.dataset.chip : null;
    const open = place.querySelector(".cl-log");
    const scroll = open ? open.scrollTop : 0;
    place.replaceChildren(...panels.map((panel) => panelNode(panel, event, change, showWord)));
    if (active !== null && active !== undefined) {
      const again = [...place.querySelectorAll("[data-chip]")].find((chip) => chip.dataset.chip === active);
      (again || place.querySelector("[data-chip]"))?.focus({ preventScroll: true });
    }
    const log = place.querySelector(".cl-log");
    if (log) {
      log.scrollTop = scroll;
      const now = log.querySelector(".cl-now");
      if (now) log.scrollTop = now.offsetTop - log.clientHeight / 2;
    }
  }

  function show() {
    view = model.get("view");
    showControls();
    picture.show(view);
    showDetail(picture.focused);
    showPanels(above, view.panels.filter((panel) => panel.above));
    showPanels(side, view.panels.filter((panel) => !panel.above && !panel.below));
    showPanels(below, view.panels.filter((panel) => panel.below));
    error.textContent = view.error || "";
    root.classList.toggle("cl-stale", !!view.stale);
    if (status.textContent !== view.status) status.textContent = view.status;
    summary.textContent = view.words_title;
    if (words.dataset.shown !== JSON.stringify(view.words)) {
      words.dataset.shown = JSON.stringify(view.words);
      words.replaceChildren(...view.words.map((sentence) => make("li", { dir: "auto" }, sentence)));
    }
    buttons.hidden = !view.svg;
    zoom.hidden = !view.drawn;
    line.answered(view.sequence);
    root.dataset.sequence = view.sequence;
    root.dataset.state = line.idle ? "idle" : "busy";
    if (view.tick && line.idle) {
      clearTimeout(root.timer);
      root.timer = setTimeout(() => line.idle && line.send({ event: { name: "tick", item: null } }), view.tick);
    }
  }

  const receive = (message) => {
    line.sign();
    if (message.kind === "progress" && line.slow) {
      done.textContent = `${message.done.toLocaleString("en")} of ${message.of.toLocaleString("en")} inputs`;
    }
    if (message.kind === "export" && message.for === id) save(view.name + ".json", new Blob([message.text], { type: "application/json" }));
  };
  model.on("change:view", show);
  model.on("msg:custom", receive);
  el.append(root);
  show();
  return () => {
    model.off("change:view", show);
    model.off("msg:custom", receive);
    clearTimeout(root.timer);
  };
}

export default { render };
