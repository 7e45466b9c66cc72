-- Posts the bodies of a file, one a line, in turn; `#NUMBER#` in a body becomes eight digits that count up from an offset.
-- Arguments: the file, the offset. Prints one line of JSON at the end; latencies in microseconds.

local requests, templates, number = {}, {}, 0
local headers = { ["Content-Type"] = "application/json" }

function init(args)
  for line in io.lines(args[1]) do
    if line:find("#NUMBER#", 1, true) then
      templates[#templates + 1] = line
    else
      requests[#requests + 1] = wrk.format("POST", nil, headers, line)
    end
  end
  number = tonumber(args[2] or "0")
end

function request()
  number = number + 1
  if #templates > 0 then
    local body = templates[number % #templates + 1]:gsub("#NUMBER#", string.format("%08d", number))
    return wrk.format("POST", nil, headers, body)
  end
  return requests[number % #requests + 1]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
