# SPDX-License-Identifier: GPL-2.0-only
#
# What each step of a tick takes, of the lines that lab/bench-lab.sh steps prints: lines
# PIT|GUEST|EVENT|INSTRUCTIONS, from the event before to this one. It is the median of the ticks that
# go the way that most of them go: lab/median.awk.
#
# An event is instructions too. How many shows in how much later ticks are with events on: an equal
# part for each of those on the way, and for the one that the programming exit has. What is left of the
# latency is before the first event and behind the last, and the way of the programming OUT.

# The tick that ends here is one more that went this way.
function flush(	i) {
	if (!n)
		return
	ticks[who, way]++
	ways[who] = ways[who] (ticks[who, way] == 1 ? way "\n" : "")
	for (i = 2; i <= n; i++)
		deltas[who, way, i] = deltas[who, way, i] " " time[i] - time[i - 1]
	n = 0
	way = ""
}

/^#/ { next }
$3 == "untraced" || $3 == "traced" { flush(); p50[$1 " " $2, $3] = $4; next }
$3 == "tick" { flush(); who = $1 " " $2; if (!seen[who]++) order[++nr] = who; next }
{
	time[++n] = $3
	sub(/^[^ ]+ [^ ]+ [^ ]+ /, "")
	way = way "|" $0
}

END {
	flush()
	for (o = 1; o <= nr; o++) {
		who = order[o]
		m = split(ways[who], list, "\n") - 1
		best = list[1]
		for (i = 2; i <= m; i++)
			if (ticks[who, list[i]] > ticks[who, best])
				best = list[i]
		m = split(substr(best, 2), event, "|")
		cost = (p50[who, "traced"] - p50[who, "untraced"]) / (m + 1)
		split(who, word, " ")
		rest = p50[who, "untraced"]
		for (i = 2; i <= m; i++) {
			step = median(deltas[who, best, i]) - cost
			rest -= step
			printf "%s|%s|%s|%.0f\n", word[1], word[2], event[i], step
		}
		printf "%s|%s|the rest|%.0f\n", word[1], word[2], rest
	}
}
