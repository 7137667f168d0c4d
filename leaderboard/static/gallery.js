// Crops of several models next to each other. The choice is kept in the address after #, so that a link shows the same.
"use strict";

globalThis.srbenchGallery = ({ pictures, models }) => {
  const form = document.getElementById("gallery-form");
  const place = document.getElementById("gallery");
  const root = place.dataset.root;
  const pictureOf = new Map(pictures.map((one) => [one.name, one]));
  const byId = new Map(models.map((model) => [model.id, model]));
  let chosen = [];

  const element = (name, properties = {}, ...children) => {
    const made = document.createElement(name);
    Object.assign(made, properties);
    made.append(...children);
    return made;
  };

  const crop = (address, alt, side, truth) => {
    const view = element("span", { className: "view" });
    view.append(element("img", { src: root + address, alt, width: side, height: side }));
    if (truth) {
      view.append(element("img", { src: root + truth, alt: "", width: side, height: side, className: "truth" }));
    }
    return view;
  };

  const figure = (picture, ...caption) =>
    element("li", {}, element("figure", {}, picture, element("figcaption", {}, ...caption)));

  const picker = (index) => {
    const select = element("select");
    select.setAttribute("aria-label", `Model ${index + 1}`);
    select.append(...models.map((model) => new Option(model.title, model.id, false, model.id === chosen[index])));
    for (const option of select.options) {
      option.disabled = !hasCrop(byId.get(option.value)) && option.value !== chosen[index];
    }
    select.addEventListener("change", () => {
      chosen[index] = select.value;
      draw();
    });
    return select;
  };

  const hasCrop = (model) => `${form.image.value}@${form.scale.value}` in model.crops;

  const score = (value) => (value === null ? "–" : typeof value === "number" ? value.toFixed(2) : value);

  const column = (id, index, picture) => {
    const model = byId.get(id);
    const [address, psnr, aliased] = model.crops[`${picture.name}@${form.scale.value}`] || ["", null, null];
    const shown = address ? crop(address, `${picture.label}, ${model.title}`, picture.side, picture.hr)
      : element("span", { className: "view", textContent: `no crop at ×${form.scale.value}` });
    const caption = [picker(index), element("br"), `${score(psnr)} / ${score(aliased)} dB `];
    if (model.page) {
      const page = element("a", { href: root + model.page, textContent: "page" });
      page.setAttribute("aria-label", `Page of ${model.title}`);
      caption.push(page);
    }
    return figure(shown, ...caption);
  };

  const zoom = () => {
    const factor = Number(form.zoom.value);
    for (const image of place.querySelectorAll(".view img")) {
      image.style.transform = factor === 1 ? "" : `scale(${factor})`;
    }
  };

  const keep = () => {
    const state = new URLSearchParams({
      image: form.image.value, scale: form.scale.value, models: chosen.join(" "), zoom: form.zoom.value,
    });
    if (form.map.value) {
      state.set("map", form.map.value);
    }
    history.replaceState(null, "", `#${state}`);
  };

  // The scales that the chosen picture has; the one that was chosen before stays if it can.
  const offerScales = (wanted) => {
    const picture = pictureOf.get(form.image.value);
    const scales = Object.keys(picture.lr);
    form.scale.replaceChildren(...scales.map((scale) => new Option(`×${scale}`, scale)));
    form.scale.value = scales.includes(wanted) ? wanted : String(picture.scale);
  };

  const draw = () => {
    offerScales(form.scale.value);
    const picture = pictureOf.get(form.image.value);
    const { label, side } = picture;
    const box = element("img", { className: "place", src: root + picture.place, alt: `${label}: photograph with a box around the crop`, width: 208 });
    const columns = Math.ceil((chosen.length + 2) / 2);
    const list = element("ul", { className: `crops gallery large cols-${columns}${form.map.value ? " error" : ""}` },
      figure(box, "HR with the place of the crop"),
      figure(crop(picture.hr, `${label}, ground truth`, side), "HR"),
      figure(crop(picture.lr[form.scale.value], `${label}, LR`, side), "LR"),
      ...chosen.map((id, index) => column(id, index, picture)));
    const active = [...place.querySelectorAll("select")].indexOf(document.activeElement);
    place.replaceChildren(list);
    place.querySelectorAll("select")[active]?.focus();
    zoom();
    keep();
  };

  const fill = (count) => {
    const others = models.filter((model) => hasCrop(model) && !chosen.includes(model.id)).map((model) => model.id);
    chosen = [...chosen, ...others].slice(0, Math.min(count, models.length));
  };

  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    form.image.value = pictureOf.has(asked.get("image")) ? asked.get("image") : pictures[0].name;
    offerScales(asked.get("scale") || "");
    chosen = [...new Set((asked.get("models") || "").split(" "))].filter((id) => byId.has(id)).slice(0, 5);
    fill(Math.max(chosen.length || 4, 2));
    form.count.value = String(chosen.length);
    const factor = Number(asked.get("zoom"));
    form.zoom.value = factor >= 1 && factor <= 6 ? String(factor) : "1";
    form.map.value = asked.get("map") === "error" ? "error" : "";
    draw();
  };

  const keys = {
    ArrowLeft: () => { form.image.selectedIndex = (form.image.selectedIndex + pictures.length - 1) % pictures.length; },
    ArrowRight: () => { form.image.selectedIndex = (form.image.selectedIndex + 1) % pictures.length; },
    "+": () => { form.zoom.value = String(Number(form.zoom.value) + 0.5); },
    "-": () => { form.zoom.value = String(Number(form.zoom.value) - 0.5); },
    e: () => { form.map.value = form.map.value ? "" : "error"; },
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("select, input, button, a");
    if (!typing && keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      keys[event.key]();
      draw();
    }
  });
  place.addEventListener("pointermove", (event) => {
    const view = event.target.closest(".view");
    if (view) {
      const box = view.getBoundingClientRect();
      const at = `${(100 * (event.clientX - box.left)) / box.width}% ${(100 * (event.clientY - box.top)) / box.height}%`;
      place.querySelectorAll(".view img").forEach((image) => {
        image.style.transformOrigin = at;
      });
    }
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target.name === "zoom") {
      zoom();
      keep();
      return;
    }
    if (event.target.name === "image") {
      offerScales(form.scale.value);
    }
    chosen = chosen.filter((id) => hasCrop(byId.get(id))).slice(0, Number(form.count.value));
    fill(Number(form.count.value));
    draw();
  });
  window.addEventListener("hashchange", read);
  form.image.replaceChildren(...pictures.map((one) => new Option(one.label, one.name)));
  form.hidden = false;
  place.hidden = false;
  document.getElementById("gallery-static").hidden = true;
  read();
};
