// What the main page does in a browser; without it, the form is a form as any, and R's picture is there.
import { copyExactly } from "./copy.js"
import { followSliders } from "./form.js"
import { draw } from "./picture.js"

if (document.getElementById("form")) followSliders(document.getElementById("form"))
if (document.getElementById("picture")) {
  draw()
  document.addEventListener("htmx:after:swap", () => draw())
  new ResizeObserver(() => draw()).observe(document.getElementById("picture"))
}
copyExactly()
