// every visible text below a selector whose contrast with what lies under it is under 4.5 : 1
(selector) => {
    const parse = (text) => {
        const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
        return text.startsWith("color(") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
    };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const light = (colour) => {
        const [r, g, b] = colour.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
        const layers = [];
        for (let at = node; at; at = at.parentElement ?? at.getRootNode().host)
            layers.push(parse(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
    };
    const under = (text) => {  // what is painted below a text of an SVG
        text.scrollIntoView({block: "center", inline: "center"});
        const box = text.getBoundingClientRect();
        const stack = document.elementsFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        const painted = stack.find((one) => one !== text && !text.contains(one) && one.ownerSVGElement
            && !["none", "transparent"].includes(getComputedStyle(one).fill)
            && !one.matches("text, .cl-broad") && parse(getComputedStyle(one).fill)[3] > 0);
        return painted ? over(parse(getComputedStyle(painted).fill), ground(text)) : ground(text);
    };
    const faint = [];
    let seen = 0;
    for (const root of document.querySelectorAll(selector)) {
        const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        while (walk.nextNode()) {
            const node = walk.currentNode.parentElement;
            if (!walk.currentNode.data.trim() || node.closest("style, script, title, desc, datalist")) continue;
            if (!node.checkVisibility({visibilityProperty: true})) continue;
            const svg = node.ownerSVGElement;
            const look = getComputedStyle(node);
            const below = svg ? under(node) : ground(node);
            const ink = over(parse(svg ? look.fill : look.color), below);
            const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
            seen += 1;
            const contrast = (a + 0.05) / (b + 0.05);
            if (contrast < 4.5) faint.push(`${walk.currentNode.data.trim().slice(0, 40)}: ${contrast.toFixed(1)} (${ink} on ${below})`);
        }
    }
    return {seen, faint: [...new Set(faint)]};
}
