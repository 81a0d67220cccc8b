# SPDX-License-Identifier: GPL-2.0-only
#
# Draw the main figures of lab/bench, stock KVM's beside the module's.
# gnuplot -e "data='FILE'; out='FILE without suffix'; format='svg'" lab/bench.gp
# The data: lines "PIT KEY VALUE".

font = "DejaVu Sans"
if (format eq "svg") {
	set terminal svg size 1200,720 font font.",14" background "white" dynamic
} else {
	set terminal pngcairo size 1200,720 font font.",12" background "white"
}
set output out.".".format

# Where a key stands in a list, from 0, or NaN.
place(key) = (sum [n = 1:words(keys)] (word(keys, n) eq key ? n : 0)) - 1
x(key, which) = place(key) < 0 ? NaN : place(key) + (which eq "stock" ? -0.19 : 0.19)

set border 3 linecolor rgb "#606060"
set tics nomirror textcolor rgb "#202020"
set xtics scale 0
set grid ytics linetype 1 linecolor rgb "#c8d4e0" linewidth 1
set grid noxtics
set style fill solid 1 noborder
set boxwidth 0.36
set yrange [0:*]
set offsets 0.3, 0.3, graph 0.08, 0
set key top left Left reverse samplen 1

pits = "stock module"
colour(pit) = pit eq "stock" ? 0x707070 : 0x1f5fa8

set multiplot layout 2,2 margins 0.07,0.98,0.06,0.94 spacing 0.09,0.18
do for [panel = 1:4] {
	if (panel == 1) {
		set title "latency of a tick, p50, instructions" font font.":Bold"
		keys = "latency.busy.100.p50 latency.busy.1000.p50 latency.busy.5000.p50 " \
			."latency.idle.100.p50 latency.idle.1000.p50 latency.idle.5000.p50"
		labels = "'busy\n100 Hz' 'busy\n1 kHz' 'busy\n5 kHz' 'halted\n100 Hz' 'halted\n1 kHz' " \
			."'halted\n5 kHz'"
	}
	if (panel == 2) {
		set title "what a tick or an access takes, instructions" font font.":Bold"
		keys = "cost.busy.1000 cost.busy.5000 port.read port.latch port.reload"
		labels = "'tick, 1 kHz' 'tick, 5 kHz' 'port read' 'latch, read' 'reload'"
	}
	if (panel == 3) {
		set title "host CPU of a VM at 100 Hz, %" font font.":Bold"
		keys = "vms.1.100.cpu vms.16.100.cpu vms.64.100.cpu vms.256.100.cpu"
		labels = "'1 VM' '16 VMs' '64 VMs' '256 VMs'"
	}
	if (panel == 4) {
		set title "ticks lost under delay, %" font font.":Bold"
		keys = "lost.5000 lost.10000 lost.16000"
		labels = "'5 kHz' '10 kHz' '16 kHz'"
	}
	set xtics ()
	do for [i = 1:words(keys)] { set xtics add (word(labels, i) i - 1) }
	set xrange [-0.6:words(keys) - 0.4]
	plot for [pit in pits] data \
		using (x(stringcolumn(2), stringcolumn(1))):(stringcolumn(1) eq pit ? $3 : NaN) \
		with boxes linecolor rgb colour(pit) title (pit eq "stock" ? "stock KVM" : "kvm-i8254")
	unset key
}
unset multiplot
