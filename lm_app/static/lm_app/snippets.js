// Give each <copy-code> a button that copies its text. As the form is answered, the section is swapped, and stays open
// where it was.

let opened = null

customElements.define("copy-code", class extends HTMLElement {
  connectedCallback() {
    const code = this.querySelector("code"), details = this.closest("details"), { language } = this.dataset
    if (opened) details.open = language === opened
    details.addEventListener("toggle", () => { if (details.open) opened = language })
    const button = document.createElement("button")
    button.type = "button"
    button.textContent = "Copy"
    button.setAttribute("aria-live", "polite")
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent)
        button.textContent = "Copied"
      } catch { // there is no clipboard without HTTPS, but on localhost
        getSelection().selectAllChildren(code)
        button.textContent = "Selected: press Ctrl+C"
      }
    })
    this.append(button)
  }
})
