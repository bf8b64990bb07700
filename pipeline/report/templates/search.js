for (const box of document.querySelectorAll("[data-search]")) {
  const rows = [...document.getElementById(box.dataset.search).tBodies[0].rows];
  const field = box.querySelector("input");
  const told = box.querySelector("output");
  const bare = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  const texts = rows.map((row) => bare(row.textContent));
  field.addEventListener("input", () => {
    const words = bare(field.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      shown += row.hidden ? 0 : 1;
    });
    told.textContent = words.length ? box.dataset.found.replace("%1", shown).replace("%2", rows.length) : "";
  });
  box.hidden = false;
}
