// A `model` (get, set, on, off, send) that answers from stored states: with it the explorer's own script runs in
// a page without Python. What was not computed is said, never guessed.

function storedModel(data) {
  const hear = { "change:view": new Set(), "msg:custom": new Set() };
  const keys = Object.keys(data.keys);
  const state = { selected: null, mask: [], ...data.state };
  let last = data.views[0];
  let view = compose(0);

  // the words of a mask are struck as Python strikes them
  function strike(svg, nodes) {
    for (const node of nodes)
      svg = svg.replace(new RegExp(`<g data-key="n${node}" .*?</g>`, "s"), (box) =>
        box.replaceAll(' style="unicode-bidi', ' text-decoration="line-through" style="unicode-bidi'));
    return svg;
  }

  function score(stored, answer) {
    if (!answer) return data.unstored.replace("{count}", state.mask.length);
    const key = [stored.best, state.mask.length, answer.flipped].join();
    return data.scores[key].replace("{replacement}", () => answer.to);
  }

  function panelOf(panel, stored, answer) {
    if (panel.name === "toggle") {
      const items = panel.items.map((item) => {
        const pressed = state.mask.includes(item.id);
        return { ...item, pressed, label: item.label + (pressed ? ", masked" : "") };
      });
      return { ...panel, items };
    }
    if (panel.name === "score" && data.scores) return { ...panel, text: score(stored, answer) };
    if (panel.kind === "bars" && data.masks) {
      if (!answer) return { kind: "text", title: panel.title, text: "Not stored in this page." };
      const items = answer.bars.map(([name, value, note], place) =>
        ({ text: data.names[name], value, note, strong: place === answer.strong }));
      return { ...panel, items };
    }
    return panel;
  }

  function compose(sequence) {
    const found = data.views[data.at[keys.map((name) => data.keys[name].indexOf(state[name])).join()]];
    const stored = (last = found || last);
    const answer = data.masks && data.masks[state.mask.join()];
    const controls = stored.controls.map((place) => {
      const one = data.controls[place];
      if (one.name in state) return { ...one, value: state[one.name] };
      const items = one.items && one.items.map((item) => (item.id === "clear" ? { ...item, disabled: !state.mask.length } : item));
      return items ? { ...one, items } : one;
    });
    const struck = state.mask.map((position) => (stored.nodes || []).indexOf(position)).filter((node) => node >= 0);
    return {
      ...stored, controls, sequence, selected: state.selected, svg: strike(data.svgs[stored.svg], struck),
      error: found ? stored.error : "That state is not stored in this page, only in Python.",
      panels: stored.panels.map((place) => panelOf(data.panels[place], stored, answer)),
    };
  }

  function mask(positions) {
    state.mask = [...new Set(positions)].sort((a, b) => a - b);
  }

  function toggle(position) {
    mask(state.mask.includes(position) ? state.mask.filter((other) => other !== position) : [...state.mask, position]);
  }

  function happen({ name, item }) {
    if (last.moves && last.moves[name]) Object.assign(state, last.moves[name]);
    if (name === "toggle") toggle(item);
    if (name === "use") mask(view.sets[item]);
    if (name === "clear") mask([]);
    if (name !== "select") return;
    const position = item[0] === "n" && view.nodes ? view.nodes[+item.slice(1)] : undefined;
    if (position !== undefined) toggle(position);
    else if (item[0] === "e" || !view.nodes) state.selected = state.selected === item ? null : item;
  }

  return {
    get: (name) => (name === "spec" ? data.spec : view),
    set: () => {},
    on: (name, hearer) => hear[name].add(hearer),
    off: (name, hearer) => hear[name].delete(hearer),
    send(request) {
      if (request.kind === "export") {
        const text = JSON.stringify({ state, status: view.status, words: view.words }, null, 1);
        hear["msg:custom"].forEach((hearer) => hearer({ kind: "export", for: request.for, text }));
        return;
      }
      for (const [name, value] of Object.entries(request.state)) Object.assign(state, { [name]: value }, data.resets?.[name]);
      for (const event of request.events) happen(event);
      view = compose(request.sequence);
      hear["change:view"].forEach((hearer) => hearer());
    },
  };
}

async function unpacked(place) {
  if (place.type === "application/json") return JSON.parse(place.textContent);
  const bytes = Uint8Array.from(atob(place.textContent), (letter) => letter.charCodeAt(0));
  const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(text).text());
}

for (const place of document.querySelectorAll(".cl-stored")) {
  const data = await unpacked(place.querySelector("script"));
  place.replaceChildren();
  render({ model: storedModel(data), el: place });
}
