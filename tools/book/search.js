// Search over the sections of the book: every word must occur; words in a heading count more.
(() => {
  const box = document.getElementById("search");
  const list = document.getElementById("found");
  const plain = (text) => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "");
  const records = INDEX.map((record) => ({
    ...record,
    heading: plain(`${record.title} ${record.page}`),
    body: plain(record.text),
  }));

  const score = (record, words) => {
    let total = 0;
    for (const word of words) {
      const inHeading = record.heading.includes(word);
      const inBody = record.body.split(word).length - 1;
      if (!inHeading && !inBody) return 0;
      total += (inHeading ? 10 : 0) + Math.min(inBody, 5);
    }
    return total;
  };

  const snippet = (record, word) => {
    const at = record.body.indexOf(word);
    const start = Math.max(0, at - 50);
    const part = document.createElement("small");
    if (at < 0) {
      part.textContent = record.text.slice(0, 110);
      return part;
    }
    const mark = document.createElement("mark");
    mark.textContent = record.text.slice(at, at + word.length);
    part.append(start ? "…" : "", record.text.slice(start, at), mark, record.text.slice(at + word.length, at + 70), "…");
    return part;
  };

  const show = () => {
    const words = plain(box.value).split(/\s+/).filter((word) => word.length > 1);
    list.replaceChildren();
    if (!words.length) return;
    const found = records
      .map((record) => [score(record, words), record])
      .filter(([points]) => points > 0)
      .sort((a, b) => b[0] - a[0])
      .slice(0, 12);
    for (const [, record] of found) {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = record.address;
      link.textContent = record.title;
      const where = document.createElement("small");
      where.textContent = record.page;
      item.append(link, where, snippet(record, words[0]));
      list.append(item);
    }
    if (!found.length) {
      const item = document.createElement("li");
      item.textContent = "Nothing found.";
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
