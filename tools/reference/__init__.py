"""The reference in `docs/reference`: its tables are written from the code, its prose by hand."""
