"""Tables of scores as papers print them: models × datasets from finished runs, as text, Markdown, LaTeX and CSV."""
