# SPDX-License-Identifier: GPL-2.0-only
#
# Draw when a guest accepted its ticks, for each policy a row, for each stall a panel.
# gnuplot -e "data='FILE'; bursts='FILE'; out='FILE without suffix'; format='svg'" lab/timeline.gp
# The data: lines "BUSY POLICY MS"; the bursts: lines "BUSY POLICY MS NUMBER".

rows = "stock-reinject stock-discard delay discard slew merge"
labels = "'stock, reinject' 'stock, discard' delay discard slew merge"
row(name) = words(rows) - sum [i = 1:words(rows)] (word(rows, i) eq name ? i : 0)

font = "DejaVu Sans"
if (format eq "svg") {
	set terminal svg size 1200,720 font font.",15" background "white" dynamic
} else {
	set terminal pngcairo size 1200,720 font font.",13" background "white"
}
set output out.".".format

set multiplot
unset key
set border 1 linecolor rgb "#606060"
set tics nomirror textcolor rgb "#202020"
set yrange [-0.6:5.6]
set ytics scale 0
do for [i = 1:words(rows)] { set ytics add (word(labels, i) words(rows) - i) }
set grid xtics linetype 1 linecolor rgb "#c8d4e0" linewidth 1
set grid noytics
set lmargin at screen 0.14
set rmargin at screen 0.975
set style fill solid 1 noborder

# The rows of the stock PIT are grey, those of the module blue.
colour(name) = name[1:5] eq "stock" ? 0x707070 : 0x1f5fa8

do for [busy in "42 205"] {
	if (busy eq "42") {
		set tmargin at screen 0.91
		set bmargin at screen 0.575
		set xrange [-4:112]
		set xtics 20
		unset xlabel
	} else {
		set tmargin at screen 0.445
		set bmargin at screen 0.11
		set xrange [-12:434]
		set xtics 20 font font.",".(format eq "svg" ? 12 : 10)
		set xlabel "ms since the first tick; a tick comes due at each vertical line"
	}
	set title "the guest cannot accept ticks until ".busy." ms" font font.":Bold" offset 0,-0.3
	set object 1 rectangle from 0,graph 0 to busy+0,graph 1 \
		fillcolor rgb "#fbe6d4" fillstyle solid noborder behind
	plot data using ($1 == busy+0 ? $3 : NaN):(row(stringcolumn(2))):(colour(stringcolumn(2))) \
		with points pointtype 7 pointsize 1.1 linecolor rgb variable, \
	     bursts using ($1 == busy+0 && $4 > 1 ? $3 : NaN):(row(stringcolumn(2))):("x".stringcolumn(4)) \
		with labels left offset 0.6,0.75 font ",".(format eq "svg" ? 12 : 10) textcolor rgb "#404040"
}
unset multiplot
