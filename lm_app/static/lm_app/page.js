/* What the main page does in a browser; without it, the form works as any form. */
