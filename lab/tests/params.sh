#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the module's parameters make of a VM, when it is loaded with them and when they change.
# Settings are written as debugfs has them: policy, slew rate, backlog limit.

. ./tap.sh

ko=/lib/modules/kvm-i8254.ko
params=/sys/module/kvm_i8254/parameters

# A VM has these settings at some time: vm TIME POLICY RATE LIMIT, with $change done when it is there.
change=:
vm() { ./pit_cap --settings "$change" | tee /tmp/settings && grep -qx "$*" /tmp/settings; }

set_param() { echo "$2" >$params/"$1"; }
all_params() { grep . $params/*; }

# Refuses to set a parameter, and leaves all as they are: refuses NAME VALUE
refuses() {
	all_params >/tmp/before
	! set_param "$1" "$2" || return
	all_params | diff /tmp/before -
}

does_not_load() {
	insmod $ko "$@" || return 0
	rmmod kvm-i8254
	return 1
}

reload() {
	[ ! -e $params ] || rmmod kvm-i8254
	insmod $ko "$@"
}

set_all() {
	set_param policy slew && set_param reinject merge && set_param slew_rate 200 &&
		set_param backlog_limit 9
}

bad_values='policy=often policy= policy=4 reinject=discard reinject=often slew_rate=0 slew_rate=901
slew_rate=-1 slew_rate=fast slew_rate=4294967396 backlog_limit=-1 backlog_limit=many
min_period_us=9 min_period_us=1000001 min_period_us=-200'

plan $((1 + 4 + 3 * 3 + 1 + 2 + 5 + 2 + 2 * $(echo "$bad_values" | wc -w)))

reload
check "without parameters" vm new delay 0 0
for policy in delay discard merge; do
	reload policy=$policy
	check "policy=$policy" vm new $policy 0 0
done
reload policy=slew
check "policy=slew, its default rate" vm new slew 100 0

for reinject in delay slew merge; do
	reload reinject=$reinject slew_rate=50 backlog_limit=7
	case $reinject in
	delay)	settings="delay 0 7" ;;
	slew)	settings="slew 50 7" ;;
	*)	settings="merge 0 0" ;;
	esac
	# shellcheck disable=SC2086
	check "reinject=$reinject: KVM_REINJECT_CONTROL 1" vm reinject-1 $settings
	check "reinject=$reinject: KVM_REINJECT_CONTROL 0" vm reinject-0 discard 0 0
	# shellcheck disable=SC2086
	check "reinject=$reinject: a new VM" vm new $settings
done
reload reinject=slew policy=merge
check "reinject=slew policy=merge: a new VM" vm new merge 0 0

reload policy=slew slew_rate=50 backlog_limit=7
check "slew_rate and backlog_limit" vm new slew 50 7
reload policy=merge slew_rate=50 backlog_limit=7
check "for a policy that has neither" vm new merge 0 0

reload policy=slew slew_rate=50 backlog_limit=7
change="cd $params && echo merge >policy && echo 300 >slew_rate && echo 3 >backlog_limit"
check "a change leaves a running VM as it is" vm later slew 50 7
change=:
check "the change is there for the next one" vm new merge 0 0
reload
check "set at run time" set_all
check "a new VM has it" vm new slew 200 9
check "KVM_REINJECT_CONTROL has it" vm reinject-1 merge 0 0

reload
change="echo slew >$params/reinject"
check "reinject is what it is when KVM_REINJECT_CONTROL comes" vm reinject-1 slew 100 0
change=:
check "and stays so" vm reinject-1 slew 100 0

for word in $bad_values; do
	check "refused: ${word%%=*} is \"${word#*=}\"" refuses "${word%%=*}" "${word#*=}"
done
rmmod kvm-i8254
for word in $bad_values; do
	check "does not load with $word" does_not_load "$word"
done
