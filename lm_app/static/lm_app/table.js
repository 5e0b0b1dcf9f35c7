// Predict for the rows of a file or of pasted cells: the API reads and answers them, and this shows its answer.
import { axisBottom, axisLeft, scaleLinear, select } from "./vendor/d3.js"

const ROWS = 50, POINTS = 2000 // so many are shown, of more
const HEADER_BYTES = 10000
const MOST_WIDTH = 640, LEFT = 64, RIGHT = 12, TOP = 12, BOTTOM = 44
const PREDICTED = ["fit", "lower", "upper", "extrapolated"]

customElements.define("predict-table", class extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form")
    const file = this.form.elements.file, cells = this.querySelector("textarea")
    this.form.noValidate = true // for want of a file, cells will do
    cells.parentElement.hidden = false
    this.form.addEventListener("submit", event => {
      event.preventDefault()
      const source = cells.value.trim() ? new Blob([cells.value]) : file.files[0]
      source ? this.predict(source) : this.tell("Choose a file, or paste cells.")
    })
    file.addEventListener("change", () => {
      cells.value = ""
      this.form.requestSubmit()
    })
    cells.addEventListener("paste", () => setTimeout(() => this.form.requestSubmit()))
    this.addEventListener("dragover", event => event.preventDefault())
    this.addEventListener("drop", event => {
      if (!event.dataTransfer.files.length) return // text, which the field for cells takes
      event.preventDefault()
      file.files = event.dataTransfer.files
      file.dispatchEvent(new Event("change"))
    })
  }

  tell(text) {
    this.querySelector("[role=status]").textContent = text
  }

  ask(source, format) {
    const body = new FormData(this.form)
    body.set("file", new Blob([source], { type: "text/csv" }), "table.csv")
    body.set("format", format)
    return fetch(this.form.action, { method: "POST", body })
  }

  async predict(source) {
    this.querySelector(".answer").replaceChildren()
    const most = this.form.dataset.mostBytes
    if (source.size > most) return this.tell(`There are ${source.size} bytes; the server takes at most ${most}.`)
    this.tell("Predicting ...")
    try {
      const response = await this.ask(source, "json"), answer = await response.json()
      const others = (answer.errors ?? []).slice(1).map(({ msg }) => msg)
      if (!response.ok) return this.tell([answer.detail, ...others].join(" "))
      const [header] = (await source.slice(0, HEADER_BYTES).text()).split("\n")
      this.show(read(answer, this.form.dataset, /[;\t|]/.test(header)), source)
    } catch (error) {
      this.tell(`There is no answer: ${error.message}.`)
    }
  }

  show(table, source) {
    const button = element("button", "Download the rows with their predictions")
    button.addEventListener("click", async () => save(await (await this.ask(source, "csv")).blob()))
    this.tell(table.texts.join(" "))
    this.querySelector(".answer").replaceChildren(
      drawing(table, Math.min(MOST_WIDTH, this.clientWidth)),
      element("p", "Rows count from 0, and the header is none of them."), listing(table), button)
  }
})

/** What is shown of the API's answer. */
function read({ predictions, errors, warnings }, { response, column, function: transform, predictor }, hasCommas) {
  const { fit } = predictions, unanswered = fit.filter(value => value === null).length
  const given = Object.keys(predictions).filter(name => !PREDICTED.includes(name))
  const read = text => /\d/.test(text) ? Number(hasCommas ? text.replace(",", ".") : text) : NaN
  const numbers = name => predictions[name].map(read)
  const observed = given.includes(column) && numbers(column).map(value => transform ? Math[transform](value) : value)
  const wrong = new Map()
  for (const { loc, msg } of errors) {
    const row = loc.find(Number.isInteger)
    wrong.set(row, `${wrong.get(row) ?? ""} ${msg}`.trim())
  }
  const texts = [`${counted(fit.length)}: ${unanswered ? `${unanswered} without an answer` : "all are answered"}.`]
  if (observed) texts.push(accuracy(fit, observed, response))
  if (fit.length > ROWS) {
    texts.push(`The table has the first ${ROWS} and others that are wrong, the picture ${POINTS}, the download all.`)
  }
  texts.push(...warnings)
  const x = predictor ? numbers(predictor) : [...fit.keys()]
  return { predictions, given, wrong, texts, observed, response, x, label: predictor || "row" }
}

function accuracy(fit, observed, response) {
  const squares = fit.map((value, row) => value === null ? NaN : (value - observed[row]) ** 2).filter(Number.isFinite)
  if (!squares.length) return `No row has both ${response} and an answer.`
  const rmse = Math.sqrt(squares.reduce((sum, square) => sum + square) / squares.length)
  return `${response} observed against predicted: RMSE ${rmse.toPrecision(4)} over ${counted(squares.length)}.`
}

