// One choice for the whole page: by problem, solver, family, precision, device and threads.
const { values, families } = JSON.parse(document.getElementById("facets").textContent);
const chosen = {}; // of the facets that are not "all"

// What a row is about: its own cells, and what all rows of its table share. What it does not say leaves it in.
function about(table) {
  const shared = JSON.parse(table.dataset.shared ?? "{}");
  const heads = Array.from(table.tHead.rows[0].cells, (head) => head.textContent.trim());
  return (row) => {
    const found = { ...shared };
    heads.forEach((name, k) => { if (name in values) found[name] = row.cells[k].textContent.trim(); });
    if (found.solver in families) found.family = families[found.solver];
    return found;
  };
}
const keeps = (found) => Object.entries(chosen).every(([name, value]) => !(name in found) || [found[name]].flat().includes(value));

const links = new Map(Array.from(contents.querySelectorAll("a"), (link) => [link.hash, link.parentElement]));

function apply() {
  for (const table of tables) {
    const read = about(table);
    for (const row of table.tBodies[0].rows) row.classList.toggle("out", !keeps(read(row)));
    fold(table);
  }
  for (const figure of document.querySelectorAll("figure[data-about]")) {
    figure.classList.toggle("out", !keeps(JSON.parse(figure.dataset.about)));
    for (const curve of figure.querySelectorAll("[data-solver]")) {
      const solver = curve.dataset.solver;
      curve.classList.toggle("out", !keeps({ solver, family: families[solver] }));
    }
  }
  for (const section of document.querySelectorAll("main > section:not(#top, #findings, #missing, #runs)")) {
    const empty = !section.querySelector("figure:not(.out), tbody tr:not(.out)");
    section.classList.toggle("out", empty);
    links.get(`#${section.id}`)?.classList.toggle("out", empty);
  }
  document.dispatchEvent(new Event("filtered"));
}

const form = document.createElement("form");
form.id = "filter";
form.setAttribute("aria-label", "Show only");
for (const [name, options] of Object.entries(values)) {
  if (options.length < 2) continue;
  const label = document.createElement("label"), select = document.createElement("select");
  select.name = name;
  select.append(new Option(`all (${options.length})`, ""), ...options.map((value) => new Option(value, value)));
  label.append(name, select);
  form.append(label);
}
form.addEventListener("change", ({ target }) => {
  if (target.value) chosen[target.name] = target.value;
  else delete chosen[target.name];
  apply();
});
form.addEventListener("reset", () => { for (const name in chosen) delete chosen[name]; apply(); });
const reset = document.createElement("button");
reset.type = "reset";
reset.textContent = "Show all";
form.append(reset);
if (form.elements.length > 1) contents.querySelector("nav").before(form);
