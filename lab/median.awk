# SPDX-License-Identifier: GPL-2.0-only
#
# median(LIST): of numbers with blanks between them, the lower one where there are two.

function median(list,	n, v, i, j, t) {
	n = split(list, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	return v[int((n + 1) / 2)]
}
