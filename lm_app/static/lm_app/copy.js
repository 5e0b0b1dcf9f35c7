// What is copied from the page has all digits: <data value="47.7364864864865">47.7</data>.
export function copyExactly() {
  document.addEventListener("copy", event => {
    const selection = document.getSelection()
    if (selection.isCollapsed) return
    const range = selection.getRangeAt(0)
    const { commonAncestorContainer: ancestor } = range
    const inside = (ancestor.closest ? ancestor : ancestor.parentElement).closest("data")
    const copied = document.createElement("div")
    copied.append(range.cloneContents())
    const numbers = copied.querySelectorAll("data")
    if (!inside && numbers.length === 0) return
    for (const number of numbers) number.textContent = number.value
    event.clipboardData.setData("text/plain", inside ? inside.value : copied.textContent.replace(/\s+/g, " ").trim())
    event.preventDefault()
  })
}
