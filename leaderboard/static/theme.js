// The reader's choice of light or dark, applied before the page is drawn and remembered.
"use strict";

(() => {
  const key = "srbench-theme";
  const choices = ["auto", "light", "dark"];
  const labels = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

  const read = () => {
    try {
      const kept = localStorage.getItem(key);
      return choices.includes(kept) ? kept : "auto";
    } catch {
      return "auto"; // storage may be forbidden
    }
  };

  const apply = (choice) => {
    if (choice === "auto") {
      delete document.documentElement.dataset.theme;
    } else {
      document.documentElement.dataset.theme = choice;
    }
  };

  apply(read());
  document.documentElement.classList.add("scripted");

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    let choice = read();
    const show = () => {
      button.title = labels[choice];
      button.setAttribute("aria-label", labels[choice]);
    };
    button.addEventListener("click", () => {
      choice = choices[(choices.indexOf(choice) + 1) % choices.length];
      try {
        localStorage.setItem(key, choice);
      } catch {
        // the choice then holds for this page only
      }
      apply(choice);
      show();
    });
    show();
    button.hidden = false;
  });
})();
