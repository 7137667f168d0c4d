// Copying: a button at each block of text that is made to be copied, and buttons under each table that copy it as LaTeX
// (booktabs), Markdown or CSV. The main tables copy the files of `srbench leaderboard export` instead, and BibTeX.
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

  const textOf = (cell) => {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".unseen").forEach((one) => one.remove());
    copy.querySelectorAll("br, li").forEach((one) => one.before(" "));
    return copy.textContent.replace(/\s+/g, " ").trim();
  };

  // The visible rows of a table as text; a cell over several columns is followed by empty ones.
  const cellsOf = (row) => [...row.cells].flatMap((cell) => [textOf(cell), ...Array(cell.colSpan - 1).fill("")]);

  const read = (table) => {
    const rows = [...table.rows].filter((row) => !row.hidden).map(cellsOf);
    const width = Math.max(...rows.map((row) => row.length));
    const whole = rows.map((row) => [...row, ...Array(width - row.length).fill("")]);
    const heads = table.tHead ? table.tHead.rows.length : 0;
    return { head: whole[heads - 1] || Array(width).fill(""), rows: whole.slice(heads) };
  };

  const LATEX = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "×": "$\\times$", "−": "$-$",
    "±": "$\\pm$", "≤": "$\\leq$", "≥": "$\\geq$", "∞": "$\\infty$", "↑": "$\\uparrow$", "↓": "$\\downarrow$",
    "→": "$\\rightarrow$", "‡": "\\ddag{}", "–": "--", "…": "\\dots{}", "\u2009": "\\,",
  };
  const latexText = (text) => text.replace(/[&%$#_{}]/g, "\\$&").replace(/\\(?![&%$#_{}])|[~^×−±≤≥∞↑↓→‡–…\u2009]/g, (sign) => LATEX[sign]);
  const markdownText = (text) => text.replace(/[\\|`*_<>]/g, "\\$&");
  const isNumber = (text) => /^[+\-−]?[\d.,]+/.test(text) || ["–", ""].includes(text);

  // A spreadsheet must not read text as a formula.
  const csvText = (text) => {
    const safe = /^[=+@\t\r%|＝]|^-(?![\d.])/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  const formats = {
    LaTeX: ({ head, rows }) => {
      const columns = head.map((_, index) => (index && rows.every((row) => isNumber(row[index])) ? "r" : "l")).join("");
      const line = (cells) => `${cells.map(latexText).join(" & ")} \\\\`;
      return [`\\begin{tabular}{${columns}}`, "\\toprule", line(head), "\\midrule", ...rows.map(line), "\\bottomrule",
        "\\end{tabular}", ""].join("\n");
    },
    Markdown: ({ head, rows }) => {
      const line = (cells) => `| ${cells.map(markdownText).join(" | ")} |`;
      return [line(head), line(head.map(() => "---")), ...rows.map(line), ""].join("\n");
    },
    CSV: ({ head, rows }) => [head, ...rows].map((row) => `${row.map(csvText).join(",")}\r\n`).join(""),
  };

  // The files of a main table come as a script, because a page on a disk may load those and nothing else.
  const files = new Map();
  globalThis.srbenchCopy = (found) => Object.entries(found).forEach(([name, text]) => files.set(name, text));

  const load = (address) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    document.head.append(script);
  });

  const buttons = (names, make) => {
    const line = document.createElement("p");
    line.className = "copy-as small";
    line.append("Copy as ");
    names.forEach((name) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", async () => {
        const text = await make(name);
        if (await copied(text)) {
          button.textContent = "Copied";
          setTimeout(() => { button.textContent = name; }, 2000);
          return;
        }
        const block = document.createElement("pre");
        block.tabIndex = 0;
        block.textContent = text;
        line.after(block);
        getSelection().selectAllChildren(block);
      });
      line.append(button, " ");
    });
    return line;
  };

  const main = document.getElementById("copy-main");
  if (main) {
    const line = buttons(["LaTeX", "Markdown", "CSV", "BibTeX"], async (name) => {
      if (!files.size) {
        await load(main.dataset.script);
      }
      return files.get(name);
    });
    main.replaceWith(line);
  }
  document.querySelectorAll("main table:not(#scores)").forEach((table) => {
    const place = table.closest(".scroller") || table;
    place.after(buttons(Object.keys(formats), (name) => formats[name](read(table))));
  });
})();
