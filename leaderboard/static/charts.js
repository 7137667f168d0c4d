// Hover and click on charts: the tooltip follows the nearest point, a click opens its model.
"use strict";

globalThis.srbenchCharts = (() => {
  const REACH = 28; // pixels around a point in which it answers

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the same text is each point's title and stands in the table

  const marksOf = (chart) =>
    [...chart.querySelectorAll(".point, .bar, .rug")].map((mark) => {
      const title = mark.querySelector("title");
      const text = title ? title.textContent : "";
      if (title) {
        title.remove(); // the browser's own tooltip would lie over ours
      }
      return { mark, text, href: mark.dataset.href };
    });

  const distance = (mark, x, y) => {
    const box = mark.getBoundingClientRect();
    const dx = Math.max(box.left - x, 0, x - box.right);
    const dy = Math.max(box.top - y, 0, y - box.bottom);
    return Math.hypot(dx, dy);
  };

  const nearest = (marks, event) => {
    let best = null;
    let least = REACH;
    for (const one of marks) {
      const away = distance(one.mark, event.clientX, event.clientY);
      if (away < least) {
        [best, least] = [one, away];
      }
    }
    return best;
  };

  const show = (one, event) => {
    tip.textContent = one.text;
    tip.hidden = false;
    const width = tip.offsetWidth;
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - width - 8);
    tip.style.left = `${Math.max(8, left) + window.scrollX}px`;
    tip.style.top = `${event.clientY + 18 + window.scrollY}px`;
  };

  const answer = (chart) => {
    const marks = marksOf(chart);
    let current = null;
    const choose = (one) => {
      current?.mark.classList.remove("near");
      one?.mark.classList.add("near");
      current = one;
      chart.classList.toggle("clickable", Boolean(one?.href));
    };
    chart.addEventListener("pointermove", (event) => {
      const one = nearest(marks, event);
      choose(one);
      if (one) {
        show(one, event);
      } else {
        tip.hidden = true;
      }
    });
    chart.addEventListener("pointerleave", () => {
      choose(null);
      tip.hidden = true;
    });
    chart.addEventListener("click", (event) => {
      const one = nearest(marks, event);
      if (one?.href && event.pointerType !== "touch") {
        window.location.href = one.href;
      }
    });
  };

  document.body.append(tip);
  document.querySelectorAll("svg.chart").forEach(answer);
  return { answer };
})();
