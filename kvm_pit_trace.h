/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a tick, as tracepoints. `vm` is the thread ID (TID) of the thread that
 * created the VM, the first number of the VM's folder in debugfs. Often that is the
 * main thread, whose TID is the process's PID.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_pit

#if !defined(__KVM_PIT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define __KVM_PIT_TRACE_H

#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "i8254_policy.h"

DECLARE_EVENT_CLASS(kvm_pit_ticks,
	TP_PROTO(pid_t vm, u64 n, const struct i8254_ticks *ticks),
	TP_ARGS(vm, n, ticks),

	TP_STRUCT__entry(
		__field(pid_t, vm)
		__field(u64, n)
		__field(u64, backlog)
	),

	TP_fast_assign(
		__entry->vm = vm;
		__entry->n = n;
		__entry->backlog = ticks->backlog;
	),

	TP_printk("vm=%d ticks=%llu backlog=%llu",
		  __entry->vm, __entry->n, __entry->backlog)
);

/* Ticks came due: OUT0 rose. */
DEFINE_EVENT(kvm_pit_ticks, kvm_pit_due,
	TP_PROTO(pid_t vm, u64 n, const struct i8254_ticks *ticks),
	TP_ARGS(vm, n, ticks)
);

/* Ticks were given up: nobody will raise them any more. */
DEFINE_EVENT(kvm_pit_ticks, kvm_pit_lost,
	TP_PROTO(pid_t vm, u64 n, const struct i8254_ticks *ticks),
	TP_ARGS(vm, n, ticks)
);

/* User space knows no enum by its name, and takes a negative int for a large one. */
TRACE_DEFINE_ENUM(I8254_RAISE_DUE);
TRACE_DEFINE_ENUM(I8254_RAISE_OWED);
TRACE_DEFINE_ENUM(I8254_RAISE_HELD);

#define kvm_pit_trace_raises				\
	{ I8254_RAISE_DUE,	"due" },		\
	{ I8254_RAISE_OWED,	"owed" },		\
	{ I8254_RAISE_HELD,	"held" }

TRACE_DEFINE_ENUM(I8254_MASKED);
TRACE_DEFINE_ENUM(I8254_FULL);
TRACE_DEFINE_ENUM(I8254_TOOK);

#define kvm_pit_trace_results				\
	{ I8254_MASKED,	"masked" },			\
	{ I8254_FULL,	"coalesced" },			\
	{ I8254_TOOK,	"raised" }

/* A tick was raised at the irqchip, which took it or did not. */
TRACE_EVENT(kvm_pit_raise,
	TP_PROTO(pid_t vm, enum i8254_raise raise, enum i8254_answer answer,
		 const struct i8254_ticks *ticks),
	TP_ARGS(vm, raise, answer, ticks),

	TP_STRUCT__entry(
		__field(pid_t, vm)
		__field(unsigned int, raise)
		__field(unsigned int, result)
		__field(u64, backlog)
	),

	TP_fast_assign(
		__entry->vm = vm;
		__entry->raise = raise;
		__entry->result = answer;
		__entry->backlog = ticks->backlog;
	),

	TP_printk("vm=%d tick=%s result=%s backlog=%llu", __entry->vm,
		  __print_symbolic(__entry->raise, kvm_pit_trace_raises),
		  __print_symbolic(__entry->result, kvm_pit_trace_results),
		  __entry->backlog)
);

/* The guest accepted a tick: its EOI was seen. */
TRACE_EVENT(kvm_pit_ack,
	TP_PROTO(pid_t vm, const struct i8254_ticks *ticks),
	TP_ARGS(vm, ticks),

	TP_STRUCT__entry(
		__field(pid_t, vm)
		__field(u64, backlog)
	),

	TP_fast_assign(
		__entry->vm = vm;
		__entry->backlog = ticks->backlog;
	),

	TP_printk("vm=%d backlog=%llu", __entry->vm, __entry->backlog)
);

/* The guest masked or unmasked IRQ0 at an irqchip. */
TRACE_EVENT(kvm_pit_mask,
	TP_PROTO(pid_t vm, bool masked, const struct i8254_ticks *ticks),
	TP_ARGS(vm, masked, ticks),

	TP_STRUCT__entry(
		__field(pid_t, vm)
		__field(bool, masked)
		__field(bool, off)
		__field(u64, backlog)
	),

	TP_fast_assign(
		__entry->vm = vm;
		__entry->masked = masked;
		__entry->off = ticks->masked && ticks->mask_off;
		__entry->backlog = ticks->backlog;
	),

	TP_printk("vm=%d %s%s backlog=%llu", __entry->vm,
		  __entry->masked ? "masked" : "unmasked",
		  __entry->off ? " off" : "", __entry->backlog)
);

/* The policy of a VM was set. */
TRACE_EVENT(kvm_pit_policy,
	TP_PROTO(pid_t vm, const struct i8254_ticks *ticks),
	TP_ARGS(vm, ticks),

	TP_STRUCT__entry(
		__field(pid_t, vm)
		__array(char, policy, I8254_POLICY_NAME_LEN)
		__field(u32, slew_rate)
		__field(u64, backlog_limit)
		__field(u64, backlog)
	),

	TP_fast_assign(
		__entry->vm = vm;
		strscpy(__entry->policy, ticks->config.policy->name,
			sizeof(__entry->policy));
		__entry->slew_rate = ticks->config.slew_rate;
		__entry->backlog_limit = ticks->config.backlog_limit;
		__entry->backlog = ticks->backlog;
	),

	TP_printk("vm=%d policy=%s slew_rate=%u backlog_limit=%llu backlog=%llu",
		  __entry->vm, __entry->policy, __entry->slew_rate,
		  __entry->backlog_limit, __entry->backlog)
);

#endif /* __KVM_PIT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE kvm_pit_trace

#include <trace/define_trace.h>
