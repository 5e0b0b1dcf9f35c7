// Give each <copy-code> a button that copies its text.

customElements.define("copy-code", class extends HTMLElement {
  connectedCallback() {
    if (this.querySelector("button")) return
    const code = this.querySelector("code")
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
