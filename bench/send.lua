-- Sends the requests of a file in their order, and tells what came of it as a line of JSON.
-- Arguments: the file; "once", "again and again" or "to the last answer"; and a number where the requests come at a
-- steady rate (so many a second) or where the last answer is waited for (no request is sent after so many seconds).
-- wrk runs this with one thread, so that there is one order. The file is read before the clock starts.

local ffi = require("ffi")
ffi.cdef([[
    typedef struct { long s; long ns; } bench_time;
    int clock_gettime(int, bench_time *);
    int getpid(void);
    int kill(int, int);
]])

local requests, last, sent = {}, 0, nil
local is_sent_once
local NEVER_MS = 3600 * 1000
local moment = ffi.new("bench_time")

local function now_ms()
    ffi.C.clock_gettime(1, moment)
    return tonumber(moment.s) * 1000 + tonumber(moment.ns) / 1e6
end

local function at_a_rate(per_second)
    -- Connections take turns: whichever is free first takes the next instant of the schedule, however long others wait.
    local began_ms, scheduled = nil, 0
    return function()
        began_ms = began_ms or now_ms()
        scheduled = scheduled + 1
        return math.max(0, math.floor(began_ms + scheduled * 1000 / per_second - now_ms() + 0.5))
    end
end

local function interrupt()
    wrk.thread:stop()
    -- wrk would sleep on, and count the time; an interrupt ends it as it does from the keyboard.
    ffi.C.kill(ffi.C.getpid(), 2)
end

local function to_the_last_answer(seconds)
    -- Large requests take long: those under way when time is over are part of the work, and so is their time.
    local began_ms, taken, answered, is_over = nil, 0, 0, false
    delay = function()
        began_ms = began_ms or now_ms()
        is_over = is_over or taken == last or now_ms() - began_ms > seconds * 1000
        if is_over then return NEVER_MS end
        taken = taken + 1
        return 0
    end
    response = function()
        answered = answered + 1
        is_over = is_over or taken == last or now_ms() - began_ms > seconds * 1000
        if is_over and answered == taken then interrupt() end
    end
end

function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    while true do
        local length = file:read(9)
        if not length then break end
        last = last + 1
        requests[last] = file:read(tonumber(length))
    end
    file:close()
    is_sent_once = arguments[2] ~= "again and again"
    if arguments[2] == "to the last answer" then
        to_the_last_answer(tonumber(arguments[3]))
    elseif arguments[3] then
        delay = at_a_rate(tonumber(arguments[3]))
    end
end

function request()
    -- wrk looks at one request before it sends any.
    if not sent then
        sent = 0
        return requests[1]
    end
    if sent == last then
        if is_sent_once then interrupt() end
        sent = 0
    end
    sent = sent + 1
    return requests[sent]
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "duration_s": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, '
            .. '"refused": %d, "broken": %d}\n',
        summary.requests, summary.duration / 1e6,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout
    ))
end
