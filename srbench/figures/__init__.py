"""Figures for papers: zoomed crops of several models, and plots of scores. Needs matplotlib (extra `figures`)."""
