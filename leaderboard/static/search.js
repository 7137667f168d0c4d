// Hides what does not contain every word of the search field. The text is kept in the address after #.
"use strict";

(() => {
  const form = document.getElementById("search");
  const count = document.getElementById("search-count");
  const items = [...document.querySelectorAll("#search-list li")].map((item) => ({
    item,
    text: `${item.textContent.toLowerCase()} ${item.dataset.words}`,
  }));

  const filter = () => {
    const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { item, text } of items) {
      const fits = words.every((word) => text.includes(word));
      item.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown ? `${shown} of ${items.length}` : "Nothing found";
    history.replaceState(null, "", words.length ? `#${encodeURIComponent(form.text.value)}` : location.pathname);
  };

  const read = () => {
    try {
      form.text.value = decodeURIComponent(location.hash.slice(1));
    } catch {
      form.text.value = ""; // an address that was typed by hand
    }
    filter();
  };

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", read);
  form.hidden = false;
  read();
  form.text.focus();
})();
