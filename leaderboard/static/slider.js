// Two crops of one picture under a slider: any of the two models and the ground truth.
"use strict";

globalThis.srbenchSlider = (() => {
  const SIDE = 104;
  const place = document.getElementById("slider");
  const section = document.getElementById("pictures");
  const form = document.getElementById("slide");
  let sources = [];

  const option = (value, text) => {
    const made = document.createElement("option");
    made.value = value;
    made.textContent = text;
    return made;
  };

  const picture = (slot, source, image) => {
    const made = document.createElement("img");
    made.slot = slot;
    made.width = SIDE;
    made.height = SIDE;
    made.src = source.samples[image];
    made.alt = `${image}, ${source.name}`;
    return made;
  };

  const word = (name, text) => {
    const made = document.createElement("span");
    made.className = `side ${name}`;
    made.textContent = text;
    return made;
  };

  const draw = () => {
    const [left, right] = [sources[form.left.value], sources[form.right.value]];
    const image = form.image.value;
    const slider = document.createElement("img-comparison-slider");
    slider.setAttribute("role", "slider");
    slider.setAttribute("aria-label", `${image}: ${left.name} on the left, ${right.name} on the right`);
    slider.setAttribute("aria-valuemin", "0");
    slider.setAttribute("aria-valuemax", "100");
    slider.setAttribute("aria-valuenow", "50");
    slider.addEventListener("slide", () => slider.setAttribute("aria-valuenow", String(Math.round(slider.value))));
    slider.append(picture("first", left, image), picture("second", right, image));
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.append(slider, word("left", left.name), word("right", right.name));
    place.replaceChildren(frame);
  };

  const fill = (select, chosen) => {
    select.replaceChildren(...sources.map((source, index) => option(index, source.name)));
    select.selectedIndex = chosen < sources.length ? chosen : 0;
  };

  // What the address asks for: the picture, and which of the sources are on the left and on the right.
  let wished = { left: 0, right: 1 };

  const sourceOf = (text, otherwise) => (/^[0-2]$/.test(text ?? "") ? Number(text) : otherwise);

  const restore = (asked) => {
    wished = { left: sourceOf(asked.get("left"), 0), right: sourceOf(asked.get("right"), 1) };
    const wanted = [...form.image.options].findIndex((one) => one.value === asked.get("picture"));
    form.image.selectedIndex = Math.max(0, wanted);
  };

  const state = () => (section.hidden ? [] : [
    ["picture", form.image.value], ["left", form.left.value], ["right", form.right.value],
  ]);

  form.addEventListener("change", () => {
    wished = { left: Number(form.left.value), right: Number(form.right.value) };
    draw();
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  // models: name and samples (address by picture) of A and B; truth: the ground truth's addresses.
  const show = (models, truth) => {
    sources = [...models.filter((model) => Object.keys(model.samples).length), { name: "ground truth", samples: truth }];
    section.hidden = sources.length < 2;
    if (section.hidden) {
      place.replaceChildren();
      return;
    }
    for (const one of form.image.options) {
      one.disabled = !sources.every((source) => source.samples[one.value]);
    }
    if (form.image.selectedOptions[0]?.disabled) {
      form.image.selectedIndex = [...form.image.options].findIndex((one) => !one.disabled);
    }
    if (form.image.selectedIndex < 0) {
      section.hidden = true;
      return;
    }
    fill(form.left, wished.left);
    fill(form.right, wished.right);
    draw();
  };

  return { restore, show, state };
})();
