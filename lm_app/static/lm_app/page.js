// What the main page does in a browser; without it, the form is a form as any, and R's picture is there.
import { copyExactly } from "./copy.js"
import { followSliders } from "./form.js"
import { draw } from "./picture.js"

const form = document.getElementById("form")
if (form) {
  followSliders(form)
  draw()
  document.addEventListener("htmx:after:swap", () => draw())
  new ResizeObserver(() => draw()).observe(document.getElementById("picture"))
}
copyExactly()
