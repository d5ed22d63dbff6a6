// Each table as CSV, each figure as SVG and PNG, made of what the page shows.
function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function csv(table) {
  const plain = (cell) => cell.textContent.trim().replaceAll("\u2011", "-").replaceAll("\u00a0", " ");
  const quote = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const rows = [table.tHead.rows[0], ...Array.from(table.tBodies[0].rows).filter((row) => !row.matches(".out"))];
  return rows.map((row) => Array.from(row.cells, (cell) => quote(plain(cell))).join(",")).join("\n") + "\n";
}

function svg(figure) {
  const copy = figure.querySelector("svg").cloneNode(true);
  for (const curve of copy.querySelectorAll(".out")) curve.remove();
  return new XMLSerializer().serializeToString(copy);
}

function png(figure, done) {
  const image = new Image(), box = figure.querySelector("svg").viewBox.baseVal, scale = 3;
  image.onload = () => {
    const canvas = document.createElement("canvas");
    canvas.width = scale * box.width;
    canvas.height = scale * box.height;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(done);
  };
  image.src = `data:image/svg+xml,${encodeURIComponent(svg(figure))}`;
}

function button(words, label, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "rows";
  made.textContent = words;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", action);
  return made;
}

for (const table of tables) {
  const name = table.closest("section").id;
  const get = () => save(`${name}.csv`, new Blob([csv(table)], { type: "text/csv" }));
  table.parentElement.after(button("CSV", `Download the table ${table.parentElement.ariaLabel} as CSV`, get));
}
for (const figure of document.querySelectorAll("main figure")) {
  const bar = document.createElement("div"), name = figure.id, title = figure.ariaLabel;
  bar.className = "downloads";
  bar.append(
    button("SVG", `Download ${title} as SVG`, () => save(`${name}.svg`, new Blob([svg(figure)], { type: "image/svg+xml" }))),
    button("PNG", `Download ${title} as PNG`, () => png(figure, (blob) => save(`${name}.png`, blob))),
  );
  figure.append(bar);
}
