# SPDX-License-Identifier: GPL-2.0-only
#
# Write the table of the policies (reStructuredText) out of the sources:
#   awk -f lab/policy-table.awk include/uapi/linux/kvm_i8254.h i8254_policy.h i8254_policy.c
#
# A policy is a "static const struct i8254_policy NAME = { ... };" of designated initialisers with a
# comment above it. What is not as expected is an error: a table that misses something is worse
# than none.

function die(text) {
	print "policy-table.awk: " FILENAME ":" FNR ": " text >"/dev/stderr"
	failed = 1
	exit 1
}

function yes_no(value) { return value == "true" ? "yes" : "no" }

# The numbers of the policies.
/^#define[ \t]+KVM_PIT_TICK_[A-Z]+[ \t]+[0-9]+/ { number[$2] = $3 }

# The members that the ops table has: without them "no" would be said of every policy.
/^struct i8254_policy \{/ { in_struct = 1; next }
in_struct && /^\}/ { in_struct = 0 }
in_struct {
	member = $NF
	gsub(/[*;]/, "", member)
	members[member] = 1
}

# The comment that stands last before a policy.
/^\/\*/ { comment = ""; in_comment = 1 }
in_comment {
	line = $0
	in_comment = line !~ /\*\//
	gsub(/^[ \t]*\/?\*+\/?|\*\/.*$/, "", line)
	gsub(/^[ \t]+|[ \t]+$/, "", line)
	if (line != "")
		comment = comment (comment == "" ? "" : " ") line
	next
}

/^(static )?const struct i8254_policy [a-z0-9_]+ = \{/ {
	if (comment == "")
		die("no comment above the policy")
	in_policy = 1
	split("", field)
	next
}
in_policy && /^\};/ {
	in_policy = 0
	add()
	comment = ""
	next
}
in_policy && match($0, /^[ \t]*\.[a-z_]+[ \t]*=/) {
	name = $1
	sub(/^\./, "", name)
	sub(/=.*/, "", name)
	value = $0
	sub(/^[^=]*=[ \t]*/, "", value)
	sub(/,[ \t]*(\/\*.*)?$/, "", value)
	gsub(/"/, "", value)
	field[name] = value
	next
}
!in_policy && !/^[ \t]*$/ { comment = "" }

function add(    id) {
	if (!("id" in field) || !("name" in field))
		die("a policy without an id or a name")
	if (!(field["id"] in number))
		die(field["id"] " has no number")
	id = number[field["id"]]
	if (id in name_of)
		die("two policies with the id " id)
	name_of[id] = field["name"]
	constant[id] = field["id"]
	needs_eoi[id] = yes_no(field["needs_ack"])
	latch[id] = yes_no(field["latch"])
	rate[id] = field["slew_rate"] ? field["slew_rate"] " %" : "none"
	limit[id] = yes_no(field["has_limit"])
	says[id] = comment
	if (id > last)
		last = id
	n++
}

END {
	if (failed)
		exit 1
	if (!n)
		die("no policy found")
	if (in_policy)
		die("a policy without an end")
	split("id name needs_ack latch slew_rate has_limit", needed)
	for (i in needed)
		if (!(needed[i] in members))
			die("struct i8254_policy has no member " needed[i])

	print ".. SPDX-License-Identifier: GPL-2.0-only"
	print ".. Made by lab/policy-table.awk, do not edit."
	print ""
	print ".. list-table::"
	print "   :header-rows: 1"
	print "   :widths: 6 12 10 9 11 9 43"
	print ""
	print "   * - id\n     - name\n     - needs EOIs\n     - latch\n     - default rate"
	print "     - limit\n     - the source says"
	for (id = 0; id <= last; id++) {
		if (!(id in name_of))
			continue
		mask += 2 ^ id
		printf "   * - %d\n     - ``%s``\n     - %s\n     - %s\n     - %s\n     - %s\n     - %s\n",
			id, name_of[id], needs_eoi[id], latch[id], rate[id], limit[id], says[id]
	}
	print ""
	printf "``KVM_CHECK_EXTENSION`` returns a mask of the ids: %d with these.\n", mask
}
