// Draw what lm_app/pages/picture.py tells: a panel for each predictor, and observed against fitted values.
import { area, axisBottom, axisLeft, line, pointer, scaleLinear, scalePoint, select } from "./vendor/d3.js"

const MARGIN = { top: 8, right: 12, bottom: 38, left: 52 }
const TALL = 370
const SMALL = 215
const MILLISECONDS = { date: 86400e3, "date-time": 1e3 }

const figure = document.getElementById("picture")
let drawn = {} // where the cross of each panel stands

export function draw() {
  const data = JSON.parse(document.getElementById("picture-data").textContent)
  const panels = [...data.panels, ...(data.fitted ? [fittedPanel(data)] : [])]
  const height = panels.length > 1 ? SMALL : TALL
  const roots = select(figure).select(".panels").selectAll("svg").data(panels, panel => panel.name)
    .join("svg").attr("height", height)
  const caption = figure.querySelector("figcaption")
  caption.hidden = panels.length === 0
  for (const level of caption.querySelectorAll(".level")) level.textContent = `${shorter(100 * data.level)} %`
  roots.each(function (panel) {
    const { width } = this.getBoundingClientRect()
    drawPanel(select(this), panel, data, Math.max(width, 200), height)
  })
  performance.mark("picture")
}

function fittedPanel(data) {
  const dots = data.fitted.x.map((x, i) => [x, data.fitted.y[i]])
  return { name: `fitted ${data.response}`, unit: data.unit, type: "fitted", x: [], fit: [], mean: [], new: [], dots }
}

function drawPanel(svg, panel, data, width, height) {
  const x = scaleX(panel, data).range([MARGIN.left, width - MARGIN.right])
  const all = panel.type === "fitted" ? valuesOf(panel) : data.panels.flatMap(valuesOf) // so that panels compare
  const y = scaleLinear(extent([...all, ...(data.answer ?? [])]), [height - MARGIN.bottom, MARGIN.top]).nice()
  svg.attr("viewBox", `0 0 ${width} ${height}`).attr("tabindex", 0).attr("role", "img")
    .attr("aria-label", `${data.response} by ${panel.name}: arrow keys tell the values`)
  svg.selectAll("*").remove()
  const isTime = panel.type in MILLISECONDS
  const count = Math.max(2, Math.floor(width / (isTime ? 140 : 80)))
  const bottom = axisBottom(x)
  if (panel.labels) {
    const every = Math.ceil(50 / x.step())
    bottom.tickValues(panel.x.filter((_, i) => i % every === 0)).tickFormat(value => label(panel, value, every * x.step()))
  }
  else bottom.ticks(count)
  if (isTime) bottom.tickValues(days(x.domain(), count, panel)).tickFormat(value => dateText(panel, value).slice(0, 10))
  svg.append("g").attr("transform", `translate(0,${height - MARGIN.bottom})`).call(bottom)
  svg.append("g").attr("transform", `translate(${MARGIN.left},0)`).call(axisLeft(y).ticks(Math.floor(height / 45)))
  svg.append("text").attr("x", (MARGIN.left + width) / 2).attr("y", height - 4).attr("text-anchor", "middle")
    .text(cut(named(panel.name, panel.unit), width - MARGIN.left))
  svg.append("text").attr("transform", `translate(12,${(height - MARGIN.bottom) / 2}) rotate(-90)`)
    .attr("text-anchor", "middle").text(cut(named(data.response, data.unit), height - MARGIN.bottom))
  if (panel.type === "fitted") {
    const [least, greatest] = x.domain()
    svg.append("line").attr("class", "equal").attr("x1", x(least)).attr("x2", x(greatest))
      .attr("y1", y(least)).attr("y2", y(greatest))
  } else if (panel.labels) drawLevels(svg, panel, x, y)
  else drawLine(svg, panel, x, y)
  svg.append("g").selectAll("circle").data(panel.dots ?? []).join("circle").attr("class", "dot")
    .attr("r", panel.dots?.length > 200 ? 1.5 : 3).attr("cx", dot => x(dot[0])).attr("cy", dot => y(dot[1]))
  if (data.answer && data.answer[0] !== null) drawAnswer(svg, panel, data, x, y)
  tell(svg, panel, data, x, y, height)
}

function drawLine(svg, panel, x, y) {
  const [least, greatest] = panel.range
  const points = panel.x.map((value, i) => ({ x: value, fit: panel.fit[i], mean: panel.mean[i], new: panel.new[i] }))
  const parts = [
    ["", points.filter(point => point.x >= least && point.x <= greatest)],
    ["beyond", points.filter(point => point.x <= least)],
    ["beyond", points.filter(point => point.x >= greatest)],
  ].filter(([, part]) => part.length > 1)
  for (const band of ["new", "mean"]) {
    for (const [beyond, part] of parts) {
      const shape = area(point => x(point.x), point => y(point[band][0]), point => y(point[band][1]))
        .defined(point => point[band] && point[band][0] !== null && point[band][1] !== null)
      if (!beyond) svg.append("path").attr("class", band).attr("d", shape(part))
      else for (const edge of [shape.lineY0(), shape.lineY1()]) {
        svg.append("path").attr("class", `${band} beyond`).attr("d", edge(part))
      }
    }
  }
  for (const [beyond, part] of parts) {
    svg.append("path").attr("class", `line ${beyond}`)
      .attr("d", line(point => x(point.x), point => y(point.fit)).defined(point => point.fit !== null)(part))
  }
}

