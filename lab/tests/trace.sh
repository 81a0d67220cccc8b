#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# trace-cmd shows a tick's way: every event in words, and none missing. A guest is held for 205 ms:
# ticks come due, are raised, and are acknowledged or lost. (discard looks at no acknowledgement.)

. ./tap.sh

# record POLICY HANDLER: what trace-cmd reports of a guest under POLICY is /tmp/POLICY.
record() {
	trace-cmd record -e kvm_pit -o /tmp/trace.dat \
		./pit_timeline --policy "$1" --handler "$2" --busy-until 205 --print &&
		trace-cmd report -i /tmp/trace.dat >/tmp/report || return
	grep ' kvm_pit_' /tmp/report >"/tmp/$1"
}

digits='[0-9][0-9]*'
end="backlog=$digits"
form() {
	case $1 in
	due | lost)	echo "ticks=$digits $end" ;;
	raise)		echo "tick=\(due\|owed\|held\) result=\(raised\|coalesced\|masked\) $end" ;;
	ack)		echo "$end" ;;
	mask)		echo "\(masked\|unmasked\)\( off\)\{0,1\} $end" ;;
	policy)		echo "policy=[a-z]* slew_rate=$digits backlog_limit=$digits $end" ;;
	esac
}

# in_words POLICY EVENT: there are such events, and all are formatted to the end.
in_words() {
	grep " kvm_pit_$2: " "/tmp/$1" >/tmp/events || return
	! grep -v "kvm_pit_$2:  *vm=$digits $(form "$2")\$" /tmp/events
}

# lines POLICY PATTERN: how many.
lines() { grep -c "$2" "/tmp/$1"; }

# ticks POLICY EVENT: their sum.
ticks() {
	awk -v event="kvm_pit_$2:" '
		$4 == event { sub("ticks=", "", $6); n += $6 }
		END { print n + 0 }' "/tmp/$1"
}

# same NUMBER NUMBER: and there are some.
same() {
	echo "$1 and $2"
	[ "$1" -gt 0 ] && [ "$1" = "$2" ]
}

# accounted POLICY: every tick that came due ends in an acknowledgement, or as lost.
accounted() {
	same "$(ticks "$1" due)" $(($(lines "$1" kvm_pit_ack:) + $(ticks "$1" lost)))
}

# Owed ticks are raised 10 ms after one came due, in the middle of a period, to 0.2 ms.
spaced() {
	awk '
		/kvm_pit_due:/ { due = $3 * 1000 }
		/tick=owed/ { at = $3 * 1000; n++; print at - due; bad += at - due < 9.8 || at - due > 10.2 }
		END { exit n < 7 || bad }' /tmp/slew
}

plan 21
check "module loads" insmod /lib/modules/kvm-i8254.ko
check "trace-cmd records delay, a handler that masks" record delay 1
for event in due raise ack mask policy; do
	check "$event is in words" in_words delay $event
done
check "delay: every tick is acknowledged" accounted delay
check "delay: none is lost" refused grep kvm_pit_lost: /tmp/delay
check "delay: one raise for each tick" \
	same "$(lines delay 'kvm_pit_raise:.*tick=\(due\|owed\)')" "$(ticks delay due)"
check "delay: as many masks as unmasks in the handler" \
	same "$(lines delay ' unmasked backlog')" "$(lines delay ' masked backlog')"
check "delay: the policy is named" grep "policy=delay slew_rate=0 " /tmp/delay

check "trace-cmd records discard" record discard 0
check "lost is in words" in_words discard lost
check "discard: every tick is raised or lost" same "$(ticks discard due)" \
	$(($(lines discard result=raised) + $(ticks discard lost)))
check "discard: what finds no room is not raised" refused grep result=coalesced /tmp/discard

check "trace-cmd records slew" record slew 0
check "slew: every tick is acknowledged" accounted slew
check "slew: owed ticks are in the middle of a period" spaced
check "the first policy of a PIT is that of the module" \
	eval 'head -n 1 /tmp/slew | grep " kvm_pit_policy: .* policy=delay "'
check "slew: the policy is named" grep "policy=slew slew_rate=100 " /tmp/slew
