// A slider and the field beside it tell each other; and going back goes to what was asked before.
export function followSliders(form) {
  const sliders = new Map([...form.querySelectorAll("[data-for]")].map(slider => [slider.dataset.for, slider]))
  let isSettled = true
  form.addEventListener("input", event => {
    const { target } = event
    if (target.dataset.for) document.getElementById(target.dataset.for).value = target.value
    const slider = sliders.get(target.id)
    if (slider) slider.value = target.value.replace(",", ".") // a slider takes only a dot
    if (isSettled) history.pushState({ htmx: true }, "", location.href) // each answer replaces this one
    isSettled = false
  })
  form.addEventListener("change", () => { isSettled = true })
}
