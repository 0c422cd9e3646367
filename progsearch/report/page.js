"use strict";
(() => {
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));

  // -- figures: drawn in the page's colours, with labels placed for the page's width -----------

  const variables = JSON.parse(document.getElementById("colours").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const MARGINS = 100;

  function draw(box) {
    const style = getComputedStyle(document.documentElement);
    let text = box.nextElementSibling.textContent;
    for (const [colour, name] of Object.entries(variables)) {
      text = text.replaceAll(colour, style.getPropertyValue(name).trim());
    }
    const figure = JSON.parse(text);
    const room = box.clientWidth - MARGINS;
    for (const trace of figure.data) {
      const positions = trace.meta && trace.meta.positions;
      if (!positions) continue;
      const fitting = positions.filter(([width]) => width <= room).pop();
      trace.visible = Boolean(fitting && fitting[1]);
      if (trace.visible) trace.textposition = fitting[1];
    }
    figure.layout.width = box.clientWidth;
    return Plotly.react(box, figure.data, figure.layout, { displayModeBar: false });
  }

  // plotly.js is compressed in the page.
  async function loadPlotly() {
    const packed = atob(document.getElementById("plotly").textContent);
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
  }

  const plots = all(".plot");
  const widths = new Map();
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (widths.get(target) !== target.clientWidth) {
        widths.set(target, target.clientWidth);
        draw(target);
      }
    }
  });
  const drawAll = async () => {
    if (typeof DecompressionStream === "undefined") {
      plots.forEach((box) => (box.textContent = "This browser is too old to draw the figure."));
      return;
    }
    await loadPlotly();
    plots.forEach((box) => resized.observe(box));
    dark.addEventListener("change", () => plots.forEach(draw));
  };
  if (plots.length) drawAll();

  // -- the table of all trials ------------------------------------------------------------------

  const table = document.getElementById("all-trials");
  if (table) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const heads = all("th", table);

    const value = (row, column) => {
      const text = row.cells[column].dataset.value;
      return text === undefined || text === "" || isNaN(text) ? text : Number(text);
    };

    const sort = (column) => {
      const up = heads[column].getAttribute("aria-sort") !== "ascending";
      heads.forEach((head) => head.setAttribute("aria-sort", "none"));
      heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
      const sign = up ? 1 : -1;
      // Rows without a value come last either way; equal ones stay in the order of trials.
      rows.sort((one, other) => {
        const [a, b] = [value(one, column), value(other, column)];
        if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
        const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b));
        return sign * order || value(one, 0) - value(other, 0);
      });
      body.append(...rows);
    };
    heads.forEach((head, column) =>
      head.querySelector("button").addEventListener("click", () => sort(column))
    );

    const kind = document.getElementById("kind-filter");
    const words = document.getElementById("text-filter");
    const filter = () => {
      const wanted = words.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        const fits = !kind.value || row.dataset.kinds.split(" ").includes(kind.value);
        row.hidden = !(fits && row.textContent.toLowerCase().includes(wanted));
        shown += !row.hidden;
      }
      document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
    };
    kind.addEventListener("change", filter);
    words.addEventListener("input", filter);
    filter();
  }

  // -- links to maps: those of other schedules are folded away until one is asked for -----------

  const unfold = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const details = target && target.closest("details");
    if (details && !details.open) {
      details.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();

  // -- commands ---------------------------------------------------------------------------------

  const copied = async (button) => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Without the right to the clipboard, the selected text can be copied by hand.
      getSelection().selectAllChildren(code);
      return document.execCommand("copy");
    }
    return true;
  };
  for (const button of all(".copy")) {
    button.addEventListener("click", async () => {
      button.textContent = (await copied(button)) ? "Copied" : "Selected";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }

  // -- explanations, on hover, focus and touch --------------------------------------------------

  const tip = document.getElementById("tip");
  let shown = null;
  const hide = () => {
    tip.hidden = true;
    shown = null;
  };
  const show = (term) => {
    shown = term;
    tip.textContent = term.dataset.tip;
    tip.hidden = false;
    const { left, bottom, top } = term.getBoundingClientRect();
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    const below = bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(8, Math.min(left, room))}px`;
    tip.style.top = `${below ? bottom + 6 : Math.max(8, top - tip.offsetHeight - 6)}px`;
  };
  for (const term of all("abbr[title], button[title]")) {
    // The browser's own tip has no focus and no touch.
    term.dataset.tip = term.title;
    term.removeAttribute("title");
    term.setAttribute("aria-describedby", "tip");
    for (const event of ["mouseenter", "focus", "click"]) {
      term.addEventListener(event, () => show(term));
    }
    term.addEventListener("blur", hide);
    // A touch also moves a mouse that is not there.
    term.addEventListener("mouseleave", () => document.activeElement === term || hide());
  }
  addEventListener("click", ({ target }) => target.dataset.tip === undefined && hide());
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
  addEventListener("scroll", () => shown && show(shown), { capture: true, passive: true });
})();