function drawLevels(svg, panel, x, y) {
  const half = Math.min(30, x.step() / 3)
  for (const [band, share] of [["new", 1], ["mean", 0.7]]) {
    svg.append("g").selectAll("rect").data(panel.x.map((value, i) => [value, panel[band][i]]))
      .join("rect").filter(([, limits]) => limits && limits[0] !== null && limits[1] !== null).attr("class", band)
      .attr("x", ([value]) => x(value) - half * share).attr("width", 2 * half * share)
      .attr("y", ([, limits]) => y(limits[1])).attr("height", ([, limits]) => y(limits[0]) - y(limits[1]))
  }
  svg.append("g").selectAll("line").data(panel.x.map((value, i) => [value, panel.fit[i]]).filter(([, fit]) => fit !== null))
    .join("line").attr("class", "line").attr("x1", ([value]) => x(value) - half).attr("x2", ([value]) => x(value) + half)
    .attr("y1", ([, fit]) => y(fit)).attr("y2", ([, fit]) => y(fit))
}

function drawAnswer(svg, panel, data, x, y) {
  const [fit, lower, upper] = data.answer
  const at = x(panel.type === "fitted" ? fit : panel.at)
  const answer = svg.append("g").attr("class", "answer")
  if (lower !== undefined && lower !== null && upper !== null) {
    answer.append("line").attr("x1", at).attr("x2", at).attr("y1", y(lower)).attr("y2", y(upper))
  }
  answer.append("circle").attr("r", 5).attr("cx", at).attr("cy", y(fit))
}

// Pointer and arrow keys move a cross, and the caption tells what is there.
function tell(svg, panel, data, x, y, height) {
  const places = panel.type === "fitted" ? panel.dots.map(dot => dot[0]) : panel.x
  const cross = svg.append("line").attr("class", "cross").attr("y1", MARGIN.top).attr("y2", height - MARGIN.bottom)
    .attr("visibility", "hidden")
  const output = figure.querySelector(".told")
  const order = places.map((_, i) => i).sort((a, b) => places[a] - places[b])
  const show = place => {
    const i = order[place]
    drawn = { ...drawn, [panel.name]: place }
    cross.attr("x1", x(places[i])).attr("x2", x(places[i])).attr("visibility", "visible")
    output.value = said(panel, data, i)
  }
  svg.on("pointermove", event => {
    const [px] = pointer(event)
    show(order.reduce((best, i, place) => Math.abs(x(places[i]) - px) < Math.abs(x(places[order[best]]) - px) ? place : best, 0))
  }).on("pointerleave", () => cross.attr("visibility", "hidden")).on("keydown", event => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -Infinity, End: Infinity }[event.key]
    if (!step) return
    event.preventDefault()
    const before = drawn[panel.name] ?? (step > 0 ? -1 : order.length)
    show(Math.min(order.length - 1, Math.max(0, before + step)))
  })
}

function said(panel, data, i) {
  const number = value => value === null ? "not a number" : value.toFixed(Math.min(12, Math.max(0, data.decimals)))
  if (panel.type === "fitted") return `fitted ${number(panel.dots[i][0])}: observed ${number(panel.dots[i][1])}`
  const at = panel.labels?.[i] ?? (panel.type in MILLISECONDS ? dateText(panel, panel.x[i]) : shorter(panel.x[i]))
  const [mean, fresh] = [panel.mean[i], panel.new[i]].map(limits => `${number(limits[0])} to ${number(limits[1])}`)
  return `${panel.name} ${at}: ${data.response} ${number(panel.fit[i])}, mean ${mean}, new ${fresh}`
}

function scaleX(panel, data) {
  if (panel.labels) return scalePoint(panel.x, [0, 1]).padding(0.5)
  const values = [...panel.x, ...(panel.dots ?? []).map(dot => dot[0])]
  if (panel.type === "fitted") values.push(data.answer?.[0])
  const scale = scaleLinear(extent(values), [0, 1])
  return panel.type in MILLISECONDS ? scale : scale.nice()
}

function valuesOf(panel) {
  return [...panel.fit, ...panel.mean.flat(), ...panel.new.flat(), ...(panel.dots ?? []).map(dot => dot[1])]
}

function extent(values) {
  const finite = values.filter(value => value !== null && value !== undefined)
  const [least, greatest] = [Math.min(...finite), Math.max(...finite)]
  return least < greatest ? [least, greatest] : [least - 1, greatest + 1]
}

function label(panel, value, space) {
  return cut(panel.labels[panel.x.indexOf(value)], space)
}

function cut(text, space) {
  const room = Math.max(2, Math.floor(space / 7))
  return text.length > room ? `${text.slice(0, room - 1)}…` : text
}

// Beginnings of days, evenly spread: the steps of a linear axis are none of dates.
function days([least, greatest], count, panel) {
  const day = MILLISECONDS.date / MILLISECONDS[panel.type]
  return Array.from({ length: count }, (_, i) => Math.round((least + (greatest - least) * (i + 0.5) / count) / day) * day)
}

function dateText(panel, value) {
  const text = new Date(value * MILLISECONDS[panel.type]).toISOString()
  return panel.type === "date" ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ")
}

function named(name, unit) {
  return unit ? `${name} (${unit})` : name
}

function shorter(value) {
  return String(Number(value.toPrecision(4)))
}
