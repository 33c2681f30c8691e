"""One view on a page: its picture, its controls, and what is said of it."""
