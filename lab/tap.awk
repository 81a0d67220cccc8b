# SPDX-License-Identifier: GPL-2.0-only
#
# Count a test's TAP on its standard input: prints "PASSED FAILED SKIPPED". STATUS is the test's
# exit status. A test that did not keep to its plan, or ended badly without saying that a test
# failed, has failed once more.

/^1\.\.[0-9]+/			{ plan = substr($1, 4) + 0; planned = 1 }
/^1\.\.0 # SKIP/		{ skipped++ }
/^(not )?ok / && /# SKIP/	{ skipped++; points++; next }
/^ok /				{ passed++; points++ }
/^not ok /			{ failed++; points++ }

END {
	all_skipped = planned && plan == 0 && skipped
	if (!all_skipped) {
		if (!planned || points + 0 != plan)
			failed++
		else if (STATUS != 0 && !failed)
			failed++
	}
	print passed + 0, failed + 0, skipped + 0
}