/** A table of the first rows, and of those that are wrong. */
function listing({ predictions, given, wrong }) {
  const { fit, lower, upper, extrapolated } = predictions
  const table = element("table")
  const predicted = ["fit", "lower", "upper"].filter(name => name in predictions)
  const heads = ["row", ...predicted, "remark", ...given].map(name => element("th", name))
  heads.forEach(head => head.scope = "col")
  table.createTHead().append(element("tr", ...heads))
  const body = table.createTBody()
  fit.forEach((value, row) => {
    if (row >= ROWS && !wrong.has(row)) return
    const decimals = decimalsOf(lower && upper[row] - lower[row])
    const numbers = predicted.map(name => number(predictions[name][row], decimals))
    const said = element("td", wrong.get(row) ?? (extrapolated?.[row] ? "beyond the training range" : ""))
    said.className = "remark"
    const values = texts => texts.map(text => element("td", text))
    const cells = [...values(numbers), said, ...values(given.map(name => predictions[name][row] ?? ""))]
    const head = element("th", row)
    head.scope = "row"
    const line = element("tr", head, ...cells)
    line.classList.toggle("wrong", value === null)
    body.append(line)
  })
  const region = element("div", table)
  Object.assign(region, { className: "rows", tabIndex: 0, role: "region", ariaLabel: "Rows with predictions" })
  return region
}

/** Observed against predicted, or the predictions by the one predictor or by row, with their intervals. */
function drawing({ predictions, observed, response, x, label }, width) {
  const height = Math.max(280, 0.6 * width)
  const { fit, lower, upper } = predictions
  const points = fit.flatMap((value, row) => {
    if (value === null || !Number.isFinite(observed ? observed[row] : x[row])) return []
    const [from, to] = lower ? [lower[row] ?? value, upper[row] ?? value] : [value, value]
    const text = `row ${row}: ${number(value, decimalsOf(to - from))}`
    return [observed ? { x1: from, x: value, x2: to, y1: observed[row], y: observed[row], y2: observed[row], text }
      : { x1: x[row], x: x[row], x2: x[row], y1: from, y: value, y2: to, text }]
  }).slice(0, POINTS)
  const limits = points.flatMap(({ x1, x2 }) => [x1, x2]), heights = points.flatMap(({ y1, y2 }) => [y1, y2])
  const across = scaleLinear(extent(observed ? [...limits, ...heights] : limits), [LEFT, width - RIGHT]).nice()
  const up = scaleLinear(extent(observed ? [...limits, ...heights] : heights), [height - BOTTOM, TOP]).nice()
  const titles = observed ? [`predicted ${response}`, `observed ${response}`] : [label, `predicted ${response}`]
  const svg = select(document.createElementNS("http://www.w3.org/2000/svg", "svg"))
  svg.attr("viewBox", `0 0 ${width} ${height}`).attr("role", "img")
    .attr("aria-label", `${titles[1]} by ${titles[0]}; the table has the values`)
  svg.append("g").attr("transform", `translate(0,${height - BOTTOM})`).call(axisBottom(across).ticks(width / 80))
  svg.append("g").attr("transform", `translate(${LEFT},0)`).call(axisLeft(up).ticks(8))
  svg.append("text").attr("x", (LEFT + width) / 2).attr("y", height - 6).text(titles[0])
  svg.append("text").attr("transform", `translate(14,${height / 2}) rotate(-90)`).text(titles[1])
  if (observed) {
    const [least, most] = across.domain()
    svg.append("line").attr("class", "equal").attr("x1", across(least)).attr("x2", across(most))
      .attr("y1", up(least)).attr("y2", up(most))
  }
  const marks = svg.selectAll("g.point").data(points).join("g").attr("class", "point")
  marks.append("title").text(point => point.text)
  marks.append("line").attr("x1", point => across(point.x1)).attr("x2", point => across(point.x2))
    .attr("y1", point => up(point.y1)).attr("y2", point => up(point.y2))
  marks.append("circle").attr("cx", point => across(point.x)).attr("cy", point => up(point.y)).attr("r", 3)
  return svg.node()
}

function extent(values) {
  if (!values.length) return [0, 1]
  const [least, most] = [Math.min(...values), Math.max(...values)], beside = (most - least || 1) / 50
  return [least - beside, most + beside]
}

/** The decimals that show three digits of half an interval; see pages/numbers.py. */
function decimalsOf(width) {
  return width > 0 && Number.isFinite(width) ? Math.min(12, Math.max(0, 2 - Math.floor(Math.log10(width / 2)))) : 6
}

function number(value, decimals) {
  return value === null ? "" : Math.abs(value) < 1e15 ? value.toFixed(decimals) : value.toPrecision(4)
}

function counted(rows) {
  return rows === 1 ? "1 row" : `${rows} rows`
}

function element(tag, ...children) {
  const made = document.createElement(tag)
  made.append(...children)
  return made
}

function save(content) {
  const link = element("a")
  link.href = URL.createObjectURL(content)
  link.download = "predictions.csv"
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10000)
}
