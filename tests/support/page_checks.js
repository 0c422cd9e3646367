// What a reader would see at once: text on text, text outside of its box, text too pale to read.
(() => {
  const isShown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });

  // Every line of text outside of boxes that scroll, as {text, element, left, right, top, bottom}.
  const lines = () => {
    const found = [];
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.textContent.trim() || element.closest("script, style, title, option")) continue;
      if (!isShown(element)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        if (box.width && box.height) {
          const { left, right, top, bottom } = box;
          found.push({ text: node.textContent.trim(), element, left, right, top, bottom });
        }
      }
    }
    return found;
  };

  const overlaps = () => {
    const boxes = lines().filter(({ element }) => !element.closest(".scroll"));
    const found = [];
    boxes.forEach((one, index) => {
      for (const other of boxes.slice(index + 1)) {
        const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
        // The box of a line is a little higher than its letters.
        if (across > 1 && down > 3) found.push(`${one.text} | ${other.text}`);
      }
    });
    return found;
  };

  const outside = () => {
    const found = [];
    for (const { text, element, left, right, top, bottom } of lines()) {
      const box = element.closest(".plot, .panel, .card, .map");
      if (!box || element.closest(".scroll")) continue;
      const edge = box.getBoundingClientRect();
      const fits = left >= edge.left - 1 && right <= edge.right + 1;
      if (!fits || top < edge.top - 1 || bottom > edge.bottom + 1) found.push(text);
    }
    return found;
  };

  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], under) =>
    [r, g, b].map((value, index) => a * value + (1 - a) * under[index]).concat(1);
  const ground = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };

  // WCAG 2: 4.5 at least.
  const pale = () => {
    const found = new Set();
    for (const { text, element } of lines()) {
      const style = getComputedStyle(element);
      const behind = ground(element);
      const ink = over(parse(element instanceof SVGElement ? style.fill : style.color), behind);
      const [low, high] = [light(ink), light(behind)].sort((a, b) => a - b);
      const contrast = (high + 0.05) / (low + 0.05);
      if (contrast < 4.5) found.add(`${text}: ${contrast.toFixed(2)}`);
    }
    return Array.from(found);
  };

  const { scrollWidth } = document.documentElement;
  return {
    lines: lines().length,
    overlaps: overlaps(),
    outside: outside(),
    pale: pale(),
    overflow: scrollWidth - document.documentElement.clientWidth,
  };
})()
