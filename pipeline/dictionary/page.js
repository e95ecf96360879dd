// Shows only the tables whose name, columns or descriptions hold every word of the search.
const sections = [...document.querySelectorAll("main section")].map((section) => ({
  section,
  entry: document.querySelector(`nav a[href="#${section.id}"]`)?.closest("li"),
  words: section.textContent.toLowerCase(),
}));
document.getElementById("search").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { section, entry, words } of sections) {
    const isHidden = !wanted.every((word) => words.includes(word));
    section.hidden = isHidden;
    if (entry) entry.hidden = isHidden;
  }
});
