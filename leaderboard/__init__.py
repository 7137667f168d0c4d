"""The site generator: page builders, templates and static files that turn `submissions/` into a static site."""
