"use strict";

const FIRST = 10; // rows of a long table that show at first; the page has marked the others with `more`

// Numbers are sorted by data-sort, words as they read. Cells without a number come last either way.
function sortBy(table, column, descending) {
  const head = table.tHead.rows[0].cells[column];
  const numbers = "numbers" in head.dataset;
  const key = (row) => {
    const cell = row.cells[column];
    return numbers ? Number(cell.dataset.sort ?? NaN) : cell.textContent.trim();
  };
  const order = (a, b) => (numbers ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const rows = Array.from(table.tBodies[0].rows, (row) => ({ row, key: key(row) }));
  rows.sort((a, b) => {
    const last = Number.isNaN(a.key) - Number.isNaN(b.key);
    return last || (descending ? order(b.key, a.key) : order(a.key, b.key)) || 0; // NaN against NaN: as they stood
  });
  table.tBodies[0].append(...rows.map(({ row }) => row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  if (folds.has(table)) fold(table);
}

// Buttons, so that the keyboard reaches them; they are made here because without a script they would do nothing.
for (const head of document.querySelectorAll("table thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    sortBy(head.closest("table"), head.cellIndex, head.getAttribute("aria-sort") === "ascending");
  });
}

// Long tables begin with their best rows, of those that the filter leaves in.
const tables = document.querySelectorAll("main section:not(#runs) table");
const folds = new Map(); // table -> its button, and the rows that its page folds away at first

function fold(table) {
  const { button, later } = folds.get(table);
  const rows = Array.from(table.tBodies[0].rows), left = rows.filter((row) => !row.classList.contains("out"));
  const asMade = left.length === rows.length && !table.tHead.querySelector("[aria-sort]");
  left.forEach((row, place) => row.classList.toggle("more", asMade ? later.has(row) : place >= FIRST));
  const all = !table.classList.contains("cut");
  button.hidden = !left.some((row) => row.classList.contains("more"));
  button.setAttribute("aria-expanded", String(all));
  button.textContent = all ? "Show fewer rows" : `Show all ${left.length} rows`;
}

for (const table of tables) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "rows";
  button.addEventListener("click", () => { table.classList.toggle("cut"); fold(table); });
  folds.set(table, { button, later: new Set(table.querySelectorAll("tr.more")) });
  table.classList.add("cut");
  table.parentElement.after(button);
  fold(table);
}

// The contents stand open beside the text on a wide screen, and fold after each choice on a narrow one.
const contents = document.getElementById("contents");
const wide = matchMedia("(min-width: 64rem)");
const unfold = () => { contents.open = wide.matches; };
wide.addEventListener("change", unfold);
unfold();
contents.addEventListener("click", (event) => {
  if (event.target.closest("a") && !wide.matches) contents.open = false;
});

// A link to something folded away unfolds it.
function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => { for (const folded of document.querySelectorAll("main section:not(#runs) details")) folded.open = true; });
reveal();
