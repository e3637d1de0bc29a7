// Search over the sections of the book: sections with every word come first, words in a heading count more.
// A word that occurs nowhere is taken for the most like one that does, and the reader is told.
(() => {
  const box = document.getElementById("search");
  const list = document.getElementById("found");
  const said = document.getElementById("said");
  const plain = (text) => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "");
  const records = INDEX.map((record) => ({
    ...record,
    heading: plain(`${record.title} ${record.page}`),
    body: plain(record.text),
  }));
  const everything = records.map((record) => `${record.heading} ${record.body}`).join(" ");
  let vocabulary = null; // word -> how often, made at the first word that is not found

  // letters to change, add, drop or swap from one word to another; more than `most` is not told apart
  const distance = (a, b, most) => {
    let [older, old, row] = [[], [], [...Array(b.length + 1).keys()]];
    for (let i = 1; i <= a.length; i++) {
      [older, old, row] = [old, row, [i]];
      for (let j = 1; j <= b.length; j++) {
        row[j] = Math.min(old[j] + 1, row[j - 1] + 1, old[j - 1] + (a[i - 1] !== b[j - 1]));
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], older[j - 2] + 1);
      }
      if (Math.min(...row) > most) return most + 1;
    }
    return row[b.length];
  };

  const mended = (word) => {
    if (everything.includes(word) || word.length < 4) return word;
    if (!vocabulary) {
      vocabulary = new Map();
      for (const one of everything.match(/\p{L}[\p{L}\p{N}_]{2,}/gu) || []) vocabulary.set(one, (vocabulary.get(one) || 0) + 1);
    }
    const most = word.length > 6 ? 2 : 1;
    let best = [most + 1, 0, word];
    for (const [one, count] of vocabulary) {
      if (Math.abs(one.length - word.length) > most) continue;
      const far = distance(word, one, most);
      if (far < best[0] || (far === best[0] && count > best[1])) best = [far, count, one];
    }
    return best[0] <= most ? best[2] : word;
  };

  const score = (record, words) => {
    let [met, points] = [0, 0];
    for (const word of words) {
      const inHeading = record.heading.includes(word);
      const inBody = record.body.split(word).length - 1;
      met += inHeading || inBody > 0;
      points += (inHeading ? 10 : 0) + Math.min(inBody, 5);
    }
    return [met, points];
  };

  // the text around the first word that it holds, with every word marked
  const snippet = (record, words) => {
    const part = document.createElement("small");
    const places = words.map((word) => record.body.indexOf(word)).filter((at) => at >= 0);
    const start = Math.max(0, Math.min(...places, record.body.length) - 50);
    const shown = record.text.slice(places.length ? start : 0, (places.length ? start : 0) + 170);
    let rest = start && places.length ? `…${shown}` : shown;
    for (;;) {
      const hits = words.map((word) => [plain(rest).indexOf(word), word.length]).filter(([at]) => at >= 0).sort((a, b) => a[0] - b[0] || b[1] - a[1]);
      if (!hits.length) break;
      const [at, length] = hits[0];
      const mark = document.createElement("mark");
      mark.textContent = rest.slice(at, at + length);
      part.append(rest.slice(0, at), mark);
      rest = rest.slice(at + length);
    }
    part.append(rest, "…");
    return part;
  };

  const show = () => {
    const typed = plain(box.value).split(/\s+/).filter((word) => word.length > 1);
    const words = typed.map(mended);
    list.replaceChildren();
    said.textContent = "";
    if (!words.length) return;
    const found = records
      .map((record) => [...score(record, words), record])
      .filter(([met]) => met > 0)
      .sort((a, b) => b[0] - a[0] || b[1] - a[1])
      .slice(0, 12);
    const notes = typed.flatMap((word, i) => (word === words[i] ? [] : [`“${word}” is not in the book: showing “${words[i]}”.`]));
    if (!found.length) notes.push("Nothing found.");
    else if (found[0][0] < words.length) notes.push("No section has all of these words; these have most of them.");
    said.textContent = notes.join(" ");
    for (const [, , record] of found) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = record.address;
      link.textContent = record.title;
      const where = document.createElement("small");
      where.textContent = record.page;
      item.append(link, where, snippet(record, words));
      list.append(item);
    }
  };

  box.addEventListener("input", show);
  const asked = new URLSearchParams(location.search).get("q");
  if (asked) {
    box.value = asked;
    show();
  }
})();
