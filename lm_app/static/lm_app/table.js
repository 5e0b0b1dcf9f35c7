// Predict for the rows of a file or of pasted cells: the API reads and answers them, and this shows its answer.
import { axisBottom, axisLeft, scaleLinear, select } from "./vendor/d3.js"

const ROWS = 50, POINTS = 2000 // so many are shown, of more
const WIDTH = 640, HEIGHT = 400, MARGIN = { left: 60, right: 12, top: 12, bottom: 44 }
const PREDICTED = ["fit", "lower", "upper", "extrapolated"]

customElements.define("predict-table", class extends HTMLElement {
  connectedCallback() {
    const form = this.form = this.querySelector("form")
    const file = form.elements.file, cells = form.querySelector("textarea")
    form.noValidate = true // cells will do, too
    cells.parentElement.hidden = false
    form.addEventListener("submit", event => {
      event.preventDefault()
      const source = cells.value.trim() ? new Blob([cells.value]) : file.files[0]
      source ? this.predict(source) : this.tell("Choose a file, or paste cells.")
    })
    file.addEventListener("change", () => { cells.value = ""; form.requestSubmit() })
    cells.addEventListener("paste", () => setTimeout(() => form.requestSubmit()))
    this.addEventListener("dragover", event => { event.preventDefault(); this.classList.add("over") })
    this.addEventListener("dragleave", () => this.classList.remove("over"))
    this.addEventListener("drop", event => {
      event.preventDefault()
      this.classList.remove("over")
      if (!event.dataTransfer.files.length) return
      file.files = event.dataTransfer.files
      file.dispatchEvent(new Event("change"))
    })
  }

  tell(...texts) {
    this.querySelector("[role=status]").textContent = texts.join(" ")
  }

  ask(source, format) {
    const body = new FormData(this.form)
    body.set("file", new Blob([source], { type: "text/csv" }), "table.csv")
    body.set("format", format)
    return fetch(this.form.action, { method: "POST", body })
  }

  async predict(source) {
    const shown = this.querySelector(".answer"), most = Number(this.form.dataset.mostBytes)
    shown.replaceChildren()
    if (source.size > most) return this.tell(`There are ${source.size} bytes; the server takes at most ${most}.`)
    this.tell("Predicting ...")
    try {
      const response = await this.ask(source, "json"), answer = await response.json()
      if (!response.ok) return this.tell(answer.detail, ...(answer.errors ?? []).slice(1).map(error => error.msg))
      const [header] = (await source.slice(0, 9999).text()).split("\n")
      this.show(new Answer(answer, this.form.dataset, /[;\t|]/.test(header.replaceAll("\0", ""))), source)
    } catch (error) {
      this.tell(`There is no answer: ${error.message}.`)
    }
  }

  show(answer, source) {
    const button = element("button", "Download the rows with their predictions")
    button.addEventListener("click", async () => save(await (await this.ask(source, "csv")).blob()))
    this.tell(answer.summary())
    this.querySelector(".answer").replaceChildren(draw(answer), table(answer), button)
  }
})

class Answer {
  constructor(answer, { response, predictor }, hasDecimalCommas) {
    this.columns = answer.predictions
    this.rows = this.columns.fit.length
    this.given = Object.keys(this.columns).filter(name => !PREDICTED.includes(name))
    this.predicted = PREDICTED.filter(name => name in this.columns)
    this.warnings = answer.warnings.filter(text => !text.endsWith("ignored."))
    this.errorCount = answer.error_count
    this.wrong = new Map()
    for (const { loc, msg } of answer.errors) {
      const row = loc.find(Number.isInteger)
      this.wrong.set(row, [...(this.wrong.get(row) ?? []), msg])
    }
    const number = text => /\d/.test(text) ? Number(hasDecimalCommas ? text.replace(",", ".") : text) : NaN
    this.response = response
    this.observed = this.given.includes(response) && this.columns[response].map(number)
    this.x = { name: predictor || "row", values: predictor ? this.columns[predictor].map(number) : [...this.columns.fit.keys()] }
  }

  rmse() {
    const squares = this.columns.fit.map((fit, row) => (fit - this.observed[row]) ** 2)
      .filter((square, row) => Number.isFinite(square) && this.columns.fit[row] !== null)
    return [Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length), squares.length]
  }

  summary() {
    const unanswered = this.columns.fit.filter(fit => fit === null).length
    const texts = [`${this.rows} rows; ${unanswered ? `${unanswered} without an answer` : "all are answered"}.`]
    if (this.observed) {
      const [rmse, count] = this.rmse()
      texts.push(`Observed against predicted ${this.response}: RMSE ${rmse.toPrecision(4)} over ${count} rows.`)
    }
    if (this.rows > ROWS) texts.push(`The first ${ROWS} are shown, and more that are wrong; the download has all.`)
    return [...texts, ...this.warnings].join(" ")
  }
}
