# SPDX-License-Identifier: GPL-2.0-only
#
# The rows of lab/bench with their figures: WHAT|UNIT|STOCK|MODULE|RATIO|TARGET|MET|SPLIT|OFF, out of lines
# PIT KEY VALUE and of lab/bench.rows, which comes last. Of a key that comes several times it is the
# median: lab/median.awk.

function figure(pit, key) { return (pit, key) in values ? median(values[pit, key]) : "-" }
function number(value) { return value ~ /^-?[0-9.]+$/ }
FILENAME !~ /rows$/ { split($0, f, " "); values[f[1], f[2]] = values[f[1], f[2]] " " f[3]; next }
/^#/ { next }
{
	stock = figure("stock", $1); module = figure("module", $1); ratio = met = "-"
	if (module == "-") { missing = 1; print "no figure: " $1 >"/dev/stderr" }
	if (number(stock) && number(module) && stock != 0)
		ratio = sprintf("%.2f", module / stock)
	split($4, target, " ")
	if (target[1] == "ratio") {
		text = "ratio at most " target[2]
		met = number(ratio) && module / stock <= target[2] ? "yes" : "no"
	} else if (target[1] == "module") {
		text = target[2] == 0 ? "0" : "under " target[2]
		size = module < 0 ? -module : module
		met = number(module) && size <= target[2] + 0 ? "yes" : "no"
	} else
		text = "-"
	print $2 "|" $3 "|" stock "|" module "|" ratio "|" text "|" met \
		"|" figure("split", $1) "|" figure("off", $1)
}
END { exit missing }
