-- SPDX-License-Identifier: BSD-3-Clause
-- Trials for Pktgen-DPDK: port 0 sends, port 1 counts what comes back.
--
-- run.py says what to do, a line each: "RATE SECONDS SIZE", RATE in per cent of what Pktgen takes for
-- the link's speed, SIZE of the frame without its CRC, 0 for the sequence that imix.pkt has set.  The
-- answer is "SENT RECEIVED SECONDS".  The lines go through two named pipes.

package.path = package.path .. ";?.lua"
require "Pktgen"

local SENDER, RECEIVER = "0", "1"
local CRC_BYTES = 4
local SETTLE_MS = 2200 -- behind a stop: what it knows of its counters is up to a second old

local function counters()
	return pktgen.portStats(SENDER, "port")[tonumber(SENDER)].opackets,
		pktgen.portStats(RECEIVER, "port")[tonumber(RECEIVER)].ipackets
end

local function set_up()
	pktgen.screen("off")
	pktgen.set_ipaddr(SENDER, "dst", "10.2.0.1")
	pktgen.set_ipaddr(SENDER, "src", "10.1.0.1/16")
	pktgen.set_proto(SENDER, "udp")
	pktgen.set(SENDER, "count", 0)
	pktgen.set(SENDER, "burst", 32)
end

local function trial(rate, seconds, size)
	if size > 0 then
		pktgen.set(SENDER, "size", size + CRC_BYTES)
	end
	pktgen.set(SENDER, "rate", rate)
	local sent, received = counters()
	pktgen.start(SENDER)
	pktgen.delay(math.floor(seconds * 1000))
	pktgen.stop(SENDER)
	pktgen.delay(SETTLE_MS)
	local sent_now, received_now = counters()
	return sent_now - sent, received_now - received
end

set_up()
pktgen.delay(SETTLE_MS)
local orders = assert(io.open(os.getenv("FERRULE_ORDERS"), "r"))
local answers = assert(io.open(os.getenv("FERRULE_ANSWERS"), "w"))
for line in orders:lines() do
	local rate, seconds, size = line:match("^(%S+) (%S+) (%S+)$")
	local sent, received = trial(tonumber(rate), tonumber(seconds), tonumber(size))
	answers:write(string.format("%d %d %s\n", sent, received, seconds))
	answers:flush()
end
pktgen.quit()
