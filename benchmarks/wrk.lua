-- What wrk sends: GET, or POST of the file BODY, or GET of all PATHS in turn; with API_KEY, where there is one. Its last line is JSON, for servers.py.

local file = os.getenv("BODY")
if file then
  wrk.method = "POST"
  wrk.body = io.open(file):read("*a")
  wrk.headers["Content-Type"] = os.getenv("CONTENT_TYPE")
end

local key = os.getenv("API_KEY")
if key and key ~= "" then wrk.headers["X-API-Key"] = key end

local paths = {}
for path in string.gmatch(os.getenv("PATHS") or "", "%S+") do table.insert(paths, path) end
if #paths > 0 then -- only then: wrk is faster without a function to ask for each request
  local next = 0
  function request()
    next = next % #paths + 1
    return wrk.format("GET", paths[next])
  end
end

function done(summary)
  local e = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout
  ))
end
