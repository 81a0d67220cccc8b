# SPDX-License-Identifier: GPL-2.0-only
#
# The events on the way of each tick of a PIT, out of a trace: from the interrupt of the timer, the
# exit before it included where that has interrupted the guest, to the entry into the guest.
# awk -v tick=WORDS: what a tick's first line says, and each of its events begins with.

{
	for (i = 1; i < NF && $i !~ /^[0-9]+:$/; i++)
		;
	time = substr($i, 1, length($i) - 1)
	event = $(i + 1)
	sub(/:$/, "", event)
}
event == "kvm_set_irq" { event = event " " ($0 ~ /level 1/ ? "1" : "0") }
event == "kvm_inj_virq" && /reinjected/ { event = event " again" }
event == "sched_switch" {
	next_task = $0
	sub(/.*next_comm=/, "", next_task)
	sub(/[\/ ].*/, "", next_task)
	event = "switch to " next_task
}
event == "kvm_exit" { held = !/reason interrupt/ ? "" : time " " event; n = 0 }
event == "local_timer_entry" {
	line[n = 1] = held
	if (held != "")
		n++
	held = ""
	line[n] = time " " event
	ours = 0
	next
}
!n { next }
event == "hrtimer_expire_entry" {
	if (ours || !/function=pit_timer_fn/) { n = 0; next }
	ours = 1
}
event != "kvm_exit" { line[++n] = time " " event }
event == "kvm_entry" {
	if (ours) {
		print tick, "tick"
		for (i = 1; i <= n; i++)
			print tick, line[i]
	}
	n = 0
}
