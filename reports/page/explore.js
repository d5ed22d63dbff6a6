// Figures of lines one can play with: the values under the cursor, zoom, lines that the legend switches, other axes. The
// drawing that they stand before is what is printed and downloaded, and what readers without a script see.
const { arrays, figures, markers } = JSON.parse(document.getElementById("curves").textContent);
const GREY = "#c8c8c8", NEAR = 30; // pixels from the cursor to a point that is read
const narrow = matchMedia("(max-width: 40rem)");
const explored = new Map(); // figure -> what is done once the filter has changed

function make(kind, about, ...inside) {
  const made = Object.assign(document.createElement(kind), about);
  made.append(...inside);
  return made;
}

// 0.01234, 1235, 1.2e-7
function short(value) {
  const size = Math.abs(value);
  return String(size === 0 || (size >= 1e-3 && size < 1e6) ? Number(value.toPrecision(4)) : Number(value.toPrecision(3)).toExponential());
}

// Where a logarithmic axis has its ticks: at powers of ten, or where there are hardly two of them at round numbers too.
function decades(low, high, most) {
  const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high)), step = Math.ceil((to - from) / most);
  const powers = Array.from({ length: to - from + 1 }, (_, k) => from + k);
  if (powers.length > 3) return powers.filter((power) => power % step === 0).map((power) => Number(`1e${power}`));
  const round = high / low > 4 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
  return powers.flatMap((power) => round.map((part) => Number(`${part}e${power}`)));
}

// A line with its numbers, and the sample of it in the legend.
function read(line) {
  const x = Object.fromEntries(Object.entries(line.x).map(([name, place]) => [name, arrays[place]]));
  const band = Object.fromEntries(Object.entries(line.band).map(([axis, ends]) => [axis, ends.map((place) => arrays[place])]));
  return { ...line, x, y: arrays[line.y], band, on: !line.grey, out: false };
}

function sample({ colour, dash, marker, hollow }) {
  const made = document.createElement("span");
  made.innerHTML = `<svg viewBox="0 0 34 12" width="34" height="12" aria-hidden="true"><path d="M1 6h32" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>` +
    `<path d="${markers[marker] ?? ""}" transform="translate(17 6) scale(8)" fill="${hollow ? "#fff" : colour}" stroke="${colour}" stroke-width=".15"/></svg>`;
  return made.firstChild;
}

