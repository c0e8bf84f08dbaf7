"""Tasks on labelled texts: `imdb`, `nli` and `squad`, and what they are made of."""
