# SPDX-License-Identifier: GPL-2.0-only
#
# The figures of kunit.py's "Testing complete. Ran 3 tests: passed: 2, crashed: 1".

/Testing complete\. Ran [0-9]+ tests:/ {
	sub(/.*tests:/, "")
	items = split($0, item, ",")
	for (i = 1; i <= items; i++) {
		split(item[i], pair, ":")
		if (pair[1] ~ /passed/)
			passed += pair[2]
		else if (pair[1] !~ /skipped/)
			failed += pair[2]
	}
}

END { printf "KUnit: %d passed, %d failed\n", passed, failed }