function explore(figure) {
  const about = figures[figure.id], lines = about.lines.map(read), drawing = figure.querySelector("svg");
  const axis = { x: "", rest: true, log: { x: about.x.log, y: about.y.log } };
  const names = { "": about.x.label, ...Object.fromEntries(lines.flatMap((line) => Object.keys(line.x).filter(Boolean).map((name) => [name, name]))) };
  const up = about.y.label.split("  ")[0];
  let chart, focus = null, named = null; // the point that is read (its line, its place in it); the line whose name is pointed at

  const seen = (line) => !line.out && line.x[axis.x] && (line.on || axis.rest);
  const fits = (name, value) => value !== null && (!axis.log[name] || value > 0 || (name === "x" && value === 0 && from0));
  let from0 = false; // whether x begins at 0, which a logarithmic axis has no place for and that of asinh has

  // The limits of an axis: those of the drawing where it is the same one, else those of its lines.
  function limits(name) {
    if (axis.log[name] === about[name].log && (name === "y" || axis.x === "")) return about[name].limits;
    const values = lines.filter(seen).flatMap((line) => (name === "x" ? line.x[axis.x] : line.y)).filter((value) => fits(name, value));
    if (!values.length) return about[name].limits;
    const low = Math.min(...values), high = Math.max(...values), free = axis.log[name] ? 0 : 0.02 * (high - low);
    return low < high ? [low - free, high + free] : [low / 2, 2 * high + 1];
  }

  const place = (line, k) => [chart.valToPos(line.x[axis.x][k], "x", true), chart.valToPos(line.y[k], "y", true)];

  function trace(line, ends) {
    const path = new Path2D();
    let last = null;
    line.y.forEach((y, k) => {
      const value = line.x[axis.x][k];
      if (!fits("x", value) || !fits("y", y)) return;
      const [left, top] = place(line, k);
      if (last === null) path.moveTo(left, top);
      else if (line.steps) path.lineTo(left, last);
      path.lineTo(left, top);
      if (ends) ends.push([left, top, k]);
      last = top;
    });
    return path;
  }

  function shade(context, line) {
    const [which, ends] = Object.entries(line.band)[0] ?? [];
    if (!which || !line.on || (which === "x" && axis.x !== "")) return;
    const edge = (values) => trace({ ...line, ...(which === "x" ? { x: { "": values } } : { y: values }) }, values.at = []);
    ends.forEach(edge);
    const points = [...ends[0].at, ...ends[1].at.reverse()];
    context.beginPath();
    points.forEach(([left, top]) => context.lineTo(left, top));
    context.globalAlpha = 0.2;
    context.fillStyle = line.colour;
    context.fill();
    context.globalAlpha = 1;
  }

  function draw() {
    const context = chart.ctx, { left, top, width, height } = chart.bbox, ratio = uPlot.pxRatio;
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    context.fillStyle = "#bbbbbb66";
    for (const [low, high] of about.spans) {
      const [bottom, edge] = [low, high].map((value) => chart.valToPos(value, "y", true));
      if (Number.isFinite(bottom - edge)) context.fillRect(left, edge, width, bottom - edge);
    }
    const isLit = (line) => line === (named ?? focus?.line);
    const first = (line) => isLit(line) * 2 + line.on;
    for (const line of lines.filter(seen).sort((a, b) => first(a) - first(b))) {
      const lit = isLit(line), colour = line.on || lit ? line.colour : GREY;
      if (!lit) shade(context, line);
      line.points = [];
      context.lineWidth = ratio * (lit ? 3 : line.on ? 1.8 : 0.9);
      context.strokeStyle = colour;
      context.setLineDash(line.on ? line.dash.map((part) => part * ratio) : []);
      context.stroke(trace(line, line.points));
      context.setLineDash([]);
      if (!line.on && !lit) continue;
      const shape = new Path2D(markers[line.marker]);
      let last = null;
      context.fillStyle = line.hollow ? "#fff" : colour;
      for (const [x, y] of line.points) { // a marker every 60 pixels
        if (last && Math.hypot(x - last[0], y - last[1]) < 60 * ratio) continue;
        context.save();
        context.translate(x, y);
        context.scale(7 * ratio, 7 * ratio);
        context.lineWidth = 0.2;
        context.fill(shape);
        context.stroke(shape);
        context.restore();
        last = [x, y];
      }
    }
    if (focus?.line.points) {
      const [x, y] = place(focus.line, focus.k);
      context.beginPath();
      context.arc(x, y, 6 * ratio, 0, 7);
      context.lineWidth = 2 * ratio;
      context.strokeStyle = "#000";
      context.stroke();
    }
    context.restore();
  }

  function tell(found) {
    if (found?.line === focus?.line && found?.k === focus?.k) return;
    focus = found;
    chart.redraw(false);
    if (!found) { words.textContent = hint; return; }
    const { line, k } = found, ends = line.band.x ?? line.band.y;
    const more = ends ? ` [${ends.map((end) => short(end[k])).join(", ")}]` : "";
    const across = Object.entries(names).filter(([name]) => typeof line.x[name]?.[k] === "number").map(([name, label]) => {
      const [, said, unit] = label.match(/^(.*) \((.*)\)$/) ?? [, label, ""]; // time (ms): time 1.2 ms
      return `${said} ${word(label, line.x[name][k])}${unit && ` ${unit}`}${name === "" && line.band.x ? more : ""}`;
    });
    words.textContent = `${line.label}: ${up} ${short(line.y[k])}${line.band.y ? more : ""}; ${across.join(", ")}`;
  }
  const word = (label, value) => (label === about.x.label && about.x.ticks?.find(([at]) => at === value)?.[1]) || short(value);

  function nearest({ cursor }) {
    const ratio = uPlot.pxRatio, left = cursor.left * ratio + chart.bbox.left, top = cursor.top * ratio + chart.bbox.top;
    let best = null, least = NEAR * ratio;
    for (const line of lines.filter(seen)) {
      for (const [x, y, k] of line.points ?? []) {
        const away = Math.hypot(x - left, y - top) + (line.on ? 0 : 4 * ratio);
        if (away < least) [best, least] = [{ line, k }, away];
      }
    }
    return best;
  }

  function build() {
    chart?.destroy();
    focus = null;
    words.textContent = hint;
    const title = axis.x ? about.title.replace(/against \w+/, `against ${names[axis.x]}`) : about.title;
    head.replaceChildren(...title.split("\n").flatMap((line, k) => [...(k ? [make("br", {})] : []), line]));
    const zero = (axis.x === "" && about.x.log && about.x.limits[0] <= 0) || lines.some((line) => seen(line) && line.x[axis.x].includes(0));
    from0 = axis.log.x && zero;
    const [x, y] = [limits("x"), limits("y")], words1 = axis.x === "" && about.x.ticks;
    const scale = (name, range) => ({ time: false, distr: !axis.log[name] ? 1 : name === "x" && from0 ? 4 : 3, range });
    const common = { font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 20, stroke: "#222", grid: { stroke: "#ddd", width: 1 }, ticks: { stroke: "#999" } };
    const values = (_, splits) => splits.map((value) => (value === null ? null : short(value)));
    const ticks = (name, most) => (axis.log[name] ? { filter: (_, splits) => splits, splits: (_, k, low, high) => {
      const found = decades(low > 0 ? low : Math.max(1, high / 1e6), high, most);
      return [...(low <= 0 ? [0] : []), ...found].filter((value) => value >= low && value <= high);
    } } : {});
    const fixed = words1 ? { splits: () => words1.map(([at]) => at), values: () => words1.map(([, word]) => word) } : {};
    chart = new uPlot({
      width: box.clientWidth,
      height: Math.round(Math.min(340, Math.max(220, box.clientWidth * 0.52))),
      scales: { x: scale("x", (_, low, high) => [low, high]), y: scale("y", () => y) },
      axes: [
        { ...common, label: names[axis.x], values, size: 30, ...ticks("x", box.clientWidth / 70), ...fixed },
        { ...common, label: about.y.label, values, size: 62, ...ticks("y", 8) },
      ],
      series: [{}, { points: { show: false }, width: 0 }],
      cursor: { points: { show: false }, drag: { x: true, y: true, uni: 20 } },
      legend: { show: false },
      hooks: { drawSeries: [(_, k) => k === 1 && draw()], setCursor: [(self) => { if (self.cursor.left >= 0) tell(nearest(self)); }] },
    }, [x, [null, null]], box);
  }

  // Zoom about the middle, or about the point that is read, by so much; no factor: all of it.
  function zoom(factor) {
    if (!factor) { build(); return; }
    const { clientWidth: width, clientHeight: height } = chart.over;
    const at = focus ? [chart.valToPos(focus.line.x[axis.x][focus.k], "x"), chart.valToPos(focus.line.y[focus.k], "y")] : [width / 2, height / 2];
    const ends = ([low, high], centre) => [centre + (low - centre) / factor, centre + (high - centre) / factor];
    const [left, right] = ends([0, width], at[0]).map((place) => chart.posToVal(place, "x"));
    const [bottom, top] = ends([height, 0], at[1]).map((place) => chart.posToVal(place, "y"));
    chart.batch(() => {
      chart.setScale("x", { min: left, max: right });
      chart.setScale("y", { min: bottom, max: top });
    });
  }

  // From point to point with the arrows, which begin where a line begins.
  function step(along, across) {
    const shown = lines.filter((line) => seen(line) && line.points?.length);
    if (!shown.length) return;
    const line = focus ? shown[(shown.indexOf(focus.line) + across + shown.length) % shown.length] : shown[0];
    const here = focus ? focus.line.x[axis.x][focus.k] : -Infinity, there = line.points.map(([, , k]) => k);
    const near = across ? there.findIndex((k) => line.x[axis.x][k] >= here) : there.indexOf(focus?.k) + along;
    tell({ line, k: there.at(Math.max(0, Math.min(there.length - 1, near < 0 && across ? there.length - 1 : near))) });
  }
  const keys = {
    ArrowRight: () => step(1, 0), ArrowLeft: () => step(-1, 0), ArrowDown: () => step(0, 1), ArrowUp: () => step(0, -1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => zoom(), Escape: () => tell(null),
  };

  function toggle(words, label, pressed, action) {
    const made = button(words, label, () => {
      made.setAttribute("aria-pressed", String(made.getAttribute("aria-pressed") !== "true"));
      action(made.getAttribute("aria-pressed") === "true");
    });
    made.setAttribute("aria-pressed", String(pressed));
    return made;
  }

  const hint = "Point at a line, or use the arrows, for its values. Drag to zoom, double click for all.";
  const words = make("p", { className: "readout", textContent: hint });
  words.setAttribute("aria-live", "polite");
  const box = make("div", { className: "chart", tabIndex: 0 });
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", `${figure.ariaLabel}. Arrows move from point to point and from line to line, plus and minus zoom, 0 shows all.`);
  box.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });

  const choice = make("select", {}, ...Object.entries(names).map(([name, label]) => new Option(label, name)));
  choice.setAttribute("aria-label", "Horizontal axis");
  choice.addEventListener("change", () => { axis.x = choice.value; build(); });
  const tools = make("div", { className: "tools" },
    ...(Object.keys(names).length > 1 ? [choice] : []),
    ...["x", "y"].filter((name) => !about[name].ticks).map((name) => toggle(`log ${name}`, `Logarithmic ${name}`, axis.log[name], (on) => { axis.log[name] = on; build(); })),
    button("+", "Zoom in", () => zoom(1.5)), button("\u2212", "Zoom out", () => zoom(1 / 1.5)), button("all", "Show all of it", () => zoom()));

  tools.append(figure.querySelector(".downloads"));

  const entry = (line) => {
    const made = toggle("", line.label, line.on, (on) => { line.on = on; chart.redraw(false); });
    made.replaceChildren(sample(line), line.label);
    for (const kind of ["pointerenter", "focus"]) made.addEventListener(kind, () => { named = line; chart.redraw(false); });
    for (const kind of ["pointerleave", "blur"]) made.addEventListener(kind, () => { named = null; chart.redraw(false); });
    line.button = made;
    return made;
  };
  const grey = lines.filter((line) => line.grey);
  const legend = make("div", { className: "legend" }, ...lines.filter((line) => !line.grey).map(entry));
  legend.setAttribute("role", "group");
  legend.setAttribute("aria-label", "Lines");
  if (grey.length) {
    const rest = toggle("", "Others in grey", true, (on) => { axis.rest = on; chart.redraw(false); });
    rest.replaceChildren(sample({ colour: GREY, dash: [], marker: "" }), "others in grey");
    legend.append(rest, make("details", {}, make("summary", { textContent: `choose among ${grey.length}` }), ...grey.map(entry)));
  }

  const head = make("p", { className: "title" });
  drawing.after(make("div", { className: "explore" }, head, tools, box, words, legend));
  figure.classList.add("explored");
  build();
  new ResizeObserver(() => { if (box.clientWidth && box.clientWidth !== chart.width) chart.setSize({ width: box.clientWidth, height: chart.height }); }).observe(box);

  const filtered = () => {
    for (const line of lines) {
      line.out = line.name in families && !keeps({ solver: line.name, family: families[line.name] });
      line.button.classList.toggle("out", line.out);
    }
    chart.redraw(false);
  };
  explored.set(figure, filtered);
  filtered();
}

document.addEventListener("filtered", () => explored.forEach((filtered) => filtered()));

// Each figure as a reader comes to it: a page may have a hundred. A phone's first screen has room for the drawing alone.
const coming = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || (narrow.matches && target.closest("#top"))) continue;
    coming.unobserve(target);
    explore(target);
  }
}, { rootMargin: "300px" });
for (const figure of document.querySelectorAll("main figure")) if (figure.id in figures) coming.observe(figure);

// The others say on hover whose a mark is.
for (const curve of document.querySelectorAll("main figure [data-solver]")) {
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = curve.dataset.solver;
  curve.prepend(title);
}
