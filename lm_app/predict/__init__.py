"""One request, in the order of its life: parse, check, predict, respond."""
