// A button at each block of text that is made to be copied.
"use strict";

(() => {
  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false; // a browser may forbid it; the text can still be selected
    }
  };

  document.querySelectorAll("pre.copyable").forEach((block) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      if (await copied(block.textContent)) {
        button.textContent = "Copied";
      } else {
        getSelection().selectAllChildren(block);
        button.textContent = "Selected";
      }
    });
    block.before(button);
  });
})();
